"""The same vectors laid out from two starts, side by side: what stays together can be believed."""

import numpy as np
import plotly.graph_objects as go

from msviz.figures import theme
from msviz.figures.choices import names
from msviz.figures.picture import Picture
from msviz.finding import Finding

POINTS = 5_000  # of each layout that are drawn
HOW_TO_READ = (
    "Each dot is a vector, in both pictures in the same colour: its place from left to right in the first. "
    "Where colours stay in the same groups, the groups can be believed; where a whole group has moved or "
    "turned, its place cannot. The second picture is turned and stretched to lie on the first as well as it "
    "can. Axes have no unit."
)


def draw(finding: Finding) -> go.Figure:
    """Return both layouts, dots coloured by their place in the first."""
    layout = finding.data["layout"].values[:, :: max(1, finding.data.sizes["point"] // POINTS)]
    rank = np.argsort(np.argsort(layout[0, :, 0])).astype(np.float32) / max(layout.shape[1] - 1, 1)
    figure = theme.figure(420)
    for number, start in enumerate(names(finding.data, "start")):
        axis = "" if number == 0 else "2"
        figure.add_trace(
            go.Scattergl(
                x=layout[number, :, 0].astype(np.float32),
                y=layout[number, :, 1].astype(np.float32),
                mode="markers",
                name=f"start {start}",
                xaxis=f"x{axis}",
                yaxis=f"y{axis}",
                marker={"size": 4, "color": rank, "colorscale": theme.scale(theme.SEQUENTIAL[1:])},
                hoverinfo="skip",
            )
        )
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False, "ticks": ""}
    figure.update_layout(
        showlegend=False,
        xaxis={**bare, "domain": [0, 0.48], "title": "From one start"},
        xaxis2={**bare, "domain": [0.52, 1], "title": "From another", "anchor": "y2"},
        yaxis=bare,
        yaxis2={**bare, "anchor": "x2"},
    )
    return figure


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
