"""How much each field attends to each other field, in one scenario: one head, or all heads at a glance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme
from msviz.figures.choices import Array, choice, largest, names, pick, shown, title
from msviz.figures.heat import grid, heat, share_span
from msviz.figures.picture import Picture
from msviz.finding import Finding
from msviz.statistics.intervals import half_width

MEAN = "mean of heads"
FIELDS = 60
HOW_TO_READ = (
    "A row is the field that looks (query), a column the field it looks at (key). A cell is the share of "
    "the row's attention that goes to the column, averaged over the impressions of the scenario; every row "
    "sums to 100 %. Darker is more; the darkest shade also stands for the few cells beyond the scale. In the "
    "first layer a cell is about two fields; in later layers each field already carries what it gathered "
    "before. Hover for the 95 % interval and how much impressions differ (standard deviation). Attention "
    "says what the model relates, not what caused a click."
)


def draw(
    finding: Finding,
    scenario: str | None = None,
    layer: str | None = None,
    head: str | None = None,
    view: str = "one",
    top: float | None = None,
    numbers: bool = True,
) -> go.Figure:
    """Return the heatmap of one head, or with view "grid" of all layers and heads.

    The scale is the same in every scenario, so that switching between them shows real changes; `top`
    sets its end, so that two runs can share one. `numbers` writes them into the cells. Raises
    MsvizError for a scenario, layer, head or view that does not exist.
    """
    choice("view", view, ("one", "grid"))
    data = finding.data
    scenario, layer, head = (
        pick(data, "scenario", scenario),
        pick(data, "layer", layer),
        pick(data, "head", head),
    )
    fields = data.sizes["key"]
    data, note = telling(data)
    here = data.sel(scenario=scenario)
    if view == "grid":
        heads = [name for name in names(data, "head") if name != MEAN] or [MEAN]
        part = here["mean"].sel(head=heads).transpose("layer", "head", "query", "key")
        end = share_span(data["mean"].sel(head=heads).values, fields)[1]
        return grid(
            part.values,
            names(data, "layer"),
            heads,
            names(data, "query"),
            names(data, "key"),
            colours=theme.SEQUENTIAL,
            span=(0, top or end),
            bar=f"Share of attention, {theme.short(scenario, 30)}",
            hover="%{y}<br>%{x}<br><b>%{z:.1%}</b>",
        )
    cell = here.sel(layer=layer, head=head).transpose("query", "key", ...)
    mean, deviation = cell["mean"].values, cell["deviation"].values
    rows = int(here["rows"])
    # Bounds of every cell would double a finding of millions of cells, which tells deviation and rows.
    half = half_width(deviation, rows)
    end = reach(finding, layer, head)
    return heat(
        mean,
        names(data, "query"),
        names(data, "key"),
        span=(0, top or end),
        bar=f"Share of attention, {theme.short(scenario, 30)}",
        x_title=title("Attended field (key)", note),
        y_title="Attending field (query)",
        hover="%{y} → %{x}<br><b>%{z:.1%}</b> ± %{customdata[0]:.2%} (95 %)"
        f"<br>between impressions: ± %{{customdata[1]:.1%}}<br>{rows:,} rows",
        extra=np.stack([half, deviation], axis=-1),
        numbers=numbers,
    )


def reach(finding: Finding, layer: str, head: str) -> float:
    """Return where the scale of one layer and head ends; 0 where the finding has no such layer or head."""
    data = finding.data
    if layer not in names(data, "layer") or head not in names(data, "head"):
        return 0.0
    return share_span(data["mean"].sel(layer=layer, head=head).values, data.sizes["key"])[1]


def common_scale(
    findings: Sequence[Finding],
    scenario: str | None = None,
    layer: str | None = None,
    head: str | None = None,
    view: str = "one",
) -> dict[str, Any]:
    """Return what `draw` is told so that several findings of one model share a scale."""
    first = findings[0].data
    if view == "grid":
        heads = [name for name in names(first, "head") if name != MEAN] or [MEAN]
        ends = [share_span(f.data["mean"].sel(head=heads).values, f.data.sizes["key"])[1] for f in findings]
    else:
        layer, head = pick(first, "layer", layer), pick(first, "head", head)
        ends = [reach(finding, layer, head) for finding in findings]
    return {"top": max(ends)}


def telling(data: xr.Dataset, limit: int = FIELDS) -> tuple[xr.Dataset, str]:
    """Return the data with at most `limit` fields, those that receive most attention, and words for it."""
    name = "mean" if "mean" in data else "attention" if "attention" in data else "difference"
    received = abs(data[name])
    weight: Array = received.mean([dim for dim in received.dims if dim != "key"]).values
    keep = largest(weight, limit)
    note = shown(len(keep), len(weight), "fields", "those with most attention")
    return (data.isel(query=keep, key=keep) if note else data), note


PICTURE = Picture(
    draw=draw,
    how_to_read=HOW_TO_READ,
    common_scale=common_scale,
    axes=("scenario", "layer", "head"),
)
