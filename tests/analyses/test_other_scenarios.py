"""Runs that know other scenarios than the log's own: compared on the same rows, and asked everything."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata
from test_runs_compared import made

import msviz
from msviz.analyses.answers import find_answer
from msviz.analyses.question import load_question
from msviz.analyses.questions import runs_compared
from msviz.analyses.run import available, score, why_not
from msviz.analyses.shared import side_by_side
from msviz.data.regroup import regroup
from msviz.data.run_data import find_data
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.probing.study import Study
from msviz.run import Run
from msviz.statistics.auc import delong_test, placements
from msviz.training.bundle import load_net
from msviz.training.loop import Training, train
from msviz.training.scoring import predict

SMALL: dict[str, dict[str, object]] = {
    "autoint": {"layers": 1, "heads": 2, "width": 4, "hidden": ""},
    "hierrec": {"width": 4, "heads": 2, "bottleneck": 4},
    "optmsm": {"width": 4, "hidden": "8", "tower": "4"},
    "same": {"width": 8, "item_width": 4, "heads": 2, "main_net": "4", "bias_net": "4", "experts": 2},
    "satrans": {"layers": 1, "heads": 2, "width": 8, "scenario_width": 4},
}
GRADE = "consumption_grade"
# On tens of rows, since it is the way through that is asked for, and not the answer.
FEW = "hour == 20"
WHOLE = ("training_history",)  # asked of what was written down, not of rows
ASKED: dict[str, dict[str, object]] = {
    "projection_agreement": {"method": "tsne", "points": 50},
    "sub_scenarios": {"fields": "gender,age_level", "on": "price_band"},
    "field_permutation": {"rows": 100, "draws": 1},
    "rate_distribution": {"draws": 2},
    "category_diversity": {"users": 3, "candidates": 5, "top": 2},
    "scenario_similarity": {"rows": 20},
    "representation": {"rows": 100},
    "model_cost": {"rows": 100},
    "controls": {"question": "scenario_similarity", "rows": 20},
}


def other(model: str, world: Dataset, out: Path) -> Run:
    training = Training(epochs=1, batch_size=1024, train_share=0.2, scenario_fields=GRADE, threads=1)
    return train(model, world, out, values=SMALL[model], training=training, report=lambda line: None)


@pytest.fixture(scope="module")
def graded(tiny_world: Dataset, satrans: Run) -> Callable[[str], Run]:
    """Return a run of a model whose scenario is the consumption grade, beside the room's others."""
    known: dict[str, Run] = {}

    def of(model: str) -> Run:
        if model not in known:
            known[model] = other(model, tiny_world, satrans.path.parents[1] / "graded" / model)
        return known[model]

    (satrans.path.parents[1] / "graded").mkdir(exist_ok=True)
    return of


def auc(label: np.ndarray, predicted: np.ndarray) -> float:
    """Return the share of pairs of a click and another row in the right order."""
    ranks, clicks = rankdata(predicted), int(label.sum())
    return float((ranks[label > 0].sum() - clicks * (clicks + 1) / 2) / clicks / (len(label) - clicks))


def test_scopes_are_the_first_runs_scenarios_for_all(
    satrans: Run, graded: Callable[[str], Run], tiny_world: Dataset
) -> None:
    grade = graded("autoint")
    part = tiny_world.split("test")
    predicted = {run.name: predict(load_net(run), find_data(run).split("test")) for run in (satrans, grade)}
    label, by_grade = np.asarray(part.label), part.column(GRADE)
    for first, second, scenario in ((satrans, grade, part.scenario), (grade, satrans, by_grade)):
        asked = {"runs": str(second.path), "keep": False}
        read = msviz.analyse("runs_compared", first, **asked).data
        tested = msviz.analyse("runs_compared", first, paired=True, **asked).data
        assert read["scope"].values.tolist() == ["All scenarios", *first.schema.scenario_names[1:]]
        assert read["run"].values.tolist() == [first.name, second.name]
        for number, name in enumerate(first.schema.scenario_names[1:], 1):
            inside = scenario == (number if first is satrans else first.schema.scenarios[number - 1][0])
            for run in (first, second):
                wanted = auc(label[inside], predicted[run.name][inside])
                for data in (read, tested):
                    cell = data.sel(run=run.name, scope=name, metric="auc")
                    assert float(cell["value"]) == pytest.approx(wanted, abs=1e-6), (run.name, name)
            assert int(read["rows"].sel(scope=name)) == inside.sum()
            sides = [placements(label[inside], predicted[run.name][inside]) for run in (first, second)]
            assert sides[0] is not None and sides[1] is not None
            p = float(tested["p"].sel(run=second.name, scope=name, metric="auc"))
            assert p == pytest.approx(delong_test(sides[0], sides[1]).p, rel=1e-3)
        whole = read["value"].sel(scope="All scenarios", metric="auc")
        assert float(whole.sel(run=second.name)) == second.metrics["test"]["overall"]["auc"]["value"]
        assert read["changes"].values[1].startswith(second.card.model)


