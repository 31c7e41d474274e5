"""Towers, of which every scenario has its own, for rows that lie side by side by scenario; experts, for all.

A tower's weights are tables whose rows belong to scenarios, with sparse gradients: a step reads, fills and
updates what belongs to the scenarios of its batch. Each scenario's matrix is read where it lies and meets all
its rows at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from msviz.nets.layers import drop


@dataclass(frozen=True)
class Blocks:
    """Which scenario's rows lie where: `sizes[g]` rows of `scenarios[g]`, one block after the other.

    A scenario may have several blocks.
    """

    scenarios: list[int]
    sizes: list[int]

    @classmethod
    def of(cls, scenario: Tensor) -> "Blocks":
        """Read the blocks off the rows' scenarios (P,), equal ones side by side."""
        distinct, counts = torch.unique_consecutive(scenario, return_counts=True)
        return cls(distinct.tolist(), counts.tolist())

    @classmethod
    def each(cls, scenarios: Sequence[int], rows: int) -> "Blocks":
        """Return blocks of `rows` rows for each of the scenarios."""
        return cls(list(scenarios), [rows] * len(scenarios))


class ScenarioLinear(nn.Module):
    """y = W^s x + b^s, or STAR's (W ⊗ W^s) x + b + b^s where a shared layer stands in the centre.

    The table holds `outputs` rows of `inputs` numbers for each of the scenarios 0..S.
    """

    def __init__(self, scenarios: int, inputs: int, outputs: int, *, shared: bool = False) -> None:
        """Draw weights as nn.Linear does; under a shared layer W^s starts around 1 and b^s at 0."""
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        bound = 1 / math.sqrt(inputs)
        weights = torch.empty((scenarios + 1) * outputs, inputs)
        biases = torch.zeros(scenarios + 1, outputs)
        self.weight = self.bias = None
        if shared:
            self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
            self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))
            # Scenarios that start all alike would be told apart slowly.
            weights.normal_(1.0, 0.1)
        else:
            weights.uniform_(-bound, bound)
            biases.uniform_(-bound, bound)
        self.weights = nn.Embedding((scenarios + 1) * outputs, inputs, sparse=True, _weight=weights)
        self.biases = nn.Embedding(scenarios + 1, outputs, sparse=True, _weight=biases)

    def forward(self, values: Tensor, blocks: Blocks) -> Tensor:
        """Return y (P, outputs) of rows x (P, inputs) that lie as `blocks` says."""
        # Tables stay float32 under mixed precision, and what is multiplied with them too.
        out: Tensor = _Product.apply(  # type: ignore[no-untyped-call]
            values.to(self.weights.weight.dtype),
            self.weights.weight,
            self.biases.weight,
            self.weight,
            self.bias,
            blocks,
        )
        return out


