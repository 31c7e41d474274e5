"""Rows or clicks flowing from scenarios to the values of one field, and on to those of a second."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.errors import invalid, one_of
from msviz.figures import theme
from msviz.figures.choices import Array, choice, names
from msviz.figures.picture import Picture
from msviz.finding import Finding
from msviz.statistics.intervals import wilson_interval

WIDTHS = ("rows", "clicks", "click rate")
SHADES = theme.SEQUENTIAL[1:5]  # names stand on the bands, so none is dark
PAD = 14  # px between the values of a column
SCENARIOS = 8
HOW_TO_READ = (
    "From left to right: the scenario, the values of the first field, those of the second. A band is as wide "
    "as its rows (or clicks, or click rate), and as dark as its click rate; hover for the numbers with 95 % "
    "intervals. If bands into one value of the second field differ in darkness by where they come from, that "
    "value means something else to each group. Widths of click rates do not add up like rows do: read them "
    "band by band."
)


def draw(
    finding: Finding,
    scenarios: Sequence[str] = (),
    width: str = "rows",
    scenario: str | None = None,
    order: Sequence[str] = (),
) -> go.Figure:
    """Return the flow of one or several scenarios, by default of all rows together.

    Raises MsvizError for a scenario or a width that does not exist.
    """
    choice("width", width, WIDTHS)
    data = finding.data
    every = names(data, "scenario")
    chosen = list(scenarios) or [scenario or every[0]]
    for name in chosen:
        if name not in every:
            raise invalid("scenario", name, one_of(every[:20]))
    chosen = list(dict.fromkeys(chosen))[:SCENARIOS]
    here = data.sel(scenario=chosen).transpose("scenario", "first", "second")
    rows, clicks = (here[name].values.astype(np.float64) for name in ("rows", "clicks"))
    # Plotly orders the values so that bands cross least; told where to put them, it tangles the bands.
    links = _Links(len(chosen), *rows.shape[1:])
    left = links.between(rows.sum(2), clicks.sum(2), 0)
    right = links.between(rows.sum(0), clicks.sum(0), 1)
    table = np.concatenate([left, right])
    rate = table[:, 3] / table[:, 2]
    # A band adds up combinations and the scenarios that a reader chose, so its interval is made here.
    low, high = wilson_interval(table[:, 3], table[:, 2])
    value = {"rows": table[:, 2], "clicks": table[:, 3], "click rate": rate}[width]
    span = _span(rate, table[:, 2])
    labels = [*chosen, *names(data, "first"), *names(data, "second")]
    figure = theme.figure(int(np.clip(60 * max(rows.shape[1:]), 380, 900)) + 90)
    nodes = [*theme.colours(chosen, order or every), *[theme.FAINT] * (len(labels) - len(chosen))]
    figure.add_trace(
        go.Sankey(
            arrangement="snap",
            domain={"x": [0, 1], "y": [0, 1]},
            node={
                "label": [theme.short(label, 16) for label in labels],
                "color": nodes,
                "pad": PAD,
                "thickness": 12,
                "line": {"width": 0},
                "customdata": labels,
                "hovertemplate": "%{customdata}<extra></extra>",
            },
            link={
                "source": table[:, 0].astype(np.int32),
                "target": table[:, 1].astype(np.int32),
                "value": value.astype(np.float32),
                "color": _shades(rate, span),
                "customdata": np.stack([table[:, 2], table[:, 3], rate, low, high], -1).astype(np.float32),
                "hovertemplate": "%{source.customdata} → %{target.customdata}<br>"
                "<b>%{customdata[2]:.1%} clicked</b> (95 %: %{customdata[3]:.1%} to %{customdata[4]:.1%})"
                "<br>%{customdata[1]:,.0f} of %{customdata[0]:,.0f} rows<extra></extra>",
            },
            textfont={"size": 12, "color": theme.INK, "shadow": "0 0 3px #fff, 0 0 3px #fff, 0 0 3px #fff"},
        )
    )
    _bar(figure, span, f"Width: {width}. Shade: click rate")
    _headings(figure, data)
    return figure


class _Links:
    """Numbers of the nodes: scenarios, values of the first field, values of the second."""

    def __init__(self, scenarios: int, first: int, second: int) -> None:
        self.starts = (0, scenarios, scenarios + first)

    def between(self, rows: Array, clicks: Array, column: int) -> Array:
        """Return source, target, rows and clicks (n, 4) of the bands that have rows."""
        first, second = np.nonzero(rows)
        source, target = first + self.starts[column], second + self.starts[column + 1]
        return np.stack([source, target, rows[first, second], clicks[first, second]], -1)


def _span(rate: Array, rows: Array) -> tuple[float, float]:
    """Return the click rates between which shades run: those of 96 % of the rows."""
    order = np.argsort(rate)
    passed = np.cumsum(rows[order]) / rows.sum()
    low, high = (rate[order][min(int(np.searchsorted(passed, q)), len(rate) - 1)] for q in (0.02, 0.98))
    return float(low), float(high)


def _shades(rate: Array, span: tuple[float, float]) -> list[str]:
    """Return the colour of each click rate on the sequential scale, half transparent where bands cross."""
    stops = np.array([[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in SHADES], float)
    position = np.clip((rate - span[0]) / max(span[1] - span[0], 1e-9), 0, 1) * (len(stops) - 1)
    low = np.minimum(position.astype(int), len(stops) - 2)
    part = (position - low)[:, None]
    mixed = np.rint(stops[low] * (1 - part) + stops[low + 1] * part).astype(int)
    return [f"rgba({r},{g},{b},0.9)" for r, g, b in mixed]


def _bar(figure: go.Figure, span: tuple[float, float], words: str) -> None:
    """Add the bar that says what the shades mean: a sankey has none of its own."""
    figure.add_trace(
        go.Scatter(
            x=[None],
            y=[None],
            mode="markers",
            showlegend=False,
            hoverinfo="skip",
            marker={
                "cmin": span[0],
                "cmax": max(span[1], span[0] + 1e-6),
                "color": [span[0]],
                "colorscale": theme.scale(SHADES),
                "showscale": True,
                "colorbar": {
                    "orientation": "h",
                    "x": 0,
                    "xanchor": "left",
                    "y": 0,
                    "yanchor": "top",
                    "ypad": 26,
                    "xpad": 0,
                    "len": 0.6,
                    "thickness": 8,
                    "outlinewidth": 0,
                    "nticks": 5,
                    "tickformat": ".0%" if span[1] - span[0] > 0.04 else ".1%",
                    "tickfont": {"size": 11, "color": theme.MUTED},
                    "title": {
                        "text": words,
                        "side": "top",
                        "font": {"size": 12, "color": theme.MUTED},
                    },
                },
            },
        )
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)


def _headings(figure: go.Figure, data: xr.Dataset) -> None:
    """Name the three columns above them."""
    fields = (data.attrs["first_field"], data.attrs["second_field"])
    for text, x, anchor in (
        ("Scenario", 0, "left"),
        (theme.short(fields[0], 20), 0.5, "center"),
        (theme.short(fields[1], 20), 1, "right"),
    ):
        figure.add_annotation(
            text=f"<b>{text}</b>", x=x, y=1, xref="paper", yref="paper", xanchor=anchor, yanchor="bottom",
            yshift=10, showarrow=False, font={"size": 12, "color": theme.INK},
        )  # fmt: skip
    figure.update_layout(margin={"t": 44, "b": 84, "l": 8, "r": 8})


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
