"""A trained run, a shelf with a copy of it, and what lies on a shelf byte for byte."""

import shutil
from pathlib import Path

import pytest

from msviz.dataset import Dataset
from msviz.run import Run
from msviz.training.loop import Training, train

CONFIG = {"layers": 1, "heads": 2, "width": 4, "hidden": "8"}


@pytest.fixture(scope="session")
def trained(tiny_world: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(
        "autoint",
        tiny_world,
        tmp_path_factory.mktemp("trained") / "small",
        values=CONFIG,
        training=Training(epochs=1, batch_size=4096, threads=1),
        device="cpu",
        report=lambda *told: None,
    )


@pytest.fixture
def shelf(trained: Run, tmp_path: Path) -> Path:
    """A shelf with one run, `small`."""
    folder = tmp_path / "models"
    shutil.copytree(trained.path, folder / "small")
    return folder
