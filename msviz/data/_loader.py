"""Feeds a split as batches: in order, or all rows shuffled anew each epoch as a seed repeats it."""

from collections.abc import Iterator

import numpy as np

from msviz.batch import Batch
from msviz.data._dataset import Array, Part
from msviz.errors import refuse


def steps(rows: int, batch_size: int) -> int:
    """Return the number of batches in one epoch. Raise MsvizError below 1."""
    if batch_size < 1:
        raise refuse("batch_size", batch_size, "it must be at least 1")
    return -(-rows // batch_size)


def batches(
    part: Part,
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
    order = row_order(part.rows, seed, epoch)
    for step in range(start, total):
        chosen = order[part.rows * step // total : part.rows * (step + 1) // total]
        yield part.batch(chosen.astype(np.int64), behaviours)


def row_order(rows: int, seed: int, epoch: int) -> Array:
    """Return the order (rows,) in which an epoch takes the rows: a permutation that (seed, epoch) repeats.

    Logs lie in order of time, scenario or user, so nothing less than all rows will do: an epoch of shuffled
    blocks ends in one narrow stretch of the log.
    """
    numbers = np.arange(rows, dtype=np.uint32 if rows <= 2**32 else np.int64)
    np.random.default_rng((seed, epoch)).shuffle(numbers)
    return numbers
