"""Weights by day and group in one pass: their histograms and moments, and the log's signals of every day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from msviz.errors import MsvizError
from msviz.lazy import torch
from msviz.probing.reducers import Reducer, own_entry

if TYPE_CHECKING:
    from torch import Tensor

    from msviz.probing.groups import Groups
    from msviz.probing.reducers import BatchRows

Array = np.ndarray[Any, Any]


class WeightsByDay(Reducer):
    """Counts, sums and squares of a weight per expert, from 0 to 1, by day and group.

    The source shows (expert) or, with `own`, (scenario, expert), of which each row's own scenario is
    taken; rows of a combination that training never saw have none and are `left_out`. Everything is
    added once a batch: nets may show their weights in pieces of a hundred rows, and the counts of a year
    would be gone through for each.
    """

    def __init__(
        self, source: str, days: Groups, groups: Groups, experts: int, bins: int, *, own: bool, signals: int
    ) -> None:
        """Start at zero; `bins` even bins lie between 0 and 1."""
        self.sources: tuple[str, ...] = (source,)
        self.days, self.groups, self.own, self.bins = days, groups, own, bins
        cells = len(days) * len(groups)
        self.left_out = 0
        self._counts = np.zeros(cells * experts * bins, np.int32)
        self._rows = np.zeros(cells, np.int64)
        # Around the even share, so that squares of weights that hardly vary lose nothing.
        self._middle = 1 / experts
        self._sums = np.zeros((2, experts, cells))
        self._signals = np.zeros((signals, len(days)))
        self._all = np.zeros(len(days), np.int64)
        self._weights = np.zeros((0, experts), np.float32)
        self._cell = np.zeros(0, np.int64)
        self._scenario = torch.zeros(0, dtype=torch.long)

    def begin(self, rows: BatchRows) -> None:
        """Look up the batch's days and groups, and add up its signals."""
        batch = rows.batch
        day = self.days.of(batch).cpu().numpy()
        self._scenario = batch.scenario
        self._cell = day * len(self.groups) + self.groups.of(batch).cpu().numpy()
        self._weights = np.full((len(batch), self._weights.shape[1]), np.nan, np.float32)
        self._all += np.bincount(day, minlength=len(self.days))
        if len(self._signals) and batch.signals is not None:
            values = batch.signals.cpu().numpy().astype(np.float64)
            for number in range(len(self._signals)):
                self._signals[number] += np.bincount(day, values[:, number], len(self.days))

    def see(self, source: str, layer: int | None, values: Tensor, rows: slice) -> None:
        """Take the weights (b, expert) or (b, scenario, expert) of the batch's `rows`."""
        if self.own:
            values = own_entry(values, ("scenario", "expert"), self._scenario[rows])
        self._weights[rows] = values.float().cpu().numpy()

    def end(self) -> None:
        """Add the batch to counts and sums."""
        defined = ~np.isnan(self._weights[:, 0])
        self.left_out += int((~defined).sum())
        weights, cell = self._weights[defined], self._cell[defined]
        experts = weights.shape[1]
        bin_index = np.clip((weights * self.bins).astype(np.int64), 0, self.bins - 1)
        key = (cell[:, None] * experts + np.arange(experts)) * self.bins + bin_index
        np.add.at(self._counts, key.reshape(-1), np.int32(1))
        self._rows += np.bincount(cell, minlength=len(self._rows))
        apart = weights.astype(np.float64) - self._middle
        for expert in range(experts):
            self._sums[0, expert] += np.bincount(cell, apart[:, expert], len(self._rows))
            self._sums[1, expert] += np.bincount(cell, apart[:, expert] ** 2, len(self._rows))

    def merge(self, other: WeightsByDay) -> None:
        """Add what another reducer saw; raise MsvizError when it watched something else."""
        own, theirs = (
            (reducer.sources, reducer.days.names, reducer.groups.names, reducer.own, reducer._counts.shape)
            for reducer in (self, other)
        )
        if own != theirs:
            raise MsvizError("merge: the two reducers watched different things")
        self._counts += other._counts
        self._rows += other._rows
        self._sums += other._sums
        self._signals += other._signals
        self._all += other._all
        self.left_out += other.left_out

    @property
    def counts(self) -> Array:
        """Return the rows in every bin (day, group, expert, bin)."""
        return self._counts.reshape(len(self.days), len(self.groups), -1, self.bins)

    @property
    def rows(self) -> Array:
        """Return the rows (day, group)."""
        return self._rows.reshape(len(self.days), len(self.groups))

    @property
    def signals(self) -> Array:
        """Return the mean of every signal over the rows of a day (day, signal), NaN where it has none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means: Array = (self._signals / self._all).T
        return means

    def moments(self, groups: Sequence[int] | None = None) -> tuple[Array, Array]:
        """Return mean and sample deviation (day, expert, group), NaN where not defined.

        With `groups`, those of all rows of these groups together: (day, expert, 1).
        """
        shape = (2, self._sums.shape[1], len(self.days), len(self.groups))
        sums, rows = self._sums.reshape(shape), self.rows
        if groups is not None:
            sums = sums[..., list(groups)].sum(-1, keepdims=True)
            rows = rows[:, list(groups)].sum(-1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = sums[0] / rows
            spread = np.maximum(sums[1] - rows * mean**2, 0) / np.where(rows > 1, rows - 1, np.nan)
        return (mean + self._middle).swapaxes(0, 1), np.sqrt(spread).swapaxes(0, 1)


def quantiles(counts: Array, low: float, high: float, shares: Sequence[float]) -> Array:
    """Return quantiles (..., share) of even bins' counts (..., bin) from `low` to `high`.

    Rows of a bin are taken as spread evenly over it; NaN where there are no rows.
    """
    total = counts.sum(-1)
    below = np.cumsum(counts, -1, dtype=np.float64)
    width = (high - low) / counts.shape[-1]
    values = np.full((*total.shape, len(shares)), np.nan)
    for number, share in enumerate(shares):
        wanted = share * total
        bin_index = np.minimum((below < wanted[..., None]).sum(-1), counts.shape[-1] - 1)
        here = np.take_along_axis(counts, bin_index[..., None], -1)[..., 0].astype(np.float64)
        before = np.take_along_axis(below, bin_index[..., None], -1)[..., 0] - here
        inside = np.divide(wanted - before, here, out=np.zeros_like(before), where=here > 0)
        values[..., number] = np.where(total > 0, low + (bin_index + np.clip(inside, 0, 1)) * width, np.nan)
    return values
