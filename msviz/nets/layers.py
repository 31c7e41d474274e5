"""What several nets share: the fused embedding table, norms, products and cheap dropout, the MLP."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

import torch
from pydantic import AfterValidator
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class FusedEmbedding(nn.Embedding):
    """All N fields in one table: ids (B, N), each column counting from 0, become (B, N, width).

    Gradients are sparse: a step costs what the batch's rows cost, at any size of the table.
    """

    offsets: Tensor

    def __init__(self, sizes: Sequence[int], width: int, deviation: float = 0.01) -> None:
        """Draw the table from N(0, deviation²)."""
        super().__init__(sum(sizes), width, sparse=True)
        nn.init.normal_(self.weight, std=deviation)
        starts = torch.tensor([0, *sizes[:-1]]).cumsum(0)
        self.register_buffer("offsets", starts, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the embeddings (B, N, width) of ids (B, N)."""
        return super().forward(ids + self.offsets)


def units_first(embedded: Tensor) -> Tensor:
    """Return embeddings (B, N, d) as values (d, B, N), see `attention.py`."""
    return embedded.flatten(0, 1).t().contiguous().view(embedded.shape[2], *embedded.shape[:2])


def rows_first(values: Tensor) -> Tensor:
    """Return values (d, B, N) as one vector a row (B, d · N)."""
    return values.transpose(0, 1).flatten(1)


def product(matrix: Tensor, values: Tensor) -> Tensor:
    """Return W x of every field's vector x: (e, d) with (d, B, N) gives (e, B, N)."""
    return torch.mm(matrix, values.flatten(1)).view(len(matrix), *values.shape[1:])


class FieldNorm(nn.LayerNorm):
    """LayerNorm of every field's vector in (d, B, N)."""

    def forward(self, values: Tensor) -> Tensor:
        """Return γ (x - mean) / √(variance + ε) + β, mean and variance over d."""
        if values.device.type != "cpu":
            return super().forward(values.permute(1, 2, 0)).permute(2, 0, 1)
        normed: Tensor = _Norm.apply(values, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        return normed


class _Norm(torch.autograd.Function):
    """LayerNorm over the first axis: for short vectors several times as fast as over the last."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, gain: Tensor, bias: Tensor, eps: float) -> Tensor:
        normed = values - values.mean(0)
        factor = (normed * normed).mean(0).add_(eps).rsqrt_()
        normed.mul_(factor)
        ctx.save_for_backward(normed, factor, gain)
        return (normed * gain[:, None, None]).add_(bias[:, None, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        normed, factor, gain = ctx.saved_tensors
        along = gradient * normed
        of_gain, of_bias = along.flatten(1).sum(1), gradient.flatten(1).sum(1)
        # With h = γ · gradient: (h - mean h - normed · mean(h · normed)) · factor.
        gradient = gradient * gain[:, None, None]
        mean = along.mul_(gain[:, None, None]).mean(0)
        gradient -= gradient.mean(0)
        return gradient.sub_(torch.mul(normed, mean, out=along)).mul_(factor), of_gain, of_bias, None


def keep_mask(values: Tensor, rate: float) -> Tensor | None:
    """Return bytes shaped as `values`: 1 with probability 1 - rate, in steps of 1/256, else 0.

    None for a rate that rounds to 0. One random 64-bit integer serves eight values: `bernoulli_` would
    cost a fifth of a training step.
    """
    if round(rate * 256) == 0:
        return None
    words = torch.empty((values.numel() + 7) // 8, dtype=torch.int64, device=values.device)
    random = words.random_(-(2**63), None).view(torch.uint8)
    return random[: values.numel()].view(values.shape).ge_(round(rate * 256))


def keep_scale(rate: float) -> float:
    """Return what kept values are multiplied by, so that dropout leaves the mean where it was."""
    return 256 / (256 - round(rate * 256))


def drop(values: Tensor, rate: float) -> Tensor:
    """Return `values` with a share `rate` (in steps of 1/256) set to 0 and the rest scaled up."""
    keep = keep_mask(values, rate)
    return values if keep is None else values * keep * keep_scale(rate)


def _widths(text: str) -> str:
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if not all(part.isdigit() and 1 <= int(part) <= 4096 for part in parts):
        raise ValueError("wanted widths from 1 to 4096 separated by commas, such as 256,128, or nothing")
    return ",".join(parts)


# Widths of an MLP's hidden layers as one flat setting, such as "256,128"; "" for no MLP.
Widths = Annotated[str, AfterValidator(_widths)]


def widths_of(text: str) -> list[int]:
    """Return the numbers of a `Widths` setting; none for ""."""
    return [int(width) for width in text.split(",")] if text else []


class Mlp(nn.Module):
    """Linear, ReLU and dropout for each hidden width: (B, inputs) becomes (B, last width)."""

    def __init__(self, inputs: int, hidden: str, dropout: float = 0.0) -> None:
        """Read the widths off a setting such as '256,128'."""
        super().__init__()
        widths = [inputs, *widths_of(hidden)]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.outputs = widths[-1]
        self.dropout = dropout

    def forward(self, values: Tensor) -> Tensor:
        """Return the last hidden layer (B, outputs)."""
        for layer in self.layers:
            values = drop(torch.relu(layer(values)), self.dropout if self.training else 0.0)
        return values