def test_a_scenario_of_the_same_name_is_not_taken_for_the_same(
    satrans: Run, graded: Callable[[str], Run], tmp_path: Path
) -> None:
    # What the other run wrote down by its own scenarios is not read, whatever it says.
    grade = graded("autoint")
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in grade.path.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    metrics = json.loads((copy / "metrics.json").read_text())
    metrics["test"]["scenarios"] = {"Search": {**metrics["test"]["scenarios"]["High"], "rows": 1}}
    text = json.dumps(metrics)
    (copy / "metrics.json").write_text(text)
    digests = {**grade.card.digests, "metrics.json": hashlib.sha256(text.encode()).hexdigest()}
    (copy / "run.json").write_text(
        grade.card.model_copy(update={"digests": digests}).sealed().model_dump_json()
    )
    data = [
        msviz.analyse("runs_compared", satrans, runs=str(path), keep=False).data["value"].values
        for path in (grade.path, copy)
    ]
    np.testing.assert_array_equal(data[0], data[1])


def test_what_is_scored_and_what_is_read_are_of_the_same_rows(
    satrans: Run, autoint: Run, graded: Callable[[str], Run]
) -> None:
    # Fewer rows than the split has: then nothing is read, also of runs with the first one's scenarios.
    runs = f"{autoint.path},{graded('autoint').path}"
    found = msviz.analyse("runs_compared", satrans, runs=runs, rows=500, keep=False)
    assert found.provenance.rows == 500
    cell = found.data["value"].sel(run="autoint", scope="All scenarios", metric="auc")
    assert float(cell[0]) != autoint.metrics["test"]["overall"]["auc"]["value"]
    assert {int(n) for n in found.data["rows"].sel(scope=["All scenarios"])} == {500}


def test_a_slice_is_the_asked_runs_and_the_rows_are_the_same_for_all(
    satrans: Run, graded: Callable[[str], Run], tiny_world: Dataset
) -> None:
    grade = graded("autoint")
    part = tiny_world.split("test")
    high = tiny_world.schema.field(GRADE)
    inside = part.column(GRADE) == next(n for n in range(2, high.size) if high.value_name(n) == "High")
    found = msviz.analyse(
        "runs_compared", grade, runs=str(satrans.path), slice="scenario == 'High'", keep=False
    ).data
    assert set(found["rows"].values.tolist()) <= {0, int(inside.sum())}
    for run in (grade, satrans):
        predicted = predict(load_net(run), find_data(run).split("test"))[inside]
        value = float(found["value"].sel(run=run.name, scope="All scenarios", metric="auc"))
        assert value == pytest.approx(auc(part.label[inside], predicted), abs=1e-6)
    # Beside a run that knows no 'High', nothing is kept under words that mean nothing to it.
    beside = Study.open(grade, slice="scenario == 'High'").beside(satrans)
    assert np.array_equal(beside.part.row, part.row[inside]) and not beside.keep
    assert beside.on("valid").part.rows > 0 and beside.schema == satrans.schema
    with pytest.raises(MsvizError, match="slice: scenario: got 'High'; valid choices: "):
        _ = Study.open(satrans, slice="scenario == 'High'").part


def test_settings_are_told_in_words_and_runs_from_before_them_had_the_defaults(
    satrans: Run, autoint: Run, graded: Callable[[str], Run], tmp_path: Path
) -> None:
    old = {k: v for k, v in autoint.card.training.items() if not k.startswith(("train_", "scenario_"))}
    before = made(tmp_path, autoint, "before", training=old, seed=9)
    config = autoint.card.config
    grade = made(tmp_path, graded("autoint"), "grade", config=config)
    found, _ = side_by_side.entries(autoint, [before, grade], autoint.card.data.fingerprint)
    assert [one.name for one in found] == ["autoint (2 seeds)", "grade"]
    assert found[0].settings["scenario_fields"] == "the data's own"
    assert found[1].settings["scenario_fields"] == GRADE
    assert "train_where" not in found[0].settings
    words = runs_compared._changes(found[1], found)
    assert f"scenario_fields {GRADE}" in words and "train_share 0.2" in words


