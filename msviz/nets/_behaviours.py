"""How nets read histories: cut to the longest, attended to under a mask, one head's product after another.

Histories are (B, T, F) ids with a mask (B, T); padding lies before them. Padding takes no attention, and who
has no history at all gets zeros. On a CPU the weights are written once as 2^score, divided by their sum only
after the values are mixed, and the backward is written by hand (as `_attention` does it for fields).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from msviz.batch import Batch
from msviz.errors import MsvizError
from msviz.nets._attention import LIMIT, LOG2_E, is_fast
from msviz.nets._attention import _largest as largest
from msviz.nets._layers import drop, keep_mask, keep_scale
from msviz.nets._tap import Tap


def cut(batch: Batch, net: nn.Module) -> Batch:
    """Return the batch without the columns that are padding in every row, at least one column wide.

    Whoever watches a net sees the width that was fed. Raises MsvizError for a batch without histories.
    """
    if batch.mask is None or batch.behaviours is None:
        raise MsvizError("batch: it has no behaviours, which this model reads; feed it with behaviours=True")
    if any(isinstance(module, Tap) and module.watched for module in net.modules()):
        return batch
    used = batch.mask.any(0)
    first = int(used.int().argmax()) if bool(used.any()) else len(used) - 1
    if first == 0:
        return batch
    changes = {"behaviours": batch.behaviours[:, first:], "mask": batch.mask[:, first:]}
    for name in ("behaviour_scenario", "behaviour_age"):
        value = getattr(batch, name)
        if value is not None:
            changes[name] = value[:, first:]
    return batch.replace(**changes)


def by_length(batch: Batch) -> Tensor:
    """Return the order (B,) that puts rows of like histories together, so that pieces are cut short."""
    assert batch.mask is not None
    return torch.argsort(batch.mask.sum(1), stable=True)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Return the softmax over the last axis, 0 where `mask` is False, and all 0 where it is nowhere True."""
    lowest = torch.finfo(scores.dtype).min
    return torch.softmax(scores.masked_fill(~mask, lowest), dim=-1) * mask


def attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, *, scale: float, tap: Tap, rate: float = 0.0
) -> Tensor:
    """Return softmax(scale · Q Kᵀ) V under a mask: Q (B, H, Q, d), K and V (B, H, T, d) give (B, H, Q, d).

    `mask` (B, T) is False where padded. Rows without any behaviour give zeros. The tap sees the weights
    (B, H, Q, T), 0 where padded, before the share `rate` of them is dropped.
    """
    if is_fast(query, tap):
        mixed: Tensor = _Attend.apply(query, key, value, mask, scale, rate, tap)  # type: ignore[no-untyped-call]
        return mixed
    if tap.watched or rate:
        weights = masked_softmax(query @ key.transpose(2, 3) * scale, mask[:, None, None, :])
        return drop(tap(weights), rate) @ value
    # A row without any behaviour would be NaN; it attends anywhere and is then set to 0.
    present = mask.any(1, keepdim=True)
    shown = (mask | ~present)[:, None, None, :]
    mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=shown, scale=scale)
    return mixed * present[:, :, None, None]


def self_attend(
    packed: Tensor, mask: Tensor, *, heads: int, scale: float, tap: Tap, rate: float = 0.0
) -> Tensor:
    """Return `attend` of queries, keys and values side by side: (B, T, 3 · H · d) gives (B, T, H · d)."""
    if is_fast(packed, tap):
        mixed: Tensor = _SelfAttend.apply(packed, mask, heads, scale, rate, tap)  # type: ignore[no-untyped-call]
        return mixed
    query, key, value = (heads_apart(part, heads) for part in packed.chunk(3, dim=2))
    return heads_joined(attend(query, key, value, mask, scale=scale, tap=tap, rate=rate))


def heads_apart(values: Tensor, heads: int) -> Tensor:
    """Return (B, T, heads · d) as (B, heads, T, d)."""
    return values.view(*values.shape[:2], heads, -1).transpose(1, 2)


def heads_joined(values: Tensor) -> Tensor:
    """Return (B, heads, T, d) as (B, T, heads · d)."""
    return values.transpose(1, 2).flatten(2)


@dataclass(frozen=True)
class _Mixed:
    """Attention's result (B, H, Q, d) and what its gradient needs; weights go head by head."""

    values: Tensor
    weights: Tensor  # (H, B, Q, T), each row up to its share
    dropped: Tensor  # the same where kept, else 0
    keep: Tensor | None  # bytes (H, B, Q, T)
    share: Tensor  # (H, B, Q), 0 for a row without any behaviour

    def tensors(self) -> tuple[Tensor | None, ...]:
        """Return the fields in order, for saving."""
        return self.values, self.weights, self.dropped, self.keep, self.share


