"""Whose past clicks count where: target scenario × scenario of the clicks, or one target with intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.errors import invalid, one_of
from msviz.figures import theme
from msviz.figures.choices import Array, choice, largest, names, pick, shown, title, unique
from msviz.figures.heat import TEXT_LIMIT, heat
from msviz.figures.marks import errors, list_axis, list_height
from msviz.figures.picture import Picture
from msviz.finding import Finding

LIMIT, LISTED = 120, 40
HOW_TO_READ = (
    "A row is the scenario in which an impression is shown, a column the scenario in which the past clicks "
    "happened. **By attention**: the share of attention that these clicks get, or how much more or less "
    "that is "
    "than an even look at the whole history would give them. **By taking clicks away**: the log-odds of a "
    "click "
    "with them less those without; above 0 (orange) they raise the prediction, below 0 (blue) they lower it. "
    "Numbers in brackets do not differ from nothing (false discovery rate 5 % over all cells). What is "
    "looked at "
    "need not move the prediction, and on planted data attention often points the wrong way: trust what "
    "taking clicks away shows. A model that is not told the scenario of past clicks can only tell them apart "
    "by what was clicked."
)
ATTENTION, REMOVAL = ("beyond even", "share"), ("change",)
SMALL = {"beyond even": 0.05, "change": 0.02, "share": 0.01}
CHANGE = "Change of the log-odds with the clicks"


def draw(
    finding: Finding,
    view: str | None = None,
    scenario: str | None = None,
    order: Sequence[str] = (),
    top: float | None = None,
) -> go.Figure:
    """Return the matrix, or with `scenario` that target alone with 95 % intervals.

    `top` is the end of the matrix's colour scale. Views: "beyond even" and "share" of attention, "change" for
    clicks taken away. Raises MsvizError for a view or scenario that does not exist.
    """
    data = finding.data
    views = ATTENTION if "mass" in data else REMOVAL
    view = choice("view", view or views[0], views)
    if scenario is not None:
        if scenario not in names(data, "target"):
            raise invalid("scenario", scenario, one_of(names(data, "target")[:20]))
        return _draw_target(
            data.sel(target=pick(data, "target", scenario)), view, order or names(data, "source")
        )
    return _matrix(data, view, top or end_of_scale(finding, view))


def end_of_scale(finding: Finding, view: str | None = None) -> float:
    """Return where the colours of the matrix end: what one cell of a hundred exceeds."""
    view = view or (ATTENTION if "mass" in finding.data else REMOVAL)[0]
    value = np.where(finding.data["holding"].values > 0, _values(finding.data, view)[0], np.nan)
    # A few percent, or hundredths, look as small as they are.
    return max(_top(np.abs(value)), SMALL[view])


def common_scale(
    findings: Sequence[Finding], view: str | None = None, scenario: str | None = None
) -> dict[str, Any]:
    """Return what `draw` is told so that the matrices of several findings share a scale."""
    return {"top": max(end_of_scale(finding, view) for finding in findings)}


def _matrix(data: xr.Dataset, view: str, top: float) -> go.Figure:
    rows = largest(data["rows"].values, LIMIT)
    columns = largest(data["holding"].sum("target").values, LIMIT)
    note = shown(len(rows), data.sizes["target"], "scenarios", "those with most rows")
    data = data.isel(target=rows, source=columns).transpose("target", "source", ...)
    holding = data["holding"].values
    value, low, high = _values(data, view)
    value = np.where(holding > 0, value, np.nan)
    bar = {"share": "Share of attention", "beyond even": "Attention beyond an even share"}.get(view, CHANGE)
    form = {"share": ".1%", "beyond even": "+.0%"}.get(view, "+.2f")
    span = (0.0 if view == "share" else -top, top)
    number = form.removeprefix("+") if view == "share" else form
    figure = heat(
        value,
        names(data, "target"),
        names(data, "source"),
        colours=theme.SEQUENTIAL if view == "share" else theme.DIVERGING,
        span=span,
        bar=bar,
        x_title=title("Scenario of the past clicks", note),
        y_title="Shown in",
        hover=f"Clicks from %{{x}}, shown in %{{y}}<br><b>%{{z:{number}}}</b> "
        f"(95 %: %{{customdata[0]:{number}}} to %{{customdata[1]:{number}}})<br>%{{customdata[2]:,}} rows "
        f"with such a click",
        extra=np.stack([low, high, holding], -1),
        tickformat=form.replace(".1%", ".0%"),
        numbers=False,
    )
    trace = figure.data[0]
    if value.size > 10_000:
        trace.hovertemplate = f"Clicks from %{{x}}, shown in %{{y}}<br><b>%{{z:{number}}}</b><extra></extra>"
    if max(value.shape) <= TEXT_LIMIT:
        trace.text = _texts(value, data["significant"].values, view)
        trace.texttemplate = "%{text}"
    return figure


def _values(data: xr.Dataset, view: str) -> tuple[Array, Array, Array]:
    if view == "share":
        bounds = [data[name].values for name in ("mass", "mass_low", "mass_high")]
    elif view == "beyond even":
        bounds = [data[name].values - 1 for name in ("lift", "lift_low", "lift_high")]
    else:
        bounds = [data[name].values for name in ("difference", "low", "high")]
    return bounds[0], bounds[1], bounds[2]


def _top(values: Array) -> float:
    """Return the end of the scale: what one of a hundred cells exceeds."""
    finite = values[np.isfinite(values)]
    return max(float(np.quantile(finite, 0.99)), 1e-6) if finite.size else 1.0


def _texts(value: Array, significant: Array, view: str) -> list[list[str]]:
    def text(cell: float, clear: bool) -> str:
        if not np.isfinite(cell):
            return ""
        number = (
            f"{cell:.1%}" if view == "share" else f"{cell:+.0%}" if view == "beyond even" else f"{cell:+.2f}"
        )
        number = "0" + number[2:] if number in ("-0%", "+0%", "-0.00", "+0.00") else number.replace("-", "−")
        return number if clear else f"({number})"

    return [
        [text(float(cell), bool(clear)) for cell, clear in zip(row, sure, strict=True)]
        for row, sure in zip(value, significant, strict=True)
    ]


def _draw_target(data: xr.Dataset, view: str, order: Sequence[str]) -> go.Figure:
    """Return one target: a dot with its interval for each scenario of the clicks."""
    sources = largest(data["holding"].values, LISTED)
    note = shown(len(sources), data.sizes["source"], "scenarios", "those with most clicks")
    data = data.isel(source=sources)
    labels = unique(names(data, "source"))
    value, low, high = _values(data, view)
    palette = theme.colours(names(data, "source"), order)
    figure = theme.figure(list_height(len(labels)) + (24 if view == "share" else 0))
    form = "+.2f" if view == "change" else ".1%" if view == "share" else "+.0%"
    for number, label in enumerate(labels):
        point = slice(number, number + 1)
        figure.add_trace(
            go.Scatter(
                x=value[point].astype(np.float32),
                y=[label],
                mode="markers",
                marker={"size": 11, "color": palette[number]},
                error_x=errors(value[point], low[point], high[point], palette[number]),
                showlegend=False,
                hovertemplate=f"%{{y}}: <b>%{{x:{form}}}</b><extra></extra>",
            )
        )
    if view == "share":
        figure.add_trace(
            go.Scatter(
                x=data["even"].values.astype(np.float32),
                y=labels,
                mode="markers",
                name="even look at the history",
                marker={"symbol": "line-ns-open", "size": 16, "color": theme.MUTED, "line": {"width": 2}},
                hovertemplate="%{y}, even share: <b>%{x:.1%}</b><extra></extra>",
            )
        )
    list_axis(figure, labels)
    what = {"share": "Share of attention", "beyond even": "Attention beyond an even share", "change": CHANGE}[
        view
    ]
    figure.update_xaxes(
        title_text=title(what, note),
        tickformat=form.replace(".1%", ".0%"),
        zeroline=True,
        nticks=6,
        **({"rangemode": "tozero"} if view == "share" else {}),
    )
    figure.update_layout(showlegend=view == "share", margin={"t": 40 if view == "share" else 16, "r": 20})
    return figure


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ, common_scale=common_scale)