@pytest.mark.parametrize("model", SMALL)
def test_every_question_can_be_asked_and_has_no_score(
    model: str, graded: Callable[[str], Run], tiny_world: Dataset
) -> None:
    run = graded(model)
    part = tiny_world.split("test")
    row = int(part.row[np.argmax(part.history_spans[1])])
    names = available(run)
    assert {"performance", "sankey", "data_overview", "scenario_comparison", "runs_compared"} <= set(names)
    assert any(
        not why_not(name, run) for name in ("attention_by_scenario", "feature_weights", "representation")
    )
    for name in names:
        if name == "projection_agreement" and model != "hierrec":
            continue  # vectors of the others are too few on so few rows, or say the scenario and no more
        asked = dict(ASKED.get(name, {}))
        needs_row = "row" in load_question(name).options.model_fields
        asked |= {"row": row} if needs_row else {} if name in WHOLE else {"slice": FEW}
        asked |= {"runs": str(run.path)} if name in ("runs_compared", "model_cost") else {}
        if name == "migration":
            with pytest.raises(MsvizError, match=f"the log tells it of its own scenarios, not .* {GRADE}"):
                msviz.analyse(name, run, keep=False, **asked)
            continue
        found = msviz.analyse(name, run, keep=False, **asked)
        assert found.provenance.scenario_fields == GRADE
        assert found.provenance.sentence().count(f"scenarios by {GRADE}") == 1
        assert tiny_world.truth is not None
        assert score(found, tiny_world.truth, tiny_world.schema) == []
        for axis in ("scenario", "scope", "target"):
            if axis in found.data.coords and name != "rates_over_time":
                told = {str(value) for value in np.atleast_1d(found.data[axis].values)}
                assert told <= {"All scenarios", "Other scenarios", "", *run.schema.scenario_names}, (
                    name,
                    told,
                )
        assert found.figure().data


def test_the_best_that_is_reachable_is_of_the_runs_own_scenarios(
    graded: Callable[[str], Run], tiny_world: Dataset
) -> None:
    data = msviz.analyse("performance", graded("satrans"), keep=False).data.sel(metric="auc")
    part = tiny_world.split("test")
    assert part.probability is not None and tiny_world.truth is not None
    for number, name in enumerate(graded("satrans").schema.scenario_names[1:], 1):
        inside = part.column(GRADE) == number
        best = auc(part.label[inside], part.probability[inside])
        assert float(data["best"].sel(scope=name)) == pytest.approx(best, abs=1e-6)
    whole = tiny_world.truth["best"]["test"]["overall"]["auc"]
    assert float(data["best"].sel(scope="All scenarios")) == pytest.approx(whole, abs=1e-4)


def test_answers_of_the_log_are_kept_apart_by_its_scenarios(
    graded: Callable[[str], Run], satrans: Run, tiny_world: Dataset
) -> None:
    run, view = graded("autoint"), regroup(tiny_world, [GRADE])
    places = [
        find_answer("sankey", None, tiny_world),
        find_answer("sankey", None, view),
        find_answer("sankey", None, regroup(tiny_world, ["gender"])),
        find_answer("sankey", run),
    ]
    assert len(set(places)) == 4
    # With data named, the log is asked as the run sees it; runs that see it alike share the answer.
    assert find_answer("sankey", run, tiny_world) == find_answer("sankey", None, view)
    assert find_answer("sankey", satrans, tiny_world) == find_answer("sankey", None, tiny_world)
    counts = msviz.analyse("data_overview", run, tiny_world, split="test", keep=False).data
    names = ["All scenarios", *run.schema.scenario_names[1:]]
    assert counts["scenario"].values.tolist() == names
    grades = tiny_world.split("test").column(GRADE)
    assert counts["rows"].values.tolist()[1:] == [(grades == k).sum() for k in range(1, len(names))]


def test_attention_of_two_runs_is_compared_over_all_or_by_names_of_both(
    satrans: Run, graded: Callable[[str], Run]
) -> None:
    strange = graded("satrans")
    asked = {"other": str(strange.path), "keep": False}
    found = msviz.analyse("attention_difference", satrans, **asked)
    assert found.data.attrs["b"] == "satrans (All scenarios)"
    with pytest.raises(
        MsvizError, match="attention_difference a: got 'Search'; scenarios of satrans are by Con"
    ):
        msviz.analyse("attention_difference", satrans, a="Search", **asked)
    named = msviz.analyse("attention_difference", satrans, a="Search", b="High", **asked)
    assert (named.data.attrs["a"], named.data.attrs["b"]) == ("satrans (Search)", "satrans (High)")
    sliced = msviz.analyse("attention_difference", satrans, slice="scenario == 'Search'", **asked)
    assert int(sliced.data["rows_a"]) == int(sliced.data["rows_b"])


def test_pictures_of_two_runs_compare_only_the_whole(satrans: Run, graded: Callable[[str], Run]) -> None:
    mine, theirs = (msviz.analyse("performance", run, keep=False) for run in (satrans, graded("satrans")))
    # Even if a scenario of both had one name.
    names = [str(name) for name in theirs.data["scope"].values]
    renamed = theirs.data.assign_coords(scope=["Search" if name == "High" else name for name in names])
    both = mine.figure(other=Finding("performance", "", "", renamed, theirs.provenance))
    second = np.asarray(both.data[1].x)
    assert np.isfinite(second).tolist() == [
        str(name) == "All scenarios" for name in mine.data["scope"].values
    ]
