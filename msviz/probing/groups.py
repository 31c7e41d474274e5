"""Groups: which of G named groups each row of a batch belongs to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from msviz.errors import invalid
from msviz.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from msviz.batch import Batch
    from msviz.dataset import Rows

DAY, HOUR = 86_400, 3_600
# Groups of several kinds at once: what is kept of each must stay small beside the rows.
MOST = 10_000_000


@dataclass(frozen=True)
class Groups:
    """G names, and the function that gives each row its group's number."""

    names: tuple[str, ...]
    of: Callable[[Batch], Tensor]

    def __len__(self) -> int:
        """Return G."""
        return len(self.names)


def groups(part: Rows, by: str | Sequence[str] | None = None, keep: Sequence[int] | None = None) -> Groups:
    """Return the grouping of rows by "scenario", "label", "day", "hour", a feature, or None (one group).

    Several names at once (`("scenario", "day")`) make one group of each combination, the last name
    running fastest. With `keep`, only these group numbers stay, in this order, and all others share one
    more group at the end. Raises MsvizError for a feature that does not exist.
    """
    if by is None or isinstance(by, str):
        grouping = _groups(part, by)
    else:
        grouping = crossed([_groups(part, name) for name in by])
    if keep is None:
        return grouping
    index = torch.full((len(grouping),), len(keep))
    index[torch.tensor(keep, dtype=torch.long)] = torch.arange(len(keep))
    names = (*(grouping.names[number] for number in keep), "others")

    def of(batch: Batch) -> Tensor:
        ids = grouping.of(batch)
        return index.to(ids.device)[ids]

    return Groups(names, of)


def crossed(several: Sequence[Groups]) -> Groups:
    """Return one group for each combination, named "Search × 2025-03-01"; the last grouping runs fastest.

    Raises MsvizError where there would be too many.
    """
    if not several:
        raise invalid("by", (), "wanted: one name or more")
    sizes = [len(grouping) for grouping in several]
    if math.prod(sizes) > MOST:
        raise invalid("groups", " × ".join(map(str, sizes)), f"at most {MOST:,} combinations")
    names = [""]
    for number, grouping in enumerate(several):
        names = [f"{first} × {second}" if number else second for first in names for second in grouping.names]

    def of(batch: Batch) -> Tensor:
        ids = several[0].of(batch)
        for grouping in several[1:]:
            ids = ids * len(grouping) + grouping.of(batch)
        return ids

    return Groups(tuple(names), of)


def days(first: int, last: int) -> Groups:
    """Return one group for each local day from `first` to `last` (days since 1970, both included)."""
    names = tuple(str(np.datetime64(day, "D")) for day in range(first, last + 1))
    return Groups(names, lambda batch: torch.div(batch.time, DAY, rounding_mode="floor") - first)


def hours() -> Groups:
    """Return one group for each hour of the local day."""
    names = tuple(f"{hour:02d}:00" for hour in range(24))
    return Groups(names, lambda batch: torch.div(batch.time % DAY, HOUR, rounding_mode="floor"))


def day_range(times: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[int, int]:
    """Return the first and the last local day of times (n,), (0, 0) where there are none."""
    return (int(times.min()) // DAY, int(times.max()) // DAY) if len(times) else (0, 0)


def _groups(part: Rows, by: str | None) -> Groups:
    if by is None:
        return Groups(("all rows",), lambda batch: torch.zeros_like(batch.scenario))
    if by == "scenario":
        return Groups(tuple(part.schema.scenario_names), lambda batch: batch.scenario)
    if by == "label":
        return Groups(("no click", "click"), lambda batch: batch.label.long())
    if by == "day":
        return days(*day_range(part.time))
    if by == "hour" and all(by not in (field.name, field.title) for field in part.schema.features):
        return hours()
    column = part.schema.index(by)
    field = part.schema.features[column]
    return Groups(
        tuple(field.value_name(value) for value in range(field.size)), lambda batch: batch.fields[:, column]
    )
