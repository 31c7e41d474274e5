"""Means and standard deviations by group, in one pass and in memory that does not grow with the rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from msviz.errors import MsvizError, refuse
from msviz.probing.groups import Groups
from msviz.probing.reducers import CELLS, Rows

Array = np.ndarray[Any, Any]
# Rows reduced at a time: what a tap showed of them still lies in a core's cache.
HOT = 512


@dataclass(frozen=True)
class Summary:
    """Rows (G,), and mean and sample standard deviation (G, [layer,] *axes), NaN where not defined."""

    rows: Array
    mean: Array
    deviation: Array


class _Sums:
    """Sums by group of one view of one layer, flat (G, C): Σx and Σ(x - the group's reference)²."""

    def __init__(self, shape: tuple[int, ...], groups: int, device: torch.device) -> None:
        cells = math.prod(shape)
        if groups * cells > CELLS:
            wanted = f"at most {CELLS:,} sums are kept: choose fewer groups"
            raise refuse("groups × cells", f"{groups:,} × {cells:,}", wanted)
        self.shape = shape
        self.total = torch.zeros(groups, cells, dtype=torch.float64, device=device)
        self.square = torch.zeros_like(self.total)
        # Squares are taken around the mean of the first rows of a group: around zero, or around
        # another group's mean, float32 would lose a small variance.
        self.reference = torch.zeros(groups, cells, device=device)
        # What the present batch adds; float32 is exact enough within a batch and twice as fast.
        self.fresh_total = torch.zeros_like(self.reference)
        self.fresh_square = torch.zeros_like(self.reference)

    def refer(self, values: Tensor, ids: Tensor, new: Tensor) -> None:
        """Take the mean of these rows as reference of the groups `new` (G,) bool."""
        flat = values.reshape(len(values), -1)
        sums = torch.zeros_like(self.reference).index_add_(0, ids, flat)
        count = torch.bincount(ids, minlength=len(new))[:, None]
        self.reference = torch.where(new[:, None], sums / count, self.reference)

    def add(self, values: Tensor, ids: Tensor) -> None:
        flat = values.reshape(len(values), -1)
        self.fresh_total.index_add_(0, ids, flat)
        # mse_loss subtracts and squares in one sweep over memory.
        square = torch.nn.functional.mse_loss(flat, self.reference[ids], reduction="none")
        self.fresh_square.index_add_(0, ids, square)

    def settle(self) -> None:
        self.total += self.fresh_total
        self.square += self.fresh_square
        self.fresh_total.zero_()
        self.fresh_square.zero_()

    def around(self, reference: Tensor, rows: Tensor) -> Tensor:
        """Return Σ(x - reference)² (G, C), given the rows (G, 1) of each group."""
        own = self.reference.double()
        step = own - reference
        return self.square + 2 * step * (self.total - rows * own) + rows * step**2

    def merge(self, other: "_Sums", mine: Tensor, theirs: Tensor) -> None:
        """Add the other's sums, given the rows (G,) that each of the two has seen."""
        self.reference = torch.where((mine > 0)[:, None], self.reference, other.reference)
        # New tensors: those of a pass were made in inference mode and may not be changed outside it.
        self.square = self.square + other.around(self.reference.double(), theirs[:, None])
        self.total = self.total + other.total

    def summary(self, rows: Tensor, pooled: bool) -> tuple[Tensor, Tensor]:
        """Return mean and deviation (G, *axes), G = 1 with `pooled`, given the rows (G,)."""
        count, total = rows[:, None], self.total
        if pooled:
            count, total = count.sum(0, True), total.sum(0, True)
        mean = total / count  # 0 / 0 is NaN: no rows have no mean
        around = self.around(mean, rows[:, None])
        # A group without rows has sums of zero, but around a mean that does not exist.
        square = torch.where(rows[:, None] > 0, around, 0.0)
        square = square.sum(0, True) if pooled else square
        variance = torch.where(count > 1, square.clamp_min(0) / (count - 1), torch.nan)
        shape = (len(count), *self.shape)
        return mean.reshape(shape).cpu(), variance.sqrt().reshape(shape).cpu()


class Moments:
    """Mean and standard deviation by group of every cell of a source, in one pass.

    `over` asks in addition for the moments of the row's mean over some axes: `(("head",),
    ("head", "query"))` gives those of the mean over heads and of attention received. An entry that
    extends another by one axis is made from it.
    """

    def __init__(
        self,
        source: str,
        groups: Groups,
        axes: Sequence[str] = (),
        over: Sequence[tuple[str, ...]] = (),
    ) -> None:
        """Prepare for a source with these axes after the row axis (layer not among them)."""
        self.sources: tuple[str, ...] = (source,)
        self.groups = groups
        self.axes = tuple(axes)
        self.views: tuple[tuple[str, ...], ...] = ((), *over)
        for view in over:
            if not set(view) <= set(axes):
                raise refuse("axes to average over", view, f"the source has the axes {', '.join(axes)}")
        self._rows = np.zeros(len(groups), np.int64)
        self._sums: dict[tuple[int | None, tuple[str, ...]], _Sums] = {}
        self._ids = torch.zeros(0, dtype=torch.long)
        # Groups that no batch has shown yet, by layer; empty while the batch brings none.
        self._new: dict[int | None, Tensor] = {}
        self._brings_new = False
        self._unseen = torch.zeros(0, dtype=torch.bool)

    def begin(self, rows: Rows) -> None:
        """Look up the batch's groups."""
        self._ids = self.groups.of(rows.batch)
        count = np.bincount(self._ids.cpu().numpy(), minlength=len(self.groups))
        self._new = {}
        self._brings_new = bool(((self._rows == 0) & (count > 0)).any())
        self._unseen = torch.as_tensor(self._rows == 0, device=self._ids.device)
        self._rows += count

    def see(self, source: str, layer: int | None, values: Tensor, rows: slice) -> None:
        """Add the values (b, *axes) to the sums of their groups."""
        ids = self._ids[rows]
        for start in range(0, len(values), HOT):
            piece = slice(start, start + HOT)
            self._add(layer, values[piece], ids[piece])

    def _add(self, layer: int | None, values: Tensor, ids: Tensor) -> None:
        new = self._first_seen(layer, ids)
        seen: dict[tuple[str, ...], Tensor] = {(): values.float()}
        for view in self.views:
            if view not in seen:
                # The largest view made so far that this one extends.
                base = max((done for done in seen if set(done) < set(view)), key=len)
                seen[view] = self._mean(seen[base], base, view)
            made = seen[view]
            if (layer, view) not in self._sums:
                self._sums[layer, view] = _Sums(tuple(made.shape[1:]), len(self.groups), made.device)
            sums = self._sums[layer, view]
            if new is not None:
                sums.refer(made, ids, new)
            sums.add(made, ids)

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
                place = left.index(axis) + 1
                values = mean_over(values, place)
                left.remove(axis)
        return values

    def end(self) -> None:
        """Move the batch's sums into the lasting ones."""
        for sums in self._sums.values():
            sums.settle()

    def merge(self, other: "Moments") -> None:
        """Add the other's sums; raise MsvizError when it watched something else."""
        if (self.sources, self.views, self.groups.names) != (other.sources, other.views, other.groups.names):
            raise MsvizError("merge: the two reducers watched different things")
        mine, theirs = torch.from_numpy(self._rows), torch.from_numpy(other._rows)
        for key, sums in other._sums.items():
            if key not in self._sums:
                self._sums[key] = _Sums(sums.shape, len(self.groups), sums.total.device)
            self._sums[key].merge(sums, mine.to(sums.total.device), theirs.to(sums.total.device))
        self._rows = self._rows + other._rows

    def result(self, over: tuple[str, ...] = (), pooled: bool = False) -> Summary:
        """Return the moments by group, or of all rows together (G = 1) with `pooled`.

        A source that was seen in layers has a layer axis after the group axis. Raises MsvizError
        when nothing was seen or `over` was not asked for.
        """
        parts = {layer: sums for (layer, view), sums in self._sums.items() if view == over}
        if not parts:
            raise MsvizError(f"moments of {self.sources[0]}: no row was seen")
        layers = sorted(parts, key=lambda number: number or 0)
        rows = torch.from_numpy(self._rows)
        made = [parts[layer].summary(rows.to(parts[layer].total.device), pooled) for layer in layers]
        count = self._rows.sum(keepdims=True) if pooled else self._rows
        if None in parts:
            mean, deviation = made[0]
        else:
            mean = torch.stack([mean for mean, _ in made], 1)
            deviation = torch.stack([deviation for _, deviation in made], 1)
        return Summary(count.copy(), mean.numpy(), deviation.numpy())


def mean_over(values: Tensor, place: int) -> Tensor:
    """Return the mean over one axis; a product with 1/n is faster than torch's reduction of short axes."""
    before, size, after = values.shape[:place], values.shape[place], values.shape[place + 1 :]
    share = values.new_full((1, size), 1 / size)
    return torch.matmul(share, values.reshape(-1, size, math.prod(after))).reshape(*before, *after)
