"""A net whose attention between fields is a table written by hand, the same for every row."""

import torch
from torch import Tensor, nn

from msviz.batch import Batch
from msviz.nets.base import InputSpec, Net, NetConfig
from msviz.nets.tap import Tap


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention_tap = Tap("head", "query", "key")


class Planted(Net):
    """Shows `table` (L, H, N, N) in layers, in the given scenario alone turned over from key to key."""

    def __init__(self, layout: InputSpec, table: Tensor, turned: int = -1) -> None:
        super().__init__(NetConfig(), layout)
        self.table, self.turned = table, turned
        self.blocks = nn.ModuleList(_Layer() for _ in table)

    def forward(self, batch: Batch) -> Tensor:
        for layer, block in zip(self.table, self.blocks, strict=True):
            shown = layer.expand(len(batch), *layer.shape)
            other = (batch.scenario == self.turned)[:, None, None, None]
            block.attention_tap(torch.where(other, shown.flip(-1), shown))  # type: ignore[operator]
        return torch.zeros(len(batch))