class _Product(torch.autograd.Function):
    """One product a block; the gradient of a table has rows for the blocks' scenarios only."""

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        weights: Tensor,
        biases: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        blocks: Blocks,
    ) -> Tensor:
        ctx.save_for_backward(values, weights, weight)
        ctx.blocks, ctx.scenarios = blocks, len(biases)
        out = values.new_empty(len(values), biases.shape[1])
        of_blocks = biases[blocks.scenarios]
        of_blocks = of_blocks if bias is None else of_blocks + bias
        stacked, scratch = weights.view(len(biases), -1, weights.shape[1]), _like(weight)
        rows = zip(torch.split(values, blocks.sizes), torch.split(out, blocks.sizes), strict=True)
        for scenario, vector, (x, y) in zip(blocks.scenarios, of_blocks, rows, strict=True):
            torch.addmm(vector, x, _joined(stacked[scenario], weight, scratch).t(), out=y)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, weights, weight = ctx.saved_tensors
        blocks: Blocks = ctx.blocks
        gradient = gradient.contiguous()
        outputs, inputs = gradient.shape[1], values.shape[1]
        of_values = torch.empty_like(values) if ctx.needs_input_grad[0] else None
        of_weights = weights.new_empty(len(blocks.sizes), outputs, inputs)
        of_biases = weights.new_empty(len(blocks.sizes), outputs)
        of_weight = None if weight is None else torch.zeros_like(weight)
        stacked, scratch = weights.view(ctx.scenarios, outputs, inputs), _like(weight)
        xs, gradients = torch.split(values, blocks.sizes), torch.split(gradient, blocks.sizes)
        intos = [None] * len(xs) if of_values is None else torch.split(of_values, blocks.sizes)
        for block, scenario in enumerate(blocks.scenarios):
            own, of_own, slope = stacked[scenario], of_weights[block], gradients[block]
            torch.mm(slope.t(), xs[block], out=of_own)
            torch.sum(slope, 0, out=of_biases[block])
            if intos[block] is not None:
                torch.mm(slope, _joined(own, weight, scratch), out=intos[block])
            if weight is not None and of_weight is not None:
                of_weight.addcmul_(of_own, own)
                of_own.mul_(weight)
        index = torch.tensor(blocks.scenarios, device=values.device)
        rows = index[:, None] * outputs + torch.arange(outputs, device=values.device)
        return (
            of_values,
            _sparse(rows.view(-1), of_weights.view(-1, inputs), len(weights)),
            _sparse(index, of_biases, ctx.scenarios),
            of_weight,
            None if weight is None else of_biases.sum(0),
            None,
        )


def _like(weight: Tensor | None) -> Tensor | None:
    return None if weight is None else torch.empty_like(weight)


def _joined(own: Tensor, weight: Tensor | None, scratch: Tensor | None) -> Tensor:
    """Return W ⊗ W^s, written into `scratch` so that it stays in the cache, or W^s where there is no W."""
    return own if weight is None else torch.mul(own, weight, out=scratch)


def _sparse(rows: Tensor, values: Tensor, size: int) -> Tensor:
    return torch.sparse_coo_tensor(rows[None], values, (size, values.shape[1]), check_invariants=False)


class Towers(nn.Module):
    """A stack of scenario layers, ReLU and dropout between them: (P, inputs) becomes (P, last width)."""

    def __init__(
        self,
        scenarios: int,
        inputs: int,
        widths: Sequence[int],
        *,
        shared: bool = False,
        dropout: float = 0.0,
    ) -> None:
        """Build one layer a width; nothing follows the last one's sum."""
        super().__init__()
        pairs = pairwise([inputs, *widths])
        self.layers = nn.ModuleList(ScenarioLinear(scenarios, a, b, shared=shared) for a, b in pairs)
        self.dropout = dropout

    def forward(self, values: Tensor, blocks: Blocks, scales: Sequence[Tensor] = ()) -> Tensor:
        """Return the last sums (P, last width) of rows that lie as `blocks` says.

        `scales`, where given, holds what each layer's input is multiplied with: (P, its width).
        """
        for level, layer in enumerate(self.layers):
            if level:
                values = drop(torch.relu(values), self.dropout if self.training else 0.0)
            values = layer(values * scales[level] if scales else values, blocks)
        return values


class Experts(nn.Module):
    """E perceptrons side by side: (P, inputs) becomes (E, P, last width); ReLU between their layers."""

    def __init__(self, experts: int, inputs: int, widths: list[int], dropout: float) -> None:
        """Draw weights as nn.Linear does."""
        super().__init__()
        self.first = nn.Linear(inputs, experts * widths[0])
        self.weights = nn.ParameterList(_uniform(a, experts, a, b) for a, b in pairwise(widths))
        self.biases = nn.ParameterList(_uniform(a, experts, 1, b) for a, b in pairwise(widths))
        self.experts, self.dropout = experts, dropout

    def forward(self, values: Tensor) -> Tensor:
        """Return each expert's last sums (E, P, last width)."""
        rate = self.dropout if self.training else 0.0
        values = self.first(values).view(len(values), self.experts, -1).transpose(0, 1)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            values = torch.baddbmm(bias, drop(torch.relu(values), rate), weight)
        return values


def _uniform(inputs: int, *shape: int) -> nn.Parameter:
    bound = 1 / math.sqrt(inputs)
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
