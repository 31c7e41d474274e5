"""Performance's views of several runs and of cost, and attention's of similar scenarios."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from test_pages import charts, words

from app.page.performance import controls
from msviz.analyses.run import analyse
from msviz.dataset import Dataset
from msviz.run import Run, shelf

Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def kept(shelf_folder: Path, tiny_world: Dataset) -> Run:
    """Keep the answers that the pages read, as their jobs would."""
    run = Run.peek(shelf_folder / "tiny-satrans")
    mark = run.card.data.fingerprint
    beside = ",".join(
        sorted(str(r.path.resolve()) for r in shelf(shelf_folder) if r.card.data.fingerprint == mark)
    )
    analyse("runs_compared", run, runs=beside)
    analyse("runs_compared", run, runs=beside, paired=True)
    analyse("runs_compared", run, runs=beside, by="period")
    analyse("model_cost", run, runs=beside)
    analyse("scenario_similarity", run)
    return run


def test_runs_stand_side_by_side_in_a_table_and_a_list(app: Open, kept: Run) -> None:
    at = app("performance", run="tiny-satrans", performance_view="Runs")
    assert not at.exception and not at.warning
    (table,) = charts(at)
    names = list(table["data"][0]["y"])
    assert names[0] == "tiny-satrans" and set(names) > {"tiny-autoint", "tiny-same", "tiny-hierrec"}
    assert "Which run predicts better, and where?" in words(at) and "not tested here" in words(at)
    assert list(at.dataframe[0].value["Run"]) == names
    at = app("performance", run="tiny-satrans", performance_view="Runs", runs_show="List", scenario="Search")
    assert charts(at)[0]["data"][0]["type"] == "scatter" and not at.exception
    assert "In Search, " in words(at) and "has the best AUC of 6 runs" in words(at)
    at = app("performance", run="tiny-satrans", performance_view="Runs", metric="Logloss")
    assert "best logloss" in words(at)


def test_tested_differences_are_of_the_same_rows(app: Open, kept: Run) -> None:
    at = app("performance", run="tiny-satrans", performance_view="Runs", tested="Tested on the same rows")
    assert not at.exception and "same rows" in words(at)


def test_runs_are_measured_on_promotions_and_normal_days(app: Open, kept: Run) -> None:
    at = app("performance", run="tiny-satrans", performance_view="Runs", measured="Promotions")
    assert not at.exception and not at.warning
    assert {"Normal days", "Promotion days"} < set(charts(at)[0]["data"][0]["x"])
    assert "Over all days, " in words(at)


def test_pairs_that_no_runs_make_are_said(app: Open, kept: Run) -> None:
    for more in (
        {"performance_view": "Runs", "runs_show": "With and without"},
        {"performance_view": "Cost", "cost": "With and without"},
    ):
        at = app("performance", run="tiny-satrans", **more)
        assert not at.exception and not charts(at)
        assert "no two runs of one model differ in what is on or off alone" in at.warning[0].value


def test_a_curve_that_no_runs_make_is_said(app: Open, kept: Run) -> None:
    at = app("performance", run="tiny-satrans", performance_view="Runs", runs_show="Curve")
    assert not at.exception and not charts(at)
    assert "No curve to draw" in words(at)


def test_a_grid_that_no_runs_make_is_said(app: Open, kept: Run) -> None:
    at = app("performance", run="tiny-satrans", performance_view="Runs", runs_show="Grid")
    assert not at.exception and not charts(at)
    assert "No grid to draw" in words(at)


def test_a_shelf_of_hundreds_is_compared_by_its_folder(
    kept: Run, shelf_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command line has no room for a thousand paths."""
    many = [Run(shelf_folder / f"run-{number}", kept.card) for number in range(300)]
    monkeypatch.setattr("app.shelf.runs", lambda: [kept, *many])
    monkeypatch.setenv("MSVIZ_MODELS", str(shelf_folder))
    assert controls.compared_paths(kept) == (str(shelf_folder.resolve()),)
    picked = controls.compared_paths(kept, [f"run-{number}" for number in range(250)])
    assert len(picked) == 251 and str(kept.path.resolve()) in picked


def test_cost_is_bars_and_growth_is_lines(app: Open, kept: Run) -> None:
    at = app("performance", run="tiny-satrans", performance_view="Cost")
    assert not at.exception and charts(at)[0]["data"][0]["type"] == "bar"
    assert "Rows predicted a second" in at.dataframe[0].value.columns
    at = app("performance", run="tiny-satrans", performance_view="Cost", cost="Growth with scenarios")
    assert charts(at)[0]["layout"]["xaxis"]["type"] == "log"


def test_similar_scenarios_show_one_measure_with_its_own_score(app: Open, kept: Run) -> None:
    at = app("attention", run="tiny-satrans", view="Similar scenarios")
    assert not at.exception and not at.warning
    assert len(charts(at)[0]["data"][0]["y"]) == 5
    assert "impressions were put into every scenario" in words(at)
    at = app("attention", run="tiny-satrans", view="Similar scenarios", alike="CKA of matrices")
    assert "By the CKA" in words(at) and "CKA values" in words(at)
    at.selectbox(key="alike_part").set_value("position 2").run()
    assert not at.exception and charts(at)


def test_what_changes_most_is_lines(app: Open, kept: Run) -> None:
    at = app("attention", run="tiny-satrans", view="Importance", shares="What changes most")
    assert not at.exception and charts(at)[0]["data"][1]["type"] == "scatter"
    assert "the fields whose share of attention" in words(at)
