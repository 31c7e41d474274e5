"""One training step: rows of one scenario side by side, in pieces that stay in the processor's cache."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from msviz.batch import Batch
from msviz.nets.base import Net


def step(net: Net, batch: Batch, optimisers: Sequence[Optimizer], amp: torch.dtype | None = None) -> float:
    """Update the net on one batch and return the mean loss of its rows before the update.

    `amp` is the number format of mixed precision (bfloat16 on a GPU), None for none.
    """
    device = batch.fields.device
    total = torch.zeros((), device=device)
    sparse: dict[Tensor, list[Tensor]] = {}
    for piece in pieces(net, batch):
        with torch.autocast(device.type, amp, enabled=amp is not None):
            loss = net.loss(piece)
        torch.autograd.backward(loss / len(batch))
        total += loss.detach()
        _set_aside(net, sparse)
    for table, gradients in sparse.items():
        table.grad = _joined(gradients)
    for optimiser in optimisers:
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return float(total) / len(batch)


def pieces(net: Net, batch: Batch) -> Iterator[Batch]:
    """Yield the batch's rows in the order and in the pieces that suit the net and the device."""
    order = net.order(batch)
    if order is not None:
        batch = batch.take(order)
    size = net.piece if batch.fields.device.type == "cpu" else None
    for start in range(0, len(batch), size or len(batch)):
        yield batch.take(slice(start, start + (size or len(batch))))


def _set_aside(net: Net, sparse: dict[Tensor, list[Tensor]]) -> None:
    """Move a piece's sparse gradients into lists: adding them up one by one copies all each time."""
    for parameter in net.parameters():
        if parameter.grad is not None and parameter.grad.is_sparse:
            sparse.setdefault(parameter, []).append(parameter.grad)
            parameter.grad = None


def _joined(gradients: list[Tensor]) -> Tensor:
    """Return the sum of sparse gradients, not yet coalesced."""
    if len(gradients) == 1:
        return gradients[0]
    indices = torch.cat([gradient._indices() for gradient in gradients], dim=1)
    values = torch.cat([gradient._values() for gradient in gradients])
    return torch.sparse_coo_tensor(indices, values, gradients[0].shape, check_invariants=False)
