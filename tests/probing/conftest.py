"""A log of 60 rows written by hand and a net whose attention is known: any model with these axes will do."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from msviz.batch import Batch
from msviz.data.importing.write import DatasetWriter
from msviz.dataset import Dataset
from msviz.nets.base import InputSpec, Net, NetConfig
from msviz.nets.tap import Tap
from msviz.probing.study import Study
from msviz.schema import Field, Schema

ROWS = 60


class Block(nn.Module):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.attention_tap = Tap("head", "query", "key")

    def forward(self, batch: Batch) -> Tensor:
        ids = batch.fields.float()
        score = ids[:, None, :, None] * ids[:, None, None, :] * torch.tensor([0.1, -0.2])[:, None, None]
        return self.attention_tap(torch.softmax(score * (self.number + 1), -1))


class Tiny(Net):
    """Two layers of two heads over three fields; a tap outside any list; taken in pieces of seven rows."""

    def __init__(self, layout: InputSpec) -> None:
        super().__init__(NetConfig(), layout)
        self.blocks = nn.ModuleList(Block(number) for number in range(2))
        self.own_tap = Tap("field")

    def forward(self, batch: Batch) -> Tensor:
        out = []
        for start in range(0, len(batch), 7):
            piece = batch.take(slice(start, start + 7))
            attention = sum(block(piece) for block in self.blocks)
            out.append(self.own_tap(piece.fields.float()).sum(1) * 0.1 + attention[:, 0, 0, 1] - 1)
        return torch.cat(out)


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    schema = Schema(
        fields=[
            Field(name="click", role="label"),
            Field(name="tab", role="scenario", title="Tab", vocabulary=["home", "search", "cart"]),
            Field(name="item", role="item", title="Item", vocabulary=["a", "b", "c", "d"]),
            Field(name="hour", vocabulary=["am", "pm"]),
            Field(name="time", role="time"),
        ],
        scenarios=[[2], [3], [4]],
    )
    draw = np.random.default_rng(3)
    scenario = draw.choice(3, ROWS, p=[0.6, 0.3, 0.1]) + 1
    scenario[5] = 0
    fields = np.stack(
        [np.where(scenario, scenario + 1, 0), draw.integers(0, 6, ROWS), draw.integers(0, 4, ROWS)], 1
    )
    with DatasetWriter(tmp_path_factory.mktemp("logs") / "hand", schema) as writer:
        writer.append(
            "test",
            fields,
            scenario,
            label=draw.integers(0, 2, ROWS),
            time=86_400 * 365 + np.arange(ROWS) * 3_600,
            row=np.arange(ROWS) * 10,
        )
        return writer.commit({})


@pytest.fixture
def study(log: Dataset) -> Study:
    return Study(None, log, net=Tiny(InputSpec.of(log.schema)), batch_size=16)
