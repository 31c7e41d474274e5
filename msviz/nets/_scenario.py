"""What depends on the scenario alone: made once per distinct scenario, multiplied with its rows together."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from msviz.errors import refuse
from msviz.nets._base import Layout

# Below this many rows a group, one product per row is faster than one product per group.
ROWS_PER_PRODUCT = 16


@dataclass(frozen=True)
class Groups:
    """Rows put next to others of their scenario: G groups, and the way back to the batch's order."""

    first: Tensor  # (G,) one row of each group, by its place in the batch
    index: Tensor  # (B,) group of each row, in computing order (not falling)
    sizes: list[int] | None  # rows of each group; None where each row is multiplied on its own
    order: Tensor | None  # (B,) computing order -> batch; None where they are the same

    def sort(self, values: Tensor) -> Tensor:
        """Return `values` (B, ...) in computing order."""
        return values if self.order is None else values.index_select(0, self.order)

    def unsort(self, values: Tensor) -> Tensor:
        """Return `values` (B, ...) in the batch's order."""
        return values if self.order is None else values.index_select(0, torch.argsort(self.order))


def group(key: Tensor) -> Groups:
    """Group rows by an integer key (B,); the groups depend on nothing but the keys."""
    sorted_ = bool((key[1:] >= key[:-1]).all())
    order = None if sorted_ else torch.argsort(key, stable=True)
    _, index, counts = torch.unique_consecutive(
        key if order is None else key[order], return_inverse=True, return_counts=True
    )
    start = counts.cumsum(0) - counts
    few = len(counts) * ROWS_PER_PRODUCT <= len(key) and key.device.type == "cpu"
    return Groups(
        first=start if order is None else order[start],
        index=index,
        sizes=counts.tolist() if few else None,
        order=order,
    )


def alone(rows: int, device: torch.device) -> Groups:
    """Return groups of one row each, in the batch's order."""
    index = torch.arange(rows, device=device)
    return Groups(first=index, index=index, sizes=None, order=None)


def grouped_product(values: Tensor, matrices: Tensor, groups: Groups) -> Tensor:
    """Return W_g x of every vector x of every row: (B, N, d) with (G, e, d) gives (B, N, e)."""
    if groups.sizes is not None:
        parts = zip(torch.split(values, groups.sizes), matrices.unbind(), strict=True)
        return torch.cat([nn.functional.linear(part, matrix) for part, matrix in parts])
    return torch.bmm(values, matrices.index_select(0, groups.index).transpose(1, 2))


class ScenarioEncoder(nn.Module):
    """Scenario vectors s of `units` numbers (SATrans, section 4.2) for one position or several.

    ie: a row of its own for every combination of the scenario fields; row 0 serves unseen ones.
    en: s = W_s ReLU(e), e the concatenated embeddings of the M scenario fields.
    enp: s_p = W_s ReLU(Concat(e, p)) (Eq. 2). ReLU and W_s act on e and p apart, so s_p is the sum of a
    part of the scenario and a part of the position: G + P products instead of G · P.
    """

    def __init__(
        self,
        kind: Literal["ie", "en", "enp"],
        layout: Layout,
        width: int,
        units: int,
        positions: int,
        deviation: float,
    ) -> None:
        """Draw weights so that each number of s starts with about the given standard deviation."""
        super().__init__()
        self.kind = kind
        if kind == "ie":
            self.table = nn.Embedding(layout.scenarios + 1, units, sparse=True)
            nn.init.normal_(self.table.weight, std=deviation)
            return
        sizes = [layout.sizes[column] for column in layout.scenario_columns]
        self.tables = nn.ModuleList(nn.Embedding(size, width, sparse=True) for size in sizes)
        inputs = width * len(sizes)
        if kind == "enp":
            self.position = nn.Parameter(torch.randn(positions, width))
            inputs += width
        # Half of a standard normal's variance passes the ReLU.
        self.weight = nn.Parameter(torch.randn(units, inputs) * deviation / math.sqrt(inputs / 2))

    def forward(self, scenario: Tensor, ids: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the scenarios' part (G, units) and the positions' part (P, units), None where there is none.

        `scenario` (G,) holds scenario ids, `ids` (G, M) those of the scenario fields.
        """
        if self.kind == "ie":
            return self.table(scenario), None
        embedded = torch.cat([table(ids[:, m]) for m, table in enumerate(self.tables)], dim=1).relu()
        if self.kind == "en":
            return embedded @ self.weight.T, None
        of_scenario, of_position = self.weight.tensor_split([embedded.shape[1]], dim=1)
        return embedded @ of_scenario.T, self.position.relu() @ of_position.T


def radix(layout: Layout) -> list[int]:
    """Return the factors that make one integer of the M scenario fields' ids; raise MsvizError if too big."""
    sizes = [layout.sizes[column] for column in layout.scenario_columns]
    if math.prod(sizes) >= 2**63:
        raise refuse("scenario fields", sizes, "wanted vocabularies whose product is below 2^63")
    return [math.prod(sizes[m + 1 :]) for m in range(len(sizes))]
