"""What an experiment changed: lift by scenario, day by day, or by period, each with its interval."""

import itertools
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme
from msviz.figures.choices import Array, choice, largest, names, pick, shown, title, unique
from msviz.figures.marks import errors, list_axis, list_height
from msviz.figures.picture import Picture
from msviz.finding import Finding

LIMIT = 40
PANELS = 6
VIEWS = ("scenarios", "days", "periods")
HOW_TO_READ = (
    "Lift is how much larger a metric is in the treatment than in the control, in per cent of the control. "
    "Whiskers and bands are 95 % intervals. Over all days and by period, days are the units (users or "
    "buckets where the log has them), so that good and bad days are taken in; users who return make days "
    "alike, which only a log by user sees. A single day's band holds for independent clicks and is rather "
    "too narrow. Filled dots differ from zero after correction for all scenarios and metrics; hollow ones "
    "may be chance."
)
FORM = "+.1~%"


def draw(
    finding: Finding,
    metric: str | None = None,
    scenario: str | None = None,
    view: str = "scenarios",
    order: Sequence[str] = (),
) -> go.Figure:
    """Return lifts of one metric by scenario, by day (one panel a scenario) or by scenario and period.

    Raises MsvizError for a metric, scenario or view that does not exist.
    """
    choice("view", view, VIEWS)
    data = finding.data.sel(metric=pick(finding.data, "metric", metric))
    if scenario is not None:
        pick(finding.data, "scenario", scenario)
    order = order or names(finding.data, "scenario")
    if view == "days":
        return _days(data, scenario, order)
    if view == "periods" and "period" in data.dims:
        return _periods(data, order)
    return _scenarios(data, order)


def _pick_scenarios(data: xr.Dataset, limit: int) -> Array:
    """Return the places of the scenarios with the most impressions; all scenarios together always stay."""
    return largest(data["impressions"].sum("arm").values, limit)


def _scenarios(data: xr.Dataset, order: Sequence[str]) -> go.Figure:
    total = data.sizes["scenario"] - 1
    data = data.isel(scenario=_pick_scenarios(data, LIMIT + 1))
    data = data.isel(scenario=np.isfinite(data["lift"].values))
    labels = unique(names(data, "scenario"))
    figure = theme.figure(list_height(len(labels)))
    figure.add_trace(_dots(data, "", np.arange(len(labels)), theme.colours(labels, order)))
    note = shown(min(total, LIMIT), total, "scenarios", "those with most impressions")
    return _list_scenarios(figure, data, labels, note)


