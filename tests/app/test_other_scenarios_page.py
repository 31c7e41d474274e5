"""Pages of a run whose scenario is the consumption grade: its own scenarios, filters and second runs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from msviz.analyses.run import analyse
from msviz.dataset import Dataset
from msviz.run import Run
from msviz.training.loop import Training, train

Open = Callable[..., AppTest]
SIZE = {"layers": 1, "heads": 2, "width": 8, "scenario_width": 4}


@pytest.fixture(scope="module")
def two(tiny_world: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    for name, fields in (("by-grade", "consumption_grade"), ("own", "")):
        training = Training(epochs=1, train_share=0.2, scenario_fields=fields, threads=1)
        train("satrans", tiny_world, folder / name, values=SIZE, training=training, report=lambda line: None)
    graded = Run.open(folder / "by-grade")
    analyse("data_overview", graded, split="test")
    analyse("scenario_comparison", graded)
    for run in (graded, Run.open(folder / "own")):
        analyse("attention_by_scenario", run)
        analyse("performance", run)
        analyse("performance", run, slice="scenario == 'Search'")
    analyse("sankey", graded, fields="Gender,Age")
    return folder


@pytest.fixture
def page(two: Path, app: Open, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setenv("MSVIZ_MODELS", str(two))
    return app


def words(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.warning, at.info, at.error)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def test_its_scenarios_are_those_that_it_knows(page: Open) -> None:
    at = page("scenarios", run="by-grade")
    assert not at.exception and not at.warning
    # By their rows in the test split, the largest first.
    assert at.multiselect(key="scenarios").value == ["High", "Medium", "Low", "Very high"]
    assert "scenarios by consumption_grade" in words(at)
    assert "planted truth" not in words(at)


def test_the_flow_of_rows_is_by_its_scenarios(page: Open) -> None:
    at = page(
        "weights", run="by-grade", weights="Flow of rows", scenario="Medium", first="Gender", second="Age"
    )
    assert not at.exception and not at.warning
    assert "In Medium, " in words(at)


def test_scenario_in_the_filter_is_the_runs_own(page: Open, tiny_world: Dataset) -> None:
    high = (tiny_world.split("test").column("consumption_grade") == 5).sum()
    at = page("performance", run="by-grade", slice="scenario == 'High'")
    assert not at.exception and f"{high:,} of {tiny_world.rows['test']:,} test rows" in words(at)
    # The same words are no filter of a run that knows no such scenario; what was counted before is not read.
    at = page("performance", run="own", slice="scenario == 'High'")
    assert not at.exception and "The slice cannot be read" in words(at)
    # The log's own scenario can still be named: it is a field of this run.
    search = (tiny_world.split("test").column("scenario") == 3).sum()
    for run in ("own", "by-grade"):
        at = page("performance", run=run, slice="scenario == 'Search'")
        assert not at.exception and f"{search:,} of {tiny_world.rows['test']:,} test rows" in words(at)


def test_the_builder_offers_the_logs_scenario_as_a_field(page: Open) -> None:
    at = page("performance", run="by-grade")
    box = at.selectbox(key="build-field")
    assert box.options[:2] == ["Day", "Scenario"] and "Scenario (field)" in box.options
    assert "Consumption grade" not in box.options
    at = box.set_value("Scenario (field)").run()
    at = at.multiselect(key="build-values-`scenario`").set_value(["Search"]).run()
    at = at.button(key="build-add").click().run()
    assert at.session_state["slice"] == "`scenario` == 'Search'"
    assert not at.exception and not at.error


def test_a_second_run_with_other_scenarios_says_so(page: Open) -> None:
    at = page("attention", run="own", view="Two runs", other="by-grade", scenario="Search")
    assert not at.exception and "Its scenarios are others: by Consumption grade" in words(at)
    # Scenarios of the two are other rows, so all of them are compared.
    assert "own (All scenarios)" in words(at) and "by-grade (All scenarios)" in words(at)
    at = page("performance", run="own", other="by-grade")
    assert not at.exception and not at.warning


def test_the_overview_is_of_the_log(page: Open, tiny_world: Dataset) -> None:
    analyse("data_overview", None, tiny_world)
    at = page("overview", run="by-grade")
    assert not at.exception
    assert "Home feed" in at.get("plotly_chart")[0].proto.spec
