"""Reducers: what one pass over the rows leaves behind, in memory that does not grow with the rows.

A reducer names the `sources` it reads (taps, "prediction", "label"). For every batch it is told
the rows (`begin`), shown the values of its sources, piece by piece and in the rows' order (`see`),
and told that the batch is over (`end`). `merge` adds what another reducer of the same kind saw, so
a pass can be split over processes and machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from msviz.errors import MsvizError, invalid
from msviz.lazy import torch
from msviz.schema import UNSEEN

if TYPE_CHECKING:
    from torch import Tensor

    from msviz.batch import Batch
    from msviz.probing.groups import Groups

Array = np.ndarray[Any, Any]
# Beyond this, group sums would no longer be the small thing that a pass leaves behind.
CELLS = 50_000_000


@dataclass(frozen=True)
class BatchRows:
    """The rows of one batch: their positions (B,) in the split and their content."""

    positions: Array
    batch: Batch


def own_entry(values: Tensor, axes: tuple[str, ...], scenario: Tensor) -> Tensor:
    """Return of values (b, *axes) each row's own entry along the scenario axis, of 1..S; without one, all.

    Rows of a combination that training never saw (scenario 0) have no entry of their own: theirs is NaN.
    """
    if "scenario" not in axes:
        return values
    scenario = scenario.to(values.device)
    by_scenario = values.movedim(axes.index("scenario") + 1, 1)
    rows = torch.arange(len(values), device=values.device)
    entry = by_scenario[rows, (scenario - 1).clamp_min(0)]
    return entry.masked_fill((scenario == UNSEEN).view(-1, *[1] * (entry.ndim - 1)), torch.nan)


class Reducer:
    """What `Study.stream` feeds; one kind defines what it does, the rest of it does nothing."""

    sources: tuple[str, ...] = ()

    def begin(self, rows: BatchRows) -> None:
        """Take note of the batch that comes."""

    def see(self, source: str, layer: int | None, values: Tensor, rows: slice) -> None:
        """Take the values (b, *axes) of the batch's `rows`."""

    def end(self) -> None:
        """Finish the batch."""

    def merge(self, other: Any) -> None:
        """Add what another reducer of the same kind saw of other rows.

        Not empty by default: half of the rows would be lost unnoticed.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how two of it are added up")


class Count(Reducer):
    """Rows by group: `rows` (G,) int64."""

    def __init__(self, groups: Groups) -> None:
        """Start at zero for every group."""
        self.groups = groups
        self.rows = np.zeros(len(groups), np.int64)

    def begin(self, rows: BatchRows) -> None:
        """Count the batch's rows."""
        ids = self.groups.of(rows.batch).cpu().numpy()
        self.rows += np.bincount(ids, minlength=len(self.groups))

    def merge(self, other: Count) -> None:
        """Add the other's counts."""
        self.rows += other.rows


class Histogram(Reducer):
    """Rows by group and bin of every cell of a source: `counts` (G, [layer,] *axes, bins) int64.

    Bins lie between the edges, lower edge inside; values beyond the ends count in the end bins.
    """

    def __init__(self, source: str, groups: Groups, edges: Sequence[float]) -> None:
        """Prepare bins; raise MsvizError unless there are two or more rising edges."""
        self.sources: tuple[str, ...] = (source,)
        self.groups = groups
        self.edges = np.asarray(edges, np.float64)
        if len(self.edges) < 2 or (np.diff(self.edges) <= 0).any():
            raise invalid("edges", list(edges), "wanted: two or more rising numbers")
        self._counts: dict[int | None, Array] = {}
        self._ids = torch.zeros(0, dtype=torch.long)

    def begin(self, rows: BatchRows) -> None:
        """Look up the batch's groups."""
        self._ids = self.groups.of(rows.batch)

    def see(self, source: str, layer: int | None, values: Tensor, rows: slice) -> None:
        """Count the values (b, *axes) in their bins."""
        bins, groups = len(self.edges) - 1, len(self.groups)
        shape = tuple(values.shape[1:])
        flat = values.reshape(len(values), -1)
        inner = torch.as_tensor(self.edges[1:-1], dtype=values.dtype, device=values.device)
        bin_index = torch.bucketize(flat, inner, right=True)
        cells = flat.shape[1]
        if groups * cells * bins > CELLS:
            raise invalid("groups × cells × bins", (groups, cells, bins), f"at most {CELLS:,} counts")
        ids = self._ids[rows].to(values.device)
        key = (ids[:, None] * cells + torch.arange(cells, device=values.device)) * bins + bin_index
        counts = torch.bincount(key.reshape(-1), minlength=groups * cells * bins)
        table = counts.cpu().numpy().reshape(groups, *shape, bins)
        self._counts[layer] = self._counts.get(layer, 0) + table

    def merge(self, other: Histogram) -> None:
        """Add the other's counts; raise MsvizError when its bins differ."""
        if self.sources != other.sources or not np.array_equal(self.edges, other.edges):
            raise MsvizError("merge: the two histograms count different things")
        for layer, counts in other._counts.items():
            self._counts[layer] = self._counts.get(layer, 0) + counts

    @property
    def counts(self) -> Array:
        """Return the counts (G, [layer,] *axes, bins); raise MsvizError when nothing was seen."""
        if not self._counts:
            raise MsvizError(f"histogram of {self.sources[0]}: no row was seen")
        if None in self._counts:
            return self._counts[None]
        return np.stack([self._counts[layer] for layer in sorted(self._counts, key=lambda n: n or 0)], 1)


