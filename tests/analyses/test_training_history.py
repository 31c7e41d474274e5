"""What is told of a training: its numbers are those that it wrote down, with and without frames."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import msviz
from msviz.analyses.questions.training_history import told
from msviz.analyses.snapshots import SnapshotMaker
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.run import Run
from msviz.training.frames import SnapshotReader
from msviz.training.loop import Training, train

ALL = "All scenarios"


@pytest.fixture(scope="module")
def run(tiny_world: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(
        "hierrec",
        tiny_world,
        tmp_path_factory.mktemp("history") / "watched",
        values={"width": 4, "heads": 2, "bottleneck": 4},
        training=Training(epochs=2, batch_size=1024, learning_rate=0.01, threads=1),
        report=lambda line: None,
        watch=SnapshotMaker(4),
    )


def test_numbers_are_those_of_the_frames_and_the_history(run: Run, tiny_world: Dataset) -> None:
    finding = msviz.analyse("training_history", run, tiny_world, keep=False)
    data, marks = finding.data, SnapshotReader(run.path).marks()
    assert [str(name) for name in data["scenario"].values] == [ALL, *tiny_world.schema.scenario_names[1:]]
    assert data["auc"].sel(scenario=ALL).values.tolist() == [mark.auc for mark in marks]
    search = [mark.scenarios["Search"] for mark in marks]
    assert data["auc_low"].sel(scenario="Search").values.tolist() == [one.auc.low for one in search]
    assert data["logloss"].sel(scenario="Search").values.tolist() == [one.logloss.value for one in search]
    assert data["loss"].values.tolist() == SnapshotReader(run.path).curve()["loss"].tolist()
    assert data["valid_auc"].sel(scenario=ALL).values.tolist() == run.history["valid_auc"].tolist()
    place = tiny_world.schema.scenario_names.index("Search") - 1
    each = [row[place] for row in run.history["valid_auc_by_scenario"]]
    assert data["valid_auc"].sel(scenario="Search").values.tolist() == each
    best = run.history.iloc[int(run.history["valid_auc"].argmax())]
    assert data.attrs["kept_rows"] == best["rows"]
    assert f"{best['valid_auc']:.4f}; the weights of epoch {best['epoch']:.3g} are kept" in finding.takeaway
    assert f"{2 * tiny_world.rows['train']:,} rows in 2 epochs were trained on" in finding.takeaway
    assert "the training loss fell from" in finding.takeaway
    assert f"{marks[0].auc:.3f} to {marks[-1].auc:.3f} (95 %" in finding.takeaway
    assert finding.takeaways["Search"].startswith("In Search, AUC on the sample went from")
    assert finding.provenance.rows == tiny_world.rows["valid"]
    assert finding.figure().data


def test_a_run_without_frames_tells_its_validations(run: Run, tiny_world: Dataset, tmp_path: Path) -> None:
    bare = Run.open(shutil.copytree(run.path, tmp_path / "bare", ignore=shutil.ignore_patterns("frames")))
    finding = msviz.analyse("training_history", bare, tiny_world, keep=False)
    assert "auc" not in finding.data and "mark_rows" not in finding.data
    assert finding.data["loss"].values.tolist() == bare.history["train_loss"].tolist()
    assert "Over all scenarios, AUC of the validations was best after epoch" in finding.takeaway
    assert finding.figure().data
    # Bundles of before tell no scenario.
    old = bare.history.drop(columns=["valid_auc_by_scenario", "valid_logloss_by_scenario"])
    before = told(bare.path, old, tiny_world.schema.scenario_names[1:], 10)
    assert np.isfinite(before.data["valid_auc"].sel(scenario=ALL)).all()
    assert np.isnan(before.data["valid_auc"].sel(scenario="Search")).all()
    assert before.takeaways["Search"] == "In Search, AUC was never defined: 0 validations tell it."
    assert before.figure().data


def test_a_training_that_goes_on_is_told_from_its_frames_alone(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path / "frames", tmp_path / "new" / "frames")
    for number in (2, 3, 4):
        (tmp_path / "new" / "frames" / f"00{number}.json").unlink()
    finding = told(tmp_path / "new")
    assert finding.data.sizes["mark"] == 2
    assert "valid_auc" not in finding.data and finding.data.attrs["kept_rows"] == -1
    assert "kept" not in finding.takeaway
    assert finding.provenance.run == "new" and finding.provenance.rows > 0
    assert finding.figure(end=50_000).layout.xaxis.range[1] > 50_000
    # Before the first picture, and where valid has no clicks, there is nothing to draw and no mistake.
    empty = told(tmp_path / "nothing yet")
    assert empty.takeaway.startswith("0 rows in 0 epochs were trained on")
    assert empty.figure().layout.annotations


def test_valid_without_clicks_has_no_auc(run: Run) -> None:
    history = run.history.assign(valid_auc=pd.Series([None, None], dtype=object))
    history["valid_auc_by_scenario"] = [[None] * 5] * 2
    finding = told(Path("nowhere"), history, [f"S{number}" for number in range(5)], 10)
    assert finding.data.attrs["kept_epoch"] == 2, "the last one's weights are kept"
    assert np.isnan(finding.data["valid_auc"]).all()


def test_it_is_not_asked_of_a_slice(run: Run, tiny_world: Dataset) -> None:
    with pytest.raises(MsvizError, match=r"^slice: got 'hour < 3'; .*leave it out"):
        msviz.analyse("training_history", run, tiny_world, keep=False, slice="hour < 3")
