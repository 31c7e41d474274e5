"""What several nets share: the fused embedding table, cheap dropout and the MLP."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import AfterValidator
from torch import Tensor, nn


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


def keep_mask(values: Tensor, rate: float) -> Tensor:
    """Return bytes shaped as `values`: 1 with probability 1 - rate, in steps of 1/256, else 0.

    One random 64-bit integer serves eight values: `bernoulli_` would cost a fifth of a training step.
    """
    words = torch.empty((values.numel() + 7) // 8, dtype=torch.int64, device=values.device)
    bytes_ = words.random_(-(2**63), None).view(torch.uint8)
    return bytes_[: values.numel()].view(values.shape).ge_(round(rate * 256))


def keep_scale(rate: float) -> float:
    """Return what kept values are multiplied by, so that dropout leaves the mean where it was."""
    return 256 / (256 - round(rate * 256))


def drop(values: Tensor, rate: float, training: bool) -> Tensor:
    """Return `values` with a share `rate` (in steps of 1/256) set to 0 and the rest scaled up."""
    if not training or round(rate * 256) == 0:
        return values
    return values * keep_mask(values, rate).to(values.dtype).mul_(keep_scale(rate))


def _widths(text: str) -> str:
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if not all(part.isdigit() and 1 <= int(part) <= 4096 for part in parts):
        raise ValueError("wanted widths from 1 to 4096 separated by commas, such as 256,128, or nothing")
    return ",".join(parts)


# Widths of an MLP's hidden layers as one flat setting, such as "256,128"; "" for no MLP.
Widths = Annotated[str, AfterValidator(_widths)]


class Mlp(nn.Module):
    """Linear, ReLU and dropout for each hidden width: (B, inputs) becomes (B, last width)."""

    def __init__(self, inputs: int, hidden: str, dropout: float = 0.0) -> None:
        """Read the widths off a setting such as '256,128'."""
        super().__init__()
        widths = [inputs, *(int(width) for width in hidden.split(","))]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.outputs = widths[-1]
        self.dropout = dropout

    def forward(self, values: Tensor) -> Tensor:
        """Return the last hidden layer (B, outputs)."""
        for layer in self.layers:
            values = drop(torch.relu(layer(values)), self.dropout, self.training)
        return values
