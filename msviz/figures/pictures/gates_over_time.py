"""Weights of experts over time: histograms by day, bands, ridgelines, and the signals beside them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme, time_axis
from msviz.figures.choices import Array, choice, names, pick, title
from msviz.figures.heat import HOVER_LIMIT, colorbar
from msviz.figures.marks import errors, list_axis, list_height
from msviz.figures.picture import Picture
from msviz.figures.ridges import ridgelines
from msviz.figures.time_axis import HEAD, STRIP, Panel
from msviz.finding import Finding

VIEWS = ("histogram", "bands", "ridgelines", "signals")
ALL_EXPERTS = "All experts"
HOVERED = 3 * HOVER_LIMIT
HOW_TO_READ = (
    "Every expert has a panel and a scale of its own; its weight is its share of what the model mixes for an "
    "impression. *Heatmap*: a column is a day, dark where many of its impressions have that weight; the "
    "dark line is the day's mean. *Bands*: half of a day's impressions lie in the dark band, nine of ten "
    "in the light one, the line is the median. *Ridges*: one curve a day, for up to twelve days. "
    "Bands with broken edges and a name are promotions. Below, the log's signals that go together best "
    "with the weights, standardised: 0 is the average of training. *Signals*: how well each goes together "
    "with an expert's mean weight over days, with the 95 % interval; neighbouring days are alike, so they "
    "count as fewer. Experts have no order and no meaning of their own: another training may swap them. A "
    "weight that moves says that the model mixes differently, neither why nor that it predicts better for "
    "it: for that, see *Rates*."
)


def draw(
    finding: Finding,
    view: str = "histogram",
    expert: str | None = None,
    group: str | None = None,
    first: str | None = None,
    last: str | None = None,
    signals: int = 3,
    selectable: bool = False,
    spans: Mapping[str, tuple[float, float]] | None = None,
) -> go.Figure:
    """Return the weights of all experts or of one, in a group's rows, between two days.

    `signals` says how many are drawn below; with `selectable` a box chooses days; `spans` sets the scale of
    each expert by name, so that several findings can share them. Raises MsvizError for a
    view, expert or group that does not exist.
    """
    view = choice("view", view, VIEWS)
    if expert not in (None, ALL_EXPERTS):
        pick(finding.data, "expert", expert)
    data = finding.data.sel(group=pick(finding.data, "group", group))
    chosen = names(data, "expert") if expert in (None, ALL_EXPERTS) else [str(expert)]
    if view == "signals":
        return _correlations(data, chosen)
    data = time_axis.between(data, first, last)
    if view == "ridgelines":
        return ridgelines(data, chosen)
    data, step = time_axis.coarse(data)
    panels = _panels(data, chosen, spans or {})
    bottom = panels[-1].top + panels[-1].height
    pairs = _telling(data, chosen, signals) if data.sizes["day"] > 2 else []
    strips = _strips(data, pairs, bottom)
    height = int(strips[-1].top + strips[-1].height if strips else bottom) + 6
    head = 92 if view == "histogram" else 44
    figure = theme.figure(height + head + 62)
    if view == "histogram":
        _histograms(figure, data, step, panels)
    else:
        _bands(figure, data, step, panels)
    for strip, (number, partner) in zip(strips, pairs, strict=True):
        _signal(figure, data, step, strip, number, partner)
    note = time_axis.mark(figure, data, step)
    _axes(figure, panels, height)
    days = "Day" if step == 1 else f"Weeks, {step} days a column" if step == 7 else f"{step} days a column"
    time_axis.time_axis(figure, data, step, title(days, note))
    figure.update_layout(
        margin={"t": head},
        showlegend=False,
        hovermode="closest",
        selectdirection="h",
        dragmode="select" if selectable else False,
    )
    return figure


def common_scale(
    findings: Sequence[Finding], group: str | None = None, expert: str | None = None, view: str = "bands"
) -> dict[str, Any]:
    """Return what `draw` is told so that several findings of one model share each expert's scale."""
    spans: dict[str, tuple[float, float]] = {}
    for finding in findings:
        for name in names(finding.data, "expert"):
            weights = finding.data.sel(expert=name)
            low, high = float(weights["low"].values[0]), float(weights["high"].values[-1])
            span = spans.get(name, (low, high))
            spans[name] = (min(span[0], low), max(span[1], high))
    return {"spans": spans}


def _panels(
    data: xr.Dataset, experts: Sequence[str], spans: Mapping[str, tuple[float, float]]
) -> list[Panel]:
    """Return one panel an expert, each on the scale on which nearly all of its weights lie."""
    height = 200 if len(experts) == 1 else 136 if len(experts) <= 3 else 96 if len(experts) <= 5 else 76
    panels = []
    for number, name in enumerate(experts):
        weights = data.sel(expert=name)
        low, high = spans.get(name) or (float(weights["low"].values[0]), float(weights["high"].values[-1]))
        panels.append(Panel(name, HEAD + number * (height + HEAD), height, low, high))
    return panels


