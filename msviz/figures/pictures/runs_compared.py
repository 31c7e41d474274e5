"""Runs side by side: all runs and scenarios in one table of colour, a list, a curve or a grid of settings."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.errors import MsvizError
from msviz.figures import settings, theme
from msviz.figures.choices import Array, choice, largest, names, pick, shown, title, unique
from msviz.figures.heat import heat
from msviz.figures.marks import errors, list_axis, list_height
from msviz.figures.picture import Picture
from msviz.figures.pictures.performance import METRICS
from msviz.figures.settings import curves, grids
from msviz.finding import Finding

__all__ = ["curves", "draw", "grids"]
RUNS, SCOPES = 40, 40
VIEWS = ("table", "list", "curve", "grid", "pairs")
PAIRS = 8  # pairs of runs below one another in every scenario
# More is better for these; for the bias, nearer to zero.
LESS_IS_BETTER = ("logloss",)
HOW_TO_READ = (
    "Each row is a run; runs that differ in their seed alone are one. Table: the metric, coloured by the "
    "difference from the first run, blue where the run is better, orange where worse; a dot marks what is "
    "beyond chance on the same rows (false discoveries held at 5 %). List: the metric with its 95 % "
    "interval. Curve: one setting changes, all else stays. Grid: two change. With and without: a ring is a "
    "model with parts of it off, a dot with them on. Intervals tell what other rows would give, not what "
    "another training would: without several seeds, small differences may be luck. Where every point of a "
    "curve has several seeds, its bars are their standard deviation."
)


def draw(
    finding: Finding,
    metric: str | None = None,
    view: str = "table",
    scope: str | None = None,
    setting: str | None = None,
    second: str | None = None,
) -> go.Figure:
    """Return runs × scenarios as differences, or one scenario's runs: with intervals, as a curve, as a grid.

    View "pairs" draws runs with what can be switched off beside those without, in every scenario.
    `setting` is the one along the curve or down the grid, `second` the one across it. Raises MsvizError for a
    metric, view, scope or setting that does not exist.
    """
    data = finding.data
    metric = pick(data, "metric", metric)
    if choice("view", view, VIEWS) == "table":
        return _table(data.sel(metric=metric), metric)
    if view == "pairs":
        return _pairs(data.sel(metric=metric), metric)
    here = data.sel(metric=metric, scope=pick(data, "scope", scope))
    if view == "list":
        return _list(here, metric)
    if view == "curve":
        return settings.curve(here, metric, setting)
    return settings.grid(here, metric, setting, second)


def _table(data: xr.Dataset, metric: str) -> go.Figure:
    rows = _shown_runs(data, metric)
    columns = np.arange(data.sizes["scope"])
    if len(columns) > SCOPES:
        columns = np.sort(np.argsort(-data["rows"].values, kind="stable")[:SCOPES])
    part = data.isel(run=rows, scope=columns).transpose("run", "scope", ...)
    note = shown(len(columns), data.sizes["scope"], "scenarios", "those with most rows")
    also = shown(len(rows), data.sizes["run"], "runs", "the first and the best")
    value, apart = part["value"].values, part["difference"].values
    if metric == "bias":
        apart = np.abs(value) - np.abs(value[:1])
    better = -apart if metric in (*LESS_IS_BETTER, "bias") else apart
    top = float(np.nanmax(np.abs(better), initial=0.0)) or 1e-3
    words, hint, _ = METRICS[metric]
    unit = "%{customdata[0]:.4f}" if metric != "bias" else "%{customdata[0]:+.1%}"
    low, high = (_bound(part, name) for name in ("difference_low", "difference_high"))
    figure = heat(
        better,
        names(part, "run"),
        names(part, "scope"),
        # Blue is better: the scale's negative end.
        colours=theme.DIVERGING[::-1],
        span=(-top, top),
        bar=f"Better than {names(data, 'run')[0]} by ({words})",
        x_title=title("Scenario", note, also) if note or also else "",
        y_title="",
        hover=f"%{{y}}, %{{x}}<br><b>{unit}</b> ({hint})<br>difference %{{customdata[1]:+.4f}}%{{hovertext}}",
        extra=np.stack([value, part["difference"].values], -1),
        text="",
        tickformat="+.3f",
        numbers=False,
    )
    # The first run and what was not paired have no interval.
    figure.data[0].hovertext = [
        [f" (95 %: {a:+.4f} to {b:+.4f})" if np.isfinite(a) else "" for a, b in zip(*row, strict=True)]
        for row in zip(low, high, strict=True)
    ]
    if max(value.shape) <= 25:
        form = "+.1%" if metric == "bias" else ".3f"
        _write(figure, value, part, form)
    return figure


def _shown_runs(data: xr.Dataset, metric: str) -> Array:
    """Return the places of the runs that a table has room for: the first, and the best over all scenarios."""
    count = data.sizes["run"]
    if count <= RUNS:
        return np.arange(count)
    best = _order(data["value"].values[:, 0], metric)
    return np.sort(np.array([0, *best[best != 0][: RUNS - 1]]))


def _order(value: Array, metric: str) -> Array:
    """Return the places of values (n,), the best first, undefined ones last."""
    size = np.abs(value) if metric == "bias" else value if metric in LESS_IS_BETTER else -value
    return np.argsort(np.nan_to_num(size, nan=np.inf), kind="stable")


def _bound(part: xr.Dataset, name: str) -> Array:
    values: Array = part[name].values if name in part else np.full(part["value"].shape, np.nan)
    return values


def _write(figure: go.Figure, value: Array, part: xr.Dataset, form: str) -> None:
    """Write the metric into the cells, with a dot where the difference is beyond chance."""
    real = part["significant"].values if "significant" in part else np.zeros(value.shape, bool)
    text = [
        ["" if np.isnan(v) else format(v, form) + (" •" if r else "") for v, r in zip(*row, strict=True)]
        for row in zip(value, real, strict=True)
    ]
    figure.data[0].update(text=text, texttemplate="%{text}")


def _pairs(data: xr.Dataset, metric: str) -> go.Figure:
    """Return a ring and a dot for each pair of runs, without and with, in every scenario on one axis."""
    if not data.sizes.get("pair", 0):
        raise MsvizError("view: got 'pairs'; no two runs of one model differ in what is on or off alone")
    count = min(data.sizes["pair"], PAIRS)
    scopes = largest(np.where(np.arange(data.sizes["scope"]) == 0, np.inf, data["rows"].values), SCOPES)
    note = shown(len(scopes), data.sizes["scope"], "scenarios", "those with most rows")
    also = shown(count, data.sizes["pair"], "pairs", "the first")
    part = data.isel(scope=scopes).transpose("run", "scope", ...)
    labels = unique(names(part, "scope"))
    words, hint, form = METRICS[metric]
    figure = theme.figure(max(len(labels) * (16 + 15 * count), 110) + 110)
    spots = np.arange(len(labels), dtype=np.float32)
    for pair in range(count):
        with_, without = (int(part[f"pair_{side}"].values[pair]) for side in ("with", "without"))
        name, colour = names(part, "pair")[pair], theme.CATEGORICAL[pair % 8]
        at = spots + (pair - (count - 1) / 2) * 0.75 / count
        value = part["value"].values[[without, with_]]
        apart = value[1] - value[0]
        figure.add_trace(
            go.Scatter(
                x=np.stack([*value, np.full(len(labels), np.nan)], 1).ravel().astype(np.float32),
                y=np.repeat(at, 3), mode="lines", hoverinfo="skip", showlegend=False,
                line={"color": colour, "width": 2},
            )
        )  # fmt: skip
        for run, values, open_ in ((without, value[0], True), (with_, value[1], False)):
            figure.add_trace(
                go.Scatter(
                    x=values.astype(np.float32), y=at, mode="markers", legendgroup=name,
                    name=theme.short(name, 40) if not open_ else "", showlegend=not open_,
                    marker={
                        "size": 9, "color": theme.PAPER if open_ else colour,
                        "line": {"color": colour, "width": 2},
                    },
                    customdata=apart.astype(np.float32),
                    hovertemplate=f"{names(part, 'run')[run]}<br><b>%{{x:{form}}}</b> "
                    f"({'without' if open_ else 'with'})<br>with less without: %{{customdata:+.4f}}"
                    "<extra></extra>",
                )
            )  # fmt: skip
    list_axis(figure, labels, 20)
    figure.update_yaxes(
        type="linear", tickvals=spots, ticktext=[theme.short(label, 20) for label in labels],
        range=[len(labels) - 0.45, -0.55], zeroline=False, categoryarray=None,
    )  # fmt: skip
    for line in range(1, len(labels)):
        figure.add_hline(line - 0.5, line={"color": theme.LINE, "width": 1}, layer="below")
    x_title = title(f"{words} ({hint.split(';')[0]}); ring: without, dot: with", note, also)
    figure.update_xaxes(title_text=x_title, tickformat=form, nticks=6, showgrid=True)
    figure.update_layout(showlegend=True, margin={"t": 24 + 20 * count}, legend={"entrywidth": 300})
    return figure


def _list(here: xr.Dataset, metric: str) -> go.Figure:
    """Return one dot with its interval a run, the best on top; lines through the first."""
    value = here["value"].values
    order = _order(value, metric)[:RUNS]
    labels = unique([names(here, "run")[i] for i in order])
    words, hint, form = METRICS[metric]
    figure = theme.figure(list_height(len(labels)))
    low, high = here["low"].values[order], here["high"].values[order]
    models = here["model"].values[order]
    kinds = list(dict.fromkeys(here["model"].values.tolist()))
    figure.add_trace(
        go.Scatter(
            x=value[order].astype(np.float32),
            y=labels,
            mode="markers",
            text=[str(here["changes"].values[i]) for i in order],
            marker={"size": 11, "color": [theme.CATEGORICAL[kinds.index(m) % 8] for m in models]},
            error_x=errors(value[order], low, high, theme.FAINT),
            customdata=np.stack([low, high, here["seeds"].values[order]], -1).astype(np.float32),
            hovertemplate=f"%{{y}} (%{{text}})<br><b>%{{x:{form}}}</b><br>95 %: %{{customdata[0]:{form}}} to "
            f"%{{customdata[1]:{form}}}<br>seeds: %{{customdata[2]:.0f}}<extra></extra>",
        )
    )
    first = float(value[0])
    if np.isfinite(first):
        figure.add_vline(first, line={"color": theme.FAINT, "width": 1, "dash": "dot"}, layer="below")
    list_axis(figure, labels, 26)
    note = shown(len(labels), here.sizes["run"], "runs", "the best")
    dotted = f"dotted: {names(here, 'run')[0]}"
    figure.update_xaxes(title_text=title(f"{words} ({hint})", dotted, note), tickformat=form, nticks=6)
    figure.update_layout(showlegend=False)
    return figure


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
