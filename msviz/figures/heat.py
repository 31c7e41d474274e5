"""One heatmap for all pictures: labelled cells, NaN gaps between tiles, readable from 2 to 300 names."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from msviz.figures import theme
from msviz.figures.choices import unique

Array = np.ndarray[Any, Any]
BAR = 56  # px from the top of the picture to the foot of the colour bar
FEW = 0.04  # shares that a scale spans, below which its ticks need a decimal
TEXT_LIMIT = 25  # cells a side up to which numbers are written into them
HEADING, PANEL = 22, "panel"  # px above panels side by side, and how their titles are told from other words
HOVER_LIMIT = 10_000  # cells up to which the hover box carries more than the cell's own value


def heat(
    z: Array,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    colours: Sequence[str] = theme.SEQUENTIAL,
    span: tuple[float, float],
    bar: str,
    x_title: str,
    y_title: str,
    hover: str,
    extra: Array | None = None,
    text: str = "%{z:.0%}",
    tickformat: str = ".0%",
    numbers: bool = True,
) -> go.Figure:
    """Return a heatmap of z (rows, columns); `extra` (rows, columns, k) is the hover box's customdata.

    Long labels are cut on the axis and whole in the hover box.
    """
    rows, columns = unique(rows), unique(columns)
    shape = z.shape
    figure = theme.figure(_height(shape[0]))
    trace = go.Heatmap(
        z=np.asarray(z, np.float32),
        x=columns,
        y=rows,
        colorscale=theme.scale(colours),
        zmin=span[0],
        zmax=span[1],
        hoverongaps=False,
        xgap=1 if max(shape) <= 60 else 0,
        ygap=1 if max(shape) <= 60 else 0,
        hovertemplate=hover + "<extra></extra>",
        colorbar=colorbar(bar, _ticks(tickformat, span), figure.layout.height),
    )
    if extra is not None and z.size <= HOVER_LIMIT:
        trace.customdata = np.asarray(extra, np.float32)
    elif extra is not None:
        trace.hovertemplate = "%{y} → %{x}<br><b>%{z:.2%}</b><extra></extra>"
    if numbers and max(shape) <= TEXT_LIMIT:
        trace.texttemplate = text
    figure.add_trace(trace)
    axes(figure, rows, columns)
    figure.update_xaxes(title_text=x_title)
    figure.update_yaxes(title_text=y_title)
    return figure


def side_by_side(
    blocks: Array,
    titles: Sequence[str],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    colours: Sequence[str] = theme.SEQUENTIAL,
    span: tuple[float, float],
    bar: str,
    x_title: str,
    y_title: str,
    hover: str,
    tickformat: str = ".0%",
) -> go.Figure:
    """Return blocks (2, rows, columns) beside one another under their titles, on one scale of colour."""
    rows, columns = unique(rows), unique(columns)
    figure = theme.figure(_height(len(rows)) + HEADING)
    gap = 1 if max(len(rows), len(columns)) <= 60 else 0
    for position, (block, title) in enumerate(zip(blocks, titles, strict=True)):
        number = "" if not position else "2"
        figure.add_trace(
            go.Heatmap(
                z=np.asarray(block, np.float32), x=columns, y=rows, xaxis=f"x{number}", yaxis=f"y{number}",
                colorscale=theme.scale(colours), zmin=span[0], zmax=span[1], hoverongaps=False,
                xgap=gap, ygap=gap, name=title, showscale=not position,
                hovertemplate=f"{title}<br>{hover}<extra></extra>",
                colorbar=colorbar(bar, _ticks(tickformat, span), figure.layout.height),
            )
        )  # fmt: skip
        domain = [0.0, 0.485] if not position else [0.515, 1.0]
        figure.update_layout(
            {
                f"xaxis{number}": {"domain": domain, "anchor": f"y{number}"},
                f"yaxis{number}": {"anchor": f"x{number}"},
            }
        )
        panel(figure, title, domain[0])
    axes(figure, rows, columns)
    figure.update_xaxes(title_text=x_title)
    figure.update_layout(
        margin={"t": 66 + HEADING}, yaxis={"title": {"text": y_title}}, yaxis2={"showticklabels": False}
    )
    return figure


def panel(figure: go.Figure, title: str, left: float) -> None:
    """Write a panel's title above it; thumbnails keep it."""
    figure.add_annotation(
        name=PANEL, text=f"<b>{theme.short(title, 34)}</b>", x=left, xref="paper", xanchor="left",
        y=1, yref="paper", yanchor="bottom", showarrow=False, font={"size": 12, "color": theme.INK},
    )  # fmt: skip


def colorbar(title: str, tickformat: str, height: int) -> dict[str, Any]:
    """Return a slim bar on top, where neither labels nor a phone's width are in its way."""
    return {
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "y": 1 - BAR / height,
        "yref": "container",
        "yanchor": "bottom",
        "ypad": 0,
        "xpad": 0,
        "len": 0.6,
        "thickness": 8,
        "outlinewidth": 0,
        "nticks": 5,
        "tickformat": tickformat,
        "tickfont": {"size": 11, "color": theme.MUTED},
        # The small second line keeps the words off the bar: a title has no padding of its own.
        "title": {
            "text": f'{title}<br><span style="font-size:4px"> </span>',
            "side": "top",
            "font": {"size": 12, "color": theme.MUTED},
        },
    }


