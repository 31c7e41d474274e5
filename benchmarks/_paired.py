"""Two ways over the same rows in turns, so that whatever else the machine does meets both."""

import statistics
import time
from collections.abc import Callable


def paired(
    plain: Callable[[], object], watched: Callable[[], object], rows: int, turns: int
) -> dict[str, float]:
    """Return rows per second of both, and the median, lowest and highest ratio of watched to plain passes.

    By wall clock, and by processor time, which a busy machine disturbs less.
    """
    jobs = {"plain": plain, "watched": watched}
    wall: dict[str, list[float]] = {name: [] for name in jobs}
    processor: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(turns):
        for name in sorted(jobs, reverse=bool(turn % 2)):
            start = time.perf_counter(), time.process_time()
            jobs[name]()
            wall[name].append(time.perf_counter() - start[0])
            processor[name].append(time.process_time() - start[1])
    found: dict[str, float] = {}
    for clock, seconds in (("wall", wall), ("processor", processor)):
        ratios = [w / p for w, p in zip(seconds["watched"], seconds["plain"], strict=True)]
        found[f"{clock} ratio"] = round(statistics.median(ratios), 3)
        found[f"{clock} lowest"], found[f"{clock} highest"] = round(min(ratios), 3), round(max(ratios), 3)
    for name in jobs:
        found[f"{name} rows/s"] = round(rows / statistics.median(wall[name]))
    return found
