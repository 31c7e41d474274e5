"""Sums over impressions of what past clicks of each scenario get, by attention or by taking them away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from msviz.analyses.shared.behaviours import read, related
from msviz.lazy import torch
from msviz.probing.reducers import Reducer

if TYPE_CHECKING:
    from torch import Tensor

    from msviz.analyses.shared.behaviours import Array, BehaviourTap, ScenarioAxis
    from msviz.batch import Batch
    from msviz.probing.reducers import BatchRows
    from msviz.probing.study import Study

ROUND = 512  # impressions whose clicks are taken away at a time


class Masses(Reducer):
    """For each target and source: attention on the source's past clicks, and what an even one would give.

    Sums (targets, sources) over rows with a past click, of mass m, even share e, m², e² and m·e; `rows`
    (targets,) and `holding` (targets, sources), the rows that have a click of that source.
    """

    def __init__(
        self, study: Study, look: BehaviourTap, known: ScenarioAxis, side: tuple[int, int] | None
    ) -> None:
        """Start at zero; `side` narrows to clicks with the impression's own value of a field."""
        self.sources: tuple[str, ...] = (look.tap,)
        self._study, self._look, self._known, self._side = study, look, known, side
        shape = (len(known.targets) + 1, len(known.sources))
        self.sums = torch.zeros(5, *shape, dtype=torch.float64)
        self.holding = torch.zeros(shape, dtype=torch.long)
        self.rows = torch.zeros(shape[0], dtype=torch.long)
        self._batch: Batch | None = None

    def begin(self, rows: BatchRows) -> None:
        """Find out which clicks the net reads."""
        self._batch = rows.batch
        self._there = read(self._study, rows.batch)
        self._weights = torch.zeros(self._there.shape, device=self._there.device)
        self._layers: set[int | None] = set()

    def see(self, source: str, layer: int | None, values: Tensor, rows: slice) -> None:
        """Add one layer's attention (b, *axes); a net that reads fewer clicks shows the latest."""
        if self._look.takes(layer):
            width = values.shape[-1]
            self._layers.add(layer)
            self._weights[rows, -width:] += self._look.weights(values, self._there[rows, -width:])

    def end(self) -> None:
        """Add the batch's rows to the sums of their targets."""
        assert self._batch is not None
        weights = self._weights / len(self._layers)
        counted = self._there
        if self._side is not None:
            counted = counted & related(self._batch, *self._side)
        length = self._there.sum(1)
        some = (length > 0).nonzero()[:, 0]
        assert self._batch.histories is not None
        index = self._known.place.to(weights.device)
        source = index[self._batch.histories.scenario[some]]
        target = index[self._batch.scenario[some]].cpu()
        counted = counted[some]
        shape = (len(some), len(self._known.sources))
        mass = torch.zeros(shape, device=weights.device).scatter_add_(1, source, weights[some] * counted)
        count = torch.zeros(shape, device=weights.device).scatter_add_(1, source, counted.float())
        mass, count = mass.cpu(), count.cpu()
        even = count / length[some, None].cpu()
        for total, added in zip(self.sums, (mass, even, mass**2, even**2, mass * even), strict=True):
            total.index_add_(0, target, added.double())
        self.holding.index_add_(0, target, (count > 0).long())
        self.rows += torch.bincount(target, minlength=len(self.rows))

    def merge(self, other: Masses) -> None:
        """Add the other's sums."""
        self.sums, self.holding, self.rows = (
            self.sums + other.sums, self.holding + other.holding, self.rows + other.rows,
        )  # fmt: skip


class Changes:
    """For each target and source: how the log-odds change where the source's past clicks are taken away.

    Sums (targets, sources) over rows that have such clicks, of the change with less without, and its square.
    """

    def __init__(self, study: Study, known: ScenarioAxis, side: tuple[int, int] | None) -> None:
        """Start at zero."""
        self._study, self._known, self._side = study, known, side
        shape = (len(known.targets) + 1, len(known.sources))
        self.sums = torch.zeros(2, *shape, dtype=torch.float64)
        self.holding = torch.zeros(shape, dtype=torch.long)
        self.rows = torch.zeros(shape[0], dtype=torch.long)

    def over(self, positions: Array) -> None:
        """Look at the rows at these positions (n,), some at a time."""
        for start in range(0, len(positions), ROUND):
            self._add(self._study.batch(positions[start : start + ROUND]))
            if self._study.progress:
                done = min(start + ROUND, len(positions))
                self._study.progress(done / len(positions), f"{done:,} of {len(positions):,} impressions")

    def _add(self, batch: Batch) -> None:
        there = read(self._study, batch)
        assert batch.histories is not None
        index = self._known.place.to(there.device)
        source = index[batch.histories.scenario]
        counted = there if self._side is None else there & related(batch, *self._side)
        width = len(self._known.sources)
        count = torch.zeros(len(batch), width, device=there.device).scatter_add_(1, source, counted.float())
        # One row for each impression and scenario of which it holds clicks: these are taken away.
        row, column = count.nonzero().unbind(1)
        gone = counted[row] & (source[row] == column[:, None])
        without = _keep(batch.take(row), ~gone)
        change = _logits(self._study, batch)[row] - _logits(self._study, without)
        target = index[batch.scenario]
        cell = (target[row] * width + column).cpu()
        change = change.double().cpu()
        for total, added in zip(self.sums, (change, change**2), strict=True):
            total.view(-1).index_add_(0, cell, added)
        self.holding.view(-1).index_add_(0, cell, torch.ones_like(cell))
        self.rows += torch.bincount(target[there.any(1)].cpu(), minlength=len(self.rows))


def _keep(batch: Batch, mask: Tensor) -> Batch:
    """Return the batch with those of its past clicks alone that a mask (B, T) keeps."""
    assert batch.histories is not None
    return batch.replace(histories=batch.histories.replace(mask=batch.histories.mask & mask))


def _logits(study: Study, batch: Batch) -> Tensor:
    """Return the log-odds (B,), in pieces that stay in a processor's cache."""
    size = study.net.piece or max(len(batch), 1)
    with torch.inference_mode():
        order = study.net.order(batch)
        order = torch.arange(len(batch), device=batch.fields.device) if order is None else order
        parts = [study.net(batch.take(order[at : at + size])).float() for at in range(0, len(batch), size)]
        out = torch.zeros(len(batch), device=batch.fields.device)
        return out.index_copy_(0, order, torch.cat(parts)) if parts else out


def without_each(study: Study, batch: Batch) -> Array:
    """Return how the log-odds change with each of the past clicks (T,) of a batch's only row."""
    there = read(study, batch)[0]
    places = there.nonzero()[:, 0]
    many = batch.take(torch.zeros(len(places) + 1, dtype=torch.long, device=there.device))
    masks = torch.ones(len(many), there.shape[0], dtype=torch.bool, device=there.device)
    masks[torch.arange(len(places), device=there.device), places] = False
    logits = _logits(study, _keep(many, masks))
    return np.asarray((logits[-1] - logits[:-1]).cpu().numpy(), np.float64)
