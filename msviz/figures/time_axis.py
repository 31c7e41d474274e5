"""Days along an axis: weeks where there are too many, promotions marked by band and name, panels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme
from msviz.figures.choices import Array

DAYS = 120  # beyond it, weeks are shown
NAMED = 4  # promotions whose names find room above the picture; more are numbered
BAND, EDGE = "#fbe9da", "#d57f38"
HEAD, STRIP, TOP = 28, 44, 24  # px: a panel's heading, a signal's strip, the promotions' names
SUMMED = ("rows", "counts", "clicks")


@dataclass(frozen=True)
class Panel:
    """A stretch of the one vertical axis, in px from the top: where values from `low` to `high` are drawn."""

    name: str
    top: float
    height: float
    low: float
    high: float

    def place(self, values: Array) -> Array:
        """Return where values lie on the axis, which runs downwards from 0 as negative px."""
        share = (np.asarray(values, np.float64) - self.low) / (self.high - self.low)
        pixels: Array = -(self.top + self.height) + share * self.height
        return pixels


def between(data: xr.Dataset, first: str | None, last: str | None) -> xr.Dataset:
    """Return the days from `first` to `last`, both included; all where that leaves none."""
    days = data["day"].values.astype(str)
    chosen = (days >= (first or "")) & (days <= (last or "9999"))
    return data.isel(day=np.flatnonzero(chosen)) if chosen.any() else data


def coarse(data: xr.Dataset) -> tuple[xr.Dataset, int]:
    """Return the data by day, or by seven days where there are over 120, and the days of a step.

    Counts are added up; everything else is averaged, a day's weight being its rows. A week is a promotion's
    as soon as one of its days is.
    """
    size = data.sizes["day"]
    if size <= DAYS:
        return data, 1
    step = 7 * -(-size // (7 * DAYS))
    week = np.arange(size) // step
    starts = np.flatnonzero(np.r_[True, week[1:] != week[:-1]])
    rows = data["rows"].astype(float)
    arrays: dict[str, xr.DataArray] = {}
    for name, array in data.data_vars.items():
        if "day" not in array.dims:
            continue
        along = array.get_axis_num("day")
        if array.dtype.kind in "UO":
            values = np.array([_telling(part) for part in np.split(array.values, starts[1:], along)])
        elif name in SUMMED:
            values = np.add.reduceat(array.values, starts, along)
        else:
            weight = rows if set(rows.dims) <= set(array.dims) else xr.ones_like(array)
            weight = weight.where(np.isfinite(array), 0.0).transpose(*array.dims)
            total = np.add.reduceat((array.fillna(0) * weight).transpose(*array.dims).values, starts, along)
            parts = np.add.reduceat(weight.values, starts, along)
            values = np.divide(total, parts, out=np.full(total.shape, np.nan), where=parts > 0)
        arrays[str(name)] = xr.DataArray(values, dims=array.dims)
    left = data.drop_dims("day")
    days = data["day"].values[starts]
    return left.merge(xr.Dataset(arrays)).assign_coords(day=days), step


def _telling(words: Array) -> str:
    """Return the word of a week: of its days' words the first that is neither empty nor "normal"."""
    phases = [str(word) for word in words if str(word)]
    return next((word for word in phases if word != "normal"), phases[0] if phases else "")


def moments(days: Sequence[str], step: int) -> tuple[Array, Array]:
    """Return the middle of every step (n,) and the borders (n + 1,), as dates with hours.

    A day's middle is its midnight, so that the axis and hover boxes name the day itself.
    """
    start = np.array(days, "datetime64[h]")
    half = np.timedelta64(12 * step, "h")
    middle = start + (half - np.timedelta64(12, "h"))
    borders = np.append(middle - half, middle[-1:] + half) if len(middle) else middle
    return middle, borders


