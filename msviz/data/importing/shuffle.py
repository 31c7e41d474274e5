"""Puts the rows of a split into random order once, when it is written, at constant memory.

Two passes over each file: every row goes to a bucket at random, then each bucket is shuffled in memory, and
the buckets follow one another. So every order is equally likely (Rao and Sandelius, 1961). What is drawn
depends on the seed and a row's place alone: files that are moved one after another keep their rows together.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
BYTES = 1 << 26  # of a file that are moved at a time, about
SEED = 1_961
BUCKETS = 2**16  # at most, so that sorting rows by bucket takes one sweep
SPARSE = 8  # signals are kept by value where a value holds for so many rows on average


class Shuffle:
    """One random order of so many rows, for files of at most `widest` bytes a row."""

    def __init__(self, rows: int, widest: int) -> None:
        """Draw the bucket of every row, to know where each bucket begins."""
        self.rows = rows
        self.window = max(BYTES // widest, -(-rows // BUCKETS), 1)  # rows read together
        self._windows = range(-(-rows // self.window))
        count = np.zeros(len(self._windows), np.int64)  # as many buckets as windows, so of the same size
        for window in self._windows:
            count += np.bincount(self._buckets(window), minlength=len(count))
        self._edges = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])

    def move(self, path: Path, width: int) -> "hashlib._Hash":
        """Put a file of `width` bytes a row into the new order; return the SHA-256 of what it holds then."""
        self._part(path, width)
        digest = hashlib.sha256()
        with path.open("r+b") as file:
            for bucket in self._windows:
                first, end = self._edges[bucket], self._edges[bucket + 1]
                order = np.random.default_rng((SEED, 1, bucket)).permutation(end - first)
                rows = _read(path, first, end, width).take(order, 0)
                os.pwrite(file.fileno(), rows.data, int(first) * width)
                digest.update(rows.data)
        return digest

    def _part(self, path: Path, width: int) -> None:
        """Move the rows of each bucket next to one another, in the order they had."""
        parted = path.with_suffix(".parted")
        offset = self._edges[:-1].tolist()  # where the next row of each bucket goes
        with parted.open("wb") as file:
            for window in self._windows:
                buckets = self._buckets(window)
                first = window * self.window
                rows = _read(path, first, first + len(buckets), width)
                rows = rows.take(np.argsort(buckets, kind="stable"), 0)
                count = np.bincount(buckets, minlength=len(offset))
                done = 0
                for bucket in np.flatnonzero(count).tolist():
                    size = int(count[bucket])
                    os.pwrite(file.fileno(), rows[done : done + size].data, offset[bucket] * width)
                    offset[bucket] += size
                    done += size
        parted.replace(path)

    def _buckets(self, window: int) -> Array:
        """Return the buckets of a window's rows."""
        size = min(self.window, self.rows - window * self.window)
        draw = np.random.default_rng((SEED, 0, window))
        return draw.integers(0, len(self._windows), size, dtype=np.uint16)


def signals_by_row(folder: Path, rows: int, columns: int) -> dict[str, int]:
    """Turn signals kept where they change into a file that may be shuffled; return its stem and bytes a row.

    Where few rows change them, the table of signals stays and each row tells its place in it
    (`signals.index`); otherwise each row has its own signals, as a table larger than memory would have to be
    read in random order.
    """
    starts = np.memmap(folder / "signals.start.bin", np.int64, "r")
    table = np.memmap(folder / "signals.value.bin", np.float32, "r").reshape(-1, columns)
    sparse = len(starts) * SPARSE <= rows
    out = folder / ("signals.index.bin" if sparse else "signals.parted")
    with out.open("wb") as file:
        for first in range(0, rows, BYTES // 16):
            numbers = np.arange(first, min(first + BYTES // 16, rows))
            low, high = np.searchsorted(starts, numbers[[0, -1]], side="right")
            index = low - 1 + np.searchsorted(starts[low:high], numbers, side="right")
            file.write((index.astype(np.uint32) if sparse else table[index]).tobytes())
    (folder / "signals.start.bin").unlink()
    if sparse:
        return {"signals.index": 4}
    out.replace(folder / "signals.value.bin")
    return {"signals.value": 4 * columns}


def _read(path: Path, first: int, end: int, width: int) -> Array:
    """Return rows `first` to `end` (n, width) of a file, as bytes."""
    content = np.fromfile(path, np.uint8, (end - first) * width, offset=first * width)
    return content.reshape(-1, width)
