"""Which rows train, which watch, which have the last word: by time, at random, or as given."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

from msviz.data.importing.spill import Spill
from msviz.dataset import Array
from msviz.errors import invalid
from msviz.schema import Split

SAMPLE = 4_000_000  # times that decide where a split by shares falls; all of them in a smaller log
NEVER = 2**62
TRAIN, VALID, TEST = 0, 1, 2


def splitter(split: Split, spill: Spill) -> Callable[[int, int], Array]:
    """Return a function (start, stop) -> uint8 (n,): 0 train, 1 valid, 2 test; raise MsvizError."""
    if split.by == "given":
        return lambda start, stop: spill.read("split", start, stop)
    if split.by == "random":
        return lambda start, stop: _draw(spill.read("place", start, stop), split)
    valid, test = _thresholds(split, spill)

    def by_time(start: int, stop: int) -> Array:
        time = spill.read("time", start, stop)
        return np.where(time >= test, TEST, np.where(time >= valid, VALID, TRAIN)).astype(np.uint8)

    return by_time


def _thresholds(split: Split, spill: Spill) -> tuple[int, int]:
    """Return the local second from which rows are valid, and that from which they are test."""
    if split.valid_from and split.test_from:
        valid, test = day("split: valid_from", split.valid_from), day("split: test_from", split.test_from)
        if valid > test:
            raise invalid(
                "split: valid_from", split.valid_from, f"wanted a day up to test_from {split.test_from}"
            )
        return valid, test
    rows = spill.size("time")
    step = max(1, -(-rows // SAMPLE))
    window = step << 17
    parts = [spill.read("time", start, start + window)[::step] for start in range(0, rows, window)]
    ordered = np.sort(np.concatenate(parts))

    def after(share: float) -> int:
        index = round(len(ordered) * share)
        return int(ordered[index]) if index < len(ordered) else NEVER

    test = after(1 - split.test)
    return min(after(1 - split.test - split.valid), test), test


def day(name: str, text: str) -> int:
    """Return the first local second of a day written YYYY-MM-DD; raise MsvizError."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise invalid(name, text, "wanted a day like 2022-05-06") from error


def _draw(row: Array, split: Split) -> Array:
    """Return a draw that depends on the seed and the row's place alone (splitmix64)."""
    with np.errstate(over="ignore"):
        key = row.astype(np.uint64) + np.uint64(1) + np.uint64(split.seed % 2**32) * np.uint64(2**32)
        key = key * np.uint64(0x9E3779B97F4A7C15)
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
    share = key / np.float64(2**64)
    return np.where(
        share < split.test, TEST, np.where(share < split.test + split.valid, VALID, TRAIN)
    ).astype(np.uint8)
