"""Means and standard deviations by group, in one pass and in memory that does not grow with the rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from msviz.errors import MsvizError, invalid, one_of
from msviz.lazy import torch
from msviz.probing.reducers import CELLS, Reducer, row_keys

if TYPE_CHECKING:
    from torch import Tensor

    from msviz.probing.groups import Groups
    from msviz.probing.reducers import BatchRows

Array = np.ndarray[Any, Any]
GroupSpan = tuple[int, int, int]  # first row, end, group
# Numbers, and rows, reduced at a time: what a tap showed of them still lies in a core's cache.
HOT_CELLS, HOT = 2**19, 512
# Rows of one group side by side that are worth summing on their own.
SHORTEST = 32
# From about so many rows a group's deviation is as good as known (to one percent): of larger groups
# only every k-th row gives squares, which halves what watching costs.
ENOUGH = 10_000
SEED = 10_000  # of the choice, which should have nothing to do with a sample's


@dataclass(frozen=True)
class Summary:
    """Rows (G,), and mean and sample standard deviation (G, [layer,] *axes), NaN where not defined."""

    rows: Array
    mean: Array
    deviation: Array


class _Sums:
    """Sums by group of one view of one layer (G, *axes): Σx, and around the group's reference Σ(x - r)².

    Where only some rows give squares (`thinned`), Σ(x - r) of these rows is kept as well.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        groups: int,
        device: torch.device,
        derived: bool = False,
        thinned: bool = False,
    ) -> None:
        """Start at zero; `derived` leaves Σx to whoever can make it from other sums."""
        self.derived, self.thinned = derived, thinned
        if groups * math.prod(shape) > CELLS:
            wanted = f"at most {CELLS:,} sums are kept: choose fewer groups"
            raise invalid("groups × cells", f"{groups:,} × {math.prod(shape):,}", wanted)
        self.total = torch.zeros(groups, *shape, dtype=torch.float64, device=device)
        self.square = torch.zeros_like(self.total)
        self.shift = torch.zeros_like(self.total) if thinned else self.total.new_zeros(0)
        # Squares are taken around the mean of the first rows of a group: around zero, or around
        # another group's mean, float32 would lose a small variance.
        self.reference = torch.zeros(groups, *shape, device=device)
        # What the present batch adds; float32 is exact enough within a batch and twice as fast.
        self.fresh_total = torch.zeros_like(self.reference)
        self.fresh_square = torch.zeros_like(self.reference)
        self.fresh_shift = torch.zeros_like(self.reference) if thinned else self.reference.new_zeros(0)

    def refer(self, values: Tensor, ids: Tensor, new: Tensor) -> None:
        """Take the mean of these rows as reference of the groups `new` (G,) bool."""
        sums = torch.zeros_like(self.reference).index_add_(0, ids, values)
        count = torch.bincount(ids, minlength=len(new))
        self.reference = torch.where(self._wide(new), sums / self._wide(count), self.reference)

    def add(self, values: Tensor, ids: Tensor, runs: list[GroupSpan] | None) -> None:
        """Add rows (b, *axes) to Σx; `runs` are their stretches of one group, None where these are short."""
        if self.derived:
            return
        if runs is None:
            self.fresh_total.index_add_(0, ids, values)
            return
        for first, last, group in runs:
            self.fresh_total[group].add_(values[first:last].sum(0))

    def spread(self, values: Tensor, ids: Tensor, runs: list[GroupSpan] | None) -> None:
        """Add rows (b, *axes) to the sums of squares."""
        if runs is None:
            around = self.reference[ids]
            self.fresh_square.index_add_(0, ids, _squares(values, around))
            if self.thinned:
                self.fresh_shift.index_add_(0, ids, values - around)
            return
        for first, last, group in runs:
            part, around = values[first:last], self.reference[group]
            self.fresh_square[group].add_(_squares(part, around.expand_as(part)).sum(0))
            if self.thinned:
                self.fresh_shift[group].add_((part - around).sum(0))

    def settle(self) -> None:
        """Move what the batch added into the lasting sums."""
        self.total += self.fresh_total
        self.square += self.fresh_square
        self.shift += self.fresh_shift
        for fresh in (self.fresh_total, self.fresh_square, self.fresh_shift):
            fresh.zero_()

    def _shift(self, rows: Tensor) -> Tensor:
        """Return Σ(x - r) (G, *axes) of the rows (G,) that gave squares."""
        return self.shift if self.thinned else self.total - self._wide(rows) * self.reference.double()

    def merge(self, other: _Sums, own_rows: Tensor, theirs: Tensor) -> None:
        """Add the other's sums, given the rows (G,) that gave squares in each of the two."""
        shift, count = other._shift(theirs), self._wide(theirs)
        reference = torch.where(self._wide(own_rows) > 0, self.reference, other.reference)
        step = other.reference.double() - reference.double()
        # New tensors: those of a pass were made in inference mode and may not be changed outside it.
        self.square = self.square + other.square + 2 * step * shift + count * step**2
        if self.thinned:
            self.shift = self.shift + shift + count * step
        self.total = self.total + other.total
        self.reference = reference

    def summary(self, rows: Tensor, squared: Tensor, pooled: bool) -> tuple[Tensor, Tensor]:
        """Return mean and deviation (G, *axes), G = 1 with `pooled`.

        `rows` (G,) were seen, `squared` (G,) of them gave squares.
        """
        count, part = self._wide(rows), self._wide(squared)
        means = self.total / count  # 0 / 0 is NaN: no rows have no mean
        inside = (self.square - self._shift(squared) ** 2 / part.clamp_min(1)).clamp_min(0)
        variance = torch.where(part > 1, inside / (part - 1), torch.nan)
        if not pooled:
            return means.cpu(), variance.sqrt().cpu()
        mean, count_all = self.total.sum(0, True) / count.sum(0, True), count.sum(0, True)
        # A group without rows has no mean, and one with a single row no variance: both add none.
        within = torch.where(part > 1, (count - 1) * variance, 0.0)
        between = torch.where(count > 0, count * (means - mean) ** 2, 0.0)
        whole = torch.where(count_all > 1, (within + between).sum(0, True) / (count_all - 1), torch.nan)
        return mean.cpu(), whole.sqrt().cpu()

    def _wide(self, rows: Tensor) -> Tensor:
        """Return a tensor (G,) with as many axes as the sums."""
        return rows.reshape(-1, *[1] * (self.total.ndim - 1))


