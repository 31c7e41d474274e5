"""Which fields the heads look at most: attention accumulated by key field, scenario by scenario."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme
from msviz.figures.accumulated import slopes
from msviz.figures.choices import choice, largest, names, pick, shown, title
from msviz.figures.heat import heat, share_span
from msviz.figures.marks import errors, list_axis, list_height
from msviz.figures.picture import Picture
from msviz.finding import Finding

FIELDS, SCENARIOS = 60, 40
HOW_TO_READ = (
    "Attention that a field receives, averaged over all fields that look and over the impressions of the "
    "scenario; the shares of one scenario sum to 100 %. With N fields and no preference each would receive "
    "1/N. Whiskers are 95 % intervals. Lines show the fields whose share differs most between scenarios; all "
    "others are grey. Attention received says what the model reads often, not what it needs: on planted data "
    "it hardly finds the fields that matter. To find those, see what happens to predictions without a field."
)
VIEWS = ("shares", "change")


def draw(
    finding: Finding,
    scenario: str | None = None,
    layer: str | None = None,
    head: str | None = None,
    order: Sequence[str] = (),
    view: str = "shares",
) -> go.Figure:
    """Return scenario × field as a heatmap, or the fields of one `scenario` as bars with intervals.

    `view` "change" returns a line a field over the scenarios instead, those that change most in colour.
    Raises MsvizError for a scenario, layer, head or view that does not exist.
    """
    data = finding.data
    if choice("view", view, VIEWS) == "change":
        selection = {"layer": pick(data, "layer", layer), "head": pick(data, "head", head)}
        return slopes(data.sel(selection).transpose("scenario", "key"))
    layer, head = pick(data, "layer", layer), pick(data, "head", head)
    part = data.sel(layer=layer, head=head).transpose("scenario", "key")
    whole = part["value"].sel(scenario=pick(data, "scenario", None))  # all scenarios come first
    ranked = np.argsort(-np.nan_to_num(whole.values), kind="stable")
    fields = ranked[:FIELDS]
    note = shown(len(fields), len(ranked), "fields", "those with most attention")
    part = part.isel(key=fields)
    if scenario is None:
        rows = np.arange(len(part.scenario))[:SCENARIOS]
        more = shown(len(rows), len(part.scenario), "scenarios", "the first")
        values = part["value"].values[rows]
        extra = np.stack([part["low"].values[rows], part["high"].values[rows]], axis=-1)
        return heat(
            values,
            [names(part, "scenario")[i] for i in rows],
            names(part, "key"),
            span=share_span(values, len(ranked)),
            bar="Share of attention received",
            x_title=title("Field, most attended first", note, more),
            y_title="",
            hover="%{y}, %{x}<br><b>%{z:.1%}</b> (95 %: %{customdata[0]:.2%} to %{customdata[1]:.2%})",
            extra=extra,
        )
    return _bars(part, pick(data, "scenario", scenario), note, order or names(data, "scenario"))


def _bars(part: xr.Dataset, scenario: str, note: str, order: Sequence[str]) -> go.Figure:
    here = part.sel(scenario=scenario)
    sort = largest(here["value"].values, FIELDS)
    sort = sort[np.argsort(-np.nan_to_num(here["value"].values[sort]), kind="stable")]
    here, fields = here.isel(key=sort), [names(here, "key")[i] for i in sort]
    figure = theme.figure(list_height(len(fields)))
    value = here["value"].values.astype(np.float32)
    figure.add_trace(
        go.Bar(
            x=value,
            y=fields,
            orientation="h",
            name=scenario,
            marker_color=theme.colours([scenario], order)[0],
            error_x=errors(value, here["low"].values, here["high"].values),
            hovertemplate="%{y}<br><b>%{x:.1%}</b><extra></extra>",
        )
    )
    if scenario != theme.ALL and theme.ALL in names(part, "scenario"):
        figure.add_trace(
            go.Scatter(
                x=part["value"].sel(scenario=theme.ALL).values[sort].astype(np.float32),
                y=fields,
                mode="markers",
                name=theme.ALL,
                marker={"symbol": "line-ns", "size": 13, "line": {"width": 2.5, "color": theme.INK}},
                hovertemplate="%{y}, all scenarios<br><b>%{x:.1%}</b><extra></extra>",
            )
        )
    list_axis(figure, fields)
    figure.update_xaxes(
        title_text=title("Share of attention received", note), tickformat=".0%", rangemode="tozero"
    )
    figure.update_layout(bargap=0.35, showlegend=True)
    return figure


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
