"""The same impression placed in every scenario: what the model would predict, and where it would look."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme
from msviz.figures.choices import choice, largest, names, pick, shown, title, unique
from msviz.figures.heat import heat, share_span
from msviz.figures.marks import list_axis, list_height
from msviz.figures.picture import Picture
from msviz.figures.pictures.attention_by_scenario import MEAN
from msviz.finding import Finding

LIMIT, FIELDS = 40, 60
HOW_TO_READ = (
    "Only the scenario is changed; every other field of the impression stays as it was. Longer bars mean a "
    "higher predicted click probability; the scenario where the impression really happened is the full bar. "
    "By attention, a row is a scenario and a cell the attention that a field receives there (over all "
    "fields that "
    "look). Fields that are specific to a scenario keep their value, so read far-fetched moves with care."
)


def draw(
    finding: Finding,
    view: str = "prediction",
    layer: str | None = None,
    head: str | None = None,
    order: Sequence[str] = (),
) -> go.Figure:
    """Return predicted click probability by scenario, or with view "attention" who receives attention there.

    Raises MsvizError for a view, layer or head that does not exist; not every model shows attention.
    """
    data = finding.data
    choice("view", view, ("prediction", "attention") if "attention" in data else ("prediction",))
    actual = data["actual"].values.astype(bool)
    # The scenario of the impression stays, whatever else is cut.
    scenarios = largest(np.where(actual, np.inf, data["prediction"].values), LIMIT)
    note = shown(len(scenarios), len(actual), "scenarios", "those with the highest predictions")
    data = data.isel(scenario=scenarios)
    if view == "attention":
        head = pick(data, "head", head or (MEAN if MEAN in names(data, "head") else None))
        part = data["attention"].sel(layer=pick(data, "layer", layer), head=head)
        received = part.mean("query").transpose("scenario", "key")
        keys = largest(received.mean("scenario").values, FIELDS)
        received = received.isel(key=keys)
        return heat(
            received.values,
            [_star(n, a) for n, a in zip(names(data, "scenario"), data["actual"].values, strict=True)],
            names(received, "key"),
            span=share_span(received.values, data.sizes["key"]),
            bar="Share of attention received",
            x_title=title("Field", note),
            y_title="",
            hover="%{y}<br>%{x} receives <b>%{z:.1%}</b>",
        )
    return _predictions(finding, data, note, order)


def _predictions(finding: Finding, data: xr.Dataset, note: str, order: Sequence[str]) -> go.Figure:
    labels = unique(names(data, "scenario"))
    palette = theme.colours(names(data, "scenario"), order or names(finding.data, "scenario"))
    actual = data["actual"].values.astype(bool)
    figure = theme.figure(list_height(len(labels)))
    figure.add_trace(
        go.Bar(
            x=data["prediction"].values.astype(np.float32),
            y=labels,
            orientation="h",
            marker={
                "color": palette,
                "opacity": np.where(actual, 1.0, 0.45).astype(np.float32),
            },
            texttemplate="%{x:.1%}",
            textposition="outside",
            textfont={"size": 12, "color": theme.INK},
            cliponaxis=False,
            hovertemplate="%{y}<br>predicted click probability <b>%{x:.2%}</b><extra></extra>",
        )
    )
    list_axis(figure, labels)
    figure.update_yaxes(ticktext=[theme.short(_star(n, a), 24) for n, a in zip(labels, actual, strict=True)])
    figure.update_xaxes(
        title_text=title("Predicted click probability", note), tickformat=".1~%", rangemode="tozero"
    )
    figure.update_layout(showlegend=False, bargap=0.4, margin={"t": 16, "r": 56})
    return figure


def _star(name: str, actual: bool) -> str:
    return f"{name} (actual)" if actual else name


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
