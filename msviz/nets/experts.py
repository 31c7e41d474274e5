"""SAME's attention over behaviours (SPAU) and its MLPs, all experts in one computation."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from msviz.nets.behaviours import attend, heads_joined
from msviz.nets.layers import drop, widths_of
from msviz.nets.pooling import EPSILON, pool
from msviz.nets.tap import Tap


class StackedMlp(nn.Module):
    """An MLP for each of E experts, ReLU after every layer: (E, B, inputs) becomes (E, B, outputs)."""

    def __init__(self, experts: int, inputs: int, hidden: str, dropout: float) -> None:
        """Read the widths off a setting such as '256,128'; draw weights as nn.Linear does."""
        super().__init__()
        widths = [inputs, *widths_of(hidden)]
        self.weights = nn.ParameterList(_drawn(a, experts, a, b) for a, b in pairwise(widths))
        self.biases = nn.ParameterList(_drawn(a, experts, 1, b) for a, b in pairwise(widths))
        self.outputs = widths[-1]
        self.dropout = dropout

    def forward(self, values: Tensor) -> Tensor:
        """Return every expert's last layer (E, B, outputs)."""
        for weight, bias in zip(self.weights, self.biases, strict=True):
            values = torch.baddbmm(bias, values, weight).relu_()
            values = drop(values, self.dropout if self.training else 0.0)
        return values


class Spau(nn.Module):
    """Stacked parallel attention of E experts: self-attention, on it user and target attention (Eq. 3-4).

    Only keys and weighted sums of what self-attention gives are wanted, so its output matrix W^O is
    multiplied into theirs once, and values are projected after they are summed: no ê is ever made.
    Matrices have outputs before inputs, as in nn.Linear.
    """

    def __init__(
        self, experts: int, heads: int, width: int, behaviour: int, user: int, item: int, *, norm: bool
    ) -> None:
        """Draw the matrices for behaviours, users and items of these many numbers."""
        super().__init__()
        self.experts, self.heads, self.width, self.inner = experts, heads, width, width // heads
        self.query_key = _balanced(2, experts, width, behaviour)
        self.value = _balanced(experts, width, behaviour)
        self.aggregate = _balanced(experts, width, width)
        # User attention first, target attention second.
        self.user_query = _balanced(experts, width, user)
        self.target_query = _balanced(experts, width, item)
        self.pool_key = _balanced(experts, 2, width, width)
        self.pool_value = _balanced(experts, 2, width, width)
        self.pool_aggregate = _balanced(experts, 2, width, width)
        self.gain: nn.Parameter | None = None
        if norm:
            # Of queries and keys in self-, user and target attention. Keys have no bias: it would shift
            # all scores of a query alike, which softmax takes away.
            self.gain = nn.Parameter(torch.ones(2, 3, experts, heads, self.inner))
            self.bias = nn.Parameter(torch.zeros(3, experts, heads, self.inner))
        self.self_attention_tap = Tap("expert", "head", "behaviour", "behaviour")
        self.user_attention_tap = Tap("expert", "head", "behaviour")
        self.target_attention_tap = Tap("expert", "head", "behaviour")

    def forward(self, behaviours: Tensor, mask: Tensor, user: Tensor, item: Tensor) -> Tensor:
        """Return s^u and s^i side by side (E, B, 2 · width); `behaviours` (B, T, D), `mask` (B, T)."""
        taps = self.user_attention_tap, self.target_attention_tap
        mixed = self._self_attend(behaviours, mask)
        # W^O and each head's W^K or W^V in one.
        apart = (self.experts, 2 * self.heads, self.inner, self.width)
        keys, values = (
            torch.bmm(matrices.flatten(1, 2), self.aggregate).view(apart)
            for matrices in (self.pool_key, self.pool_value)
        )
        if self.gain is not None:
            keys = keys - keys.mean(2, keepdim=True)  # so that every key has mean 0
        query = self._pool_query(user, item) @ keys
        sums = pool(mixed, query.transpose(1, 2), keys if self.gain is not None else None, mask, taps)
        heads = values @ sums.permute(0, 2, 3, 1)
        pooled: Tensor = self.pool_aggregate @ heads.reshape(self.experts, 2, self.width, len(mask))
        return pooled.flatten(1, 2).transpose(1, 2)

    def _self_attend(self, behaviours: Tensor, mask: Tensor) -> Tensor:
        """Return the heads' mixed values side by side, before W^O: (B, T, E, width)."""
        apart = (*mask.shape, self.experts, self.heads, self.inner)
        query, key, value = (
            functional.linear(behaviours, matrices.flatten(0, 1)).view(apart)
            for matrices in (*self.query_key, self.value)
        )
        if self.gain is not None:
            query = self._adjusted(functional.layer_norm(query, [self.inner], eps=EPSILON), 0)
            key = functional.layer_norm(key, [self.inner], eps=EPSILON)
        query, key, value = (part.flatten(2, 3).transpose(1, 2) for part in (query, key, value))
        mixed = self._attend(query, key, value, mask)
        return heads_joined(mixed).view(*mask.shape, self.experts, self.width)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """Return `attend` of three (B, E · H, T, d); torch's own is the faster for heads of 16 numbers."""
        tap, scale = self.self_attention_tap, self.inner**-0.5
        if tap.watched:
            return attend(query, key, value, mask, scale=scale, tap=_Folded(tap, self.experts))
        # A row without any behaviour attends anywhere: user and target attention leave it out.
        allowed = (mask | ~mask.any(1, keepdim=True))[:, None, None]
        mixed: Tensor = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=allowed, scale=scale
        )
        return mixed

    def _pool_query(self, user: Tensor, item: Tensor) -> Tensor:
        """Return the scaled queries (E, 2 · H, B, d) of user and target attention."""
        apart = (len(user), self.experts, self.heads, self.inner)
        pairs = ((user, self.user_query), (item, self.target_query))
        query = torch.stack([functional.linear(x, w.flatten(0, 1)).view(apart) for x, w in pairs], dim=1)
        if self.gain is not None:
            query = self._adjusted(functional.layer_norm(query, [self.inner], eps=EPSILON), slice(1, 3))
        scaled: Tensor = query * self.inner**-0.5
        return scaled.permute(2, 1, 3, 0, 4).flatten(1, 2)

    def _adjusted(self, query: Tensor, at: int | slice) -> Tensor:
        """Return normed queries (..., E, H, d) times both gains, plus bias: keys then need no gain."""
        assert self.gain is not None
        gain, of_keys = self.gain[:, at].unbind()
        return torch.addcmul(self.bias[at] * of_keys, query, gain * of_keys)


class _Folded(Tap):
    """A tap of (expert, head, ...) for attention that knows only heads."""

    def __init__(self, tap: Tap, experts: int) -> None:
        super().__init__(*tap.axes)
        self.tap, self.experts = tap, experts

    @property
    def watched(self) -> bool:
        return self.tap.watched

    def forward(self, values: Tensor) -> Tensor:
        heads, *rest = values.shape[1:]
        tapped: Tensor = self.tap(values.view(len(values), self.experts, heads // self.experts, *rest))
        return tapped.flatten(1, 2)


def _drawn(inputs: int, *shape: int) -> nn.Parameter:
    """Return weights of a layer with so many inputs, as nn.Linear draws them."""
    bound = inputs**-0.5
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


def _balanced(*shape: int) -> nn.Parameter:
    """Return matrices (..., outputs, inputs) drawn after Glorot, as the paper's library does.

    Four of them stand between a behaviour and the Main Net; smaller ones would let it fade on the way.
    """
    bound = (6 / (shape[-2] + shape[-1])) ** 0.5
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
