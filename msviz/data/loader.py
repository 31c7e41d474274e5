"""Feeds a split as batches: in order, or all rows shuffled anew each epoch as a seed repeats it."""

from collections.abc import Callable, Iterator

import numpy as np

from msviz.batch import Batch
from msviz.dataset import Array, Rows
from msviz.errors import invalid

BLOCK = 131_072  # rows of a shuffled split that are shuffled together


def steps(rows: int, batch_size: int) -> int:
    """Return the number of batches in one epoch. Raise MsvizError below 1."""
    if batch_size < 1:
        raise invalid("batch_size", batch_size, "it must be at least 1")
    return -(-rows // batch_size)


def batches(
    part: Rows,
    batch_size: int,
    *,
    seed: int | None = None,
    epoch: int = 0,
    start: int = 0,
    behaviours: bool = False,
) -> Iterator[Batch]:
    """Yield every row of a split once, in batches of (B,) rows; raise MsvizError for a batch_size below 1.

    Without a seed rows come in the order of the log, batch_size at a time. With one, all rows are shuffled:
    the same (seed, epoch) gives the same order, and `batch_size` is the most that a batch holds: all are of
    one size, give or take a row, so that no step weighs a row more than another does. The first `start`
    batches are skipped without being read.
    """
    total = steps(part.rows, batch_size)
    if seed is None:
        for step in range(start, total):
            rows = slice(step * batch_size, min((step + 1) * batch_size, part.rows))
            yield part.batch(rows, behaviours)
        return
    between = BlockOrder(part.rows, seed, epoch).between if part.shuffled else _whole(part.rows, seed, epoch)
    for step in range(start, total):
        yield part.batch(between(part.rows * step // total, part.rows * (step + 1) // total), behaviours)


def _whole(rows: int, seed: int, epoch: int) -> Callable[[int, int], Array]:
    order = row_order(rows, seed, epoch)
    return lambda start, stop: order[start:stop].astype(np.int64)


def row_order(rows: int, seed: int, epoch: int) -> Array:
    """Return the order (rows,) in which an epoch takes the rows: a permutation that (seed, epoch) repeats.

    Logs lie in order of time, scenario or user, so nothing less than all rows will do: an epoch of shuffled
    blocks ends in one narrow stretch of the log.
    """
    numbers = np.arange(rows, dtype=np.uint32 if rows <= 2**32 else np.int64)
    np.random.default_rng((seed, epoch)).shuffle(numbers)
    return numbers


class BlockOrder:
    """The order in which an epoch takes rows that lie in random order already: by blocks, shuffled inside.

    Any block of such rows is a fair sample. Only the block at hand is drawn, and read.
    """

    def __init__(self, rows: int, seed: int, epoch: int) -> None:
        """Draw the order of the blocks, which are all of one size, give or take a row."""
        blocks = -(-rows // BLOCK)
        self._edges = rows * np.arange(blocks + 1) // max(blocks, 1)
        self._order = np.random.default_rng((seed, epoch)).permutation(blocks)
        self._starts = np.append(0, np.cumsum(np.diff(self._edges)[self._order]))
        self._seed, self._latest = (seed, epoch), (-1, self._edges)

    def between(self, start: int, stop: int) -> Array:
        """Return the rows (stop - start,) that come as the start-th to the stop-th of the epoch."""
        first, last = np.searchsorted(self._starts, [start, stop - 1], side="right") - 1
        parts = []
        for number in range(int(first), int(last) + 1):
            begun = int(self._starts[number])
            parts.append(self._block(number)[max(start - begun, 0) : stop - begun])
        return np.concatenate(parts)

    def _block(self, number: int) -> Array:
        """Return the rows of the epoch's block of this number, in their order."""
        if self._latest[0] != number:
            block = int(self._order[number])
            # From 1: NumPy takes (seed, epoch, 0) for (seed, epoch).
            draw = np.random.default_rng((*self._seed, block + 1))
            order = draw.permutation(np.arange(self._edges[block], self._edges[block + 1]))
            self._latest = (number, order)
        return self._latest[1]