def _periods(data: xr.Dataset, order: Sequence[str]) -> go.Figure:
    total = data.sizes["scenario"] - 1
    data = data.isel(scenario=_pick_scenarios(data, LIMIT // 2 + 1))
    data = data.isel(scenario=np.isfinite(data["lift"].values))
    labels, periods = unique(names(data, "scenario")), names(data, "period")[:PANELS]
    figure = theme.figure(list_height(len(labels)) + 26 * len(periods) + len(labels) * 8 * len(periods))
    step = 0.62 / max(len(periods), 2)
    palette = theme.CATEGORICAL
    for number, period in enumerate(periods):
        part = data.sel(period=period)
        rows = np.arange(len(labels)) + step * (number - (len(periods) - 1) / 2)
        colour = palette[number % len(palette)]
        figure.add_trace(_dots(part, "period_", rows, [colour] * len(labels), period))
    note = shown(min(total, LIMIT // 2), total, "scenarios", "those with most impressions")
    note += "; " * bool(note) + shown(len(periods), data.sizes["period"], "periods", "the first")
    figure = _list_scenarios(figure, data, labels, note)
    return figure.update_layout(showlegend=True, margin={"t": 28 + 18 * len(periods)})


def _dots(data: xr.Dataset, prefix: str, rows: Array, palette: Sequence[str], name: str = "") -> go.Scatter:
    value, low, high = (data[prefix + part].values.astype(np.float32) for part in ("lift", "low", "high"))
    sure = data[prefix + "significant"].values
    return go.Scatter(
        x=value,
        y=rows.astype(np.float32),
        mode="markers",
        name=name,
        text=names(data, "scenario"),
        marker={
            "size": 10,
            "color": [colour if yes else theme.PAPER for colour, yes in zip(palette, sure, strict=True)],
            "line": {"width": 2, "color": list(palette)},
        },
        error_x=errors(value, low, high, theme.FAINT),
        customdata=np.stack([low, high], -1),
        hovertemplate=f"%{{text}}{', ' * bool(name)}{name}<br><b>%{{x:{FORM}}}</b><br>95 %: "
        f"%{{customdata[0]:{FORM}}} to %{{customdata[1]:{FORM}}}<extra></extra>",
    )


def _list_scenarios(figure: go.Figure, data: xr.Dataset, labels: Sequence[str], note: str) -> go.Figure:
    list_axis(figure, labels)
    figure.update_yaxes(
        type="linear",
        zeroline=False,
        tickvals=np.arange(len(labels)),
        ticktext=[theme.short(name) for name in labels],
        range=[len(labels) - 0.4, -0.6],
    )
    figure.update_xaxes(
        title_text=title(f"Lift of {data['metric'].item()}", note, width=40), tickformat=FORM, nticks=6
    )
    figure.add_vline(0, line={"color": theme.FAINT, "width": 1, "dash": "dot"}, layer="below")
    return figure.update_layout(showlegend=False, margin={"t": 16})


def _days(data: xr.Dataset, scenario: str | None, order: Sequence[str]) -> go.Figure:
    """Return one panel a scenario under one axis of days, with periods shaded and named on top."""
    total = data.sizes["scenario"] - 1
    chosen = [scenario] if scenario else names(data.isel(scenario=_pick_scenarios(data, PANELS)), "scenario")
    chosen = [name for name in chosen if np.isfinite(data["day_lift"].sel(scenario=name)).any()]
    figure = theme.figure(130 * len(chosen) + 130 if len(chosen) > 1 else 380)
    count = max(len(chosen), 1)
    for number, name in enumerate(chosen):
        part = data.sel(scenario=name)
        colour = theme.colours([name], order)[0]
        axis = "" if number == 0 else str(number + 1)
        _line(figure, part, colour, axis)
        top = 1 - number / count
        figure.layout[f"yaxis{axis}"] = {
            "domain": [top - 1 / count + 0.03 * (count > 1), top - 0.035 * (count > 1)],
            "tickformat": FORM,
            "nticks": 4,
            "range": _range(part),
            "zeroline": True,
        }
        figure.add_annotation(
            x=0, y=top, xref="paper", yref="paper", xanchor="left",
            yanchor="top" if count > 1 else "bottom", yshift=4, text=f"<b>{name}</b>", showarrow=False,
            font={"size": 12, "color": colour},
        )  # fmt: skip
    _shades(figure, data)
    note = "" if scenario else shown(len(chosen) - 1, total, "scenarios", "those with most impressions")
    alone = "" if np.isfinite(data["day_low"]).any() else "single days have no interval"
    figure.update_xaxes(
        title_text=title(f"Lift of {data['metric'].item()} by day", alone, note, width=44),
        tickformat="%-d %b", nticks=6, anchor=f"y{count if count > 1 else ''}",
    )  # fmt: skip
    return figure.update_layout(showlegend=False, margin={"t": 48}, hovermode="x")


def _line(figure: go.Figure, part: xr.Dataset, colour: str, axis: str) -> None:
    days = part["day"].values
    value, low, high = (part[f"day_{name}"].values.astype(np.float32) for name in ("lift", "low", "high"))
    defined = np.isfinite(low)
    if defined.any():
        figure.add_trace(
            go.Scatter(
                x=np.concatenate([days[defined], days[defined][::-1]]),
                y=np.concatenate([high[defined], low[defined][::-1]]),
                fill="toself", mode="lines", line={"width": 0}, fillcolor=colour, opacity=0.16,
                hoverinfo="skip", yaxis=f"y{axis}",
            )
        )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=days, y=value, mode="lines+markers", line={"width": 1.5, "color": colour}, marker={"size": 5},
            customdata=np.stack([low, high], -1), yaxis=f"y{axis}", name=str(part["scenario"].item()),
            hovertemplate=f"%{{x|%-d %b}} <b>%{{y:{FORM}}}</b>"
            + (f" (95 %: %{{customdata[0]:{FORM}}} to %{{customdata[1]:{FORM}}})" if defined.any() else "")
            + "<extra></extra>",
        )
    )  # fmt: skip


def _range(part: xr.Dataset) -> list[float]:
    """Return a range that holds all lifts and all but the widest bands."""
    value, low, high = (part[f"day_{name}"].values for name in ("lift", "low", "high"))
    ends = [np.nanmin(value), np.nanmax(value), 0.0]
    if np.isfinite(low).any():
        ends += [np.nanquantile(low, 0.1), np.nanquantile(high, 0.9)]
    gap = 0.08 * (max(ends) - min(ends)) or 0.01
    return [float(min(ends) - gap), float(max(ends) + gap)]


def _shades(figure: go.Figure, data: xr.Dataset) -> None:
    """Shade every stretch of days of one period but the longest, and name it on top."""
    period = data["period_of"].values.astype(str)
    days = data["day"].values.astype("datetime64[ms]")
    periods, count = np.unique(period, return_counts=True)
    if len(periods) < 2:
        return
    usual = periods[count.argmax()]
    edges = [0, *(np.flatnonzero(period[1:] != period[:-1]) + 1), len(period)]
    half = np.timedelta64(12, "h")
    for start, stop in itertools.pairwise(edges):
        if period[start] in ("", usual):
            continue
        # Plotly reads text as a time; NumPy's own times would come as a number of nanoseconds.
        first, last = days[start] - half, days[stop - 1] + half
        middle = first + (last - first) / 2
        figure.add_shape(
            type="rect", x0=str(first), x1=str(last), xref="x", y0=0, y1=1, yref="paper", layer="below",
            fillcolor=theme.QUIET, line={"width": 0},
        )  # fmt: skip
        figure.add_annotation(
            x=str(middle), y=1, yref="paper", yanchor="bottom", yshift=20, showarrow=False,
            text=theme.short(str(period[start]), 18), font={"size": 11, "color": theme.MUTED},
        )  # fmt: skip


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
