"""Nets whose attention to past clicks, and whose use of them, is written by hand."""

import torch
from torch import Tensor

from msviz.batch import Batch
from msviz.nets.base import Layout, Net, NetConfig
from msviz.nets.tap import Tap


class ByHand(Net):
    """Two heads look at past clicks by scenario and by age; the logit adds a weight for each click.

    The weight (S + 1, S + 1) depends on the row's scenario and the click's; clicks in another category
    than the item's count `unrelated` as much.
    """

    needs = ("behaviours", "behaviour scenarios")

    def __init__(self, layout: Layout, weight: Tensor, unrelated: float = 1.0) -> None:
        super().__init__(NetConfig(), layout)
        self.weight, self.unrelated = weight, unrelated
        self.self_attention_tap = Tap("head", "behaviour", "behaviour")
        self.pool_tap = Tap("head", "behaviour")
        self.tailoring_tap = Tap("behaviour", "unit")

    def forward(self, batch: Batch) -> Tensor:
        assert batch.behaviours is not None and batch.mask is not None
        assert batch.behaviour_scenario is not None and batch.behaviour_age is not None
        scores = torch.stack(
            [0.3 * batch.behaviour_scenario.float() * batch.scenario[:, None], -batch.behaviour_age / 1e6], 1
        )
        shares = torch.softmax(scores.masked_fill(~batch.mask[:, None], -torch.inf), -1).nan_to_num()
        shares = self.pool_tap(shares)
        square = shares[:, :, None] * batch.mask[:, None, :, None]
        self.self_attention_tap(square.expand(-1, -1, -1, shares.shape[2]))
        gate = batch.scenario[:, None] + 0.1 * batch.behaviour_scenario
        self.tailoring_tap(torch.stack([gate, -gate, 2 * gate], -1) * batch.mask[:, :, None])
        category = self.layout.behaviours[1]
        like = batch.behaviours[:, :, 1] == batch.fields[:, category, None]
        each = self.weight[batch.scenario[:, None], batch.behaviour_scenario]
        each = each * torch.where(like, 1.0, self.unrelated) * batch.mask
        return each.sum(1) - 1
