"""Has a tap learned something? Two controls: the same net untrained, and its average in its place.

A picture of a net's inside may show what the net was drawn as. A tap has learned where it shows something
else than the same net did before training, and where the net answers worse once every row is given the
average.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from msviz.lazy import torch
from msviz.statistics.auc import delong_test, placements
from msviz.statistics.comparison import NOTHING

if TYPE_CHECKING:
    from torch import Tensor

    from msviz.batch import Batch
    from msviz.probing.study import Study
    from msviz.statistics.comparison import Paired

Array = np.ndarray[Any, Any]
ROWS = 512  # rows on which what a tap shows is compared, at most
PIECE = 512  # rows that are watched at a time


@dataclass(frozen=True)
class Learned:
    """One tap: how alike trained and untrained net are there, and the AUC with the average less the AUC."""

    tap: str
    likeness: float  # correlation over rows and cells; NaN where one of the two shows the same everywhere
    cost: Paired

    @property
    def worth(self) -> float:
        """Return the AUC lost with the average in its place."""
        return -self.cost.difference


def learned(study: Study, rows: Array, taps: Sequence[str] | None = None) -> list[Learned]:
    """Return what taps of the net (all by default) have learned, from positions `rows` (n,) of the split.

    Average means: the mean over rows, cell by cell; over behaviours too, since their places mean nothing, and
    an even share for attention to behaviours. Raises MsvizError for a study without a run.
    """
    before = study.untrained()
    few = rows[np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(np.int64)]
    batches = [study.batch(rows[at : at + PIECE]) for at in range(0, len(rows), PIECE)]
    label = torch.cat([batch.label for batch in batches]).cpu().numpy()
    own = placements(label, _scores(study, batches))
    learned_taps = []
    for tap, axes in study.axes().items():
        if taps is not None and tap not in taps:
            continue
        averages = TapAverages(axes, "layer" in axes)
        with study.patched(tap, averages.collect):
            _scores(study, batches, averages)
        with study.patched(tap, averages.put):
            other = placements(label, _scores(study, batches, averages))
        cost = NOTHING if own is None or other is None else delong_test(own, other)
        learned_taps.append(Learned(tap, _likeness(study, before, tap, few), cost))
    return learned_taps


@dataclass
class TapAverages:
    """The mean of what a tap shows, by layer, collected in one pass and put in place in another."""

    axes: tuple[str, ...]
    layered: bool
    mask: Tensor | None = None  # (B, T) of the rows that pass now
    total: dict[int | None, Tensor] = field(default_factory=dict)
    count: dict[int | None, Tensor] = field(default_factory=dict)

    @property
    def own(self) -> tuple[str, ...]:
        """Return the axes of one layer."""
        return self.axes[1:] if self.layered else self.axes

    def collect(self, values: Tensor, layer: int | None) -> Tensor:
        """Add rows (B, *axes) to the mean and let them pass."""
        present = self._present(values)
        over = [0, *(1 + dim for dim, axis in enumerate(self.own) if axis == "behaviour")]
        total = (values.double() * present).sum(over, keepdim=True)
        count = present.double().expand_as(values).sum(over, keepdim=True)
        self.total[layer] = self.total[layer] + total if layer in self.total else total
        self.count[layer] = self.count[layer] + count if layer in self.count else count
        return values

    def put(self, values: Tensor, layer: int | None) -> Tensor:
        """Return the average for rows (B, *axes): an even share where a last axis runs over behaviours."""
        present = self._present(values)
        if self.own[-1] == "behaviour":
            keys = self._keys(values)
            return (keys / keys.sum(-1, keepdim=True).clamp(min=1)).to(values.dtype) * values.sum(-1, True)
        mean = self.total[layer] / self.count[layer].clamp(min=1)
        return (mean * present).to(values.dtype).expand_as(values)

    def _keys(self, values: Tensor) -> Tensor:
        assert self.mask is not None
        mask = self.mask[:, -values.shape[-1] :]
        return mask.view(len(mask), *[1] * (values.dim() - 2), -1)

    def _present(self, values: Tensor) -> Tensor:
        """Return True (B, ...) where a cell belongs to behaviours that are there."""
        present = values.new_ones([1] * values.dim(), dtype=torch.bool)
        for dim, axis in enumerate(self.own, 1):
            if axis == "behaviour":
                assert self.mask is not None
                shape = [len(values), *[1] * (values.dim() - 1)]
                shape[dim] = values.shape[dim]
                present = present & self.mask[:, -values.shape[dim] :].view(shape)
        return present


def _scores(study: Study, batches: list[Batch], averages: TapAverages | None = None) -> Array:
    scores = []
    for batch in batches:
        if averages is not None:
            averages.mask = None if batch.histories is None else batch.histories.mask
        scores.append(study.predict(batch).cpu().numpy())
    return np.concatenate(scores)


def _likeness(study: Study, before: Study, tap: str, rows: Array) -> float:
    """Return the correlation of what two nets show of the same rows, but of cells that are 0 in both.

    Vectors are compared around their mean over the rows, as pictures of them show them.
    """
    vectors = []
    for net in (study, before):
        outputs = [net.trace(rows[at : at + PIECE]).seen[tap] for at in range(0, len(rows), PIECE)]
        values = torch.cat([part.values for part in outputs]).double()
        if "unit" in outputs[0].axes:
            values = torch.where(values == 0, 0.0, values - values.mean(0))
        vectors.append(values.flatten().cpu().numpy())
    there = (vectors[0] != 0) | (vectors[1] != 0)
    first, second = (values[there] for values in vectors)
    if not len(first) or np.ptp(first) < 1e-9 or np.ptp(second) < 1e-9:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
