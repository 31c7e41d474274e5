"""The timed probe before a training: what it counts, what it refuses, and that it leaves nothing behind."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from msviz.cli import run
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.nets.base import build
from msviz.registry import MODELS
from msviz.training import probe as probing
from msviz.training.loop import Training
from msviz.training.probe import probe

QUICK = Training(epochs=2, batch_size=1024, threads=1)
KEYS = {"parameters", "rows_per_second", "seconds", "memory", "rows", "steps", "device"}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "SECONDS", 0.2)


@pytest.mark.parametrize("model", MODELS.names())
def test_every_model_is_timed_on_real_rows(tiny_world: Dataset, model: str) -> None:
    cost = probe(model, tiny_world, training=QUICK, device="cpu")
    rows = tiny_world.rows["train"]
    assert cost.rows == rows and cost.steps == math.ceil(rows / 1024) * 2 and cost.device == "cpu"
    assert cost.parameters == sum(p.numel() for p in build(model, {}, tiny_world.schema).parameters())
    assert cost.seconds > 2 * rows / cost.rows_per_second, "scoring and the rest are counted too"
    assert cost.memory is None or cost.memory >= 0


class Clock:
    """A clock that only moves when it is told to, and a little whenever somebody looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        self.now += 1e-4
        return self.now


def test_it_takes_bounded_time_also_where_one_step_would_not(
    tiny_world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model of 2,000 rows a second, of which a whole batch would take eight seconds."""
    clock, seen = Clock(), []
    monkeypatch.setattr(probing, "SECONDS", 1.5)
    monkeypatch.setattr(probing, "time", clock)

    def slow(net, batch, optimisers, amp):
        seen.append(len(batch))
        clock.now += len(batch) / 2_000
        return 0.5

    def score(net, batch):
        clock.now += len(batch) / 5_000
        return batch.label

    monkeypatch.setattr(probing, "take_step", slow)
    monkeypatch.setattr(probing, "probabilities", score)
    values = {"layers": 1, "heads": 2, "width": 4, "hidden": "8"}
    cost = probe(
        "autoint", tiny_world, values=values, training=Training(epochs=5, batch_size=16_384), device="cpu"
    )
    assert clock.now < 4 and max(seen) <= 2_000 * probing.LONGEST
    assert cost.rows_per_second == pytest.approx(2_000, rel=0.01)
    # Five epochs, each with a look at valid, and both splits at the end.
    looked_at = 6 * tiny_world.rows["valid"] + tiny_world.rows["test"]
    wanted = 5 * tiny_world.rows["train"] / 2_000 + looked_at / 5_000 + probing.FIXED
    assert cost.seconds == pytest.approx(wanted, rel=0.02)


def test_the_rows_that_are_timed_lie_all_over_the_log(
    tiny_world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first rows of a log may be of one scenario and without a past: steps on them say little."""
    learned, scored = [], []
    monkeypatch.setattr(probing, "take_step", lambda net, batch, *rest: learned.append(batch.row) or 0.5)
    monkeypatch.setattr(
        probing, "probabilities", lambda net, batch: scored.append(int(batch.row[0])) or batch.label
    )
    probe("autoint", tiny_world, training=Training(batch_size=512), device="cpu")
    rows = tiny_world.split("train").row
    for batch in learned[:2]:
        assert len(batch) == probing.FIRST
        # Of 256 rows drawn from everywhere, each tenth of the log holds one of ten.
        tenths = np.histogram(batch, np.linspace(rows[0], rows[-1] + 1, 11))[0]
        assert tenths.min() > 15
    valid = tiny_world.split("valid").row
    assert abs(scored[0] - scored[1]) > 0.4 * np.ptp(valid)
    history_spans = [probing._few(tiny_world.split("train"), 1_000, turn) for turn in range(8)]
    assert all(one.stop - one.start == 1_000 and one.stop <= len(rows) for one in history_spans)
    starts = sorted(one.start for one in history_spans)
    assert starts[0] < len(rows) / 8 and starts[-1] > 0.8 * len(rows)
    assert np.diff(starts).max() < len(rows) / 4


def test_fewer_rows_and_other_scenarios_are_those_of_the_training(tiny_world: Dataset) -> None:
    whole = probe("autoint", tiny_world, training=QUICK, device="cpu")
    few = probe(
        "autoint",
        tiny_world,
        training=Training(epochs=1, batch_size=1024, train_share=0.25, train_where="scenario != 'Search'"),
        device="cpu",
    )
    assert few.rows < whole.rows / 4
    by = probe("optmsm", tiny_world, training=Training(scenario_fields="gender"), device="cpu")
    assert by.parameters != probe("optmsm", tiny_world, training=QUICK, device="cpu").parameters


def test_what_training_refuses_is_refused_in_the_same_words(tiny_world: Dataset) -> None:
    with pytest.raises(MsvizError, match="width 30 cannot be shared out among heads 8"):
        probe("same", tiny_world, values={"width": 30}, device="cpu")
    with pytest.raises(MsvizError, match="train_where: "):
        probe("autoint", tiny_world, training=Training(train_where="nonsense =="), device="cpu")
    with pytest.raises(MsvizError, match="device: got 'tpu'"):
        probe("autoint", tiny_world, device="tpu")


def test_a_loss_that_is_not_finite_is_one_line(tiny_world: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "take_step", lambda *given: float("nan"))
    with pytest.raises(MsvizError, match="the loss became nan within the first steps; lower learning_rate"):
        probe("autoint", tiny_world, device="cpu")


def test_random_numbers_and_threads_are_left_as_they_were(tiny_world: Dataset) -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    small = {"layers": 1, "heads": 2, "width": 4, "hidden": "8", "dropout": 0.2}
    probe("autoint", tiny_world, values=small, training=Training(threads=threads + 1), device="cpu")
    assert torch.equal(state, torch.get_rng_state()) and torch.get_num_threads() == threads


def test_the_command_prints_json_and_writes_nothing(tiny_world: Dataset, tmp_path: Path, capsys) -> None:
    out = tmp_path / "models" / "new"
    command = ["train", "autoint", "--data", str(tiny_world.path), "--out", str(out), "--probe"]
    assert run([*command, "--epochs", "1", "--device", "cpu", "--set", "batch_size=1024"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == KEYS and found["steps"] == math.ceil(tiny_world.rows["train"] / 1024)
    assert not list(tmp_path.iterdir())
    assert run([*command, "--set", "width=31"]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.splitlines() == [
        "error: autoint: width 31 cannot be shared out among heads 2"
    ]