def promotions(data: xr.Dataset, step: int) -> list[tuple[str, np.datetime64, np.datetime64]]:
    """Return name, begin and end of every stretch of days of one promotion."""
    if "promotion" not in data or not data.sizes["day"]:
        return []
    names = data["promotion"].values.astype(str)
    _, borders = moments([str(day) for day in data["day"].values], step)
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    ends = np.r_[starts[1:], len(names)]
    return [(str(names[a]), borders[a], borders[b]) for a, b in zip(starts, ends, strict=True) if names[a]]


def mark(figure: go.Figure, data: xr.Dataset, step: int, *, top: float = 1.0) -> str:
    """Mark promotions by a band with broken edges and a name above it; return what the axis must explain.

    `top` is where in the plot's height the names stand, counted from below.
    """
    spans = promotions(data, step)
    if not spans:
        return ""
    _, borders = moments([str(day) for day in data["day"].values], step)
    whole = float((borders[-1] - borders[0]) / np.timedelta64(1, "h"))
    names = list(dict.fromkeys(name for name, _, _ in spans))
    numbered = len(spans) > NAMED
    for name, begin, end in spans:
        ends = {"x0": str(begin), "x1": str(end), "yref": "paper", "y0": 0, "y1": top}
        figure.add_shape(
            type="rect", **ends, fillcolor=BAND, line={"width": 1, "color": EDGE, "dash": "dot"},
            layer="below",
        )  # fmt: skip
        for edge in (begin, end):
            figure.add_shape(
                type="line", x0=str(edge), x1=str(edge), yref="paper", y0=0, y1=top,
                line={"width": 1, "color": EDGE, "dash": "dot"},
            )  # fmt: skip
        centre = begin + (end - begin) / 2
        share = float((centre - borders[0]) / np.timedelta64(1, "h")) / whole
        side = "left" if share < 0.14 else "right" if share > 0.86 else "center"
        at = {"left": begin, "right": end, "center": centre}[side]
        figure.add_annotation(
            x=str(at), y=top, yref="paper", xanchor=side, yanchor="bottom", showarrow=False,
            text=str(names.index(name) + 1) if numbered else theme.short(name, 18),
            font={"size": 11, "color": "#8f3d05"},
        )  # fmt: skip
    if not numbered:
        return ""
    listed = [f"{number} {theme.short(name, 18)}" for number, name in enumerate(names[:12], 1)]
    return "promotions: " + ", ".join(listed) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def heading(figure: go.Figure, text: str, top: float) -> None:
    """Write a panel's heading at its left, `top` px below the axis's upper end."""
    figure.add_annotation(
        x=0, xref="paper", xanchor="left", y=-top, yref="y", yanchor="middle", text=text, showarrow=False,
        font={"size": 12, "color": theme.INK}, align="left", bgcolor="rgba(255,255,255,0.8)", borderpad=1,
    )  # fmt: skip


def time_axis(figure: go.Figure, data: xr.Dataset, step: int, title: str) -> None:
    """Lay out the days: their borders are the axis's ends, ticks are whole days."""
    middle, borders = moments([str(day) for day in data["day"].values], step)
    few = len(middle) <= 7
    figure.update_xaxes(
        type="date",
        range=[str(borders[0]), str(borders[-1])],
        tickformat="%d %b" if len(middle) * step <= 330 else "%d %b<br>%Y",
        hoverformat="%a %d %b %Y",
        nticks=7,
        showgrid=False,
        title_text=title,
    )
    if few:
        figure.update_xaxes(tickvals=[str(day) for day in middle])
    if len(middle) and step > 1:
        figure.update_xaxes(hoverformat=f"{step} days around %d %b %Y")


def rounded(low: float, high: float, most: int) -> list[float]:
    """Return two or up to `most` round numbers between two others, or both ends where there is none."""
    for unit in (10.0**power * part for power in range(-5, 1) for part in (1, 2, 5)):
        steps = np.arange(np.ceil(low / unit - 1e-9), np.floor(high / unit + 1e-9) + 1) * unit + 0.0
        if len(steps) <= most:
            return [float(value) + 0.0 for value in steps] if len(steps) > 1 else [low, high]
    return [low, high]
