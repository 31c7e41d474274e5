"""Fields down the left side: bars of one value each, or a heatmap with heads or scenarios across."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from msviz.figures import theme
from msviz.figures.choices import Array, unique
from msviz.figures.heat import heat
from msviz.figures.marks import errors, list_axis, list_height

FIELDS, SCENARIOS = 60, 40


def ranked(values: Array, limit: int = FIELDS) -> Array:
    """Return the places of the `limit` largest values (F,), the largest first; NaN comes last."""
    return np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[:limit]


def bars(
    value: Array,
    low: Array,
    high: Array,
    fields: Sequence[str],
    *,
    colours: Sequence[str] | str,
    name: str,
    x_title: str,
    form: str,
    unit: str = "",
) -> go.Figure:
    """Return one bar with its 95 % interval for each field, in the order given."""
    labels = unique(fields)
    figure = theme.figure(list_height(len(labels)))
    bounds = np.stack([low, high], -1).astype(np.float32)
    sure = f"<br>95 %: %{{customdata[0]:{form}}} to %{{customdata[1]:{form}}}{unit}"
    figure.add_trace(
        go.Bar(
            x=np.asarray(value, np.float32),
            y=labels,
            orientation="h",
            name=name,
            marker_color=colours if isinstance(colours, str) else list(colours),
            error_x=errors(value, low, high),
            customdata=bounds,
            hovertemplate=f"%{{y}}<br><b>%{{x:{form}}}{unit}</b>"
            + (sure if np.isfinite(bounds).any() else "")
            + "<extra></extra>",
        )
    )
    list_axis(figure, labels)
    figure.update_xaxes(title_text=x_title, tickformat=form, nticks=6)
    figure.update_layout(bargap=0.35, showlegend=False, margin={"t": 24})
    return figure


def table(
    z: Array,
    fields: Sequence[str],
    across: Sequence[str],
    *,
    middle: float,
    least: float,
    bar: str,
    x_title: str,
    form: str,
    hover: str,
    extra: Array | None = None,
    text: str | None = None,
    half: float | None = None,
) -> go.Figure:
    """Return z (fields, across) as a heatmap around `middle`, whose ends lie at least `least` away.

    `half` says how far away they lie, whatever z holds.
    """
    if half is None:
        distance = np.abs(z[np.isfinite(z)] - middle)
        half = max(float(np.quantile(distance, 0.998)) if distance.size else 0.0, least)
    figure = heat(
        z,
        fields,
        across,
        colours=theme.DIVERGING,
        span=(middle - half, middle + half),
        bar=bar,
        x_title=x_title,
        y_title="",
        hover=hover,
        extra=extra,
        text=text or f"%{{z:{form}}}",
        tickformat=form,
    )
    # Three numbers fit a phone; more would tilt and push the bar's title out of the picture.
    step = float(f"{0.7 * half:.1g}")
    figure.update_traces(colorbar_tickvals=[middle - step, middle, middle + step], colorbar_tickangle=0)
    return figure
