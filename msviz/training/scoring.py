"""Score a split with a net."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from msviz.batch import Batch
from msviz.data.loader import batches
from msviz.dataset import Array, Rows
from msviz.nets.base import Net
from msviz.training.metrics import measure
from msviz.training.step import pieces

Progress = Callable[[float, str], None]  # a share from 0 to 1, and words


def predict(
    net: Net,
    part: Rows,
    *,
    batch_size: int = 4096,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> Array:
    """Return the click probabilities (rows,) float32 of a split, in the log's order.

    The net is read in evaluation mode and left as it was; `progress` hears the share done.
    """
    out = np.empty(part.rows, np.float32)
    training = net.training
    net.eval()
    try:
        with torch.inference_mode():
            done = 0
            for batch in batches(part, batch_size, behaviours="behaviours" in net.needs):
                out[done : done + len(batch)] = probabilities(net, batch.to(device)).cpu().numpy()
                done += len(batch)
                if progress is not None:
                    progress(done / part.rows, f"scoring {part.name}: {done:,} of {part.rows:,} rows")
    finally:
        net.train(training)
    return out


def probabilities(net: Net, batch: Batch) -> Tensor:
    """Return the click probabilities (B,) float32 of a batch, computed in the pieces that suit the net.

    On a CPU pieces of some hundred rows stay in the cache: 1.5 to 2 times as fast as 4,096 rows at once.
    """
    probability = torch.cat([torch.sigmoid(net(piece).float()) for piece in pieces(net, batch)])
    order = net.order(batch)
    if order is None:
        return probability
    return torch.empty_like(probability).index_copy_(0, order, probability)


def evaluate(
    net: Net, part: Rows, *, device: str | torch.device = "cpu", progress: Progress | None = None
) -> dict[str, Any]:
    """Return the measures of a split, overall and per scenario, as `metrics.measure` gives them."""
    score = predict(net, part, device=device, progress=progress)
    return measure(part.label, score, part.scenario, part.schema.scenario_names, users(part))


def users(part: Rows) -> Array | None:
    """Return the encoded user (rows,) of a split, or None where the log names no user."""
    for field in part.schema.features:
        # The first one is the user; what follows with this role describes it.
        if field.role == "user":
            return part.column(field.name) if field.kind == "categorical" else None
    return None
