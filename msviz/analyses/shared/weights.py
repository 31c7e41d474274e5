"""Field weights by scenario: which tap shows them, whether rows differ in them, and their moments."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from msviz.errors import invalid, one_of
from msviz.lazy import LazyModule
from msviz.probing.moments import GroupMoments
from msviz.probing.reducers import Reducer, own_entry
from msviz.schema import UNSEEN

if TYPE_CHECKING:
    from torch import Tensor

    from msviz.probing.reducers import BatchRows
    from msviz.probing.study import Study

stats = LazyModule("scipy.stats")

Array = np.ndarray[Any, Any]
OWN = ("scenario", "field")
SHAPES = (("head", "field"), OWN, ("field",))
SAME = 1e-6  # weights that differ by less are the same number, rounded
PROBES = 16  # rows of a scenario that must agree before its weights count as the scenario's own


@dataclass(frozen=True)
class Weights:
    """Weights of all rows first, then of each scenario: mean, deviation (1 + K, 1 + H, F), rows (1 + K,).

    The mean of heads comes first, or H is 0 where the tap has no heads. `exact` says that rows of one
    scenario do not differ, so that a probe of each was enough.
    """

    mean: Array
    deviation: Array
    rows: Array
    exact: bool


def tap_of(study: Study, wanted: str | None) -> str:
    """Return the tap to read, the first that suits where none is named; raise MsvizError with the choices."""
    fits = [name for name, axes in study.axes().items() if axes in SHAPES]
    if wanted is not None and wanted not in fits:
        raise invalid("feature_weights tap", wanted, one_of(fits) if fits else "this model has none")
    if not fits:
        study.find_tap("head", "field")  # raises, with all that the model shows
    return wanted or fits[0]


def measured(study: Study, tap: str, kept: list[int], known: Array) -> Weights:
    """Return the weights of the scenarios `kept`; `known` are the positions of all rows that have some."""
    # A net that weighs for all scenarios at once does so row by row, or it would not be shown so.
    probed = None if "scenario" in study.axes()[tap] else _probe(study, tap, known)
    if probed is not None:
        return _exact(probed, kept, np.bincount(study.part.scenario[known], minlength=len(probed)))
    heads = "head" in study.axes()[tap]
    axes = ("head", "field") if heads else ("field",)
    over = (("head",),) if heads else ()
    moments = GroupMoments(tap, study.groups("scenario", keep=kept), axes=axes, over=over)
    study.stream([OwnScenario(moments) if "scenario" in study.axes()[tap] else moments], known)
    views: list[tuple[str, ...]] = [("head",), ()] if heads else [()]
    parts = []
    for view in views:
        whole, each = moments.result(view, pooled=True), moments.result(view)
        both = [
            np.concatenate([a, b[: len(kept)]])
            for a, b in ((whole.mean, each.mean), (whole.deviation, each.deviation))
        ]
        parts.append([moment if moment.ndim == 3 else moment[:, None] for moment in both])
    mean, deviation = (np.concatenate([part[i] for part in parts], 1) for i in (0, 1))
    rows = np.append(len(known), moments.result().rows[: len(kept)])
    return Weights(mean, deviation, rows, exact=False)


class OwnScenario(Reducer):
    """Feeds a reducer the entry of each row's own scenario, of a tap that shows all of them."""

    def __init__(self, inner: GroupMoments) -> None:
        self.inner, self.sources = inner, inner.sources

    def begin(self, rows: BatchRows) -> None:
        """Take note of the batch's scenarios."""
        self._scenario = rows.batch.scenario
        self.inner.begin(rows)

    def see(self, source: str, layer: int | None, values: Tensor, rows: slice) -> None:
        """Pass each row's own entry on."""
        self.inner.see(source, layer, own_entry(values, OWN, self._scenario[rows]), rows)

    def end(self) -> None:
        """Finish the batch."""
        self.inner.end()

    def merge(self, other: OwnScenario) -> None:
        """Add what the other saw."""
        self.inner.merge(other.inner)


