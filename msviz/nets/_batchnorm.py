"""Batch norm that counts a value as often as it stands for rows, and survives batches without spread."""

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
