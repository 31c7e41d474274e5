"""Scenarios side by side: a line of dots for each number, a column for each scenario."""

import textwrap
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.errors import invalid, one_of
from msviz.figures import theme
from msviz.figures.choices import Array, names, unique
from msviz.figures.marks import errors
from msviz.figures.picture import Picture
from msviz.finding import Finding

LINE, HEAD = 50, 34  # px of a line of dots, and of a heading
WIDTH = {1: 24, 2: 22, 3: 15, 4: 11, 5: 9, 6: 8}  # letters of a scenario's name that a phone has room for
LEAST, WIDE = 0.14, 0.72  # where a column's scale starts, and its length, in columns
HOW_TO_READ = (
    "Each column is a scenario, each line one number about it. Inside a line all columns have the same "
    "scale, so a dot further right is a larger number; whiskers are 95 % intervals where one is known, and "
    "the upright stroke is the number over all rows. Do not compare dots of different lines. Of fields, "
    "those in which the chosen scenarios differ most are shown. The correlation of answers says how alike "
    "the model treats two scenarios when the same rows are put into both. What the sentences call special "
    "is tested with rows as independent; a user's many rows are not, so read close calls with care."
)


def draw(finding: Finding, group: str | None = None, order: Sequence[str] = ()) -> go.Figure:
    """Return all lines, or those of one `group`; raise MsvizError for a group that does not exist."""
    data = finding.data
    groups = list(dict.fromkeys(str(name) for name in data["group"].values))
    if group is not None:
        if group not in groups:
            raise invalid("group", group, one_of(groups))
        groups = [group]
    scenarios = unique(names(data, "scenario"))
    palette = theme.colours(names(data, "scenario"), order or names(data, "scenario"))
    line_tops, top = [], 0.0
    figure = theme.figure(100)
    for title in groups:
        _left(figure, f"<b>{title}</b>", top + HEAD / 2, 13)
        top += HEAD
        for line in np.flatnonzero(data["group"].values.astype(str) == title):
            line_tops.append((int(line), top))
            top += LINE
    for column, name in enumerate(scenarios):
        _column(figure, data.isel(scenario=column), column, name, palette[column], line_tops, _spans(data))
    head = 20 + 15 * max(len(_wrap(name, len(scenarios))) for name in scenarios)
    for column, name in enumerate(scenarios):
        figure.add_annotation(
            x=column + 0.5, y=0, yanchor="bottom", text="<br>".join(_wrap(name, len(scenarios))),
            showarrow=False, font={"size": 12, "color": palette[column]}, yshift=4,
        )  # fmt: skip
        if column:
            figure.add_vline(column, line={"color": theme.LINE, "width": 1}, layer="below")
    figure.update_xaxes(range=[0, len(scenarios)], visible=False, fixedrange=True)
    figure.update_yaxes(range=[top, 0], visible=False, fixedrange=True, automargin=False)
    return figure.update_layout(
        height=int(top) + head + 16, margin={"t": head, "l": 4, "r": 4, "b": 16}, showlegend=False,
        hovermode="closest",
    )  # fmt: skip


def _left(figure: go.Figure, text: str, y: float, size: int) -> None:
    figure.add_annotation(
        x=0, y=y, xanchor="left", yanchor="middle", text=text, showarrow=False,
        font={"size": size, "color": theme.INK}, bgcolor=theme.PAPER, borderpad=2,
    )  # fmt: skip


def _wrap(name: str, columns: int) -> list[str]:
    """Return a scenario's name in up to three lines that fit its column."""
    lines = textwrap.wrap(name, WIDTH[min(columns, 6)])
    return (
        lines if len(lines) <= 3 else [*lines[:2], theme.short(" ".join(lines[2:]), WIDTH[min(columns, 6)])]
    )


def _spans(data: xr.Dataset) -> Array:
    """Return for each line the lowest and highest number (aspect, 2) that its scale must hold."""
    with np.errstate(all="ignore"):
        numbers = np.concatenate(
            [*(data[key].values for key in ("value", "low", "high")), data["usual"].values[:, None]], 1
        )
    low = np.nanmin(np.where(np.isfinite(numbers), numbers, np.inf), 1)
    high = np.nanmax(np.where(np.isfinite(numbers), numbers, -np.inf), 1)
    # A count says most when it starts at zero.
    low = np.where(data["form"].values == "count", np.minimum(low, 0), low)
    defined = np.isfinite(low) & np.isfinite(high)
    return np.stack(
        [np.where(defined, low, 0), np.where(defined & (high > low), high, np.where(defined, low, 0) + 1)], 1
    )


def _column(
    figure: go.Figure,
    part: xr.Dataset,
    column: int,
    name: str,
    colour: str,
    line_tops: Sequence[tuple[int, float]],
    spans: Array,
) -> None:
    lines = np.array([line for line, _ in line_tops])
    top = np.array([y for _, y in line_tops])
    low, high = spans[lines].T

    def across(key: str) -> Array:
        values = part[key].values[lines].astype(float)
        return np.asarray(column + LEAST + WIDE * (values - low) / (high - low), np.float32)

    value = part["value"].values[lines].astype(float)
    defined = np.isfinite(value)
    texts = [_number(value[k], str(part["form"].values[line])) for k, line in enumerate(lines)]
    figure.add_trace(
        go.Scatter(
            x=across("usual"), y=(top + 24).astype(np.float32), mode="markers", hoverinfo="skip",
            marker={"symbol": "line-ns", "size": 12, "line": {"width": 2, "color": theme.FAINT}},
        )
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=across("value"), y=(top + 24).astype(np.float32), mode="markers", name=name,
            marker={"size": 9, "color": colour},
            error_x=errors(across("value"), across("low"), across("high"), colour),
            text=[_hover(part, int(line)) for line in lines],
            hovertemplate=f"{name}<br>%{{text}}<extra></extra>",
        )
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=np.full(len(lines), column + 0.5, np.float32), y=(top + 39).astype(np.float32), mode="text",
            text=[texts[k] if defined[k] else "–" for k in range(len(lines))], hoverinfo="skip",
            textfont={"size": 11, "color": [theme.INK if yes else theme.FAINT for yes in defined]},
        )
    )  # fmt: skip
    if column == 0:
        for line, y in line_tops:
            _left(figure, theme.short(str(part["aspect"].values[line]), 44), y + 8, 11)


def _number(value: float, form: str) -> str:
    if form == "count":
        return f"{value:,.0f}" if value < 1e6 else f"{value / 1e6:,.1f} M"
    return f"{100 * value:.1f} %" if form == "percent" else f"{value:.3f}"


def _hover(part: xr.Dataset, line: int) -> str:
    """Return the number, its interval and that over all rows in words."""
    form = str(part["form"].values[line])
    value, low, high = (float(part[key].values[line]) for key in ("value", "low", "high"))
    text = f"{part['aspect'].values[line]}: <b>{_number(value, form)}</b>"
    if np.isfinite(low):
        text += f"<br>95 %: {_number(low, form)} to {_number(high, form)}"
    usual = float(part["usual"].values[line])
    return text + (f"<br>over all rows {_number(usual, form)}" if np.isfinite(usual) else "")


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
