"""Multi-head attention over the fields of a row, with its tap.

A layer's values are (d, B, N), units first and fields last: a d × d matrix meets all rows in one large
product, sums over d run along rows and fields, and heads are slices that need no copy.

On a CPU the time goes into passes over the weights (heads, B, N, N), so the fast path writes them once
as 2^score without dividing (the sum is divided out of the mixed values, which are fewer), and its
hand-written backward reads them twice.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from msviz.nets.layers import drop, keep_mask, keep_scale
from msviz.nets.tap import Tap

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
    if is_fast(query, tap):
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


def is_fast(values: Tensor, tap: Tap) -> bool:
    """Return whether the hand-written path serves: a CPU, float32, and no gradient through a watched tap."""
    return (
        values.device.type == "cpu"
        and values.dtype == torch.float32
        and not (tap.watched and torch.is_grad_enabled())
    )


@dataclass(frozen=True)
class Mixed:
    """Attention's result (heads, d', B, N) and what its gradient needs."""

    values: Tensor
    weights: Tensor  # (heads, B, N, N), each row up to its share
    dropped: Tensor  # the same where kept, else 0
    keep: Tensor | None  # bytes (heads, B, N, N)
    share: Tensor  # (heads, B, N)

    def tensors(self) -> tuple[Tensor | None, ...]:
        """Return the fields in order, for saving."""
        return self.values, self.weights, self.dropped, self.keep, self.share


def mix(query: Tensor, key: Tensor, value: Tensor, scale: float, rate: float, tap: Tap) -> Mixed:
    """Return attention's result from three (heads, d', B, N)."""
    weights = _powers(query, key, scale)
    share = weights.sum(-1).reciprocal_()
    if tap.watched:
        weights = tap(weights.mul_(share[..., None]).transpose(0, 1)).transpose(0, 1)
        share = torch.ones_like(share)
    keep = keep_mask(weights, rate)
    dropped = weights if keep is None else weights * keep
    parts = by_head(value.transpose(1, 2), dropped.transpose(2, 3))
    values = torch.empty_like(value)
    torch.mul(parts.transpose(1, 2), share[:, None] * keep_scale(rate), out=values)
    return Mixed(values, weights, dropped, keep, share)


def gradients(
    gradient: Tensor,
    mixed: Mixed,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    scale: float,
    rate: float,
) -> None:
    """Write the gradients of query, key and value, given the result's, to `out` (3, heads, d', B, N)."""
    # d score = weight · share · (d attention - Σ attention · d attention), and the sum is that of
    # gradient · result over d'.
    along = (gradient * mixed.values).sum(1).mul_(mixed.share)
    gradient = gradient * (mixed.share * keep_scale(rate))[:, None]
    scores = by_head(gradient.permute(0, 2, 3, 1), value.transpose(1, 2))
    if mixed.keep is not None:
        scores.mul_(mixed.keep)
    scores.sub_(along[..., None]).mul_(mixed.weights)
    if scale != 1:
        key, query = key * scale, query * scale
    out[0].copy_(by_head(key.transpose(1, 2), scores.transpose(2, 3)).transpose(1, 2))
    out[1].copy_(by_head(query.transpose(1, 2), scores).transpose(1, 2))
    out[2].copy_(by_head(gradient.transpose(1, 2), mixed.dropped).transpose(1, 2))


class _Attention(torch.autograd.Function):
    """`attend` on a CPU: three times (heads, d', B, N) give (heads, d', B, N)."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float, rate: float, tap: Tap
    ) -> Tensor:
        mixed = mix(query, key, value, scale, rate, tap)
        ctx.save_for_backward(query, key, value, *mixed.tensors())
        ctx.settings = scale, rate
        return mixed.values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *saved = ctx.saved_tensors
        input_gradients = query.new_empty(3, *query.shape)
        gradients(gradient, Mixed(*saved), query, key, value, input_gradients, *ctx.settings)
        return *input_gradients.unbind(), None, None, None


def by_head(left: Tensor, right: Tensor) -> Tensor:
    """Return the products of matrices (heads, B, n, k) and (heads, B, k, m), read where they lie."""
    out = left.new_empty(*left.shape[:3], right.shape[3])
    for a, b, into in zip(left.unbind(), right.unbind(), out.unbind(), strict=True):
        torch.bmm(a, b, out=into)
    return out


def _powers(query: Tensor, key: Tensor, scale: float) -> Tensor:
    """Return e^(scale · Qᵀ K) (heads, B, N, N), each row up to a factor."""
    query = query.mul(scale * LOG2_E)
    scores = by_head(query.permute(0, 2, 3, 1), key.transpose(1, 2))
    # Most often a bound tells that no score is large; else look at the scores themselves.
    bound = largest(query) * largest(key) * query.shape[1]
    if not bound < LIMIT and not largest(scores) < LIMIT:
        scores -= scores.amax(-1, keepdim=True)
    return scores.exp2_()


def largest(values: Tensor) -> float:
    """Return the largest magnitude, 0 where there is nothing, NaN where there is one."""
    if not values.numel():
        return 0.0
    low, high = torch.aminmax(values)
    return max(-float(low), float(high))