def _ticks(tickformat: str, span: tuple[float, float]) -> str:
    """Return a format that tells the ticks apart: whole per cents do not on a scale of a few."""
    return ".1%" if tickformat == ".0%" and span[1] - span[0] < FEW else tickformat


def share_span(shares: Array, fields: int) -> tuple[float, float]:
    """Return the scale of shares of attention among N fields: from 0 to what 2 of 1,000 cells exceed.

    It reaches at least twice the even share 1/N, so that attention without any preference looks even
    and its noise does not look like a pattern; one outlier does not take the others' shades.
    """
    finite = shares[np.isfinite(shares)]
    return 0.0, max(float(np.quantile(finite, 0.998)) if finite.size else 0.0, 2 / fields)


def axes(figure: go.Figure, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Lay out both category axes: cut labels, every k-th where there are too many, first row on top."""
    x_step, y_step = -(-len(columns) // 40), -(-len(rows) // 60)
    figure.update_xaxes(
        type="category",
        tickvals=columns[::x_step],
        ticktext=[theme.short(name, 18) for name in columns[::x_step]],
        tickangle=-45 if len(columns) <= 20 else -90,
        tickfont={"size": _font(len(columns)), "color": theme.INK},
        showgrid=False,
        ticks="",
        showline=False,
    )
    figure.update_yaxes(
        type="category",
        autorange="reversed",
        tickvals=rows[::y_step],
        ticktext=[theme.short(name, 18) for name in rows[::y_step]],
        tickfont={"size": _font(len(rows)), "color": theme.INK},
        showgrid=False,
        ticks="",
        showline=False,
    )
    figure.update_layout(margin={"t": 66})


def tiles(
    blocks: Array, layers: Sequence[str], heads: Sequence[str], rows: Sequence[str], columns: Sequence[str]
) -> tuple[Array, list[str], list[str]]:
    """Return blocks (L, H, Q, K) as one matrix with NaN gaps, and its row and column labels.

    Labels say the tile too ("Layer 1: Category"), so that the hover box needs no text of its own.
    """
    gap = max(1, round(0.06 * max(len(rows), len(columns))))
    count = (len(layers), len(heads))
    high = count[0] * (len(rows) + gap) - gap
    wide = count[1] * (len(columns) + gap) - gap
    out = np.full((high, wide), np.nan, np.float32)
    for i in range(count[0]):
        for j in range(count[1]):
            top, left = i * (len(rows) + gap), j * (len(columns) + gap)
            out[top : top + len(rows), left : left + len(columns)] = blocks[i, j]
    return out, _labels("Layer", layers, rows, gap), _labels("Head", heads, columns, gap)


def grid(
    blocks: Array,
    layers: Sequence[str],
    heads: Sequence[str],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    colours: Sequence[str],
    span: tuple[float, float],
    bar: str,
    hover: str,
    tickformat: str = ".0%",
) -> go.Figure:
    """Return all layers × heads as ONE heatmap: a subplot each would take seconds to draw."""
    z, y, x = tiles(blocks, layers, heads, unique(rows), unique(columns))
    figure = theme.figure(int(np.clip(z.shape[0] * 9, 150 * len(layers), 330 * len(layers))) + 120)
    figure.add_trace(
        go.Heatmap(
            z=z,
            x=x,
            y=y,
            colorscale=theme.scale(colours),
            zmin=span[0],
            zmax=span[1],
            hoverongaps=False,
            hovertemplate=hover + "<extra></extra>",
            colorbar=colorbar(bar, _ticks(tickformat, span), figure.layout.height),
        )
    )
    gap = (len(x) - len(heads) * len(columns)) // max(len(heads) - 1, 1)
    centres = [j * (len(columns) + gap) + len(columns) // 2 for j in range(len(heads))]
    middle = [i * (len(rows) + gap) + len(rows) // 2 for i in range(len(layers))]
    figure.update_xaxes(
        type="category",
        side="top",
        tickvals=[x[p] for p in centres],
        ticktext=[_heading("Head", head) for head in heads],
        tickangle=0,
        showgrid=False,
        showline=False,
        ticks="",
    )
    figure.update_yaxes(
        type="category",
        autorange="reversed",
        tickvals=[y[p] for p in middle],
        ticktext=[_heading("Layer", layer) for layer in layers],
        showgrid=False,
        showline=False,
        ticks="",
        title_text="Attending field (query) of each tile, top to bottom",
    )
    figure.add_annotation(
        text="Attended field (key) of each tile, left to right",
        x=0.5, y=0, xref="paper", yref="paper", yanchor="top", yshift=-8, showarrow=False,
        font={"size": 12, "color": theme.MUTED},
    )  # fmt: skip
    figure.update_layout(margin={"t": 90, "b": 36})
    return figure


def _labels(kind: str, names: Sequence[str], fields: Sequence[str], gap: int) -> list[str]:
    out: list[str] = []
    for index, name in enumerate(names):
        out += [f"{_heading(kind, name)}: {field}" for field in fields]
        if index < len(names) - 1:
            out += [f"gap {index} {step}" for step in range(gap)]
    return out


def _heading(kind: str, name: str) -> str:
    return f"{kind} {name}" if name.isdigit() else name.capitalize()


def _height(rows: int) -> int:
    cell = 40 if rows <= 8 else 32 if rows <= 14 else 24 if rows <= 25 else 15
    return int(np.clip(rows * cell, 120, 900)) + 184


def _font(count: int) -> int:
    return 12 if count <= 25 else 10 if count <= 40 else 9
