"""Where attention differs between two scenarios or two runs, and which differences are more than chance."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme
from msviz.figures.choices import Array, choice, names, pick, title
from msviz.figures.heat import grid, heat, share_span, side_by_side, tiles
from msviz.figures.picture import Picture
from msviz.figures.pictures.attention_by_scenario import MEAN, telling
from msviz.finding import Finding

HOW_TO_READ = (
    "A cell is the second one's share of attention minus the first one's, in percentage points: orange "
    "where the second attends more, blue where it attends less. Only differences that are significant are "
    "coloured (Welch's t-test, false discovery rate 5 % over all cells by Benjamini and Hochberg); grey "
    "cells could be chance. With many rows tiny differences are significant too: look at the size first. "
    "Side by side: the two themselves, each row's shares of attention summing to 100 %, on one scale."
)
VIEWS = ("one", "grid", "pair")
POINTS = "Difference in share of attention, percentage points"


def draw(
    finding: Finding,
    layer: str | None = None,
    head: str | None = None,
    view: str = "one",
    cells: str = "significant",
) -> go.Figure:
    """Return the difference heatmap, diverging around zero; `cells` "all" colours chance findings too.

    With view "pair", the two themselves are drawn side by side on one scale instead of their difference.
    Raises MsvizError for a layer, head, view or cells that does not exist.
    """
    choice("view", view, VIEWS)
    choice("cells", cells, ("significant", "all"))
    layer, head = pick(finding.data, "layer", layer), pick(finding.data, "head", head)
    data, note = telling(finding.data)
    data = data.transpose("layer", "head", "query", "key")
    if view == "pair":
        return _pair(data.sel(layer=layer, head=head), finding.data.sel(layer=layer, head=head), note)
    value = 100 * data["difference"]
    if cells == "significant":
        value = value.where(data["significant"].astype(bool))
    if view == "grid":
        heads = [name for name in names(data, "head") if name != MEAN] or [MEAN]
        part = value.sel(head=heads).values
        figure = grid(
            part, names(data, "layer"), heads, names(data, "query"), names(data, "key"),
            colours=theme.DIVERGING, span=_span(part), bar=POINTS, tickformat="+.2~f",
            hover="%{y}<br>%{x}<br><b>%{z:+.2f} points</b>",
        )  # fmt: skip
        return _grey_out(figure, 100 * data["difference"].sel(head=heads).values, part)
    part = value.sel(layer=layer, head=head).values
    cell = data.sel(layer=layer, head=head)
    every = 100 * cell["difference"].values
    figure = heat(
        part,
        names(data, "query"),
        names(data, "key"),
        colours=theme.DIVERGING,
        span=_span(value.values),
        bar=POINTS,
        x_title=title("Attended field (key)", note),
        y_title="Attending field (query)",
        hover="%{y} → %{x}<br><b>%{z:+.2f} points</b>"
        "<br>95 %: %{customdata[0]:+.2f} to %{customdata[1]:+.2f}<br>corrected p %{customdata[2]:.2g}",
        extra=np.stack([100 * cell["low"].values, 100 * cell["high"].values, cell["q"].values], axis=-1),
        text="%{z:+.1f}",
        tickformat="+.2~f",
    )
    return _grey_out(figure, every, part)


def _pair(attention: xr.Dataset, every: xr.Dataset, note: str) -> go.Figure:
    """Return the two that are compared (query, key) as they are; the scale is of all their fields."""
    sides = ("share_a", "share_b")
    reach = np.stack([every[side].values for side in sides])
    return side_by_side(
        np.stack([attention[side].values for side in sides]),
        [str(every.attrs.get(side, side)) for side in ("a", "b")],
        names(attention, "query"),
        names(attention, "key"),
        span=share_span(reach, every.sizes["key"]),
        bar="Share of attention, one scale for both",
        x_title=title("Attended field (key)", note, width=34),
        y_title="Attending field (query)",
        hover="%{y} → %{x}<br><b>%{z:.1%}</b>",
    )


def _span(values: Array) -> tuple[float, float]:
    sizes = np.abs(values[np.isfinite(values)])
    top = float(np.quantile(sizes, 0.998)) if sizes.size else 1.0
    return -(top or 1.0), top or 1.0


def _grey_out(figure: go.Figure, every: Array, coloured: Array) -> go.Figure:
    """Put a flat grey layer under the cells that are left uncoloured, with their numbers in the hover."""
    top = figure.data[0]
    if every.ndim == 4:
        # Tiles of the grid: the coloured matrix has gaps already, so the grey one is laid out alike.
        layers, heads, rows, columns = every.shape
        labels = [[str(i) for i in range(n)] for n in (layers, heads, rows, columns)]
        every, _, _ = tiles(every, *labels)
    grey = np.where(np.isnan(np.asarray(top.z)), every, np.nan).astype(np.float32)
    under = go.Heatmap(
        z=grey,
        x=top.x,
        y=top.y,
        colorscale=[[0, theme.QUIET], [1, theme.QUIET]],
        showscale=False,
        hoverongaps=False,
        xgap=top.xgap,
        ygap=top.ygap,
        hovertemplate="%{y} → %{x}<br>%{z:+.2f} points, not significant<extra></extra>",
    )
    figure.add_trace(under)
    figure.data = (figure.data[1], figure.data[0])
    return figure


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
