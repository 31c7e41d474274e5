"""Multi-head attention over the fields of a row, with its tap."""

import torch
from torch import Tensor

from msviz.nets._layers import drop
from msviz.nets._scenario import Groups
from msviz.nets._tap import Tap


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    heads: int,
    scale: float,
    dropout: float,
    training: bool,
    tap: Tap,
    groups: Groups | None = None,
) -> Tensor:
    """Return softmax(scale · Q Kᵀ) V of each head, concatenated: three times (B, N, d) become (B, N, d).

    The tap sees the weights (B, heads, N, N) in the batch's order, before dropout.
    """
    batch, fields, width = query.shape
    split = [x.view(batch, fields, heads, width // heads).transpose(1, 2) for x in (query, key, value)]
    attention = torch.softmax(split[0] @ split[1].transpose(2, 3) * scale, dim=-1)
    if tap.watched:
        attention = attention if groups is None else groups.unsort(attention)
        attention = tap(attention)
        attention = attention if groups is None else groups.sort(attention)
    attention = drop(attention, dropout, training)
    return (attention @ split[2]).transpose(1, 2).reshape(batch, fields, width)
