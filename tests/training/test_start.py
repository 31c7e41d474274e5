"""A fresh net answers with the click rates of its rows."""

import numpy as np
import pytest
import torch

from msviz.data.importing.write import DatasetWriter
from msviz.dataset import Dataset
from msviz.registry import MODELS
from msviz.schema import Field, Schema
from msviz.training.start import PSEUDO, fresh_net, log_odds


def test_log_odds_by_hand(tmp_path):
    schema = Schema(
        fields=[
            Field(name="click", role="label"),
            Field(name="tab", role="scenario", vocabulary=["a", "b", "c"]),
        ],
        scenarios=[[2], [3], [4]],
    )
    scenario = np.repeat([1, 2], [60, 40])
    label = np.r_[np.ones(24), np.zeros(36), np.zeros(40)].astype(int)
    with DatasetWriter(tmp_path / "data", schema) as writer:
        writer.append("train", scenario[:, None] + 1, scenario, label, np.arange(100), np.arange(100))
        part = writer.commit({"kind": "table"}).split("train")
    overall = 24.5 / 101
    rates = [overall, (24 + PSEUDO * overall) / 80, PSEUDO * overall / 60, overall]
    assert log_odds(part) == pytest.approx([np.log(rate / (1 - rate)) for rate in rates], rel=1e-5)


@pytest.mark.parametrize("model", MODELS.names())
def test_an_untrained_net_predicts_as_many_clicks_as_there_are(model: str, tiny_world: Dataset):
    part = tiny_world.split("train")
    net = fresh_net(model, {}, tiny_world.schema, 0, part).eval()
    with torch.inference_mode():
        told = torch.sigmoid(net(part.batch(slice(0, 4000), behaviours=True))).mean()
    rate = float(np.mean(part.label[:4000]))
    # What layers of norms add to the bias depends on the draw, so not to the last percent; even odds are far.
    assert rate < 0.3 and abs(float(told) - rate) < 0.1
