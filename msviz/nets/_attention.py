"""Multi-head attention over the fields of a row, with its tap.

A layer's values are (d, B, N), units first and fields last: a d × d matrix meets all rows in one large
product, sums over d run along rows and fields, and heads are slices that need no copy.

On a CPU the time goes into passes over the weights (heads, B, N, N), so the fast path writes them once
as 2^score without dividing (the sum is divided out of the mixed values, which are fewer), and its
hand-written backward reads them twice.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from msviz.nets._layers import drop, keep_mask, keep_scale
from msviz.nets._tap import Tap

LOG2_E = 1.4426950408889634
# 2^±60 and its products with gradients stay far inside float32; larger scores are shifted first.
LIMIT = 60.0


def attend(
    query: Tensor, key: Tensor, value: Tensor, *, heads: int, scale: float, rate: float, tap: Tap
) -> Tensor:
    """Return V softmax(scale · Qᵀ K)ᵀ of each head, one under another: three times (d, B, N) give (d, B, N).

    The tap sees the weights (B, heads, N, N), query before key; `rate` is the share dropped after it.
    """
    width, batch, fields = query.shape
    split = [x.contiguous().view(heads, width // heads, batch, fields) for x in (query, key, value)]
    fast = query.device.type == "cpu" and query.dtype == torch.float32
    if fast and not (tap.watched and torch.is_grad_enabled()):
        mixed: Tensor = _Attention.apply(*split, scale, rate, tap)  # type: ignore[no-untyped-call]
        return mixed.view(width, batch, fields)
    rows = [x.permute(2, 0, 3, 1) for x in split]  # (B, heads, N, d')
    if tap.watched:
        attention = tap(torch.softmax(rows[0] @ rows[1].transpose(2, 3) * scale, dim=-1))
        mixed = drop(attention, rate) @ rows[2]
    else:
        mixed = torch.nn.functional.scaled_dot_product_attention(
            rows[0], rows[1], rows[2], dropout_p=rate, scale=scale
        )
    return mixed.permute(1, 3, 0, 2).reshape(width, batch, fields)


class _Attention(torch.autograd.Function):
    """`attend` on a CPU: three times (heads, d', B, N) give (heads, d', B, N)."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float, rate: float, tap: Tap
    ) -> Tensor:
        weights = _powers(query, key, scale)
        share = weights.sum(-1).reciprocal_()  # (heads, B, N)
        if tap.watched:
            weights = tap(weights.mul_(share[..., None]).transpose(0, 1)).transpose(0, 1)
            share = torch.ones_like(share)
        keep = keep_mask(weights, rate)
        dropped = weights if keep is None else weights * keep
        parts = _by_head(value.transpose(1, 2), dropped.transpose(2, 3))
        mixed = torch.mul(
            parts.transpose(1, 2), share[:, None] * keep_scale(rate), out=torch.empty_like(value)
        )
        ctx.save_for_backward(query, key, value, weights, dropped, keep, share, mixed)
        ctx.scale, ctx.rate = scale, rate
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, weights, dropped, keep, share, mixed = ctx.saved_tensors
        # d score = weight · share · (d attention - Σ attention · d attention), and the sum is that of
        # gradient · mixed over d'.
        along = (gradient * mixed).sum(1).mul_(share)
        gradient = gradient * (share * keep_scale(ctx.rate))[:, None]
        scores = _by_head(gradient.permute(0, 2, 3, 1), value.transpose(1, 2))
        if keep is not None:
            scores.mul_(keep)
        scores.sub_(along[..., None]).mul_(weights)
        of_query = _by_head(key.transpose(1, 2), scores.transpose(2, 3))
        of_key = _by_head(query.transpose(1, 2), scores)
        of_value = _by_head(gradient.transpose(1, 2), dropped)
        if ctx.scale != 1:
            of_query, of_key = of_query.mul_(ctx.scale), of_key.mul_(ctx.scale)
        back = (part.transpose(1, 2).contiguous() for part in (of_query, of_key, of_value))
        return *back, None, None, None


def _by_head(left: Tensor, right: Tensor) -> Tensor:
    """Return the products of matrices (heads, B, n, k) and (heads, B, k, m), read where they lie."""
    out = left.new_empty(*left.shape[:3], right.shape[3])
    for head in range(len(left)):
        torch.bmm(left[head], right[head], out=out[head])
    return out


def _powers(query: Tensor, key: Tensor, scale: float) -> Tensor:
    """Return e^(scale · Qᵀ K) (heads, B, N, N), each row up to a factor."""
    scores = _by_head(query.mul(scale * LOG2_E).permute(0, 2, 3, 1), key.transpose(1, 2))
    low, high = torch.aminmax(scores) if len(scores[0]) else (0, 0)
    if not (low > -LIMIT and high < LIMIT):
        scores -= scores.amax(-1, keepdim=True)
    return scores.exp2_()
