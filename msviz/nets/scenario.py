"""What depends on the scenario alone: made once per distinct scenario, multiplied with its rows together."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from msviz.errors import invalid
from msviz.nets.base import InputSpec

# From this many rows a group on, one product per group is faster than one per row.
ROWS_PER_PRODUCT = 16


@dataclass(frozen=True)
class ScenarioGroups:
    """G groups of rows that share everything that the encoder reads."""

    order: Tensor | None  # (B,) computing order -> batch; None where they are the same
    first: Tensor  # (G,) one row of each group, by its place in the batch
    index: Tensor  # (B,) group of each row, in computing order
    sizes: list[int] | None  # rows of each group where they lie side by side; None for one product a row

    def sort(self, values: Tensor) -> Tensor:
        """Return `values` (B, ...) in computing order."""
        return values if self.order is None else values.index_select(0, self.order)

    def unsort(self, values: Tensor) -> Tensor:
        """Return `values` (B,) in the batch's order."""
        return values if self.order is None else torch.empty_like(values).index_copy(0, self.order, values)


def group(key: Tensor, movable: bool) -> ScenarioGroups:
    """Group rows by an integer key (B,); only `movable` rows are put side by side where they are not."""
    distinct, index = torch.unique(key, return_inverse=True)
    runs = int((key[1:] != key[:-1]).sum()) + 1
    few = key.device.type == "cpu" and len(distinct) * ROWS_PER_PRODUCT <= len(key)
    if not few or (runs > len(distinct) and not movable):
        rows = torch.arange(len(key), device=key.device)
        return ScenarioGroups(None, torch.empty_like(distinct).scatter_(0, index, rows), index, None)
    order = torch.argsort(index, stable=True) if runs > len(distinct) else None
    together = key if order is None else key[order]
    _, index, counts = torch.unique_consecutive(together, return_inverse=True, return_counts=True)
    start = counts.cumsum(0) - counts
    return ScenarioGroups(order, start if order is None else order[start], index, counts.tolist())


def alone(rows: int, device: torch.device) -> ScenarioGroups:
    """Return groups of one row each."""
    index = torch.arange(rows, device=device)
    return ScenarioGroups(order=None, first=index, index=index, sizes=None)


def grouped_product(matrices: Tensor, values: Tensor, groups: ScenarioGroups) -> Tensor:
    """Return W_g x of every field's vector x: (G, e, d) with (d, B, N) gives (e, B, N)."""
    if groups.sizes is None:
        product: Tensor = _PerRow.apply(matrices, values, groups.index)  # type: ignore[no-untyped-call]
    else:
        product = _Grouped.apply(matrices, values, groups.sizes)  # type: ignore[no-untyped-call]
    return product


class _PerRow(torch.autograd.Function):
    """One product for each row, with its group's matrix; results lie as the other layers want them."""

    @staticmethod
    def forward(ctx: Any, matrices: Tensor, values: Tensor, index: Tensor) -> Tensor:
        of_rows = matrices.contiguous().index_select(0, index)
        ctx.save_for_backward(of_rows, values, index)
        ctx.groups = len(matrices)
        return torch.bmm(of_rows, values.transpose(0, 1)).transpose(0, 1).contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        of_rows, values, index = ctx.saved_tensors
        by_row = gradient.transpose(0, 1)
        of_matrices = of_rows.new_zeros(ctx.groups, *of_rows.shape[1:])
        of_matrices.index_add_(0, index, torch.bmm(by_row, values.permute(1, 2, 0)))
        of_values = torch.bmm(of_rows.transpose(1, 2), by_row).transpose(0, 1).contiguous()
        return of_matrices, of_values, None


class _Grouped(torch.autograd.Function):
    """One product for each group's block of columns, written and read where it lies."""

    @staticmethod
    def forward(ctx: Any, matrices: Tensor, values: Tensor, sizes: list[int]) -> Tensor:
        ctx.save_for_backward(matrices, values)
        ctx.sizes = sizes
        out = values.new_empty(matrices.shape[1], *values.shape[1:])
        for matrix, block, into in zip(matrices, *_blocks(sizes, values, out), strict=True):
            torch.mm(matrix, block, out=into)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        matrices, values = ctx.saved_tensors
        of_matrices, of_values = torch.empty_like(matrices), torch.empty_like(values)
        blocks = _blocks(ctx.sizes, gradient.contiguous(), values, of_values)
        for matrix, into, slope, block, of_block in zip(matrices, of_matrices, *blocks, strict=True):
            torch.mm(slope, block.t(), out=into)
            torch.mm(matrix.t(), slope, out=of_block)
        return of_matrices, of_values, None


def _blocks(sizes: list[int], *tensors: Tensor) -> list[tuple[Tensor, ...]]:
    """Return each group's block of columns (d, rows · N) of tensors (d, B, N)."""
    widths = [size * tensors[0].shape[2] for size in sizes]
    return [torch.split(tensor.flatten(1), widths, dim=1) for tensor in tensors]


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
        layout: InputSpec,
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


def radix(layout: InputSpec) -> list[int]:
    """Return the factors that make one integer of the M scenario fields' ids; raise MsvizError if too big."""
    sizes = [layout.sizes[column] for column in layout.scenario_columns]
    if math.prod(sizes) >= 2**63:
        raise invalid("scenario fields", sizes, "wanted vocabularies whose product is below 2^63")
    return [math.prod(sizes[m + 1 :]) for m in range(len(sizes))]
