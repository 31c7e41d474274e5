"""What comes out with no setting named, on logs that nobody tuned for."""

from pathlib import Path

import numpy as np
import pytest

from msviz.data.importing.write import DatasetWriter
from msviz.dataset import Dataset
from msviz.schema import Field, Schema
from msviz.training.loop import train

ROWS = {"train": 7_000, "valid": 1_000, "test": 2_000}
VALUES = 20


def log(out: Path, rate: float) -> Dataset:
    """Write a log in order of time, in which one of two fields doubles or halves the rate of a click."""
    random = np.random.default_rng(5)
    values = [str(value) for value in range(VALUES)]
    schema = Schema(
        fields=[
            Field(name="click", role="label"),
            Field(name="tab", role="scenario", vocabulary=["home", "search"]),
            Field(name="item", role="item", vocabulary=values),
            Field(name="hour", role="context", vocabulary=values),
        ],
        scenarios=[[2], [3]],
    )
    begun = 0
    with DatasetWriter(out, schema) as writer:
        for split, rows in ROWS.items():
            scenario = random.integers(1, 3, rows)
            other = random.integers(2, 2 + VALUES, (rows, 2))
            chance = rate * np.where(other[:, 0] % 2, 1.6, 0.4)
            label = (random.random(rows) < chance).astype(np.int64)
            row = begun + np.arange(rows)
            fields = np.column_stack([scenario + 1, other])
            writer.append(split, fields, scenario, label, row * 60, row)
            begun += rows
        return writer.commit({"kind": "table"})


@pytest.mark.parametrize("model", ["autoint", "hierrec"])
def test_a_small_log_with_few_clicks_is_predicted_at_its_click_rate(model: str, tmp_path: Path) -> None:
    """Of 7,000 rows 0.5 % click: some 35 clicks. A start at even odds would be 100 times too high."""
    dataset = log(tmp_path / "log", 0.005)
    run = train(model, dataset, tmp_path / "run", device="cpu", report=lambda line: None)
    metrics = run.metrics["test"]["overall"]
    rate = float(np.mean(dataset.split("train").label))
    predicted = metrics["clicks"] * (1 + metrics["bias"]["value"]) / metrics["rows"]
    assert 0.3 * rate < predicted < 3 * rate


def test_a_small_log_takes_enough_steps_to_learn_from(tmp_path: Path) -> None:
    """The best reachable AUC is 0.75 or so: rates of 0.48 and 0.12, half of the rows each."""
    dataset = log(tmp_path / "log", 0.3)
    run = train("optmsm", dataset, tmp_path / "run", device="cpu", report=lambda line: None)
    assert run.metrics["test"]["overall"]["auc"]["value"] > 0.68
    assert not run.card.doubts
