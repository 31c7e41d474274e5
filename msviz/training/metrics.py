"""How well a model predicts, per scenario and overall, each number with its 95 % interval.

A number that does not exist is None with the reason in words; NaN never leaves this file.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from msviz.errors import MsvizError, invalid
from msviz.schema import FIRST
from msviz.statistics.auc import delong_interval
from msviz.statistics.intervals import Z, half_width, mean_interval

Array = np.ndarray[Any, Any]
METRICS = ("auc", "logloss", "gauc", "bias")
SMALLEST = 1e-7  # a probability is kept this far from 0 and 1 in the logloss


@dataclass(frozen=True)
class Measure:
    """A number with its 95 % interval; `why` says in words what is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""


def measure(
    label: Array,
    score: Array,
    scenario: Array,
    scenario_names: Sequence[str],
    user: Array | None = None,
) -> dict[str, Any]:
    """Return rows, clicks, AUC, logloss, AUC by user and bias, overall and per scenario, ready for JSON.

    label (n,) 0 or 1, score (n,) probabilities, scenario (n,) ids into `scenario_names`; user (n,) ids
    as encoded, where unknown and missing users are nobody. Scenario 0, the unseen combination, stands
    only where it has rows. Raises MsvizError for a score that is not a finite probability.
    """
    label, score = np.asarray(label), np.asarray(score, np.float64)
    if not np.all((score >= 0) & (score <= 1)):
        bad = score[~((score >= 0) & (score <= 1))][0]
        raise invalid("score", float(bad), "wanted: probabilities from 0 to 1")
    if len({len(label), len(score), len(scenario)}) != 1:
        raise MsvizError(f"label, score, scenario: got {len(label)}, {len(score)}, {len(scenario)} rows")
    order = np.argsort(scenario, kind="stable")
    ends = np.cumsum(np.bincount(scenario, minlength=len(scenario_names)))
    scenarios = {}
    for index, name in enumerate(scenario_names):
        rows = order[ends[index - 1] if index else 0 : ends[index]]
        if index or len(rows):
            scenarios[name] = _measure_rows(label[rows], score[rows], None if user is None else user[rows])
    return {"overall": _measure_rows(label, score, user), "scenarios": scenarios}


def _measure_rows(label: Array, score: Array, user: Array | None) -> dict[str, Any]:
    measures = {
        "auc": auc(label, score),
        "logloss": logloss(label, score),
        "gauc": Measure(None, why="not defined: the log names no user")
        if user is None
        else gauc(label, score, user),
        "bias": bias(label, score),
    }
    counts = {"rows": len(label), "clicks": int(label.sum())}
    return {**counts, **{name: asdict(value) for name, value in measures.items()}}


def auc(label: Array, score: Array) -> Measure:
    """Return the area under the ROC curve with DeLong's interval, in O(n log n)."""
    clicks = int(label.sum())
    others = len(label) - clicks
    if not clicks or not others:
        return _undefined(len(label), clicks)
    order = np.argsort(score, kind="stable")
    hits, total = _ties(score[order], label[order])
    value, low, high = delong_interval(hits, total - hits)
    if min(clicks, others) < 2:
        return Measure(value, why="interval not defined: it needs two clicks and two rows without one")
    if value in (0.0, 1.0):
        return Measure(value, why="interval not defined: the scores separate the rows perfectly")
    return Measure(value, low, high)


def gauc(label: Array, score: Array, user: Array) -> Measure:
    """Return the AUC within each user, averaged with the user's rows as weight.

    Users with one class only have no AUC and count nowhere, as the unknown and the missing user. The
    interval takes users as the independent draws: var = U/(U-1) sum w^2 (a - mean)^2 / (sum w)^2.
    """
    has_user = user >= FIRST
    label, score, user = label[has_user], score[has_user], user[has_user]
    if not len(label):
        return Measure(None, why="not defined: no row of a known user")
    order = np.lexsort((score, user))
    label, score, user = label[order], score[order], user[order]
    first = np.flatnonzero(np.r_[True, user[1:] != user[:-1]])
    rows = np.diff(np.r_[first, len(label)])
    clicks = np.add.reduceat(label, first, dtype=np.float64)
    # Within a user, a click's wins are the others below it; equal scores count half.
    tie = np.flatnonzero(np.r_[True, (user[1:] != user[:-1]) | (score[1:] != score[:-1])])
    hits = np.add.reduceat(label, tie, dtype=np.float64)
    misses = np.diff(np.r_[tie, len(label)]) - hits
    below = np.cumsum(misses) - misses / 2
    owner = np.searchsorted(first, tie, side="right") - 1
    before_user = (np.cumsum(rows - clicks) - (rows - clicks))[owner]
    wins = np.bincount(owner, hits * (below - before_user), minlength=len(first))
    both = (clicks > 0) & (clicks < rows)
    if not both.any():
        return Measure(None, why="not defined: no user has rows with and without a click")
    each = wins[both] / (clicks[both] * (rows[both] - clicks[both]))
    weight = rows[both].astype(np.float64)
    value = float(weight @ each / weight.sum())
    users = len(each)
    if users < 2:
        return Measure(value, why="interval not defined: one user only")
    half = Z * float(np.sqrt(users / (users - 1) * np.sum((weight * (each - value)) ** 2)) / weight.sum())
    if half == 0:
        # A handful of users who all agree is no certainty.
        return Measure(value, why=f"interval not defined: all {users} users have the same AUC")
    return Measure(value, max(value - half, 0.0), min(value + half, 1.0))


def logloss(label: Array, score: Array) -> Measure:
    """Return the mean cross-entropy in nats with its normal interval."""
    if not len(label):
        return _undefined(0, 0)
    value, low, high = mean_interval(row_losses(label, score))
    if len(label) < 2:
        return Measure(value, why="interval not defined: one row only")
    return Measure(value, max(low, 0.0), high)


def row_losses(label: Array, score: Array) -> Array:
    """Return each row's cross-entropy (n,) in nats, of labels 0 or 1 and probabilities."""
    clipped = np.clip(np.asarray(score, np.float64), SMALLEST, 1 - SMALLEST)
    return np.asarray(-np.log(np.where(label > 0.5, clipped, 1 - clipped)))


def bias(label: Array, score: Array) -> Measure:
    """Return mean prediction / click rate - 1, with the delta method's interval for a ratio of means."""
    clicks = int(label.sum())
    if not clicks:
        return Measure(None, why="not defined: no rows" if not len(label) else "not defined: no clicks")
    ratio = float(score.sum()) / clicks
    if len(label) < 2:
        return Measure(ratio - 1, why="interval not defined: one row only")
    half = float(half_width((score - ratio * label).std(ddof=1), len(label))) * len(label) / clicks
    return Measure(ratio - 1, ratio - 1 - half, ratio - 1 + half)


def _ties(score: Array, label: Array) -> tuple[Array, Array]:
    """Return clicks and rows of each group of equal scores; the scores come sorted."""
    first = np.flatnonzero(np.r_[True, score[1:] != score[:-1]])
    return np.add.reduceat(label, first, dtype=np.float64), np.diff(np.r_[first, len(label)])


def _undefined(rows: int, clicks: int) -> Measure:
    if not rows:
        return Measure(None, why="not defined: no rows")
    return Measure(None, why="not defined: one class only, " + ("all clicks" if clicks else "no clicks"))
