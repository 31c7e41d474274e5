"""How a model scores impressions: the predictions of those that were clicked and those that were not."""

import numpy as np
import plotly.graph_objects as go

from msviz.figures import theme
from msviz.figures.choices import choice, names
from msviz.figures.picture import Picture
from msviz.finding import Finding

BINS = 25
GROUPS = (("not clicked", 0, theme.FAINT), ("clicked", 1, theme.CATEGORICAL[1]))
HOW_TO_READ = (
    "Each curve is the share of impressions (of the sample) by predicted click probability, clicked and not "
    "clicked each summing to 100 %. The further apart the two, the better the model separates them."
)


def draw(finding: Finding, scenario: str | None = None) -> go.Figure:
    """Return two step histograms of predictions, clicked and not; `scenario` None takes all.

    Raises MsvizError for a scenario that no sampled impression has.
    """
    data = finding.data
    inside = np.ones(data.sizes["impression"], bool)
    if scenario is not None and scenario != theme.ALL:
        inside = data["scenario"].values.astype(str) == choice(
            "scenario", scenario, sorted(set(names(data, "scenario")))
        )
    prediction, label = data["prediction"].values[inside], data["label"].values[inside]
    top = float(np.quantile(prediction, 0.999)) if len(prediction) else 1.0
    edges = np.linspace(0, max(top, 1e-3), BINS + 1)
    figure = theme.figure(260)
    for name, value, colour in GROUPS:
        chosen = np.clip(prediction[label == value], 0, edges[-1])
        count = np.histogram(chosen, edges)[0]
        share = (count / max(len(chosen), 1)).astype(np.float32)
        figure.add_trace(
            go.Scatter(
                x=((edges[1:] + edges[:-1]) / 2).astype(np.float32),
                y=share,
                mode="lines",
                line={"shape": "hvh", "width": 2, "color": colour},
                name=f"{name} ({len(chosen):,})",
                hovertemplate=f"predicted %{{x:.1%}}<br><b>%{{y:.1%}}</b> of those {name}<extra></extra>",
            )
        )
    figure.update_xaxes(title_text="Predicted click probability", tickformat=".2~%", rangemode="tozero")
    figure.update_yaxes(title_text="Share of impressions", tickformat=".0%", rangemode="tozero")
    figure.update_layout(showlegend=True, hovermode="closest")
    return figure


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
