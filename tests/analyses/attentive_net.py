"""Nets whose attention to past clicks, and whose use of them, is written by hand."""

import torch
from torch import Tensor

from msviz.batch import Batch
from msviz.nets.base import InputSpec, Net, NetConfig
from msviz.nets.tap import Tap


class ByHand(Net):
    """Two heads look at past clicks by scenario and by age; the logit adds a weight for each click.

    The weight (S + 1, S + 1) depends on the row's scenario and the click's; clicks in another category
    than the item's count `unrelated` as much.
    """

    needs = ("behaviours", "behaviour scenarios")

    def __init__(self, layout: InputSpec, weight: Tensor, unrelated: float = 1.0) -> None:
        super().__init__(NetConfig(), layout)
        self.weight, self.unrelated = weight, unrelated
        self.self_attention_tap = Tap("head", "behaviour", "behaviour")
        self.pool_tap = Tap("head", "behaviour")
        self.tailoring_tap = Tap("behaviour", "unit")

    def forward(self, batch: Batch) -> Tensor:
        past = batch.histories
        assert past is not None
        scores = torch.stack([0.3 * past.scenario.float() * batch.scenario[:, None], -past.age / 1e6], 1)
        shares = torch.softmax(scores.masked_fill(~past.mask[:, None], -torch.inf), -1).nan_to_num()
        shares = self.pool_tap(shares)
        square = shares[:, :, None] * past.mask[:, None, :, None]
        self.self_attention_tap(square.expand(-1, -1, -1, shares.shape[2]))
        gate = batch.scenario[:, None] + 0.1 * past.scenario
        self.tailoring_tap(torch.stack([gate, -gate, 2 * gate], -1) * past.mask[:, :, None])
        category = self.layout.behaviours[1]
        like = past.ids[:, :, 1] == batch.fields[:, category, None]
        each = self.weight[batch.scenario[:, None], past.scenario]
        each = each * torch.where(like, 1.0, self.unrelated) * past.mask
        return each.sum(1) - 1
