"""Attention of a few queries a row over a history, which sums vectors before values are made of them.

A head's values are a matrix times the history's vectors, so the vectors are summed first and the matrix meets
the sum: one product a row and head instead of one a behaviour.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from msviz.nets.behaviours import masked_softmax
from msviz.nets.tap import Tap

EPSILON = 1e-5  # as in nn.LayerNorm
KEYS = 2**17  # numbers of keys that are worked on at a time: half a MiB


def pool(
    vectors: Tensor, query: Tensor, matrices: Tensor | None, mask: Tensor, taps: tuple[Tap, Tap]
) -> Tensor:
    """Return every head's sum of its expert's vectors: (B, T, E, w) give (E, B, G, w).

    A score is the product of `query` (E, B, G, w) and the vector; where there are `matrices` (E, G, d, w),
    it is divided by √(mean k² + ε), k = matrix · vector being the head's key. Softmax runs over `mask`
    (B, T). One tap sees the weights (B, E, G / 2, T) of the first half of the heads, one the others'.
    """
    watched = any(tap.watched for tap in taps)
    if vectors.device.type == "cpu" and vectors.dtype == torch.float32 and not watched:
        sums: Tensor = _Pool.apply(vectors.contiguous(), query, matrices, mask)  # type: ignore[no-untyped-call]
        return sums
    of_experts = vectors.permute(2, 0, 1, 3)  # (E, B, T, w)
    scores = query @ of_experts.transpose(2, 3)
    if matrices is not None:
        keys = matrices.flatten(1, 2) @ vectors.permute(2, 3, 0, 1).flatten(2)
        keys = keys.view(*matrices.shape[:3], *mask.shape)
        scores = scores * ((keys * keys).mean(2) + EPSILON).rsqrt().transpose(1, 2)
    weights = masked_softmax(scores, mask[:, None])
    if watched:
        halves = zip(taps, weights.transpose(0, 1).chunk(2, dim=2), strict=True)
        weights = torch.cat([tap(half) for tap, half in halves], dim=2).transpose(0, 1)
    return weights @ of_experts


class _Pool(torch.autograd.Function):
    """`pool` on a CPU: keys are looked at while they lie in the processor's cache."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, query: Tensor, matrices: Tensor | None, mask: Tensor) -> Tensor:
        query = query.contiguous()  # small, and a batch of products wants it so
        experts, rows, heads, _ = query.shape
        scores = query.new_empty(experts, rows, heads, mask.shape[1])
        for expert, into in enumerate(scores):
            torch.bmm(query[expert], vectors[:, :, expert].transpose(1, 2), out=into)
        keys = factors = None
        if matrices is not None:
            keys = query.new_empty(*matrices.shape[:3], mask.numel())
            squares = query.new_empty(experts, heads, mask.numel())
            for expert, some in _blocks(keys):
                block = keys[expert, some]
                of_block = matrices[expert, some].flatten(0, 1)
                torch.mm(of_block, vectors[:, :, expert].flatten(0, 1).t(), out=block.flatten(0, 1))
                torch.sum(block * block, 1, out=squares[expert, some])
            factors = squares.div_(keys.shape[2]).add_(EPSILON).rsqrt_().view(experts, heads, *mask.shape)
            scores *= factors.transpose(1, 2)
        weights = masked_softmax(scores, mask[:, None])
        sums = torch.empty_like(query)
        for expert, into in enumerate(sums):
            torch.bmm(weights[expert], vectors[:, :, expert], out=into)
        ctx.save_for_backward(vectors, query, matrices, keys, factors, scores, weights)
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        vectors, query, matrices, keys, factors, scores, weights = ctx.saved_tensors
        gradient = gradient.contiguous()
        gradients = torch.empty_like(scores)
        for expert, into in enumerate(gradients):
            torch.bmm(gradient[expert], vectors[:, :, expert].transpose(1, 2), out=into)
        gradients -= (gradients * weights).sum(-1, keepdim=True)
        gradients *= weights
        of_products = gradients if factors is None else gradients * factors.transpose(1, 2)
        rows, length, experts, width = vectors.shape
        of_vectors = vectors.new_empty(experts, rows, length, width)
        of_query = torch.empty_like(query)
        for expert in range(experts):
            torch.bmm(weights[expert].transpose(1, 2), gradient[expert], out=of_vectors[expert])
            of_vectors[expert].baddbmm_(of_products[expert].transpose(1, 2), query[expert])
            torch.bmm(of_products[expert], vectors[:, :, expert], out=of_query[expert])
        if matrices is None:
            return of_vectors.permute(1, 2, 0, 3), of_query, None, None
        # d score / d k = - score · k / (d · (mean k² + ε)).
        of_keys = (gradients * scores).transpose(1, 2) * factors.square().mul_(-1 / keys.shape[2])
        of_matrices = torch.empty_like(matrices)
        for expert, some in _blocks(keys):
            block = (keys[expert, some] * of_keys[expert, some].flatten(1)[:, None]).flatten(0, 1)
            flat = vectors[:, :, expert].flatten(0, 1)
            torch.mm(block, flat, out=of_matrices[expert, some].flatten(0, 1))
            of_vectors[expert].flatten(0, 1).addmm_(block.t(), matrices[expert, some].flatten(0, 1))
        return of_vectors.permute(1, 2, 0, 3), of_query, of_matrices, None


def _blocks(keys: Tensor) -> list[tuple[int, slice]]:
    """Return (expert, heads) of blocks of keys (E, G, d, n) that stay in the cache."""
    experts, heads, inner, columns = keys.shape
    step = max(1, KEYS // max(1, inner * columns))
    return [(e, slice(start, start + step)) for e in range(experts) for start in range(0, heads, step)]
