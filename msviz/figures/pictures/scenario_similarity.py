"""How alike the scenarios are, pair by pair, with like ones side by side."""

import numpy as np
import plotly.graph_objects as go

from msviz.figures import theme
from msviz.figures.choices import Array, names, pick, shown, title
from msviz.figures.heat import heat
from msviz.figures.picture import Picture
from msviz.finding import Finding

LIMIT = 120
WORDS = {
    "cosine": "Cosine: 1 is the same direction",
    "centred cosine": "Cosine after taking out what all share: 0 is unrelated",
    "CKA": "CKA: 1 is the same effect up to a turn",
    "answers": "Correlation of the answers to the same impressions",
}
HOW_TO_READ = (
    "Each cell is a pair of scenarios; darker is more alike. Scenarios are ordered so that like ones stand "
    "together: a dark block is a family. “Answers” puts the same impressions into both scenarios and "
    "correlates what the model predicts. The others compare what the model makes of the scenario inside. Not "
    "all of it reaches the prediction, and much of it is left over from chance at the start of training: two "
    "trainings may disagree. Trust a block that the answers show as well."
)


def draw(finding: Finding, measure: str | None = None, part: str | None = None) -> go.Figure:
    """Return one heatmap of scenario × scenario in the order of the tree that joins like ones.

    Raises MsvizError for a measure or part that does not exist.
    """
    data = finding.data
    measure, part = pick(data, "measure", measure), pick(data, "part", part)
    here = data.sel(measure=measure, part=part).transpose("scenario", "other")
    order = _visible_leaves(here["leaf"].values, data["rows"].values)
    note = shown(len(order), len(data["scenario"]), "scenarios", "those with most rows")
    value, low, high = (here[name].values[np.ix_(order, order)] for name in ("value", "low", "high"))
    labels = [names(data, "scenario")[number] for number in order]
    apart = value[~np.eye(len(value), dtype=bool)]
    signed = bool(np.nanmin(apart, initial=0.0) < 0)
    extra = np.stack([low, high], -1)
    # The diagonal is 1 by definition: its shade would take away those of the others.
    span = _span(apart, signed)
    digits = _digits(span)
    figure = heat(
        np.where(np.eye(len(value), dtype=bool), np.nan, value),
        labels,
        labels,
        colours=theme.DIVERGING if signed else theme.SEQUENTIAL,
        span=span,
        bar=WORDS.get(measure, measure),
        x_title=title("Scenario", note) if note else "",
        y_title="",
        hover=f"%{{y}} and %{{x}}<br><b>%{{z:.{digits}f}}</b> (95 %: %{{customdata[0]:.{digits}f}} to "
        f"%{{customdata[1]:.{digits}f}})",
        extra=extra,
        text=f"%{{z:.{digits}f}}",
        tickformat=f".{digits}f",
    )
    if value.size > 10_000:
        figure.data[0].hovertemplate = f"%{{y}} and %{{x}}<br><b>%{{z:.{digits}f}}</b><extra></extra>"
    return figure


def _visible_leaves(leaf: Array, rows: Array) -> Array:
    """Return the places of up to LIMIT scenarios, those with most rows, in the tree's order."""
    if len(leaf) <= LIMIT:
        return leaf
    largest = np.argsort(-rows, kind="stable")[:LIMIT]
    return leaf[np.isin(leaf, largest)]


def _span(apart: Array, signed: bool) -> tuple[float, float]:
    finite = apart[np.isfinite(apart)]
    if not finite.size:
        return (0.0, 1.0)
    if signed:
        top = float(np.abs(finite).max())
        return (-top, top)
    low, high = float(finite.min()), float(finite.max())
    return (low - max(0.15 * (high - low), 1e-6), high)


def _digits(span: tuple[float, float]) -> int:
    width = span[1] - span[0]
    return 2 if width >= 0.05 else int(min(2 + np.ceil(np.log10(0.05 / max(width, 1e-9))), 6))


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
