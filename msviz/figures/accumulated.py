"""How the attention that fields receive changes from scenario to scenario: a line for each field."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme
from msviz.figures.choices import Array, largest, names, shown, title, unique
from msviz.figures.marks import errors

COLOURED, GREY, SCENARIOS = 8, 60, 60
WHISKERS = 12  # scenarios up to which intervals are drawn: beyond, they would hide the lines


def slopes(part: xr.Dataset) -> go.Figure:
    """Return lines over scenarios of value, low, high (scenario, key), leaving out all scenarios together."""
    single = np.array([name != theme.ALL for name in names(part, "scenario")])
    part = part.isel(scenario=np.flatnonzero(single)) if single.any() else part
    total = part.sizes["scenario"]
    weight = part["rows"].values if "rows" in part else -np.arange(total)
    part = part.isel(scenario=largest(weight.astype(float), SCENARIOS))
    part = part.isel(scenario=_line_up(part["value"].values))
    value = part["value"].values
    change = np.nan_to_num(value.max(0) - value.min(0))
    telling = np.argsort(-change, kind="stable")
    scenarios = unique(names(part, "scenario"))
    figure = theme.figure(470)
    figure.add_trace(_context(value[:, telling[COLOURED : COLOURED + GREY]], scenarios))
    for number, key in enumerate(telling[:COLOURED]):
        figure.add_trace(_line(part.isel(key=int(key)), scenarios, theme.CATEGORICAL[number]))
    note = shown(
        len(scenarios), total, "scenarios", "those with most rows" if "rows" in part else "the first"
    )
    figure.update_xaxes(
        type="category",
        categoryorder="array",
        categoryarray=scenarios,
        tickvals=scenarios[:: -(-len(scenarios) // 20)],
        ticktext=[theme.short(name, 16) for name in scenarios[:: -(-len(scenarios) // 20)]],
        tickangle=-45,
        tickfont={"color": theme.INK},
        showgrid=False,
        range=[-0.2, len(scenarios) - 0.8],
        title_text=title("Scenario", note) if note else "",
    )
    figure.update_yaxes(title_text="Share of attention received", tickformat=".1~%", rangemode="tozero")
    figure.update_layout(hovermode="closest", showlegend=True)
    return figure


def _line_up(value: Array) -> Array:
    """Return the order of scenarios (S, fields) along the direction in which they differ most."""
    apart = np.nan_to_num(value - np.nanmean(value, 0))
    if len(apart) < 3:
        return np.arange(len(apart))
    direction = np.linalg.svd(apart, full_matrices=False)[2][0]
    return np.argsort(apart @ direction, kind="stable")


def _line(field: xr.Dataset, scenarios: list[str], colour: str) -> go.Scatter:
    value, low, high = (field[name].values.astype(np.float32) for name in ("value", "low", "high"))
    name = str(field["key"].item())
    few = len(scenarios) <= WHISKERS
    return go.Scatter(
        x=scenarios,
        y=value,
        mode="lines+markers",
        name=theme.short(name),
        line={"color": colour, "width": 2.5},
        marker={"size": 8 if few else 4},
        error_y=errors(value, low, high, colour) if few else None,
        customdata=np.stack([low, high], -1),
        hovertemplate=f"{name}, %{{x}}<br><b>%{{y:.1%}}</b> (95 %: %{{customdata[0]:.2%}} to "
        "%{customdata[1]:.2%})<extra></extra>",
    )


def _context(value: Array, scenarios: list[str]) -> go.Scatter:
    """Return the other fields (scenario, fields) as one grey trace, a gap between each two."""
    gap = np.full((1, value.shape[1]), np.nan)
    return go.Scatter(
        x=[*scenarios, None] * value.shape[1],
        y=np.concatenate([value, gap]).T.ravel().astype(np.float32),
        mode="lines",
        name="other fields",
        line={"color": "#c9d0d9", "width": 1},
        hoverinfo="skip",
        visible=bool(value.shape[1]),
    )
