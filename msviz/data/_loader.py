"""Feeds a split as batches: in order, or shuffled by block with an order that a seed repeats."""

from collections.abc import Iterator

import numpy as np

from msviz.batch import Batch
from msviz.data._dataset import Array, Part
from msviz.errors import refuse

# A block's rows lie side by side on disk, so a shuffled epoch still reads memory-mapped files in runs.
BLOCK = 131_072


def steps(rows: int, batch_size: int) -> int:
    """Return the number of batches in one epoch; the last may be shorter. Raise MsvizError below 1."""
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

    Without a seed rows come in the order of the log. With one, blocks of 131,072 rows are shuffled and
    then the rows inside each; the same (seed, epoch) gives the same order. The first `start` batches are
    skipped without being read.
    """
    total = steps(part.rows, batch_size)
    if seed is None:
        for step in range(start, total):
            rows = slice(step * batch_size, min((step + 1) * batch_size, part.rows))
            yield part.batch(rows, behaviours)
        return
    for chosen in _shuffled(part.rows, batch_size, seed, epoch, start):
        yield part.batch(chosen, behaviours)


def _shuffled(rows: int, batch_size: int, seed: int, epoch: int, start: int) -> Iterator[Array]:
    """Yield the row numbers (B,) of each batch from the `start`-th on."""
    order = np.random.default_rng((seed, epoch)).permutation(-(-rows // BLOCK))
    skip = start * batch_size
    rest = np.empty(0, np.int64)
    for block in order:
        first, stop = int(block) * BLOCK, min((int(block) + 1) * BLOCK, rows)
        if skip >= stop - first:
            skip -= stop - first
            continue
        # Each block has its own generator, so that a resumed epoch need not draw the blocks before.
        inside = first + np.random.default_rng((seed, epoch, int(block))).permutation(stop - first)
        rest = np.concatenate([rest, inside[skip:]])
        skip = 0
        full = len(rest) - len(rest) % batch_size
        for position in range(0, full, batch_size):
            yield rest[position : position + batch_size]
        rest = rest[full:]
    if len(rest):
        yield rest
