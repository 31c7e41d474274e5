"""How far a picture of a model's inside agrees with that of the untrained net, and with another seed's."""

import json
from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from msviz.figures import theme
from msviz.figures.choices import choice, names, shown, title, unique
from msviz.figures.marks import list_axis, list_height
from msviz.figures.picture import Picture
from msviz.finding import Finding

LIMIT = 30
MARKS = {
    "untrained": ("An untrained net", theme.CATEGORICAL[1], "circle"),
    "another seed": ("Another seed", theme.CATEGORICAL[0], "diamond"),
}
HOW_TO_READ = (
    "A mark is Pearson's correlation between the numbers that this run's picture draws and a control's, "
    "on the same rows: 1 is the same picture, 0 has nothing to do with it. *An untrained net* is this one "
    "as training started it: far to the right, the picture shows how weights were drawn, not what was "
    "learned. *Another seed* is a run that differs in nothing else: far to the left, the picture is one "
    "of many that predict as well. Dotted: from there on pictures are called much the same, and the same. "
    "No mark: one side does not vary."
)


def draw(finding: Finding, by: str | None = None, entries: Mapping[str, str] | None = None) -> go.Figure:
    """Return the correlation with each control, a row for each entry of the axis `by`, layers by default.

    Of another axis the entry that `entries` names (axis: label) is drawn, else its mean, or its first. Raises
    MsvizError for an axis that the picture in question does not let choose.
    """
    data = finding.data
    each = json.loads(data.attrs["each"])
    axis = choice("by", by or ("layer" if "layer" in each else each[0]), each)
    means = json.loads(data.attrs["means"])
    usual = {dim: means.get(dim, names(data, dim)[0]) for dim in each if dim != axis}
    choices = {
        dim: label for dim, label in (entries or {}).items() if dim in usual and label in names(data, dim)
    }
    rest = usual | choices
    labels = names(data, axis)
    visible = np.arange(len(labels))[:LIMIT]
    rows = unique([f"{axis.capitalize()} {name}" if name.isdigit() else name for name in labels])
    rows = [rows[row] for row in visible]
    figure = theme.figure(list_height(len(rows)) + 24)
    for control in names(data, "control"):
        name, colour, symbol = MARKS[control]
        here = data.sel(control=control, **rest).isel({axis: visible})
        other = data.attrs["other"] if control != "untrained" else ""
        figure.add_trace(
            go.Scatter(
                x=here["r"].values.astype(np.float32),
                y=rows,
                mode="markers",
                name=f"{name} ({theme.short(str(other), 24)})" if other else name,
                marker={"size": 12, "color": colour, "symbol": symbol},
                customdata=here["cells"].values,
                hovertemplate="%{y}<br>correlation <b>%{x:.2f}</b> over %{customdata:,} cells<extra></extra>",
            )
        )
    list_axis(figure, rows)
    for bound in (float(data.attrs["much"]), float(data.attrs["same"])):
        figure.add_vline(bound, line={"color": theme.FAINT, "width": 1, "dash": "dot"}, layer="below")
    note = shown(len(rows), len(labels), f"{axis}s", "the first")
    figure.update_xaxes(
        title_text=title("Correlation with this run's picture", ", ".join(rest.values()), note, width=44),
        range=[-1.06, 1.06],
        tickformat=".1f",
        nticks=6,
    )
    figure.update_layout(showlegend=True, hovermode="closest")
    return figure


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
