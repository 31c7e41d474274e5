"""Lists of names with a value each: error bars, the axis of names, and a height that leaves room for all."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from msviz.figures import theme

Array = np.ndarray[Any, Any]


def errors(value: Array, low: Array, high: Array, colour: str = theme.INK) -> dict[str, Any]:
    """Return Plotly error bars that reach from `low` to `high`; none where a bound is NaN."""
    return {
        "type": "data",
        "symmetric": False,
        "array": np.nan_to_num(np.maximum(high - value, 0)).astype(np.float32),
        "arrayminus": np.nan_to_num(np.maximum(value - low, 0)).astype(np.float32),
        "thickness": 1.5,
        "width": 0,
        "color": colour,
    }


def list_height(count: int) -> int:
    """Return the height in px of a list of `count` names."""
    return int(np.clip(count * (34 if count <= 12 else 24), 110, 1600)) + 110


def list_axis(figure: go.Figure, labels: Sequence[str], limit: int = 22) -> None:
    """Lay the names down the left side, first on top, cut to `limit` characters."""
    figure.update_yaxes(
        type="category",
        range=[len(labels) - 0.5, -0.5],
        autorange=False,
        categoryorder="array",
        categoryarray=list(labels),
        tickvals=list(labels),
        ticktext=[theme.short(label, limit) for label in labels],
        showgrid=False,
        ticks="",
    )
