"""A planted world and two small runs trained on it, once for the room."""

from collections.abc import Callable
from pathlib import Path

import pytest

from msviz.dataset import Dataset
from msviz.run import Run
from msviz.training.loop import Training, train


def trained(model: str, world: Dataset, out: Path, **values: object) -> Run:
    training = Training(epochs=1, batch_size=2048)
    return train(model, world, out, values=values, training=training, device="cpu", report=lambda line: None)


@pytest.fixture(scope="session")
def train_small() -> Callable[..., Run]:
    return trained


@pytest.fixture(scope="session")
def satrans(tiny_world: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("shelf") / "satrans"
    return trained("satrans", tiny_world, out, layers=2, heads=2, width=8, scenario_width=4)


@pytest.fixture(scope="session")
def autoint(tiny_world: Dataset, satrans: Run) -> Run:
    return trained(
        "autoint", tiny_world, satrans.path.parent / "autoint", layers=2, heads=1, width=8, hidden=""
    )


@pytest.fixture(scope="session")
def optmsm(tiny_world: Dataset, satrans: Run) -> Run:
    return trained("optmsm", tiny_world, satrans.path.parent / "optmsm", width=4, hidden="16,8", tower="8")