def _squares(values: Tensor, reference: Tensor) -> Tensor:
    """Return (x - reference)² in one sweep over memory."""
    return torch.nn.functional.mse_loss(values, reference, reduction="none")


class GroupMoments(Reducer):
    """Mean and standard deviation by group of every cell of a source, in one pass.

    `over` asks in addition for the moments of the row's mean over some axes: `(("head",),
    ("head", "query"))` gives those of the mean over heads and of attention received. An entry that
    extends another by one axis is made from it. Means are of all rows; where `expected` (G,) says how
    many rows the groups will have, the deviations of groups of over 2 × ENOUGH rows come from a share of
    them, chosen by their numbers in the log, so that parts of a pass still add up to the whole.
    """

    def __init__(
        self,
        source: str,
        groups: Groups,
        axes: Sequence[str] = (),
        over: Sequence[tuple[str, ...]] = (),
        expected: Array | None = None,
    ) -> None:
        """Prepare for a source with these axes after the row axis (layer not among them)."""
        self.sources: tuple[str, ...] = (source,)
        self.groups = groups
        self.axes = tuple(axes)
        self.views: tuple[tuple[str, ...], ...] = ((), *over)
        for view in over:
            if not set(view) <= set(axes):
                raise invalid("axes to average over", view, f"the source has the axes {', '.join(axes)}")
        every = np.ones(len(groups)) if expected is None else np.maximum(expected // ENOUGH, 1)
        self._every = torch.as_tensor(every, dtype=torch.long)
        self._thinned = bool((self._every > 1).any())
        self._rows = np.zeros(len(groups), np.int64)
        self._squared = np.zeros(len(groups), np.int64)
        self._chosen: Tensor | None = None
        # For each layer the sums of the cells, and those of all means over axes side by side (False, True):
        # one short row of many means costs less than many shorter ones.
        self._sums: dict[tuple[int | None, bool], _Sums] = {}
        self._shapes: dict[tuple[str, ...], tuple[int, ...]] = {}
        self._ids = torch.zeros(0, dtype=torch.long)
        self._runs: list[GroupSpan] | None = None
        # Groups that no batch has shown yet, by layer; empty while the batch brings none.
        self._new: dict[int | None, Tensor] = {}
        self._brings_new = False
        self._unseen = torch.zeros(0, dtype=torch.bool)

    def begin(self, rows: BatchRows) -> None:
        """Look up the batch's groups."""
        self._ids = self.groups.of(rows.batch)
        ids = self._ids.cpu().numpy()
        self._runs = _runs(ids)
        count = np.bincount(ids, minlength=len(self.groups))
        self._new = {}
        self._brings_new = bool(((self._rows == 0) & (count > 0)).any())
        self._unseen = torch.as_tensor(self._rows == 0, device=self._ids.device)
        self._rows += count
        self._chosen = None
        if self._thinned:
            # By a row's number, scrambled: neighbours in the log, and every k-th of them, may be alike.
            keys = row_keys(rows.batch.row.cpu().numpy(), SEED)
            chosen = keys % self._every.numpy().astype(np.uint64)[ids] == 0
            self._chosen = torch.as_tensor(chosen, device=self._ids.device)
            count = np.bincount(ids[chosen], minlength=len(self.groups))
        self._squared += count

    def see(self, source: str, layer: int | None, values: Tensor, rows: slice) -> None:
        """Add the values (b, *axes) to the sums of their groups."""
        hot = min(HOT, max(1, HOT_CELLS // max(1, math.prod(values.shape[1:]))))
        for start in range(rows.start, rows.stop, hot):
            stop = min(start + hot, rows.stop)
            self._add(layer, values[start - rows.start : stop - rows.start], start, stop)

    def _add(self, layer: int | None, values: Tensor, start: int, stop: int) -> None:
        ids = self._ids[start:stop]
        cells = values.float()
        runs = self._runs_between(start, stop)
        new = self._first_seen(layer, ids)
        if new is not None:
            for is_mean, view in self._views_of(cells):
                self._sums_of(layer, is_mean, view).refer(view, ids, new)
        self._sums_of(layer, False, cells).add(cells, ids, runs)
        if self._chosen is not None:
            chosen = self._chosen[start:stop].nonzero()[:, 0]
            cells, ids = cells[chosen], ids[chosen]
            runs = None if runs is None else _runs(ids.cpu().numpy(), shortest=0)
        for is_mean, view in self._views_of(cells):
            self._sums_of(layer, is_mean, view).spread(view, ids, runs)

    def _views_of(self, cells: Tensor) -> list[tuple[bool, Tensor]]:
        """Return the cells (b, *axes), and all means over axes side by side (b, C) if there are any."""
        return [(False, cells)] + ([(True, self._means(cells))] if len(self.views) > 1 else [])

    def _sums_of(self, layer: int | None, is_mean: bool, view: Tensor) -> _Sums:
        """Return the sums of a layer's cells or of its means, made when first asked for."""
        if (layer, is_mean) not in self._sums:
            self._sums[layer, is_mean] = _Sums(
                tuple(view.shape[1:]), len(self.groups), view.device, is_mean, self._thinned
            )
        return self._sums[layer, is_mean]

    def _means(self, cells: Tensor) -> Tensor:
        """Return all means over axes that were asked for, side by side (b, C)."""
        means: dict[tuple[str, ...], Tensor] = {(): cells}
        for view in self.views[1:]:
            # From the smallest that was made so far and that this one extends.
            base = min(
                (done for done in means if set(done) < set(view)), key=lambda done: means[done].numel()
            )
            means[view] = self._mean(means[base], base, view)
        self._shapes = {view: tuple(mean.shape[1:]) for view, mean in means.items()}
        return torch.cat([means[view].flatten(1) for view in self.views[1:]], 1)

    def _runs_between(self, start: int, stop: int) -> list[GroupSpan] | None:
        """Return the runs of one group inside a piece, from its first row; None where there are many."""
        if self._runs is None:
            return None
        runs = [(max(a, start) - start, min(b, stop) - start, g) for a, b, g in self._runs]
        return [run for run in runs if run[0] < run[1]]

    def _first_seen(self, layer: int | None, ids: Tensor) -> Tensor | None:
        """Return which groups (G,) bool this piece is the first to show of a layer, or None."""
        if not self._brings_new:
            return None
        unseen = self._new.setdefault(layer, self._unseen.clone())
        here = torch.zeros_like(unseen)
        here[ids] = True
        new = unseen & here
        unseen &= ~here
        return new if bool(new.any()) else None

    def _mean(self, values: Tensor, done: tuple[str, ...], view: tuple[str, ...]) -> Tensor:
        left = [axis for axis in self.axes if axis not in done]
        for axis in view:
            if axis not in done:
                dim = left.index(axis) + 1
                values = mean_over(values, dim)
                left.remove(axis)
        return values

    def end(self) -> None:
        """Move the batch's sums into the lasting ones."""
        for sums in self._sums.values():
            sums.settle()

    def _derive(self) -> None:
        """Make the means' Σx from that of the cells: both are linear, so no row has to be seen again."""
        for (layer, is_mean), sums in self._sums.items():
            if is_mean:
                sums.total = self._means(self._sums[layer, False].total)

    def merge(self, other: GroupMoments) -> None:
        """Add the other's sums; raise MsvizError when it watched something else."""
        if (self.sources, self.views, self.groups.names) != (other.sources, other.views, other.groups.names):
            raise MsvizError("merge: the two reducers watched different things")
        if not torch.equal(self._every, other._every):
            raise MsvizError("merge: the two reducers expected other numbers of rows")
        self._derive()
        other._derive()
        own_square, theirs = torch.from_numpy(self._squared), torch.from_numpy(other._squared)
        for (layer, is_mean), sums in other._sums.items():
            own = self._sums_of(layer, is_mean, sums.total)
            own.merge(sums, own_square.to(sums.total.device), theirs.to(sums.total.device))
        self._squared = self._squared + other._squared
        self._rows = self._rows + other._rows
        self._shapes = self._shapes or other._shapes

    def result(self, over: tuple[str, ...] = (), pooled: bool = False) -> Summary:
        """Return the moments by group, or of all rows together (G = 1) with `pooled`.

        A source that was seen in layers has a layer axis after the group axis. Raises MsvizError
        when nothing was seen or `over` was not asked for.
        """
        if over not in self.views:
            raise invalid("over", over, one_of(self.views))
        parts = {layer: sums for (layer, is_mean), sums in self._sums.items() if is_mean == bool(over)}
        if not parts:
            raise MsvizError(f"moments of {self.sources[0]}: no row was seen")
        self._derive()
        layers = sorted(parts, key=lambda number: number or 0)
        counts = [
            torch.from_numpy(count).to(parts[layers[0]].total.device) for count in (self._rows, self._squared)
        ]
        moments = [parts[layer].summary(counts[0], counts[1], pooled) for layer in layers]
        if over:
            moments = [(self._only(mean, over), self._only(deviation, over)) for mean, deviation in moments]
        count = self._rows.sum(keepdims=True) if pooled else self._rows
        if None in parts:
            mean, deviation = moments[0]
        else:
            mean = torch.stack([mean for mean, _ in moments], 1)
            deviation = torch.stack([deviation for _, deviation in moments], 1)
        return Summary(count.copy(), mean.numpy(), deviation.numpy())

    def _only(self, means: Tensor, view: tuple[str, ...]) -> Tensor:
        """Return one of the means that lie side by side (G, C), in its own shape."""
        sizes = [math.prod(self._shapes[other]) for other in self.views[1:]]
        index = self.views.index(view) - 1
        return torch.split(means, sizes, 1)[index].reshape(-1, *self._shapes[view])


def _runs(ids: Array, shortest: int = SHORTEST) -> list[GroupSpan] | None:
    """Return first row, end and group of every stretch of one group; None where stretches are short."""
    if not len(ids):
        return []
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    if len(ids) < shortest * len(starts):
        return None
    ends = np.r_[starts[1:], len(ids)]
    return [(int(a), int(b), int(ids[a])) for a, b in zip(starts, ends, strict=True)]


def mean_over(values: Tensor, place: int) -> Tensor:
    """Return the mean over one axis, faster than torch's reduction where the axis is short."""
    before, size, after = values.shape[:place], values.shape[place], values.shape[place + 1 :]
    cells = math.prod(after)
    if size <= 8:
        total = values.select(place, 0) / size
        for number in range(1, size):
            total.add_(values.select(place, number), alpha=1 / size)
        return total
    # A product with 1 / n runs at the speed of memory also along the rows of a matrix. Nets may show
    # heads before rows in memory; taken in that order, nothing is copied.
    strides = values.stride()
    order = sorted(range(place), key=lambda axis: -strides[axis])
    outer = values.permute(*order, *range(place, values.ndim))
    share = values.new_full((1, size), 1 / size)
    mean = torch.matmul(share, outer.reshape(-1, size, cells))
    back = [order.index(axis) for axis in range(place)]
    shape = [before[axis] for axis in order]
    return mean.reshape(*shape, *after).permute(*back, *range(place, place + len(after)))
