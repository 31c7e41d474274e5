"""Groups inside a scenario: combinations of two fields whose clicks answer to a third field differently."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from msviz.lazy import LazyModule
from msviz.statistics.intervals import Z, smoothed_rate

special = LazyModule("scipy.special")

Array = np.ndarray[Any, Any]
FEWEST = 30  # rows on either side of the contrast, in the half that is measured, that a combination needs


@dataclass(frozen=True)
class Answers:
    """Which values of the third field are held against the others, and by how much combinations prefer them.

    `more` (C,) is 1 and -1 for the two sides, 0 for values without rows; `answer`, `low`, `high` (K,)
    differences of click rates with 95 % intervals, NaN for combinations of too few rows; `p` of "all answer
    alike".
    """

    more: Array
    answer: Array
    low: Array
    high: Array
    p: float


def answers(rows: Array, clicks: Array) -> Answers:
    """Find how K combinations answer to C values, from counts (2, K, C) of two halves of the rows.

    The first half says which values to hold against which: those on either side of zero in the leading
    pattern (singular vector) in which combinations depart from what values and combinations say alone. The
    second half, which had no say in that, measures the difference of click rates in every combination, and
    Cochran's Q (1954) whether they differ by more than chance.
    """
    more = _sides(rows[0].astype(np.float64), clicks[0].astype(np.float64))
    n = np.stack([rows[1][:, more == side].sum(1) for side in (1, -1)]).astype(np.float64)
    c = np.stack([clicks[1][:, more == side].sum(1) for side in (1, -1)]).astype(np.float64)
    enough = (n >= FEWEST).all(0)
    rate = np.where(enough, c, np.nan) / np.maximum(n, 1)
    variance = smoothed_rate(c, n)[1].sum(0)
    answer = rate[0] - rate[1]
    half = Z * np.sqrt(variance)
    return Answers(more, answer, answer - half, answer + half, _differ(answer[enough], variance[enough]))


def _sides(rows: Array, clicks: Array) -> Array:
    """Return 1 or -1 for each value (C,), by the leading pattern; 0 for values without rows."""
    used = rows.sum(0) > 0
    if not used.any():
        return np.zeros(len(used), np.int8)
    rows, clicks = rows[:, used], clicks[:, used]
    rate = clicks.sum() / max(rows.sum(), 1)
    # Ten rows of the average click rate more in every cell: an empty cell departs from nothing.
    left = (clicks + 10 * rate) / (rows + 10)
    for _ in range(20):
        left = left - np.average(left, axis=0, weights=rows.sum(1) + 1)
        left = left - np.average(left, axis=1, weights=rows.sum(0) + 1)[:, None]
    _, _, pattern = np.linalg.svd(left * np.sqrt(rows), full_matrices=False)
    lead = pattern[0]
    # Values in their own order: the later ones are "more".
    if lead @ (np.arange(len(lead)) - (len(lead) - 1) / 2) < 0:
        lead = -lead
    more = np.zeros(len(used), np.int8)
    more[used] = np.where(lead > 0, 1, -1)
    return more


def _differ(answer: Array, variance: Array) -> float:
    """Return the p-value of Cochran's Q over answers (k,), NaN for fewer than two."""
    if len(answer) < 2:
        return float("nan")
    weight = 1 / variance
    middle = float((weight * answer).sum() / weight.sum())
    return float(special.chdtrc(len(answer) - 1, float((weight * (answer - middle) ** 2).sum())))
