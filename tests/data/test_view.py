"""A log with other scenarios: the same rows and ids, grouped anew; worked by hand on seven rows."""

from pathlib import Path

import numpy as np
import pytest

from msviz.data.importing.write import DatasetWriter
from msviz.data.regroup import match_run, regroup
from msviz.data.slices import one_value, rows
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.nets.base import InputSpec
from msviz.schema import Field, Schema

SCHEMA = Schema(
    fields=[
        Field(name="click", role="label"),
        Field(name="user", role="user", vocabulary=["u1", "u2"]),
        Field(name="sex", role="user", title="Sex", vocabulary=["f", "m"], names={"f": "Women", "m": "Men"}),
        Field(name="scenario", role="scenario", vocabulary=["home", "1"], specific=True),
        Field(name="item", role="item", vocabulary=["a", "b", "1"]),
        Field(name="price", role="item", kind="numeric", vocabulary=["low", "high"], edges=[5.0]),
        Field(
            name="history",
            role="behaviour",
            kind="sequence",
            of="item",
            scenario="where",
            time="history_time",
        ),
        Field(name="gmv", role="signal", kind="numeric"),
        Field(name="time", role="time"),
    ],
    scenarios=[[3], [2]],
)
# user, sex, scenario, item, price. Ids 0 and 1 are unknown and missing, 2 and 3 the values.
TRAIN = np.array([[2, 2, 2, 2, 2], [3, 3, 3, 3, 2], [2, 2, 3, 4, 3], [0, 1, 2, 2, 2]])
TEST = np.array([[3, 3, 2, 2, 3], [2, 0, 2, 2, 2], [2, 2, 2, 3, 2]])


@pytest.fixture
def log(tmp_path: Path) -> Dataset:
    with DatasetWriter(tmp_path / "log", SCHEMA) as writer:
        writer.add_events(np.array([[2], [3]]), np.array([1, 2]), np.array([10, 20]))
        for split, fields in (("train", TRAIN), ("test", TEST)):
            count = len(fields)
            writer.append(
                split,  # type: ignore[arg-type]
                fields,
                np.where(fields[:, 2] == 3, 1, 2),
                np.arange(count) % 2,
                np.full(count, 100),
                np.arange(count) + 10,
                signals=np.ones((count, 1)),
                history=(np.zeros(count), np.full(count, 2)),
            )
        return writer.commit({})


def test_scenarios_are_the_combinations_in_train_by_id(log: Dataset) -> None:
    view = regroup(log, ["sex"])
    assert view.schema.scenarios == [[1], [2], [3]]
    assert view.schema.scenario_names == ["unseen combination", "missing", "Women", "Men"]
    assert view.split("train").scenario.tolist() == [2, 3, 2, 1]
    # Sex 0 never occurs in train.
    assert view.split("test").scenario.tolist() == [3, 0, 2]
    assert view.split("test").scenario.dtype == np.int32


def test_several_fields_make_the_scenario_in_the_order_of_the_columns(log: Dataset) -> None:
    view = regroup(log, ["price", "Sex"])
    assert view.scenario_of == ("sex", "price")
    assert view.schema.scenarios == [[1, 2], [2, 2], [2, 3], [3, 2]]
    assert view.schema.scenario_names[3] == "Women · high"
    assert view.split("train").scenario.tolist() == [2, 4, 3, 1]
    assert view.split("test").scenario.tolist() == [0, 0, 2]


def test_all_but_the_scenario_is_the_logs(log: Dataset) -> None:
    view = regroup(log, ["sex"])
    assert (view.path, view.fingerprint, view.rows, view.logged) == (log.path, log.fingerprint, log.rows, log)
    assert [field.name for field in view.schema.features] == [field.name for field in SCHEMA.features]
    assert view.schema.sizes == log.schema.sizes
    roles = {field.name: field.role for field in view.schema.features}
    assert roles == {
        "user": "user", "sex": "scenario", "scenario": "context", "item": "item", "price": "item"
    }  # fmt: skip
    layout = InputSpec.of(view.schema)
    # The old scenario field stays specific since the schema says so, the new one is by its role.
    assert (layout.scenario_columns, layout.scenarios, layout.specific) == ((1,), 3, (1, 2))
    whole = log.split("test").batch(np.array([2, 0]), behaviours=True)
    batch = view.split("test").batch(np.array([2, 0]), behaviours=True)
    for name in ("fields", "label", "row", "time", "signals"):
        assert np.array_equal(getattr(whole, name), getattr(batch, name)), name
    for name in ("ids", "age", "mask"):
        assert np.array_equal(getattr(whole.histories, name), getattr(batch.histories, name)), name
    assert batch.scenario.tolist() == [2, 3]
    assert view.split("train").column("item").tolist() == [2, 3, 4, 2]
    # The log's own schema is as it was.
    assert log.schema.scenarios == [[3], [2]] and log.split("train").scenario.tolist() == [2, 1, 1, 2]


