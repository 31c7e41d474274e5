"""HierRec's scenario-oriented layers: two linear maps in a row whose weights a scenario condition holds.

The condition of a layer U -> n -> U is first the narrow map (n, U + 1), then the wide one (U, n + 1), the
bias of each row last. A one appended to a map's input lets one product serve weights and biases.

Implicit conditions are linear in what makes them, SC[g] = V u_g: u_g are the common embeddings as head g
scales them, with a one appended (K + 1 numbers, K = I · d). Made for every row and head they would cost
G · 2 U n K multiplications a row. Two facts of Eq. 7-9 spare that:

- all heads read the same O_explicit, so V_narrow contracted with it, (n, K + 1) a row, serves every head;
- the wide map and the output layer are two linear maps in a row: their product P is no row's own, it is
  made once a batch, and the logit is Σ_g h_gᵀ P_g u_g, h_g the narrow map's answer with a one appended.

What is left is one product of U n K a row, at any number of heads.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

# Numbers that a piece of rows may make: 2 MiB stay in a CPU's cache; elsewhere pieces only bound the memory.
ON_CPU, ELSEWHERE = 2**19, 2**26


def with_one(values: Tensor) -> Tensor:
    """Return (..., n) as (..., n + 1), a one last: what biases are multiplied with."""
    return F.pad(values, (0, 1), value=1.0)


def fresh(units: int, bottleneck: int, inputs: int, energy: float, most: float) -> tuple[Tensor, Tensor]:
    """Draw what makes conditions of some inputs and a one: (n, U + 1, inputs + 1) and (U, n + 1, inputs + 1).

    Generated weights start with variance 1 / fan-in, biases at 0. Half of it comes from the inputs, whose
    expected squared length is `energy`, and less where that would take numbers of a standard deviation above
    `most`; the rest from the one: the part that all scenarios and rows share. An optimiser moves a weight by
    its learning rate a step, so generators that started large would stay what they were drawn as.
    """
    weights = []
    for outputs, fan_in in ((bottleneck, units), (units, bottleneck)):
        drawn = torch.randn(outputs, fan_in + 1, inputs + 1)
        deviation = min((0.5 / fan_in / energy) ** 0.5, most)
        drawn[..., :inputs] *= deviation
        drawn[..., inputs] *= (1 / fan_in - energy * deviation**2) ** 0.5
        drawn[:, fan_in] = 0
        weights.append(drawn)
    return weights[0], weights[1]


def split(condition: Tensor, units: int, bottleneck: int) -> tuple[Tensor, Tensor]:
    """Return the narrow (..., n, U + 1) and the wide map (..., U, n + 1) of conditions (..., C) (Eq. 2)."""
    sizes = [bottleneck * (units + 1), units * (bottleneck + 1)]
    narrow, wide = torch.split(condition, sizes, dim=-1)
    shape = condition.shape[:-1]
    return narrow.view(*shape, bottleneck, units + 1), wide.view(*shape, units, bottleneck + 1)


def oriented(condition: Tensor, values: Tensor, bottleneck: int, index: Tensor) -> Tensor:
    """Return a scenario-oriented layer's answer (B, U) to (B, U) by conditions (S, C), index (B,) (Eq. 1).

    Only the distinct conditions are kept for backward, never one for each row.
    """
    # Mixed precision must not add up the rows of a scenario in bfloat16.
    dtype = torch.promote_types(condition.dtype, torch.float32)
    with torch.autocast(values.device.type, enabled=False):
        tensors = (condition.to(dtype), with_one(values).to(dtype), index)
        out: Tensor = _Oriented.apply(*tensors, bottleneck)  # type: ignore[no-untyped-call]
    return out


class _Oriented(torch.autograd.Function):
    """Piece by piece, each row with its own matrices; vector times matrix is quicker than the reverse."""

    @staticmethod
    def forward(ctx: Any, condition: Tensor, values: Tensor, index: Tensor, bottleneck: int) -> Tensor:
        units = values.shape[1] - 1
        hidden = values.new_ones(len(values), 1, bottleneck + 1)
        out = values.new_empty(len(values), 1, units)
        for at, room in _pieces(len(values), condition):
            torch.index_select(condition, 0, index[at], out=room)
            narrow, wide = split(room, units, bottleneck)
            hidden[at, :, :-1] = torch.bmm(values[at, None], narrow.mT)
            out[at] = torch.bmm(hidden[at], wide.mT)
        ctx.save_for_backward(condition, values, index, hidden)
        return out.squeeze(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        condition, values, index, hidden = ctx.saved_tensors
        units, bottleneck = gradient.shape[1], hidden.shape[2] - 1
        of_condition, of_values = torch.zeros_like(condition), torch.empty_like(values)
        gradient = gradient.contiguous()
        for at, room in _pieces(len(values), condition):
            torch.index_select(condition, 0, index[at], out=room)
            narrow, wide = split(room, units, bottleneck)
            of_hidden = torch.bmm(gradient[at, None], wide)[..., :-1]
            of_values[at, None] = torch.bmm(of_hidden, narrow)
            # The matrices have served; their gradients take their room.
            torch.mul(of_hidden.mT, values[at, None], out=narrow)
            torch.mul(gradient[at, :, None], hidden[at], out=wide)
            of_condition.index_add_(0, index[at], room)
        return of_condition, of_values, None, None


def _scaled(common: Tensor, weights: Tensor) -> Tensor:
    """Return u (B, G, K + 1), written once: embeddings (B, I, d) times weights (B, G, I), a one (Eq. 7)."""
    rows, heads, fields = weights.shape
    scaled = common.new_empty(rows, heads, fields * common.shape[2] + 1)
    scaled[..., -1] = 1
    torch.mul(weights[..., None], common[:, None], out=_by_field(scaled, fields))
    return scaled


def _by_field(u: Tensor, fields: int) -> Tensor:
    """Return u (B, G, K + 1) without its one as (B, G, I, d)."""
    return u[..., :-1].view(*u.shape[:2], fields, -1)


def implicit(values: Tensor, common: Tensor, weights: Tensor, narrow: Tensor, wide: Tensor) -> Tensor:
    """Return Σ_g h_gᵀ P_g u_g (B,), h_g = [V_narrow(O, u_g); 1]: all implicit layers and the output layer.

    O_explicit (B, U), common embeddings (B, I, d), weights (B, G, I), V_narrow (U + 1, n, K + 1), P
    (G, n + 1, K + 1). Memory beyond the arguments' size does not grow with B · n · K.
    """
    keep = torch.is_grad_enabled()
    with torch.autocast(values.device.type, enabled=False):
        tensors = (tensor.to(narrow.dtype) for tensor in (values, common, weights))
        out: Tensor = _Implicit.apply(*tensors, narrow, wide.to(narrow.dtype), keep)  # type: ignore[no-untyped-call]
    return out


class _Implicit(torch.autograd.Function):
    """Piece by piece; each row's gradients of its own logit are taken while its products are in the cache.

    A logit's gradient is one number a row, so all that backward adds is the gradient of V_narrow and P.
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, common: Tensor, weights: Tensor, narrow: Tensor, wide: Tensor, keep: bool
    ) -> Tensor:
        heads, fields = weights.shape[1:]
        values = with_one(values)
        hidden = values.new_ones(len(values), heads, narrow.shape[1] + 1)
        slope = torch.empty_like(hidden)  # P_g u_g: of the logit, as h_g changes
        of_common, of_weights = torch.empty_like(common), torch.empty_like(weights)
        for at, contracted in _pieces(len(values), narrow):
            torch.mm(values[at], narrow.flatten(1), out=contracted.flatten(1))
            u = _scaled(common[at], weights[at])
            hidden[at, :, :-1] = torch.bmm(u, contracted.mT)
            slope[at] = torch.bmm(u.transpose(0, 1), wide.mT).transpose(0, 1)
            if keep:
                of_u = torch.bmm(slope[at, :, :-1], contracted)
                of_u += torch.bmm(hidden[at].transpose(0, 1), wide).transpose(0, 1)
                by_field = _by_field(of_u, fields)
                of_weights[at] = (by_field * common[at, None]).sum(3)
                of_common[at] = (by_field * weights[at, :, :, None]).sum(1)
        if keep:
            ctx.save_for_backward(values, common, weights, narrow, wide, hidden, slope, of_common, of_weights)
        return (hidden * slope).sum((1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, common, weights, narrow, wide, hidden, slope, of_common, of_weights = ctx.saved_tensors
        of_values = values.new_empty(len(values), len(narrow) - 1)
        of_narrow, of_wide = torch.zeros_like(narrow), torch.zeros_like(wide)
        weighted, weighted_hidden = values * gradient[:, None], hidden * gradient[:, None, None]
        for at, of_contracted in _pieces(len(values), narrow):
            u = _scaled(common[at], weights[at])
            torch.bmm(slope[at, :, :-1].mT, u, out=of_contracted)
            torch.mm(of_contracted.flatten(1), narrow[:-1].flatten(1).t(), out=of_values[at])
            of_narrow.flatten(1).addmm_(weighted[at].t(), of_contracted.flatten(1))
            of_wide.baddbmm_(weighted_hidden[at].permute(1, 2, 0), u.transpose(0, 1))
        each = gradient[:, None]
        return (
            of_values.mul_(each), of_common * each[:, None], of_weights * each[:, None],
            of_narrow, of_wide, None,
        )  # fmt: skip


def _pieces(rows: int, of_a_row: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield slices of rows and for each the room for that many of `of_a_row[0]`, the same for all."""
    most = ON_CPU if of_a_row.device.type == "cpu" else ELSEWHERE
    size = min(rows, max(16, most // of_a_row[0].numel()))
    room = of_a_row.new_empty(size, *of_a_row.shape[1:])
    for start in range(0, rows, size):
        at = slice(start, min(start + size, rows))
        yield at, room[: at.stop - at.start]
