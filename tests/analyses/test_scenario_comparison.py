"""Scenarios side by side: the numbers of the other questions, and what is special worked out again."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

import msviz
from msviz.analyses.questions import attention_by_scenario, scenario_comparison
from msviz.analyses.shared import aspects
from msviz.analyses.shared.special import Special, of_amount, of_values, ranked
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.run import Run
from msviz.statistics.comparison import adjust_p_values

FIVE = "Home feed,Search,Cart page,Live stream,Flash sale"


@pytest.fixture(scope="module")
def finding(satrans: Run, tiny_world: Dataset) -> Finding:
    return msviz.analyse("scenario_comparison", satrans, tiny_world)


def test_the_largest_scenarios_are_shown_with_the_numbers_of_the_other_questions(
    finding: Finding, satrans: Run, tiny_world: Dataset
) -> None:
    data = finding.data
    part = tiny_world.split("test")
    count = np.bincount(part.scenario)[1:]
    names = [tiny_world.schema.scenario_names[1 + i] for i in np.argsort(-count, kind="stable")[:4]]
    assert list(data["scenario"].values) == names
    assert data["value"].sel(aspect="Rows").values.tolist() == sorted(count, reverse=True)[:4]
    performance = msviz.analyse("performance", satrans, tiny_world).data.sel(metric="auc")
    np.testing.assert_allclose(data["value"].sel(aspect="AUC"), performance["value"].sel(scope=names))
    seen = msviz.analyse("attention_by_scenario", satrans, tiny_world).data
    received = seen["received_mean"].sel(layer="1", head="mean of heads")
    shown = data["aspect"].values[data["group"].values == "Attention received, layer 1, mean of heads"]
    assert len(shown) == 5
    np.testing.assert_allclose(
        data["value"].sel(aspect=shown[0]), received.sel(key=shown[0], scenario=names), rtol=1e-6
    )
    gap = received.sel(scenario=names)
    widest = int((gap.max("scenario") - gap.min("scenario")).argmax("key"))
    assert shown[0] == str(gap["key"].values[widest])


def test_what_is_special_was_counted_as_numpy_counts(finding: Finding, tiny_world: Dataset) -> None:
    part, data = tiny_world.split("test"), finding.data
    kinds = data["kind"].values
    row, place = (int(i) for i in np.argwhere(kinds == "value")[0])
    scenario = str(data["scenario"].values[row])
    title, _, value = str(data["what"].values[row, place]).partition(": ")
    field = tiny_world.schema.field(title)
    wanted = [i for i in range(field.size) if field.value_name(i) == value]
    mine = part.scenario == tiny_world.schema.scenario_names.index(scenario)
    has = np.isin(part.column(field.name), wanted)
    ratio = has[mine].mean() / has[~mine].mean()
    error = np.sqrt((1 - has[mine].mean()) / has[mine].sum() + (1 - has[~mine].mean()) / has[~mine].sum())
    assert float(data["ratio"][row, place]) == pytest.approx(ratio, rel=1e-9)
    assert float(data["ratio_low"][row, place]) == pytest.approx(
        ratio * np.exp(-1.959963984540054 * error), rel=1e-9
    )
    assert float(data["q"][row, place]) <= 0.05
    assert f"{field.label} is {value} in {100 * has[mine].mean():.1f} %" in finding.takeaways[scenario]


def test_nothing_is_special_where_scenarios_are_drawn_at_random(tiny_world: Dataset) -> None:
    part = tiny_world.split("test")
    random = np.random.default_rng(0)

    class Shuffled:
        rows, schema = part.rows, part.schema
        scenario = random.permutation(np.array(part.scenario))
        column = staticmethod(part.column)

    names = tiny_world.schema.scenario_names
    tested = of_values(Shuffled(), tiny_world.schema, [1, 2, 3], names[1:4])  # type: ignore[arg-type]
    assert len(tested) > 200
    special = ranked(tested)
    assert sum(len(found) for found in special.values()) <= 1
    p = np.array([one.p for one in tested])
    assert 0.02 < (p < 0.05).mean() < 0.09


def test_ranking_is_by_what_is_sure_and_tells_a_field_once() -> None:
    def one(what: str, low: float, high: float, p: float, of: str) -> Special:
        return Special("S", "value", what, 0.1, 0.1, (low * high) ** 0.5, low, high, p, what, of=of)

    found = ranked(
        [
            one("wide", 1.1, 30.0, 1e-4, "a"),
            one("sure", 2.0, 2.2, 1e-9, "b"),
            one("same field", 1.9, 2.1, 1e-9, "b"),
            one("half", 0.4, 0.45, 1e-9, "c"),
            one("chance", 0.9, 1.4, 0.3, "d"),
            one("tiny", 1.01, 1.02, 1e-9, "e"),
        ]
    )["S"]
    assert [item.what for item in found] == ["half", "sure", "wide"]
    q = adjust_p_values(np.array([1e-4, 1e-9, 1e-9, 1e-9, 0.3, 1e-9]))
    assert found[2].q == pytest.approx(q[0])


def test_a_ratio_of_amounts_has_the_delta_methods_interval() -> None:
    found = of_amount("S", "AUC", "AUC", (0.2, 0.1), (0.02, 0.01), "{times} {low} {high}")
    assert found is not None
    spread = np.sqrt(0.1**2 + 0.1**2)
    assert found.low == pytest.approx(2 * np.exp(-1.959964 * spread), rel=1e-6)
    assert found.words.startswith("2.0 times as much as 1.5")
    assert of_amount("S", "AUC", "AUC", (-0.1, 0.1), (0.1, 0.1), "") is None


def test_the_other_rows_are_worked_out_from_all_and_these() -> None:
    random = np.random.default_rng(0)
    rows = {"A": random.gamma(2, 1, 50), "B": random.gamma(3, 1, 70), "C": random.gamma(2, 2, 30)}
    rows = {"All scenarios": np.concatenate(list(rows.values())), **rows}
    coords = {"scenario": list(rows), "field": ["{x}"]}

    def array(values: Any) -> xr.DataArray:
        return xr.DataArray(np.array(values)[:, None], coords, ("scenario", "field"))

    mean, deviation = ([getattr(v, f)() for v in rows.values()] for f in ("mean", "std"))
    count = xr.DataArray([float(len(v)) for v in rows.values()], {"scenario": list(rows)}, ("scenario",))
    told = aspects._fields("G", "{what} {times}", array(mean), array(deviation), count, ["A", "B"])
    first = told.special[0]
    rest = np.concatenate([rows["B"], rows["C"]])
    assert first.elsewhere == pytest.approx(rest.mean())
    assert first.words.startswith("{x} only 0.")
    error = [v.std() / np.sqrt(len(v)) / v.mean() for v in (rows["A"], rest)]
    assert np.log(first.high / first.ratio) == pytest.approx(1.959964 * np.hypot(*error), rel=1e-5)
    assert told.rows[0].usual == pytest.approx(rows["All scenarios"].mean())


def test_likeness_is_scored_against_the_planted_sharing_from_four_scenarios_on(
    satrans: Run, tiny_world: Dataset
) -> None:
    truth = tiny_world.truth
    assert truth is not None
    five = msviz.analyse("scenario_comparison", satrans, tiny_world, scenarios=FIVE)
    (found,) = scenario_comparison.score(five, truth, tiny_world.schema)
    assert found.measure == "correlation" and -1 <= found.low <= found.value <= found.high <= 1
    two = msviz.analyse("scenario_comparison", satrans, tiny_world, scenarios="Search | Cart page")
    assert list(two.data["scenario"].values) == ["Search", "Cart page"]
    assert scenario_comparison.score(two, truth, tiny_world.schema) == []


def test_a_model_without_attention_is_compared_by_what_it_has(tiny_world: Dataset, tmp_path: Any) -> None:
    from msviz.training.loop import Training, train

    run = train(
        "hierrec",
        tiny_world,
        tmp_path / "hierrec",
        values={"width": 4, "heads": 2, "bottleneck": 4},
        training=Training(epochs=1, batch_size=1024, threads=1),
        report=lambda *told: None,
    )
    data = msviz.analyse("scenario_comparison", run, tiny_world, slice="hour < 12").data
    groups = list(dict.fromkeys(data["group"].values.tolist()))
    assert groups[:2] == ["The log", "Quality"] and "Attention received, layer 1, mean of heads" not in groups
    if "feature_weights" in data.attrs["asked"]:
        assert "Field weights" in groups


@pytest.mark.parametrize(
    ("scenarios", "message"),
    [
        ("Search", "scenarios: got 'Search'; wanted: 2 to 6 scenarios"),
        ("Search,Nowhere", "scenarios: got 'Nowhere'; with rows here: valid choices: Home feed"),
        ("Search,Search", "wanted: 2 to 6"),
    ],
)
def test_scenarios_that_do_not_fit_are_refused(
    satrans: Run, tiny_world: Dataset, scenarios: str, message: str
) -> None:
    with pytest.raises(MsvizError, match=message):
        msviz.analyse("scenario_comparison", satrans, tiny_world, scenarios=scenarios)
    with pytest.raises(MsvizError, match="it has rows of 1 scenario"):
        msviz.analyse("scenario_comparison", satrans, tiny_world, slice="scenario == 'Search'")


def test_a_question_that_fails_on_these_rows_is_named_and_the_rest_is_told(
    satrans: Run, tiny_world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = attention_by_scenario.QUESTION
    assert question.compared is not None
    unfit = replace(question.compared, options={"rows": -1})
    monkeypatch.setattr(attention_by_scenario, "QUESTION", replace(question, compared=unfit))
    data = msviz.analyse("scenario_comparison", satrans, tiny_world, keep=False).data
    assert data.attrs["missing"].startswith("attention by scenario: attention_by_scenario: rows: got")
    assert "Quality" in data["group"].values and "attention_by_scenario" not in data.attrs["asked"]


def hand_written(data: dict[str, Any], coords: dict[str, Any]) -> Finding:
    return Finding("other", "?", "", xr.Dataset(data, coords))


def test_weights_of_experts_are_over_days() -> None:
    daily = np.array([[[0.2], [0.5]], [[0.4], [np.nan]], [[0.6], [0.7]]])
    rows = np.array([[10, 5], [10, 0], [20, 5]])
    finding = hand_written(
        {"mean": (("day", "group", "expert"), daily), "rows": (("day", "group"), rows)},
        {"day": [1, 2, 3], "group": ["A", "B"], "expert": ["Expert 1"]},
    )
    (row,) = aspects.gates_aspect(finding, ["B", "A", "C"]).rows
    assert row.name == "Expert 1"
    np.testing.assert_allclose(row.value, [0.6, 0.45, np.nan])
    # A: (10 · -0.25)² + (10 · -0.05)² + (20 · 0.15)² over three days; B has two days, too few.
    error = np.sqrt(3 / 2 * (2.5**2 + 0.5**2 + 3**2)) / 40
    np.testing.assert_allclose(row.high, [np.nan, 0.45 + 1.959964 * error, np.nan], rtol=1e-6)


def test_attention_to_past_clicks_stands_by_target() -> None:
    lift = np.array([[1.0, 2.0], [3.0, 4.0]])
    keys = {"lift": lift, "lift_low": lift - 0.5, "lift_high": lift + 0.5}
    finding = hand_written(
        {key: (("target", "source"), values) for key, values in keys.items()}
        | {"holding": (("target", "source"), np.array([[500, 500], [3, 500]]))},
        {"target": ["A", "B"], "source": ["A", "other scenarios"]},
    )
    told = aspects.migration_aspect(finding, ["B", "A"])
    (row,) = told.rows
    assert (
        row.name == "to clicks in A" and row.value.tolist() == [3.0, 1.0] and row.low.tolist() == [2.5, 0.5]
    )