def test_behaviours_tell_no_scenario_of_another_kind(log: Dataset) -> None:
    own = log.split("test").batch(slice(0, 3), behaviours=True)
    assert own.histories is not None and own.histories.scenario.tolist() == [[1, 2]] * 3
    view = regroup(log, ["sex"])
    assert view.schema.sequences[0].scenario is None
    assert not InputSpec.of(view.schema).behaviour_scenarios
    batch = view.split("test").batch(slice(0, 3), behaviours=True)
    assert batch.histories is not None and batch.histories.scenario.tolist() == [[0, 0]] * 3


def test_chosen_rows_of_a_view_keep_its_scenarios(log: Dataset) -> None:
    some = regroup(log, ["sex"]).split("train").only(np.array([1, 3]))
    assert some.scenario.tolist() == [3, 1]
    assert some.batch(np.array([1])).scenario.tolist() == [1]
    assert some.only(np.array([1])).scenario.tolist() == [1]


def test_a_view_of_a_view_is_of_the_log(log: Dataset) -> None:
    first = regroup(log, ["sex"])
    assert regroup(first, ["price"]).schema == regroup(log, ["price"]).schema
    assert regroup(first, ["scenario"]) is log and log.scenario_of == ()


def test_the_schema_of_a_run_decides(log: Dataset) -> None:
    view = regroup(log, ["sex"])
    assert match_run(log, SCHEMA) is log and match_run(view, log.schema) is log
    assert match_run(view, view.schema) is view
    again = match_run(log, view.schema)
    assert again.schema == view.schema and again.split("test").scenario.tolist() == [3, 0, 2]
    # A run that was trained where nobody's sex was missing: what it does not know is unseen.
    fewer = Schema(fields=view.schema.fields, split=view.schema.split, scenarios=[[2], [3]])
    for data in (log, view):
        assert match_run(data, fewer).split("train").scenario.tolist() == [1, 2, 1, 0]


def test_chunks_make_no_difference(log: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msviz.data.regroup.CHUNK", 2)
    monkeypatch.setattr("msviz.dataset.CHUNK", 2)
    view = regroup(log, ["sex", "price"])
    assert view.schema.scenarios == [[1, 2], [2, 2], [2, 3], [3, 2]]
    assert view.split("train").scenario.tolist() == [2, 4, 3, 1]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (["colour"], "scenario_fields: got 'colour'; valid choices: user, sex, scenario, item, price"),
        (["history"], "scenario_fields: got 'history'; valid choices"),
        (["gmv"], "scenario_fields: got 'gmv'; valid choices"),
        (["time"], "scenario_fields: got 'time'; valid choices"),
        ([], r"scenario_fields: got \[\]; wanted: one field or more"),
        (["sex", "user"], "got 'user'; it is the field that tells users apart; valid choices: sex, "),
    ],
)
def test_what_cannot_be_the_scenario_is_refused(log: Dataset, fields: list[str], said: str) -> None:
    with pytest.raises(MsvizError, match=said) as error:
        regroup(log, fields)
    assert "\n" not in str(error.value)


def test_too_many_scenarios_are_refused(log: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msviz.data.regroup.MOST", 3)
    regroup(log, ["sex"])
    with pytest.raises(MsvizError, match="scenario_fields: got 'sex,price'; they make more than 3 scenarios"):
        regroup(log, ["sex", "price"])


def test_scenario_in_a_slice_is_what_the_schema_knows_as_such(log: Dataset) -> None:
    train = regroup(log, ["sex"]).split("train")
    assert rows(train, "scenario == 'Women'").tolist() == [0, 2]
    assert rows(train, "scenario not in ('Women', 'missing')").tolist() == [1]
    # The log's own scenario is a column like others now, by its name, its values and in backticks.
    assert (
        rows(train, "scenario == 'home'").tolist() == [0, 3] == rows(train, "`scenario` == 'home'").tolist()
    )
    assert rows(train, one_value("`scenario`", ["home"])).tolist() == [0, 3]
    with pytest.raises(MsvizError, match="slice: scenario: got 'Women'; valid choices: home, 1"):
        rows(train, "`scenario` == 'Women'")
    # Where both know a value, the run's own comes first.
    train = regroup(log, ["item"]).split("train")
    assert rows(train, "scenario == '1'").tolist() == [2]
    assert rows(train, "`scenario` == '1'").tolist() == [1, 2]
    assert rows(log.split("train"), "scenario == '1'").tolist() == [1, 2]