def _histograms(figure: go.Figure, data: xr.Dataset, step: int, panels: Sequence[Panel]) -> None:
    """Draw all experts as one heatmap with gaps: a subplot each would take seconds for eight."""
    middle, borders = time_axis.moments(names(data, "day"), step)
    y: list[Array] = []
    z: list[Array] = []
    weights: list[Array] = []
    # The axis runs upwards, so the last panel comes first.
    for panel in reversed(panels):
        of_expert = data.sel(expert=panel.name)
        edges = np.append(of_expert["low"].values, of_expert["high"].values[-1:])
        counts = of_expert["counts"].values.astype(np.float64)
        total = counts.sum(1, keepdims=True)
        # Empty cells stay clear, so that the bands of promotions are seen behind them.
        share = np.divide(counts, total, out=np.full(counts.shape, np.nan), where=counts > 0)
        if y:
            z.append(np.full((1, len(middle)), np.nan))
            weights.append(np.zeros(1))
        y.append(panel.place(edges))
        z.append(share.T)
        weights.append((edges[1:] + edges[:-1]) / 2)
    cells = np.concatenate(z).astype(np.float32)
    finite = cells[np.isfinite(cells)]
    trace = go.Heatmap(
        z=cells,
        x=[str(edge) for edge in borders],
        y=np.concatenate(y).astype(np.float32),
        colorscale=theme.scale(theme.SEQUENTIAL),
        zmin=0,
        zmax=float(np.quantile(finite, 0.99)) if finite.size else 1.0,
        hoverongaps=False,
        hovertemplate="%{x}<br><b>%{z:.1%}</b> of the impressions<extra></extra>",
        colorbar=colorbar("Share of the day's impressions in a cell", ".0%", int(figure.layout.height)),
    )
    if cells.size <= HOVERED:
        trace.customdata = np.repeat(np.concatenate(weights)[:, None], len(middle), 1).astype(np.float32)
        trace.hovertemplate = (
            "%{x}<br><b>%{z:.1%}</b> of the impressions have a weight near %{customdata:.1%}<extra></extra>"
        )
    figure.add_trace(trace)
    for panel in panels:
        mean = data["mean"].sel(expert=panel.name).values
        figure.add_trace(_line(panel, middle, mean, data["rows"].values, "mean"))
        time_axis.heading(figure, f"<b>{theme.short(panel.name)}</b>, line: mean of the day", panel.top - 12)


def _line(panel: Panel, x: Array, values: Array, rows: Array, what: str, width: float = 1.8) -> go.Scatter:
    """Return a daily line with small marks, which a box can select; a single day is a larger mark."""
    return go.Scatter(
        x=x.astype(str),
        y=panel.place(values).astype(np.float32),
        mode="lines+markers",
        line={"width": width, "color": theme.INK},
        marker={"size": 3 if len(x) > 1 else 9, "color": theme.INK},
        customdata=np.stack([values, rows.astype(float)], -1).astype(np.float32),
        hovertemplate=f"{panel.name}, %{{x}}<br>{what} <b>%{{customdata[0]:.1%}}</b><br>"
        "%{customdata[1]:,.0f} impressions<extra></extra>",
        name=panel.name,
    )


def _bands(figure: go.Figure, data: xr.Dataset, step: int, panels: Sequence[Panel]) -> None:
    """Draw, per expert, where nine of ten impressions lie, where half of them lie, and the median."""
    middle, _ = time_axis.moments(names(data, "day"), step)
    days = np.flatnonzero(data["rows"].values > 0)
    for panel in panels:
        quantile = data["quantile"].sel(expert=panel.name).values[days]
        for outer, colour in ((0, theme.SEQUENTIAL[1]), (1, theme.SEQUENTIAL[3])):
            # A closed outline: there and back again.
            around = np.concatenate([quantile[:, outer], quantile[::-1, 4 - outer]])
            figure.add_trace(
                go.Scatter(
                    x=np.concatenate([middle[days], middle[days][::-1]]).astype(str),
                    y=panel.place(np.clip(around, panel.low, panel.high)).astype(np.float32),
                    fill="toself", fillcolor=colour, mode="lines", hoverinfo="skip",
                    line={"width": 4 if len(days) == 1 else 0, "color": colour},
                )
            )  # fmt: skip
        figure.add_trace(_line(panel, middle[days], quantile[:, 2], data["rows"].values[days], "median"))
        time_axis.heading(
            figure, f"<b>{theme.short(panel.name)}</b>, median, half and nine of ten", panel.top - 12
        )


def _telling(data: xr.Dataset, experts: Sequence[str], most: int) -> list[tuple[int, str]]:
    """Return the signals that go together best with these experts' weights, and with which expert."""
    if not data.sizes.get("signal", 0):
        return []
    value = np.nan_to_num(np.abs(data["correlation"].sel(expert=list(experts)).values), nan=-1.0)
    best = value.max(0)
    order = [int(number) for number in np.argsort(-best, kind="stable")[: max(most, 0)] if best[number] >= 0]
    return [(number, str(experts[int(value[:, number].argmax())])) for number in order]


