"""How nets read histories: cut to the longest, embedded with the items' own tables, attended to under a mask.

Histories are (B, T, F) ids with a mask (B, T); padding lies before them. Padding takes no attention, and who
has no history at all gets zeros.
"""

import math

import torch
from torch import Tensor, nn

from msviz.batch import Batch
from msviz.errors import MsvizError
from msviz.nets._layers import drop
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
    first = min(int(used.int().argmax()) if bool(used.any()) else len(used) - 1, len(used) - 1)
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


def attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, *, scale: float, tap: Tap, rate: float = 0.0
) -> Tensor:
    """Return softmax(scale · Q Kᵀ) V under a mask: Q (B, H, Q, d), K and V (B, H, T, d) give (B, H, Q, d).

    `mask` (B, T) is False where padded. Rows without any behaviour give zeros. The tap sees the weights
    (B, H, Q, T), 0 where padded, before the share `rate` of them is dropped.
    """
    present = mask.any(1)[:, None, None, None]
    hidden = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, -math.inf)
    # A row of nothing but -inf would be NaN; it attends anywhere and is then set to 0.
    hidden = torch.where(present[:, 0, 0], hidden, torch.zeros_like(hidden))[:, None, None, :]
    if tap.watched or rate:
        weights = torch.softmax(query @ key.transpose(2, 3) * scale + hidden, dim=-1) * present
        mixed = drop(tap(weights), rate) @ value
    else:
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=hidden, scale=scale)
    return mixed * present


def heads_apart(values: Tensor, heads: int) -> Tensor:
    """Return (B, T, heads · d) as (B, heads, T, d)."""
    return values.view(*values.shape[:2], heads, -1).transpose(1, 2)


def heads_joined(values: Tensor) -> Tensor:
    """Return (B, heads, T, d) as (B, T, heads · d)."""
    return values.transpose(1, 2).flatten(2)
