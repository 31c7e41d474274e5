"""Ridgelines: up to twelve days as curves, day below day, up to four experts side by side."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme, time_axis
from msviz.figures.choices import Array, names, title

RIDGES, COLUMNS = 12, 4


def ridgelines(data: xr.Dataset, experts: Sequence[str]) -> go.Figure:
    """Draw up to twelve days as curves, day below day, experts side by side."""
    columns, note = list(experts), ""
    if len(columns) > COLUMNS:
        spread = [float(np.nanstd(data["mean"].sel(expert=name).values)) for name in columns]
        telling = sorted(np.argsort(-np.array(spread), kind="stable")[:COLUMNS].tolist())
        note = f"{COLUMNS} of {len(columns)} experts, those whose weights move most"
        columns = [columns[number] for number in telling]
    data = data.isel(day=_telling_days(data))
    days = names(data, "day")
    phases = data["phase"].values.astype(str)
    promoted = data["promotion"].values.astype(str) != ""
    part = data.sel(expert=columns)
    lows, highs = part["low"].values[:, 0], part["high"].values[:, -1]
    # Every expert has its own scale, one wide; a column of an expert and the room behind it.
    middles = ((part["low"].values + part["high"].values) / 2 - lows[:, None]) / (highs - lows)[:, None]
    width, step = 1.0, 1.12
    figure = theme.figure(52 * len(days) + 130)
    counts = np.stack([data["counts"].sel(expert=name).values for name in columns], 1).astype(np.float64)
    total = counts.sum(-1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    top = np.maximum(share.max((0, 2)), 1e-9)
    for day in range(len(days)):
        for column in range(len(columns)):
            x = column * step + middles[column]
            y = len(days) - day + 1.4 * share[day, column] / top[column]
            figure.add_trace(
                go.Scatter(
                    x=np.concatenate([x[:1], x, x[-1:]]).astype(np.float32),
                    y=np.concatenate([[len(days) - day], y, [len(days) - day]]).astype(np.float32),
                    fill="toself", mode="lines",
                    line={"width": 1.2, "color": time_axis.EDGE if promoted[day] else theme.SEQUENTIAL[5]},
                    fillcolor="rgba(243,193,155,0.75)" if promoted[day] else "rgba(177,209,230,0.75)",
                    hoveron="fills", hoverinfo="text",
                    text=f"{columns[column]}, {days[day]} {phases[day]}: mean "
                    f"{100 * float(data['mean'].sel(expert=columns[column]).values[day]):.1f} %",
                )
            )  # fmt: skip
    above = len(days) + 0.3 + 1.4 * float((share[0] / top[:, None]).max())
    for column, name in enumerate(columns):
        figure.add_annotation(
            x=column * step + width / 2, y=above, text=f"<b>{theme.short(name, 14)}</b>",
            showarrow=False, font={"size": 12, "color": theme.INK},
        )  # fmt: skip
    figure.update_yaxes(
        range=[0.7, above + 0.2], tickvals=np.arange(len(days), 0, -1), showgrid=True, ticks="",
        ticktext=[_day_label(day, phase, str(name)) for day, phase, name in
                  zip(days, phases, data["promotion"].values, strict=True)],
        zeroline=False,
    )  # fmt: skip
    single = len(columns) == 1
    if single:
        low, high = float(lows[0]), float(highs[0])
        at = time_axis.rounded(low, high, 5)
        tick_labels = [f"{100 * value:.3g} %" for value in at]
        at = [(value - low) / (high - low) for value in at]
    else:
        at = [column * step + 0.5 for column in range(len(columns))]
        tick_labels = [f"{100 * low:.0f}–{100 * high:.0f} %" for low, high in zip(lows, highs, strict=True)]
    figure.update_xaxes(
        tickvals=at,
        ticktext=tick_labels,
        tickangle=0,
        showgrid=False, zeroline=False, range=[-0.03 * width, (len(columns) - 1) * step + 1.03 * width],
        title_text=title("Weight; orange: in a promotion" if promoted.any() else "Weight", note, width=34),
    )  # fmt: skip
    figure.update_layout(showlegend=False, margin={"t": 16}, hovermode="closest")
    return figure


def _telling_days(data: xr.Dataset) -> Array:
    """Return up to twelve days with rows: where phases are known, from every stretch of one its middle."""
    present = np.flatnonzero(data["rows"].values > 0)
    if len(present) <= RIDGES:
        return present if len(present) else np.arange(1)
    phases = np.array([f"{phase} {name}" for phase, name in
                     zip(data["phase"].values, data["promotion"].values, strict=True)])[present]  # fmt: skip
    starts = np.flatnonzero(np.r_[True, phases[1:] != phases[:-1]])
    ends = np.r_[starts[1:], len(phases)]
    middles = present[(starts + ends - 1) // 2]
    if len(middles) < 4:
        return np.asarray(present[np.linspace(0, len(present) - 1, RIDGES).round().astype(int)])
    if len(middles) > RIDGES:
        # Promotions first, then what is around them, as many as there is room for.
        weight = [(data["promotion"].values[day] != "") * 2 + (data["phase"].values[day] == "normal")
                  for day in middles]  # fmt: skip
        order = np.argsort(-np.array(weight), kind="stable")[:RIDGES]
        middles = middles[np.sort(order)]
    return np.asarray(middles)


def _day_label(day: str, phase: str, promotion: str) -> str:
    at = np.datetime64(day).astype(object).strftime("%d %b")
    first = f"{at}, {phase}" if promotion and phase != "promotion" else at
    small = theme.short(promotion or phase, 20)
    return f'{first}<br><span style="font-size:10px;color:{theme.MUTED}">{small}</span>'
