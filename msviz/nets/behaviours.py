"""How nets read histories: cut to the longest, attended to under a mask, one head's product after another.

Histories are (B, T, F) ids with a mask (B, T); padding lies before them. Padding takes no attention, and who
has no history at all gets zeros. On a CPU the weights are written once as 2^score, divided by their sum only
after the values are mixed, and the backward is written by hand (as `attention.py` does it for fields).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from msviz.batch import Batch, Histories
from msviz.errors import MsvizError
from msviz.nets.attention import LIMIT, LOG2_E, by_head, is_fast, largest
from msviz.nets.layers import drop, keep_mask, keep_scale
from msviz.nets.tap import Tap

WEIGHTS = 2**18  # attention weights that are worked on at a time: 1 MiB


def histories_of(batch: Batch) -> Histories:
    """Return the batch's histories; raise MsvizError for a batch without."""
    if batch.histories is None:
        raise MsvizError("batch: it has no behaviours, which this model reads; feed it with behaviours=True")
    return batch.histories


def cut(histories: Histories, net: nn.Module) -> Histories:
    """Return the histories without the columns that are padding in every row, at least one column wide.

    Whoever watches something by behaviour sees the width that was fed.
    """
    if any(isinstance(tap, Tap) and tap.watched and "behaviour" in tap.axes for tap in net.modules()):
        return histories
    used = histories.mask.any(0)
    first = int(used.int().argmax()) if bool(used.any()) else len(used) - 1
    return histories if first == 0 else histories.columns(slice(first, None))