@dataclass
class _KeptRows:
    keys: Array = field(default_factory=lambda: np.zeros(0, np.uint64))
    positions: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    values: dict[tuple[str, int | None], Array] = field(default_factory=dict)


class Sample(Reducer):
    """A uniform sample of `size` rows and what its sources showed of them.

    Every row has a pseudo-random key made of its position and the seed; the smallest keys stay. So
    the sample does not depend on the order of the rows, and merging two halves gives the very
    sample of the whole.
    """

    def __init__(self, size: int, sources: Sequence[str] = ("prediction", "label"), seed: int = 0) -> None:
        """Prepare an empty sample."""
        self.sources = tuple(sources)
        self.size = size
        self.seed = seed
        self._kept = _KeptRows()
        self._fresh = _KeptRows()
        self._chosen = np.zeros(0, np.int64)
        self._pieces: dict[tuple[str, int | None], list[Array]] = {}

    def begin(self, rows: BatchRows) -> None:
        """Find out which of the batch's rows may stay."""
        keys = row_keys(rows.positions, self.seed)
        limit = self._kept.keys[-1] if len(self._kept.keys) >= self.size else None
        may = np.arange(len(keys)) if limit is None else np.flatnonzero(keys < limit)
        self._chosen = may
        self._fresh = _KeptRows(keys[may], np.asarray(rows.positions, np.int64)[may])
        self._pieces = {}

    def see(self, source: str, layer: int | None, values: Tensor, rows: slice) -> None:
        """Keep the values of the rows that may stay."""
        inside = self._chosen[(self._chosen >= rows.start) & (self._chosen < rows.stop)] - rows.start
        taken = values[torch.as_tensor(inside, device=values.device)].cpu().numpy()
        self._pieces.setdefault((source, layer), []).append(taken)

    def end(self) -> None:
        """Let the smallest keys stay."""
        self._fresh.values = {key: np.concatenate(parts) for key, parts in self._pieces.items()}
        self._kept = _smallest(self._kept, self._fresh, self.size)

    def merge(self, other: Sample) -> None:
        """Add the other's rows; raise MsvizError when it drew by another rule."""
        own = (self.sources, self.size, self.seed)
        if own != (other.sources, other.size, other.seed):
            raise MsvizError("merge: the two samples were drawn by different rules")
        self._kept = _smallest(self._kept, other._kept, self.size)

    @property
    def positions(self) -> Array:
        """Return the sampled rows' positions in the split, rising."""
        return np.sort(self._kept.positions)

    def values(self, source: str, layer: int | None = None) -> Array:
        """Return what a source showed of the sampled rows (n, *axes), in the order of `positions`."""
        if (source, layer) not in self._kept.values:
            raise invalid("source", (source, layer), "it was not sampled")
        return self._kept.values[source, layer][np.argsort(self._kept.positions)]


def row_keys(positions: Array, seed: int) -> Array:
    """Return pseudo-random 64-bit keys (n,) of positions: splitmix64, the same on every machine."""
    start = np.uint64((seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64)
    key = np.asarray(positions).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + start
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = key ^ (key >> np.uint64(31))
    return mixed


def _smallest(first: _KeptRows, second: _KeptRows, size: int) -> _KeptRows:
    keys = np.concatenate([first.keys, second.keys])
    order = np.argsort(keys, kind="stable")[:size]
    positions = np.concatenate([first.positions, second.positions])[order]
    values = {}
    for name in {**first.values, **second.values}:
        parts = [sample.values[name] for sample in (first, second) if name in sample.values]
        values[name] = np.concatenate(parts)[order]
    return _KeptRows(keys[order], positions, values)