def _probe(study: Study, tap: str, candidates: Array) -> Array | None:
    """Return each scenario's weights (S + 1, [H,] F), NaN without rows; None where rows of one differ."""
    scenario = study.part.scenario[candidates]
    each = max(2, min(PROBES, 20_000 // max(1, len(study.schema.scenarios))))
    weights: Array | None = None
    rows = spread(scenario, each)
    for start in range(0, len(rows), 512):
        positions = candidates[rows[start : start + 512]]
        numbers = study.trace(positions).seen[tap].values.float().cpu().numpy()
        ids = study.part.scenario[positions]
        if weights is None:
            weights = np.full((len(study.schema.scenarios) + 1, *numbers.shape[1:]), np.nan, np.float64)
        for scenario_id in np.unique(ids):
            own = numbers[ids == scenario_id]
            first = own[0] if np.isnan(weights[scenario_id]).all() else weights[scenario_id]
            if np.abs(own - first).max() > SAME:
                return None
            weights[scenario_id] = first
    return weights


def spread(groups: Array, each: int) -> Array:
    """Return up to `each` positions of every group (n,), spread evenly over its rows, rising."""
    order = np.argsort(groups, kind="stable")
    counts = np.bincount(groups)
    starts = np.cumsum(counts) - counts
    chosen = [
        order[start + np.unique(np.linspace(0, count - 1, each).astype(np.int64))]
        for start, count in zip(starts, counts, strict=True)
        if count
    ]
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)


def _exact(probed: Array, chosen: list[int], count: Array) -> Weights:
    """Return exact weights: no deviation inside a scenario, that between scenarios over all rows."""
    heads = probed.ndim == 3
    values = np.concatenate([probed.mean(1, keepdims=True), probed], 1) if heads else probed[:, None]
    present = count > 0
    share = (count / count.sum())[present][:, None, None]
    mean = (share * values[present]).sum(0)
    rows = int(count.sum())
    square = (share * (values[present] - mean) ** 2).sum(0) * (rows / (rows - 1) if rows > 1 else np.nan)
    deviation = np.concatenate([np.sqrt(square)[None], np.zeros((len(chosen), *mean.shape))])
    return Weights(
        np.concatenate([mean[None], values[chosen]]),
        deviation,
        np.append(rows, count[chosen]),
        exact=True,
    )


def largest(scenario: Array, most: int) -> tuple[list[int], int]:
    """Return the scenarios with the most rows, in the schema's order, and how many others have rows."""
    count = np.bincount(scenario)
    present = np.flatnonzero(count)
    order = present[np.argsort(-count[present], kind="stable")][:most]
    scenarios = sorted((int(number) for number in order), key=lambda n: (n == UNSEEN, n))
    return scenarios, len(present) - len(scenarios)


def entropy(weights: Array) -> Array:
    """Return the entropy (...) of weights (..., F) as shares of their sum: 0 all on one field, 1 even.

    H = -Σ w log w / log F (Shannon); one field alone counts as even.
    """
    share = weights / weights.sum(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(share > 0, share * np.log(share), 0.0)
    size = weights.shape[-1]
    evenness = -terms.sum(-1) / np.log(size) if size > 1 else np.ones(weights.shape[:-1])
    return np.where(np.isnan(share).any(-1), np.nan, evenness)


def agreement(weights: Array) -> float:
    """Return the mean rank correlation (Spearman) of every two heads (H, F); NaN for one head or field."""
    ranks = stats.rankdata(weights, axis=-1)
    centred = ranks - ranks.mean(-1, keepdims=True)
    length = np.sqrt((centred**2).sum(-1))
    pairs = list(combinations(range(len(weights)), 2))
    if not pairs or (length == 0).any() or np.isnan(weights).any():
        return float("nan")
    return float(np.mean([centred[a] @ centred[b] / (length[a] * length[b]) for a, b in pairs]))