def by_length(batch: Batch) -> Tensor | None:
    """Return the order (B,) that puts rows of like histories together, so that pieces are cut short.

    None where there are no histories.
    """
    return None if batch.histories is None else torch.argsort(batch.histories.mask.sum(1), stable=True)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Return the softmax over the last axis, 0 where `mask` is False, and all 0 where it is nowhere True."""
    lowest = torch.finfo(scores.dtype).min
    return torch.softmax(scores.masked_fill(~mask, lowest), dim=-1) * mask


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor,
    *,
    scale: float,
    tap: Tap,
    rate: float = 0.0,
    asking: Tensor | None = None,
) -> Tensor:
    """Return softmax(scale · Q Kᵀ) V under a mask: Q (B, H, Q, d), K and V (B, H, T, d) give (B, H, Q, d).

    `mask` (B, T) is False where padded. Rows without any behaviour give zeros. The tap sees the weights
    (B, H, Q, T), 0 where padded, before the share `rate` of them is dropped. Where queries are behaviours,
    `asking` (B, Q) is False for padded ones: they get what they may, but whoever watches sees 0.
    """
    asking = asking if tap.watched else None
    if is_fast(query, tap):
        mixed: Tensor = _Attend.apply(query, key, value, mask, scale, rate, tap, asking)  # type: ignore[no-untyped-call]
        return mixed
    if tap.watched or rate:
        weights = masked_softmax(query @ key.transpose(2, 3) * scale, mask[:, None, None, :])
        if asking is not None:
            weights = weights * asking[:, None, :, None]
        return drop(tap(weights), rate) @ value
    # A row without any behaviour would be NaN; it attends anywhere and is then set to 0.
    present = mask.any(1, keepdim=True)
    hidden = (mask | ~present)[:, None, None, :]
    mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=hidden, scale=scale)
    return mixed * present[:, :, None, None]


def self_attend(
    packed: Tensor, mask: Tensor, *, heads: int, scale: float, tap: Tap, rate: float = 0.0
) -> Tensor:
    """Return `attend` of queries, keys and values side by side: (B, T, 3 · H · d) gives (B, T, H · d)."""
    if is_fast(packed, tap):
        mixed: Tensor = _SelfAttend.apply(packed, mask, heads, scale, rate, tap)  # type: ignore[no-untyped-call]
        return mixed
    query, key, value = (heads_apart(part, heads) for part in packed.chunk(3, dim=2))
    mixed = attend(query, key, value, mask, scale=scale, tap=tap, rate=rate, asking=mask)
    return heads_joined(mixed)


def heads_apart(values: Tensor, heads: int) -> Tensor:
    """Return (B, T, heads · d) as (B, heads, T, d)."""
    return values.view(*values.shape[:2], heads, values.shape[2] // heads).transpose(1, 2)


def heads_joined(values: Tensor) -> Tensor:
    """Return (B, heads, T, d) as (B, T, heads · d)."""
    return values.transpose(1, 2).flatten(2)


class _Attend(torch.autograd.Function):
    """`attend` on a CPU."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor,
        scale: float,
        rate: float,
        tap: Tap,
        asking: Tensor | None,
    ) -> Tensor:
        how = _How(scale, rate, largest(query) * largest(key), padded=not bool(mask.all()))
        values, share, keeps = _mix(query, key, value, mask, how, tap, asking)
        ctx.save_for_backward(query, key, value, mask, values, share)
        ctx.settings = how, keeps
        return heads_apart(values, query.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask, values, share = ctx.saved_tensors
        input_gradients = [
            x.new_empty(len(x), x.shape[2], x.shape[1] * x.shape[3]) for x in (query, key, value)
        ]
        gradients = _gradients(heads_joined(gradient), query, key, value, mask, values, share, *ctx.settings)
        for rows, parts in gradients:
            for part, into in zip(parts, input_gradients, strict=True):
                _rows_first(part.transpose(1, 2), into[rows])
        of_query, of_key, of_value = (heads_apart(part, query.shape[1]) for part in input_gradients)
        return of_query, of_key, of_value, None, None, None, None, None


class _SelfAttend(torch.autograd.Function):
    """`self_attend` on a CPU: the three gradients are written side by side, where they are wanted."""

    @staticmethod
    def forward(
        ctx: Any, packed: Tensor, mask: Tensor, heads: int, scale: float, rate: float, tap: Tap
    ) -> Tensor:
        how = _How(scale, rate, largest(packed) ** 2, padded=not bool(mask.all()))
        query, key, value = (heads_apart(part, heads) for part in packed.chunk(3, dim=2))
        values, share, keeps = _mix(query, key, value, mask, how, tap, mask)
        ctx.save_for_backward(packed, mask, values, share)
        ctx.settings = how, keeps
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        packed, mask, values, share = ctx.saved_tensors
        query, key, value = (heads_apart(part, len(share)) for part in packed.chunk(3, dim=2))
        packed_gradient = torch.empty_like(packed)
        for rows, parts in _gradients(gradient, query, key, value, mask, values, share, *ctx.settings):
            # The three one under another, (3 · H, d, b, T).
            _rows_first(torch.cat([part.transpose(1, 2) for part in parts]), packed_gradient[rows])
        return packed_gradient, None, None, None, None, None


@dataclass(frozen=True)
class _How:
    """What forward and backward must do alike, so that weights made again are the same."""

    scale: float
    rate: float
    bound: float  # no product of a number of a query and one of a key is larger
    padded: bool


def _mix(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor,
    how: _How,
    tap: Tap,
    asking: Tensor | None,
) -> tuple[Tensor, Tensor, list[Tensor | None]]:
    """Return what `attend` wants as (B, Q, H · d), and what its backward wants.

    That is the weights' share (H, B, Q), 0 for a row without any behaviour, and what dropout kept.
    """
    heads, width = value.shape[1], value.shape[3]
    values = value.new_empty(len(query), query.shape[2], heads * width)
    share = value.new_empty(heads, *values.shape[:2])
    keeps: list[Tensor | None] = []
    query = query * (how.scale * LOG2_E)
    for rows in _chunks(query, key, tap):
        weights = _powers(query[rows], key[rows], mask[rows], how)
        total = weights.sum(-1)
        share[:, rows] = total.reciprocal().masked_fill_(total == 0, 0.0)
        after = share[:, None, rows]
        if tap.watched:
            weights.mul_(share[:, rows, :, None])
            if asking is not None:
                weights.mul_(asking[:, :, None])
            weights = tap(weights.transpose(0, 1)).transpose(0, 1)
            after = torch.ones_like(after)
        keeps.append(keep_mask(weights, how.rate))
        if keeps[-1] is not None:
            weights = weights * keeps[-1]
        # Values first: a product that is long in T is several times as fast as one that is short in d.
        parts = by_head(value[rows].permute(1, 0, 3, 2), weights.transpose(2, 3)).transpose(1, 2)
        _rows_first(parts * (after * keep_scale(how.rate)), values[rows])
    return values, share, keeps


def _gradients(
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor,
    values: Tensor,
    share: Tensor,
    how: _How,
    keeps: list[Tensor | None],
) -> Iterator[tuple[slice, tuple[Tensor, Tensor, Tensor]]]:
    """Yield the gradients (H, b, d, ·) of query, key and value, some rows after others.

    `gradient` is that of the result `values`, both (B, Q, H · d). The weights are made again: to keep them
    would cost more time than that, and much memory.
    """
    heads, width = value.shape[1], value.shape[3]
    # d score = weight · (d weight - Σ weight · d weight), and the sum is that of gradient · result over d.
    # A product with blocks of ones adds up d numbers at a time, several times as fast as `sum`.
    ones = torch.eye(heads, device=value.device).repeat_interleave(width, dim=1)
    along = (ones @ (gradient * values).flatten(0, 1).t()).view(heads, *values.shape[:2])
    slope = heads_apart(gradient.contiguous(), heads)
    scaled = query * (how.scale * LOG2_E)
    for rows, keep in zip(_chunks(query, key), keeps, strict=True):
        weights = _powers(scaled[rows], key[rows], mask[rows], how).mul_(share[:, rows, :, None])
        scores = by_head(slope[rows].transpose(0, 1), value[rows].permute(1, 0, 3, 2))
        if keep is not None:
            scores.mul_(keep).mul_(keep_scale(how.rate))
        scores.sub_(along[:, rows, :, None]).mul_(weights)
        if keep is not None:
            weights.mul_(keep).mul_(keep_scale(how.rate))
        of_query = by_head(key[rows].permute(1, 0, 3, 2), scores.transpose(2, 3)).mul_(how.scale)
        of_key = by_head(query[rows].permute(1, 0, 3, 2), scores).mul_(how.scale)
        yield rows, (of_query, of_key, by_head(slope[rows].permute(1, 0, 3, 2), weights))


def _chunks(query: Tensor, key: Tensor, tap: Tap | None = None) -> list[slice]:
    """Return slices of the rows whose weights stay in the cache; all rows for whoever watches."""
    each = query.shape[1] * query.shape[2] * key.shape[2]
    size = max(len(query), 1) if tap is not None and tap.watched else max(WEIGHTS // max(each, 1), 1)
    return [slice(start, start + size) for start in range(0, len(query), size)]


def _powers(query: Tensor, key: Tensor, mask: Tensor, how: _How) -> Tensor:
    """Return 2^(Q Kᵀ) (H, b, Q, T), each line up to a factor, 0 where padded."""
    scores = by_head(query.transpose(0, 1), key.permute(1, 0, 3, 2))
    # Most often a bound tells that powers neither overflow nor vanish; else look at the scores themselves.
    small = how.bound * abs(how.scale) * LOG2_E * query.shape[3] < LIMIT
    if not small and not largest(scores) < LIMIT:
        if how.padded:
            scores.masked_fill_(~mask[:, None], -torch.inf)
        highest = scores.amax(-1, keepdim=True)
        return scores.sub_(highest.masked_fill_(highest == -torch.inf, 0.0)).exp2_()
    scores.exp2_()
    return scores.mul_(mask[:, None]) if how.padded else scores


def _rows_first(values: Tensor, out: Tensor) -> None:
    """Copy (H, d, b, Q) to (b, Q, H · d): runs of Q first, then one matrix turned, which is fast."""
    out.view(-1, out.shape[2]).copy_(values.reshape(out.shape[2], -1).t())
