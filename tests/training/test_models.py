"""Every model on a planted world: it beats chance clearly, and a stopped training is resumed to the bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from msviz import registry
from msviz.data.planted.plant import PlantOptions, plant
from msviz.dataset import Dataset
from msviz.run import Run
from msviz.training.bundle import load_net
from msviz.training.loop import Training, train
from msviz.training.scoring import predict
from msviz.training.stop import Interrupted, Stop

# Small enough for seconds; what is not named here keeps its default.
SMALL: dict[str, dict[str, Any]] = {
    "autoint": {"layers": 1, "width": 8, "hidden": "32", "dropout": 0.1},
    "satrans": {"layers": 1, "width": 8, "scenario_width": 4, "heads": 2},
    "optmsm": {"width": 8, "hidden": "32,16", "tower": "16", "initial_deviation": 0.1},
    "sainet": {"width": 8, "blocks": 1, "heads": 2, "hidden": "32,16", "initial_deviation": 0.2},
    "hierrec": {"width": 8, "units": 16, "bottleneck": 8, "condition": "16"},
    "same": {
        "width": 16,
        "heads": 2,
        "item_width": 8,
        "main_net": "32,16",
        "bias_net": "16,8",
        "history": 10,
    },
}
TRAINING = Training(epochs=3, batch_size=512, learning_rate=3e-3, threads=1)
MODELS = registry.MODELS.names()


class After(Stop):
    """Asks to stop when progress was told `count` times."""

    def __init__(self, count: int) -> None:
        self.count = count

    def progress(self, share: float, words: str) -> None:
        self.count -= 1

    @property
    def requested(self) -> bool:
        return self.count <= 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return plant(
        tmp_path_factory.mktemp("w") / "w", PlantOptions(rows=10_000, seed=3), report=lambda line: None
    )


@pytest.fixture(scope="module", params=MODELS)
def trained(request: pytest.FixtureRequest, world: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(request.param, world, tmp_path_factory.mktemp(request.param) / "run")


def run(model: str, world: Dataset, out: Path, **more: Any) -> Run:
    given = {"values": SMALL.get(model, {}), "training": TRAINING, "seed": 1, "device": "cpu"}
    return train(model, world, out, report=lambda line: None, **given, **more)


def test_beats_chance_clearly(trained: Run) -> None:
    # Also the lower end of the 95 % interval, on rows of days that come after training.
    assert trained.metrics["test"]["overall"]["auc"]["low"] > 0.56, trained.metrics["test"]["overall"]["auc"]
    loss = trained.history["train_loss"]
    assert loss.iloc[-1] < loss.iloc[0] - 0.005


def test_resumed_is_the_same_to_the_bit(trained: Run, world: Dataset, tmp_path: Path) -> None:
    # The stop comes in the second epoch, so that running statistics and optimisers have a past.
    stop = After(23)
    model = trained.card.model
    with pytest.raises(Interrupted):
        run(model, world, tmp_path / "run", stop=stop, progress=stop.progress)
    again = run(model, world, tmp_path / "run", resume=True)
    one, other = (load_file(r.path / "weights.safetensors") for r in (trained, again))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert again.metrics == trained.metrics


def test_an_opened_bundle_predicts_what_was_measured(trained: Run, world: Dataset) -> None:
    part = world.split("test")
    score = predict(load_net(trained), part, batch_size=777)
    label = np.array(part.label, float)
    loss = -np.mean(label * np.log(score) + (1 - label) * np.log1p(-score))
    assert loss == pytest.approx(trained.metrics["test"]["overall"]["logloss"]["value"], abs=1e-5)
