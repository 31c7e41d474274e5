"""Choose the metric, and a run to compare with."""

from dataclasses import dataclass

import streamlit as st

from app import links
from app.choosing import _common
from msviz.run import Run

TITLE, ICON, SECTION, ORDER = "Performance", ":material/trending_up:", "Models", 2
METRICS = {"AUC": "auc", "Logloss": "logloss", "AUC by user": "gauc", "Bias": "bias"}


@dataclass(frozen=True)
class Chosen:
    """A run, the one beside it, and the metric."""

    run: Run
    other: Run | None
    metric: str
    order: tuple[str, ...]
    simulated: bool


def choose(run: Run | None) -> Chosen | None:
    """Choose the metric, and a run to compare with."""
    if not run:
        _common.nothing()
        return None
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        metric = METRICS[links.switch("Metric", list(METRICS), "metric")]
    with right:
        other = _common.other_run(run, "none")
    return Chosen(run, other, metric, **_common.setting(run))
