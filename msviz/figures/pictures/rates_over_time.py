"""Click rates by day with promotions marked, and click rate or AUC by period, scenario by scenario."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme, time_axis
from msviz.figures.choices import choice, largest, names, pick, shown, title, unique
from msviz.figures.marks import errors, list_axis, list_height
from msviz.figures.picture import Picture
from msviz.figures.time_axis import HEAD, Panel
from msviz.finding import Finding
from msviz.statistics.intervals import wilson_interval

VIEWS = ("days", "periods")
METRICS = {"rate": "Click rate", "auc": "AUC"}
PANELS, PERIODS = 6, 8  # scenarios by day below one another, and periods beside one another
HOW_TO_READ = (
    "*Days*: the line is a day's click rate, the band its 95 % interval (wide where a day has few "
    "impressions), the dotted line what the model predicted on average for the same impressions. Bands "
    "with broken edges and a name are promotions. Every panel has its own scale. *Periods*: a dot is the "
    "click rate or the AUC of all impressions of a period, with its 95 % interval. AUC, the chance that a "
    "clicked impression is ranked above one that was not, is of impressions that training never saw (of "
    "validation, on which training was stopped, and of test); periods that lie in the training days have "
    "none. Where intervals overlap widely, do not conclude that one period is better than another."
)


def draw(
    finding: Finding,
    view: str = "days",
    metric: str = "rate",
    scenario: str | None = None,
    first: str | None = None,
    last: str | None = None,
    order: Sequence[str] = (),
    selectable: bool = False,
) -> go.Figure:
    """Return click rates by day in panels, one a scenario, or a metric by period.

    `scenario` None shows all scenarios and the largest ones. Raises MsvizError for a view, metric or scenario
    that does not exist. With `selectable` a box chooses days.
    """
    view = choice("view", view, VIEWS)
    metric = choice("metric", metric, tuple(METRICS))
    if scenario is not None:
        pick(finding.data, "scenario", scenario)
    palette = dict(
        zip(
            names(finding.data, "scenario"),
            theme.colours(names(finding.data, "scenario"), order),
            strict=True,
        )
    )
    if view == "periods":
        return _periods(finding.data, metric, scenario, palette)
    return _days(time_axis.between(finding.data, first, last), scenario, palette, selectable)


def _days(data: xr.Dataset, scenario: str | None, palette: dict[str, str], selectable: bool) -> go.Figure:
    data, step = time_axis.coarse(data)
    if step > 1:
        data = _again(data)
    scenarios, note = _pick_scenarios(data, data["rows"].values.sum(0), scenario, PANELS)
    panels = []
    for number, name in enumerate(scenarios):
        rates = data.sel(scenario=name)
        panels.append(_panel(rates, name, number, 220 if len(scenarios) == 1 else 92))
    height = int(panels[-1].top + panels[-1].height) + 6
    figure = theme.figure(height + 44 + 66)
    for panel in panels:
        _rate(figure, data.sel(scenario=panel.name), step, panel, palette[panel.name])
    promotions = time_axis.mark(figure, data, step)
    at = [(panel, value) for panel in panels for value in time_axis.rounded(panel.low, panel.high, 4)]
    figure.update_yaxes(
        range=[-height, 0], autorange=False, fixedrange=True, showgrid=False, zeroline=False, showline=False,
        tickvals=[float(panel.place(np.array(value))) for panel, value in at],
        ticktext=[f"{100 * value:.3g} %" for _, value in at], ticks="",
    )  # fmt: skip
    days = "Day" if step == 1 else f"{step} days a point"
    time_axis.time_axis(figure, data, step, title(days, note, promotions, width=44))
    figure.update_layout(
        margin={"t": 44},
        showlegend=False,
        hovermode="closest",
        selectdirection="h",
        dragmode="select" if selectable else False,
    )
    return figure


def _again(data: xr.Dataset) -> xr.Dataset:
    """Return the data with Wilson's intervals of whole weeks: averages of the days' would be too wide."""
    low, high = wilson_interval(data["clicks"], data["rows"])
    return data.assign(low=(data["clicks"].dims, low), high=(data["clicks"].dims, high))


def _pick_scenarios(
    data: xr.Dataset, rows: "np.ndarray[tuple[int], np.dtype[np.float64]]", scenario: str | None, most: int
) -> tuple[list[str], str]:
    """Return the scenario asked for, or all scenarios together and the largest, and a note on the others."""
    every = names(data, "scenario")
    if scenario is not None and scenario != every[0]:
        return [every[0], scenario], ""
    if scenario is not None:
        return [scenario], ""
    chosen = largest(np.asarray(rows, float)[1:], most - 1) + 1
    note = shown(len(chosen), len(every) - 1, "scenarios", "those with most rows")
    return [every[0], *(every[number] for number in chosen)], note


def _panel(rates: xr.Dataset, name: str, number: int, height: float) -> Panel:
    """Return a panel whose scale holds nearly all intervals; days of a few rows may run out of it."""
    rate, low, high, predicted = (rates[key].values for key in ("rate", "low", "high", "predicted"))
    ends = np.concatenate([rate, predicted])
    if not np.isfinite(ends).any():
        return Panel(name, HEAD + number * (height + HEAD), height, 0.0, 1.0)
    bottom = min(np.nanmin(ends), np.nanquantile(low, 0.1))
    top = max(np.nanmax(ends), np.nanquantile(high, 0.9))
    room = 0.06 * (top - bottom) or 0.01
    return Panel(name, HEAD + number * (height + HEAD), height, max(bottom - room, 0.0), top + room)


def _rate(figure: go.Figure, rates: xr.Dataset, step: int, panel: Panel, colour: str) -> None:
    days = np.flatnonzero(rates["rows"].values > 0)
    middle = time_axis.moments(names(rates, "day"), step)[0][days].astype(str)
    rate, low, high, predicted, rows = (
        rates[key].values[days] for key in ("rate", "low", "high", "predicted", "rows")
    )
    around = np.clip(np.concatenate([low, high[::-1]]), panel.low, panel.high)
    figure.add_trace(
        go.Scatter(
            x=np.concatenate([middle, middle[::-1]]),
            y=panel.place(around).astype(np.float32),
            fill="toself", fillcolor=_clear(colour), mode="lines", hoverinfo="skip",
            line={"width": 4 if len(days) == 1 else 0, "color": _clear(colour)},
        )
    )  # fmt: skip
    numbers = np.stack([rate, low, high, predicted, rows.astype(float)], -1).astype(np.float32)
    for values, dash in ((predicted, "dot"), (rate, "solid")):
        figure.add_trace(
            go.Scatter(
                x=middle,
                y=panel.place(values).astype(np.float32),
                mode="lines+markers" if dash == "solid" or len(days) == 1 else "lines",
                line={"width": 1.8 if dash == "solid" else 1.4, "color": colour, "dash": dash},
                marker={"size": 4 if len(days) > 1 else 9, "color": colour},
                customdata=numbers,
                hovertemplate=f"{panel.name}, %{{x}}<br>clicked <b>%{{customdata[0]:.2%}}</b> (95 %: "
                "%{customdata[1]:.2%} to %{customdata[2]:.2%})<br>predicted %{customdata[3]:.2%}<br>"
                "%{customdata[4]:,.0f} impressions<extra></extra>",
                name=panel.name,
            )
        )
    words = " clicked, dotted: predicted" if panel.top < HEAD + 1 else ""
    time_axis.heading(figure, f"<b>{theme.short(panel.name, 30)}</b>{words}", panel.top - 12)


def _clear(colour: str) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"


def _periods(data: xr.Dataset, metric: str, scenario: str | None, palette: dict[str, str]) -> go.Figure:
    """Draw periods below one another, the scenarios of each side by side as dots with intervals."""
    prefix, ends = (
        ("period_", ("rate", "low", "high")) if metric == "rate" else ("auc", ("", "_low", "_high"))
    )
    every, note = _pick_scenarios(data, data["period_rows"].values[0], scenario, PANELS)
    rows = data["period_rows" if metric == "rate" else "auc_rows"]
    present = np.flatnonzero((rows.values > 0).any(1))
    chosen = present[: PERIODS * 5]
    periods = unique([names(data, "period")[number] for number in chosen])
    part = data.isel(period=chosen)
    figure = theme.figure(list_height(len(periods)) + len(periods) * 9 * len(every) + 30)
    y = np.arange(len(periods), dtype=np.float32)
    for number, name in enumerate(every):
        rates = part.sel(scenario=name)
        value, low, high = (rates[f"{prefix}{end}"].values for end in ends)
        count = rates[rows.name].values.astype(float)
        form = ".2%" if metric == "rate" else ".3f"
        figure.add_trace(
            go.Scatter(
                x=value.astype(np.float32),
                y=y + (number - (len(every) - 1) / 2) * 0.78 / max(len(every), 1),
                mode="markers", name=theme.short(name),
                marker={"size": 9, "color": palette[name], "symbol": _symbol(number)},
                error_x=errors(value, low, high, palette[name]),
                text=periods, customdata=np.stack([low, high, count], -1).astype(np.float32),
                hovertemplate=f"{name}, %{{text}}<br><b>%{{x:{form}}}</b> (95 %: %{{customdata[0]:{form}}} "
                f"to %{{customdata[1]:{form}}})<br>%{{customdata[2]:,.0f}} impressions<extra></extra>",
            )
        )  # fmt: skip
    list_axis(figure, periods, 20)
    figure.update_yaxes(
        type="linear", tickvals=y, ticktext=[theme.short(name, 20) for name in periods],
        range=[len(periods) - 0.45, -0.55], zeroline=False,
    )  # fmt: skip
    for line in range(1, len(periods)):
        figure.add_hline(line - 0.5, line={"color": theme.LINE, "width": 1}, layer="below")
    if metric == "auc":
        unseen = "rows not trained on" if data.attrs.get("held_out", 1) else "rows of the training"
        figure.add_vline(0.5, line={"color": theme.FAINT, "width": 1, "dash": "dot"}, layer="below")
        words = title("AUC", unseen, note, width=34)
    else:
        words = title("Click rate", note, width=34)
    figure.update_xaxes(
        title_text=words, tickformat=".0%" if metric == "rate" else ".2f", nticks=6, showgrid=True
    )
    figure.update_layout(showlegend=True, hovermode="closest", margin={"t": 44 + 22 * (-(-len(every) // 3))})
    return figure


def _symbol(number: int) -> str:
    return ("circle", "diamond", "square", "triangle-up", "cross", "x")[number % 6]


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
