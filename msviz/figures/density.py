"""Very many points as a raster: how many lie in each small square of the stretch one looks at."""

import numpy as np
import plotly.graph_objects as go

from msviz.figures import theme
from msviz.figures.choices import Array
from msviz.figures.heat import colorbar
from msviz.finding import Finding

CELLS = 320  # squares a side
HOW_TO_READ = (
    "Each small square is shaded by how many vectors lie in it, on a scale on which every step is ten "
    "times as many. "
    "Draw a box to look closer: the squares are then counted again for that stretch alone."
)


def draw(
    finding: Finding, x: tuple[float, float] | None = None, y: tuple[float, float] | None = None
) -> go.Figure:
    """Return the density of a finding's layout, inside a stretch where one is given."""
    return draw_layout(finding.data["layout"].values, x, y)


def draw_layout(
    layout: Array, x: tuple[float, float] | None = None, y: tuple[float, float] | None = None
) -> go.Figure:
    """Return a raster of a layout (n, 2): counts in CELLS² squares of the stretch x, y, by default all."""
    count, x_edge, y_edge = raster(layout, x, y)
    shade = np.log10(np.maximum(count, 1))
    top = max(float(shade.max()), 1.0)
    # Whole numbers of one byte travel at a quarter of the cost; 0 is an empty square.
    steps = np.where(count > 0, 1 + np.round(shade / top * 254), 0).astype(np.uint8)
    figure = theme.figure(580)
    ticks = list(range(int(top) + 1))
    figure.add_trace(
        go.Heatmap(
            z=steps,
            x0=float(x_edge[:2].mean()),
            dx=float(x_edge[1] - x_edge[0]),
            y0=float(y_edge[:2].mean()),
            dy=float(y_edge[1] - y_edge[0]),
            colorscale=[
                [0, theme.PAPER],
                [0.5 / 255, theme.PAPER],
                *([(1 + k / 5 * 254) / 255, tone] for k, tone in enumerate(theme.SEQUENTIAL[1:])),
            ],
            zmin=0,
            zmax=255,
            hoverinfo="skip",
            colorbar=colorbar(f"Vectors in a square ({int(count.sum()):,} in all)", "", 580)
            | {"tickvals": [1 + k / top * 254 for k in ticks], "ticktext": [f"{10**k:,}" for k in ticks]},
        )
    )
    figure.update_xaxes(
        showticklabels=False, showgrid=False, zeroline=False, ticks="", range=list(x_edge[[0, -1]])
    )
    figure.update_yaxes(
        showticklabels=False, showgrid=False, zeroline=False, ticks="", range=list(y_edge[[0, -1]])
    )
    figure.update_layout(dragmode="select", margin={"t": 66})
    return figure


def raster(
    layout: Array, x: tuple[float, float] | None = None, y: tuple[float, float] | None = None
) -> tuple[Array, Array, Array]:
    """Return counts (CELLS, CELLS) by y and x, and the edges of the squares."""
    spans = [limits or _span(layout[:, axis]) for axis, limits in enumerate((x, y))]
    edges = [np.linspace(low, high, CELLS + 1) for low, high in spans]
    cells = [
        np.floor((layout[:, axis] - low) / max(high - low, 1e-30) * CELLS).astype(np.int64)
        for axis, (low, high) in enumerate(spans)
    ]
    for axis, (_, high) in enumerate(spans):
        cells[axis][layout[:, axis] == np.float32(high)] = CELLS - 1  # the last square holds its far edge
    inside = np.all([(part >= 0) & (part < CELLS) for part in cells], axis=0)
    flat = np.bincount(cells[1][inside] * CELLS + cells[0][inside], minlength=CELLS * CELLS)
    return flat.reshape(CELLS, CELLS), edges[0], edges[1]


def _span(values: Array) -> tuple[float, float]:
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    return (low, high) if high > low else (low - 1, high + 1)
