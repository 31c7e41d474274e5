"""Queues with real processes: what a test leaves running is ended."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from msviz.dataset import Dataset
from msviz.jobs import Job, Queue

SMALL = ("layers=1", "width=4", "hidden=8", "batch_size=256", "dropout=0.25", "patience=1000")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    found = Queue(tmp_path / "jobs")
    yield found
    for job in found.jobs():
        job.signal(signal.SIGKILL)
        job.wait()


@pytest.fixture
def training(tiny_world: Dataset, tmp_path: Path) -> Callable[..., list[str]]:
    """Return the command line of a training that takes as long as its epochs say."""

    def command(name: str = "run", epochs: int = 1000, *more: str) -> list[str]:
        chosen = dict(pair.split("=", 1) for pair in (*SMALL, *more))  # the last word counts
        sets = [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]
        line = ["train", "autoint", "--data", str(tiny_world.path), "--out", str(tmp_path / "models" / name)]
        return [*line, "--device", "cpu", "--epochs", str(epochs), *sets]

    return command


@pytest.fixture
def train(queue: Queue, training: Callable[..., list[str]], tmp_path: Path) -> Callable[..., Job]:
    """Submit such a training."""

    def submit(name: str = "run", epochs: int = 1000, *more: str) -> Job:
        command = training(name, epochs, *more)
        return queue.submit(command, kind="training", title=name, result=tmp_path / "models" / name)

    return submit
