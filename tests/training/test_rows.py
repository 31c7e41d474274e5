"""Settings that choose rows and scenarios: what is trained on, what is watched, what is measured."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from msviz.cli.options import settings
from msviz.data.regroup import regroup
from msviz.data.run_data import find_data
from msviz.dataset import Dataset, Rows
from msviz.errors import MsvizError
from msviz.run import Run
from msviz.training import loop
from msviz.training.loop import Training, train
from msviz.training.rows import used
from msviz.training.stop import Interrupted, Stop

CONFIG = {"layers": 1, "heads": 2, "width": 4, "hidden": "8", "dropout": 0.25}
SHORT = {"epochs": 1, "batch_size": 1024, "threads": 1}
NO_SALE = "scenario != 'Flash sale'"


def quick(world: Dataset, out: Path, model: str = "autoint", **changes: Any) -> Run:
    own = {key: changes.pop(key) for key in list(changes) if key in Training.model_fields}
    given = {"values": CONFIG if model == "autoint" else {}, "device": "cpu", "report": lambda line: None}
    return train(model, world, out, training=Training(**SHORT | own), **given | changes)


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[np.ndarray, list[np.ndarray]]]:
    """Tell the rows of the log that steps were taken on, and those of each part that was scored."""
    trained: list[int] = []
    scored: list[np.ndarray] = []
    batches, predict = loop.batches, loop.predict

    def feed(*given: Any, **more: Any) -> Any:
        for batch in batches(*given, **more):
            trained.extend(batch.row.tolist())
            yield batch

    def measured(net: Any, part: Rows, **more: Any) -> Any:
        scored.append(np.array(part.row))
        return predict(net, part, **more)

    monkeypatch.setattr(loop, "batches", feed)
    monkeypatch.setattr(loop, "predict", measured)
    return lambda: (np.sort(np.array(trained)), scored)


def sale(part: Rows) -> np.ndarray:
    """Return which rows are of the flash sale, by the ids of the column."""
    field = part.schema.field("scenario")
    return part.column("scenario") == 2 + field.vocabulary.index("Flash sale")


def test_without_the_flash_sale(tiny_world: Dataset, tmp_path: Path, spied: Any) -> None:
    told: list[str] = []
    run = quick(tiny_world, tmp_path / "run", train_where=NO_SALE, report=told.append)
    train_rows, (watched, valid, test) = spied()
    whole = {name: tiny_world.split(name) for name in ("train", "valid", "test")}
    assert sale(whole["train"]).any() and sale(whole["valid"]).any()
    assert np.array_equal(train_rows, whole["train"].row[~sale(whole["train"])])
    # Early stopping looks at what is trained for; what is written down is of whole splits.
    assert np.array_equal(watched, whole["valid"].row[~sale(whole["valid"])])
    assert np.array_equal(valid, whole["valid"].row) and np.array_equal(test, whole["test"].row)
    assert run.metrics["test"]["overall"]["rows"] == whole["test"].rows
    assert run.metrics["test"]["scenarios"]["Flash sale"]["rows"] == sale(whole["test"]).sum() > 0
    assert run.metrics["test"]["scenarios"]["Flash sale"]["auc"]["value"] is not None
    assert run.history["rows"].iloc[-1] == len(train_rows)
    assert f"only where {NO_SALE}: {len(train_rows):,} of {whole['train'].rows:,} rows of train" in told
    # The card tells the dataset's rows, and by the settings which of them were used.
    assert run.card.data.rows == tiny_world.rows and run.card.data.fingerprint == tiny_world.fingerprint
    assert run.card.training["train_where"] == NO_SALE


def test_a_share_is_the_same_rows_for_every_seed(tiny_world: Dataset, tmp_path: Path, spied: Any) -> None:
    quick(tiny_world, tmp_path / "one", train_share=0.1, seed=1)
    count = round(0.1 * tiny_world.rows["train"])
    first = spied()[0]
    assert len(first) == len(set(first)) == count
    quick(tiny_world, tmp_path / "other", train_share=0.1, seed=2)
    assert np.array_equal(np.unique(spied()[0]), first)
    # Valid is watched as a whole.
    assert len(spied()[1][0]) == tiny_world.rows["valid"]


def test_a_share_is_uniform_rising_and_part_of_a_larger_one(tiny_world: Dataset) -> None:
    small, large, narrow = (
        used(tiny_world, Training(train_share=share, train_where=where)).train
        for share, where in ((0.2, ""), (0.5, ""), (0.5, NO_SALE))
    )
    assert (np.diff(small.row) > 0).all() and set(small.row) < set(large.row)
    whole = tiny_world.split("train")
    assert not sale(narrow).any() and narrow.rows == round(0.5 * (~sale(whole)).sum())
    # Each tenth of the log, which is in order of time, gives its part: 320 of 1,600, give or take five sigma.
    tenths = np.histogram(np.searchsorted(whole.row, small.row), 10, (0, whole.rows))[0]
    assert np.abs(tenths - small.rows / 10).max() < 5 * (whole.rows / 10 * 0.2 * 0.8) ** 0.5
    assert used(tiny_world, Training(train_share=1e-9)).train.rows == 1


def test_days_that_leave_no_row_of_valid_leave_it_whole(tiny_world: Dataset) -> None:
    last = np.datetime64(int(tiny_world.split("train").time[-1]), "s").astype("datetime64[D]")
    found = used(tiny_world, Training(train_where=f"day >= '{last - 2}' and day <= '{last}'"))
    assert 0 < found.train.rows < tiny_world.rows["train"]
    assert found.valid.rows == tiny_world.rows["valid"]
    assert "that leaves no row of valid: early stopping watches all of them" in found.words


def test_another_field_is_the_scenario(tiny_world: Dataset, tmp_path: Path, spied: Any) -> None:
    run = quick(tiny_world, tmp_path / "run", scenario_fields=" Consumption grade ")
    assert np.array_equal(spied()[0], tiny_world.split("train").row)
    assert run.card.training["scenario_fields"] == run.card.scenario_fields == "consumption_grade"
    assert run.card.data.fingerprint == tiny_world.fingerprint
    assert [field.name for field in run.schema.scenario_fields] == ["consumption_grade"]
    assert run.schema.field("scenario").role == "context"
    field, test = tiny_world.schema.field("consumption_grade"), tiny_world.split("test")
    grades = test.column("consumption_grade")
    found = {name: one["rows"] for name, one in run.metrics["test"]["scenarios"].items()}
    assert found == {field.value_name(k): (grades == k).sum() for k in range(1, field.size)}
    assert run.schema.scenario_names[1:] == list(found)
    # Whoever opens its data sees them as the run did; the dataset on the disk is as it was.
    again = find_data(Run.open(run.path))
    assert again.schema == run.schema and again.fingerprint == tiny_world.fingerprint
    assert [field.name for field in find_data(run, tiny_world.path).schema.scenario_fields] == [field.name]
    assert [field.name for field in tiny_world.schema.scenario_fields] == ["scenario"]


def test_one_kind_of_scenario_has_one_name(tiny_world: Dataset, tmp_path: Path) -> None:
    given = {"train_share": 0.05, "train_where": "gender == 'Men'"}
    two = quick(tiny_world, tmp_path / "two", scenario_fields="device,Gender", **given)
    assert two.card.scenario_fields == "gender,device"
    own = quick(tiny_world, tmp_path / "own", scenario_fields="scenario", **given)
    assert own.card.scenario_fields == "" and own.schema == tiny_world.schema
    # A view that is handed in is written down like the setting.
    view = quick(regroup(tiny_world, ["gender", "device"]), tmp_path / "view", **given)
    assert view.card.training == two.card.training and view.schema == two.schema


def test_scenario_in_train_where_is_what_the_model_knows_as_such(tiny_world: Dataset) -> None:
    asked = Training(scenario_fields="consumption_grade", train_where="scenario == 'High'")
    train_rows = used(tiny_world, asked).train
    whole = tiny_world.split("train")
    names = tiny_world.schema.field("consumption_grade")
    assert np.array_equal(train_rows.row, whole.row[whole.column("consumption_grade") == names.size - 2])
    assert names.value_name(names.size - 2) == "High"
    asked = Training(scenario_fields="consumption_grade", train_where=NO_SALE)
    assert np.array_equal(used(tiny_world, asked).train.row, whole.row[~sale(whole)])


class After(Stop):
    """Asks to stop when progress was told `count` times."""

    def __init__(self, count: int) -> None:
        self.count = count

    def progress(self, share: float, words: str) -> None:
        assert 0 <= share <= 1
        self.count -= 1
        self.requested = self.count <= 0


@pytest.mark.parametrize("count", [2, 5, 6, 8])
def test_stopped_and_resumed_is_the_same_run(tiny_world: Dataset, tmp_path: Path, count: int) -> None:
    # Five steps an epoch, then a validation of one batch.
    asked = {
        "train_where": NO_SALE, "train_share": 0.3, "scenario_fields": "gender", "epochs": 2
    }  # fmt: skip
    unbroken = quick(tiny_world, tmp_path / "whole", **asked)
    stop = After(count)
    with pytest.raises(Interrupted):
        quick(tiny_world, tmp_path / "run", **asked, stop=stop, progress=stop.progress)
    with pytest.raises(MsvizError, match=r"resume: train_share: got 0\.4; the stopped training had 0\.3"):
        quick(tiny_world, tmp_path / "run", **asked | {"train_share": 0.4}, resume=True)
    again = quick(tiny_world, tmp_path / "run", **asked, resume=True)
    one, other = (load_file(run.path / "weights.safetensors") for run in (unbroken, again))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert again.metrics == unbroken.metrics and again.schema == unbroken.schema


def test_trainings_from_before_these_settings_go_on(tiny_world: Dataset, tmp_path: Path) -> None:
    whole = quick(tiny_world, tmp_path / "whole", train_share=1.0)
    stop = After(4)
    with pytest.raises(Interrupted):
        quick(tiny_world, tmp_path / "run", stop=stop, progress=stop.progress)
    file = tmp_path / "run" / "checkpoint" / "settings.json"
    kept = json.loads(file.read_text())
    for name in ("train_where", "train_share", "scenario_fields"):
        kept.pop(name)
    file.write_text(json.dumps(kept))
    shutil.copytree(tmp_path / "run", tmp_path / "second")
    assert quick(tiny_world, tmp_path / "run", resume=True).metrics == whole.metrics
    with pytest.raises(MsvizError, match=r"resume: train_where: got .*; the stopped training had ''"):
        quick(tiny_world, tmp_path / "second", train_where=NO_SALE, resume=True)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"train_where": "scenario = 'Search'"}, "train_where: slice: got"),
        ({"train_where": "scenario == 'Nowhere'"}, "train_where: slice: scenario: got 'Nowhere'"),
        ({"train_where": "hour > 99 and clicked"}, r"it holds for none of the 15,\d+ rows of train"),
        ({"scenario_fields": "colour"}, "scenario_fields: got 'colour'; valid choices: user_id, gender"),
        ({"scenario_fields": "gender,,history"}, "scenario_fields: got 'history'"),
        ({"scenario_fields": "user_id"}, "scenario_fields: got 'user_id'; it is the field that tells users"),
        (
            {"scenario_fields": "gender", "model": "sainet"},
            "scenario_fields: got 'gender'; not for sainet, which reads in which of the data's own scenarios",
        ),
    ],
)  # fmt: skip
def test_what_will_not_do_names_the_setting_and_loses_nothing(
    tiny_world: Dataset, tmp_path: Path, asked: dict[str, Any], said: str
) -> None:
    out = tmp_path / "run"
    with pytest.raises(MsvizError, match=said) as error:
        quick(tiny_world, out, **asked)
    assert "\n" not in str(error.value) and not out.exists()
    out.mkdir()
    (out / "run.json").write_text("an old run")
    with pytest.raises(MsvizError, match=said):
        quick(tiny_world, out, **asked, overwrite=True)
    assert (out / "run.json").read_text() == "an old run"


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_shares_out_of_range_are_refused(share: float) -> None:
    with pytest.raises(MsvizError, match=f"training: train_share: got {share}"):
        loop.parse_training({"train_share": share})


@pytest.mark.parametrize("where", [NO_SALE, "hour==3 and scenario=='Search'", "clicked != 1"])
def test_the_command_line_hands_on_expressions_whole(where: str) -> None:
    assert settings([f"train_where={where}"]) == {"train_where": where}
