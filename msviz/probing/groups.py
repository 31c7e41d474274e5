"""Groups: which of G named groups each row of a batch belongs to."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from msviz.batch import Batch
from msviz.data._dataset import Part

DAY = 86_400


@dataclass(frozen=True)
class Groups:
    """G names, and the function that gives each row its group's number."""

    names: tuple[str, ...]
    of: Callable[[Batch], Tensor]

    def __len__(self) -> int:
        """Return G."""
        return len(self.names)


def groups(part: Part, by: str | None = None, keep: list[int] | None = None) -> Groups:
    """Return the grouping of a split's rows by "scenario", "label", "day", a feature, or None (one group).

    With `keep`, only these group numbers stay, in this order, and all others share one more group
    at the end. Raises MsvizError for a feature that does not exist.
    """
    found = _groups(part, by)
    if keep is None:
        return found
    place = torch.full((len(found),), len(keep))
    place[torch.tensor(keep, dtype=torch.long)] = torch.arange(len(keep))
    names = (*(found.names[number] for number in keep), "others")

    def of(batch: Batch) -> Tensor:
        ids = found.of(batch)
        return place.to(ids.device)[ids]

    return Groups(names, of)


def _groups(part: Part, by: str | None) -> Groups:
    if by is None:
        return Groups(("all rows",), lambda batch: torch.zeros_like(batch.scenario))
    if by == "scenario":
        return Groups(tuple(part.schema.scenario_names), lambda batch: batch.scenario)
    if by == "label":
        return Groups(("no click", "click"), lambda batch: batch.label.long())
    if by == "day":
        return _days(part)
    column = part.schema.index(by)
    field = part.schema.features[column]
    return Groups(
        tuple(field.value_name(value) for value in range(field.size)), lambda batch: batch.fields[:, column]
    )


def _days(part: Part) -> Groups:
    times = part.time
    first, last = (int(times.min()) // DAY, int(times.max()) // DAY) if part.rows else (0, 0)
    names = tuple(str(np.datetime64(day, "D")) for day in range(first, last + 1))
    return Groups(names, lambda batch: torch.div(batch.time, DAY, rounding_mode="floor") - first)
