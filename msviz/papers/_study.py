"""Study: an ablation table or a curve of a paper as the trainings that make it, on the demo's settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

Settings = Mapping[str, Any]
# What the demo runs are trained with (models/recipes.mk), beside each model's own.
DEMO: Settings = {"epochs": 4, "batch_size": 1024, "threads": 1}


@dataclass(frozen=True)
class Study:
    """What a paper varies, and where the result is looked at: the Table, List, Curve or Grid of runs.

    Either `grid`, values of one or two settings that are all combined, or `variants`, changes one by one;
    {} is the model as it is.
    """

    label: str
    title: str
    model: str
    base: Settings
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    variants: Sequence[Settings] = ()
    show: str = "Table"
    note: str = ""

    @property
    def changes(self) -> list[dict[str, Any]]:
        """Return the changes to the base, one for each training."""
        if not self.grid:
            return [dict(one) for one in self.variants]
        combined = [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]
        return [*map(dict, self.variants), *combined]

    @property
    def settings(self) -> list[dict[str, Any]]:
        """Return all settings of each training that are not the model's defaults."""
        return [{**self.base, **change} for change in self.changes]


def without(*parts: str) -> list[Settings]:
    """Return the model as it is, and once without each of its parts."""
    return [{}, *({part: False} for part in parts)]