def _strips(data: xr.Dataset, pairs: Sequence[tuple[int, str]], bottom: float) -> list[Panel]:
    strips = []
    for row, (number, _) in enumerate(pairs):
        values = data["signal_value"].values[:, number]
        low, high = (np.nanmin(values), np.nanmax(values)) if np.isfinite(values).any() else (0.0, 1.0)
        room = 0.08 * (high - low) or 1.0
        top = bottom + HEAD + 8 + row * (STRIP + HEAD)
        strips.append(Panel(names(data, "signal")[number], top, STRIP, low - room, high + room))
    return strips


def _signal(figure: go.Figure, data: xr.Dataset, step: int, strip: Panel, number: int, partner: str) -> None:
    middle, _ = time_axis.moments(names(data, "day"), step)
    values = data["signal_value"].values[:, number]
    correlation = data.sel(expert=partner).isel(signal=number)
    figure.add_trace(
        go.Scatter(
            x=middle.astype(str), y=strip.place(values).astype(np.float32), mode="lines+markers",
            line={"width": 1.6, "color": theme.CATEGORICAL[2]}, marker={"size": 3},
            customdata=values.astype(np.float32),
            hovertemplate=f"{strip.name}, %{{x}}<br><b>%{{customdata:+.2f}}</b> deviations<extra></extra>",
        )
    )  # fmt: skip
    heading = f"{theme.short(strip.name, 34)}, {float(correlation['correlation']):+.2f} with {partner}"
    time_axis.heading(figure, f'<span style="color:{theme.MUTED}">{heading}</span>', strip.top - 11)


def _axes(figure: go.Figure, panels: Sequence[Panel], height: int) -> None:
    """Write round weights beside every panel; the axis itself counts px."""
    at, text = [], []
    for panel in panels:
        for value in time_axis.rounded(panel.low, panel.high, 4):
            at.append(float(panel.place(np.array(value))))
            text.append(f"{100 * value:.3g} %")
    figure.update_yaxes(
        range=[-height, 0], autorange=False, fixedrange=True, tickvals=at, ticktext=text, showgrid=False,
        zeroline=False, showline=False, ticks="",
    )  # fmt: skip


def _correlations(data: xr.Dataset, experts: Sequence[str]) -> go.Figure:
    """Draw how well each signal goes together with the experts' daily weights, with intervals."""
    signals = names(data, "signal")
    if not signals:
        figure = theme.figure(140)
        figure.add_annotation(
            text="The log has no signals that could go together with the weights.", showarrow=False,
            x=0.5, y=0.5, xref="paper", yref="paper", font={"size": 13, "color": theme.MUTED},
        )  # fmt: skip
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False)
        return figure
    part = data.sel(expert=list(experts))
    # Two experts share one weight: what one gains the other loses, and one says all.
    if len(experts) == 2:
        part = part.isel(expert=[0])
    strength = np.nan_to_num(np.abs(part["correlation"].values), nan=-1.0).max(0)
    order = np.argsort(-strength, kind="stable")[:40]
    labels = [signals[number] for number in order]
    count = part.sizes["expert"]
    figure = theme.figure(list_height(len(labels)) + 26 + 6 * len(labels) * max(0, count - 2))
    rows = np.arange(len(labels), dtype=np.float32)
    for number in range(count):
        correlation = part.isel(expert=number, signal=order)
        value, low, high = (correlation[f"correlation{end}"].values for end in ("", "_low", "_high"))
        sure = correlation["correlation_q"].values < 0.05
        colour = theme.CATEGORICAL[number % len(theme.CATEGORICAL)]
        figure.add_trace(
            go.Scatter(
                x=value.astype(np.float32),
                y=rows + (number - (count - 1) / 2) * 0.7 / max(count, 1),
                mode="markers", name=str(correlation["expert"].item()),
                marker={
                    "size": 9, "color": np.where(sure, colour, theme.PAPER),
                    "line": {"width": 2, "color": colour},
                },
                error_x=errors(value, low, high, theme.FAINT),
                text=labels, customdata=np.stack([low, high], -1).astype(np.float32),
                hovertemplate="%{text}<br><b>%{x:+.2f}</b> (95 %: %{customdata[0]:+.2f} to "
                "%{customdata[1]:+.2f})<extra></extra>",
            )
        )  # fmt: skip
    list_axis(figure, labels, 26)
    figure.update_yaxes(
        type="linear", tickvals=rows, ticktext=[theme.short(label, 26) for label in labels],
        range=[len(labels) - 0.4, -0.6], zeroline=False,
    )  # fmt: skip
    figure.add_vline(0, line={"color": theme.FAINT, "width": 1, "dash": "dot"}, layer="below")
    figure.update_xaxes(
        range=[-1.03, 1.03], nticks=5, showgrid=True,
        title_text=title("Correlation of daily means", "hollow: may be chance", width=34),
    )  # fmt: skip
    figure.update_layout(showlegend=True, hovermode="closest")
    return figure


PICTURE = Picture(
    draw=draw,
    how_to_read=HOW_TO_READ,
    common_scale=common_scale,
    # Which signals go together best would change every time.
    snapshot={"view": "bands", "signals": 0},
    axes=("group",),
)
