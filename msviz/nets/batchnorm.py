"""Batch norm that counts a value as often as it stands for rows, and survives batches without spread."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.Module):
    """Batch norm over rows, also where one value stands for many rows (all rows of a scenario).

    Values (R, units) with counts (R,) give what torch's BatchNorm1d gives when value r is repeated counts[r]
    times: γ (x - mean) / √(variance + ε) + β, running statistics with the unbiased variance. A batch of one
    distinct value has no spread to divide by: it is normed with the running statistics and leaves them.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, units: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        """Start with γ = 1, β = 0 and running statistics of mean 0 and variance 1."""
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(units))
        self.bias = nn.Parameter(torch.zeros(units))
        self.register_buffer("running_mean", torch.zeros(units))
        self.register_buffer("running_var", torch.ones(units))

    def forward(self, values: Tensor, counts: Tensor | None = None) -> Tensor:
        """Return normed values (R, units); `counts` (R,) says for how many rows each stands, None for one."""
        spread = self.training and len(values) > 1
        if counts is None or not spread:
            # In evaluation torch reads the running statistics and leaves them.
            return F.batch_norm(
                values, self.running_mean, self.running_var, self.weight, self.bias, spread,
                self.momentum, self.eps,
            )  # fmt: skip
        values = values.to(torch.promote_types(values.dtype, self.running_mean.dtype))
        share = counts.to(values.dtype)[:, None]
        rows = share.sum()
        share = share / rows
        mean = (share * values).sum(0)
        centred = values - mean
        variance = (share * centred.square()).sum(0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (rows / (rows - 1)), self.momentum)
        return centred * (variance + self.eps).rsqrt() * self.weight + self.bias


Fed = TypeVar("Fed")


def settle(net: nn.Module, batches: Iterable[Fed], feed: Callable[[Fed], object]) -> None:
    """Give every batch norm of a net the mean statistics of what `feed` puts through it, batch after batch.

    What training leaves behind trails the weights by some ten steps and, early, still holds what it started
    with (mean 0, variance 1), so evaluation would see another net than the one that was trained (Wu and
    Johnson, 2021, "Rethinking Batch in BatchNorm"). Nothing is fed to a net without batch norm.
    """
    norms = [module for module in net.modules() if isinstance(module, BatchNorm)]
    if not norms:
        return
    training, momenta = net.training, [norm.momentum for norm in norms]
    net.train()
    try:
        with torch.no_grad():
            for number, batch in enumerate(batches, 1):
                for norm in norms:
                    norm.momentum = 1 / number  # the mean of all batches so far
                feed(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        net.train(training)


@contextmanager
def kept_statistics(net: nn.Module) -> Iterator[None]:
    """Put the statistics of every batch norm back afterwards."""
    norms = [module for module in net.modules() if isinstance(module, BatchNorm)]
    before = [(norm.running_mean.clone(), norm.running_var.clone()) for norm in norms]
    try:
        yield
    finally:
        for norm, (mean, variance) in zip(norms, before, strict=True):
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
