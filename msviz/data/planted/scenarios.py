"""The planted shop's scenarios: five families, and beyond them their relatives ("Home feed 2")."""

from functools import cached_property

import numpy as np

from msviz.data.planted.draw import Array, pick_by_row
from msviz.data.planted.words import FAMILIES


class PlantedScenarios:
    """K scenarios of very different sizes, numbered from 0; `family` (K,) says whose relative each is."""

    def __init__(self, count: int) -> None:
        """Number the scenarios and give each its share of its family."""
        self.count = count
        copy, self.family = np.divmod(np.arange(count), len(FAMILIES))
        self.families = min(count, len(FAMILIES))  # those that have a scenario here
        weight = 1 / (copy + 1) ** 1.1
        # What the relatives add to a family's share of the rows.
        self._size = np.bincount(self.family, weight, len(FAMILIES))
        # Scenarios family by family; where family f ends, the cumulated share is f + 1.
        self._order = np.argsort(self.family, kind="stable")
        inside = [np.cumsum(weight[self.family == f]) / self._size[f] for f in range(self.families)]
        self._cumulated = np.concatenate([f + share for f, share in enumerate(inside)])

    @cached_property
    def names(self) -> list[str]:
        """Return the names of the scenarios."""
        copies = [divmod(number, len(FAMILIES)) for number in range(self.count)]
        return [FAMILIES[family].name + (f" {copy + 1}" if copy else "") for copy, family in copies]

    def draw_family(self, share: Array, row: Array, uniform: Array) -> Array:
        """Return families (n,): row r of their shares (R, families) for each element of `row` (n,)."""
        return pick_by_row((share * self._size)[:, : self.families], row, uniform)

    def inside(self, family: Array, uniform: Array) -> Array:
        """Return scenarios (n,) of these families (n,)."""
        index = np.searchsorted(self._cumulated, family + np.minimum(uniform, 1 - 1e-12), side="right")
        return np.asarray(self._order[np.minimum(index, self.count - 1)])