def _mix(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float, rate: float, tap: Tap
) -> _Mixed:
    """Return what `attend` wants of three (B, H, ·, d) that may lie anywhere."""
    weights = _powers(query, key, mask, scale)
    total = weights.sum(-1)
    share = total.reciprocal().masked_fill_(total == 0, 0.0)
    if tap.watched:
        weights = tap(weights.mul_(share[..., None]).transpose(0, 1)).transpose(0, 1)
        share = torch.ones_like(share)
    keep = keep_mask(weights, rate)
    dropped = weights if keep is None else weights * keep
    # Values first: a product that is long in T is several times as fast as one that is short in d.
    parts = _by_head(value.permute(1, 0, 3, 2), dropped.transpose(2, 3))
    values = query.new_empty(query.shape[0], query.shape[2], query.shape[1], value.shape[3]).transpose(1, 2)
    by_head = values.permute(1, 0, 3, 2)
    torch.mul(parts, (share * keep_scale(rate))[:, :, None], out=by_head)
    return _Mixed(values, weights, dropped, keep, share)


def _slopes(
    gradient: Tensor, mixed: _Mixed, query: Tensor, key: Tensor, value: Tensor, scale: float, rate: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients (H, B, d, ·) of query, key and value, given the result's (B, H, Q, d)."""
    # d score = weight · share · (d attention - Σ attention · d attention), and the sum is that of
    # gradient · result over d.
    along = (gradient * mixed.values).sum(3).transpose(0, 1) * mixed.share
    gradient = gradient * (mixed.share * keep_scale(rate)).transpose(0, 1)[..., None]
    scores = _by_head(gradient.transpose(0, 1), value.permute(1, 0, 3, 2))
    if mixed.keep is not None:
        scores.mul_(mixed.keep)
    scores.sub_(along[..., None]).mul_(mixed.weights)
    if scale != 1:
        key, query = key * scale, query * scale
    return (
        _by_head(key.permute(1, 0, 3, 2), scores.transpose(2, 3)),
        _by_head(query.permute(1, 0, 3, 2), scores),
        _by_head(gradient.permute(1, 0, 3, 2), mixed.dropped),
    )


class _Attend(torch.autograd.Function):
    """`attend` on a CPU."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float, rate: float, tap: Tap
    ) -> Tensor:
        mixed = _mix(query, key, value, mask, scale, rate, tap)
        ctx.save_for_backward(query, key, value, *mixed.tensors())
        ctx.settings = scale, rate
        return mixed.values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *saved = ctx.saved_tensors
        found = _slopes(gradient, _Mixed(*saved), query, key, value, *ctx.settings)
        return *(part.permute(1, 0, 3, 2) for part in found), None, None, None, None


class _SelfAttend(torch.autograd.Function):
    """`self_attend` on a CPU: the three gradients are written side by side, where they are wanted."""

    @staticmethod
    def forward(
        ctx: Any, packed: Tensor, mask: Tensor, heads: int, scale: float, rate: float, tap: Tap
    ) -> Tensor:
        mixed = _mix(*_apart(packed, heads), mask, scale, rate, tap)
        ctx.save_for_backward(packed, *mixed.tensors())
        ctx.settings = heads, scale, rate
        return heads_joined(mixed.values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        packed, *saved = ctx.saved_tensors
        heads, scale, rate = ctx.settings
        parts = _apart(packed, heads)
        slopes = _slopes(heads_apart(gradient.contiguous(), heads), _Mixed(*saved), *parts, scale, rate)
        found = torch.empty_like(packed)
        for into, part in zip(_apart(found, heads), slopes, strict=True):
            into.copy_(part.permute(1, 0, 3, 2))
        return found, None, None, None, None, None


def _apart(packed: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return views of queries, keys and values, each (B, heads, T, d)."""
    query, key, value = packed.view(*packed.shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4).unbind()
    return query, key, value


def _by_head(left: Tensor, right: Tensor) -> Tensor:
    """Return the products of matrices (H, B, n, k) and (H, B, k, m), read where they lie."""
    out = left.new_empty(*left.shape[:3], right.shape[3])
    for one, other, into in zip(left.unbind(), right.unbind(), out.unbind(), strict=True):
        torch.bmm(one, other, out=into)
    return out


def _powers(query: Tensor, key: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Return e^(scale · Q Kᵀ) (H, B, Q, T), each row up to a factor, 0 where padded."""
    query = query * (scale * LOG2_E)
    scores = _by_head(query.transpose(0, 1), key.permute(1, 0, 3, 2))
    padded = not bool(mask.all())
    # Most often a bound tells that powers neither overflow nor vanish; else look at the scores themselves.
    if not largest(query) * largest(key) * query.shape[3] < LIMIT and not largest(scores) < LIMIT:
        if padded:
            scores.masked_fill_(~mask[:, None], -torch.inf)
        highest = scores.amax(-1, keepdim=True)
        scores -= highest.masked_fill_(highest == -torch.inf, 0.0)
        return scores.exp2_()
    scores.exp2_()
    return scores.mul_(mask[:, None]) if padded else scores
