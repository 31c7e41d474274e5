"""The page of field weights: every view, models without weights, links, and jobs that are not there yet."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from msviz.analyses.run import analyse
from msviz.dataset import Dataset

Open = Callable[..., AppTest]
NOBODY = 2**22 + 1  # no process has this number
LOSS, FLOW = "Permutation importance", "Flow of rows"


@pytest.fixture(scope="module")
def answered(shelf_folder: Path, tiny_world: Dataset) -> None:
    """Keep the answers that the page reads."""
    for name in ("tiny-hierrec", "tiny-optmsm"):
        analyse("feature_weights", shelf_folder / name, tiny_world)
    for name in ("tiny-hierrec", "tiny-autoint"):
        analyse("field_permutation", shelf_folder / name, tiny_world)
    for pair in ("Gender,Age", "Category,Gender"):
        analyse("sankey", None, tiny_world, fields=pair)
    analyse("sub_scenarios", None, tiny_world, fields="Gender,Age", on="Price band")


def charts(at: AppTest) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def words(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.warning, at.info)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def test_heads_and_fields_of_a_scenario(app: Open, answered: None) -> None:
    at = app("weights", run="tiny-hierrec", scenario="Search")
    assert not at.exception and not at.warning
    assert at.title[0].value == "Feature weights"
    assert "In Search, the model gives most weight to" in words(at)
    (chart,) = charts(at)
    assert chart["data"][0]["type"] == "heatmap" and chart["data"][0]["x"][-1] == "lowest of heads"
    assert "Checked against the planted truth: In Search, a field that matters" in words(at)
    assert "not what the field is worth" in words(at)


def test_a_gate_without_heads_is_bars(app: Open, answered: None) -> None:
    at = app("weights", run="tiny-optmsm", scenario="Search")
    assert not at.exception and charts(at)[0]["data"][0]["type"] == "bar"


@pytest.mark.parametrize("run", ["tiny-hierrec", "tiny-optmsm"])
def test_scenarios_side_by_side_and_their_difference(app: Open, answered: None, run: str) -> None:
    at = app("weights", run=run, weights="Scenarios and fields")
    assert not at.exception and charts(at)[0]["data"][0]["type"] == "heatmap"
    at = app("weights", run=run, weights="Difference", scenario="Search", **{"weights-against": "Home feed"})
    assert not at.exception and not at.warning
    assert "Which fields get other weights in Search than in Home feed?" in words(at)
    assert "From Home feed to Search, the change in weight" in words(at)


def test_what_losing_a_field_costs_is_asked_of_every_model(app: Open, answered: None) -> None:
    at = app("weights", run="tiny-autoint", scenario="Search")
    assert not at.exception and not at.warning
    assert "This model shows no weights of fields" in words(at)
    assert charts(at)[0]["data"][0]["type"] == "bar"
    assert "In Search (" in words(at) and "costs more to lose" in words(at)
    at = app("weights", run="tiny-hierrec", weights=LOSS, **{"weights-show": "All"})
    assert not at.exception and charts(at)[0]["data"][0]["type"] == "heatmap"


def test_the_flow_is_of_the_log_and_any_two_fields(app: Open, answered: None) -> None:
    at = app("weights", run="tiny-autoint", weights=FLOW, scenario="Search")
    assert not at.exception and not at.warning
    flow = charts(at)[0]["data"][0]
    assert flow["type"] == "sankey" and flow["node"]["customdata"][0] == "Search"
    at = app(
        "weights",
        run="tiny-hierrec",
        weights=FLOW,
        first="Category",
        second="Gender",
        **{"weights-flow": "The largest side by side"},
    )
    assert not at.exception
    assert (
        len([n for n in charts(at)[0]["data"][0]["node"]["customdata"] if n in ("Search", "Home feed")]) == 2
    )
    assert "How do rows and clicks divide over Category and Gender?" in words(at)


def test_groups_inside_a_scenario(app: Open, answered: None) -> None:
    at = app("weights", run="tiny-autoint", weights="Subgroups", third="Price band", scenario="Search")
    assert not at.exception and not at.warning
    assert charts(at)[0]["data"][0]["type"] == "heatmap"
    assert "In Search, groups by Gender and Age" in words(at)
    assert "a combination of the first planted group answers more to Price band" in words(at)


def test_a_link_to_a_view_that_the_model_lacks_is_told(app: Open, answered: None) -> None:
    at = app("weights", run="tiny-autoint", weights="Difference")
    assert not at.exception
    assert any('View "Difference" is not available here' in one.value.replace("\\", "") for one in at.warning)
    assert charts(at), "the page shows what it can"


def test_an_answer_that_is_not_there_is_made_by_a_job(app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    def start(folder: Path, arguments: list[str], warm: Path | None = None) -> int:
        started.append(arguments)
        return NOBODY

    monkeypatch.setattr("msviz.jobs.queue.start_process", start)
    at = app("weights", run="tiny-satrans")
    assert not at.exception and not charts(at)
    assert started[0][:2] == ["analyse", "field_permutation"]


def test_an_empty_shelf_says_what_to_do(app: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MSVIZ_MODELS", str(tmp_path / "none"))
    monkeypatch.setenv("MSVIZ_DATA", str(tmp_path / "none"))
    at = app("weights")
    assert not at.exception and "No runs on the shelf" in words(at)


def test_a_link_of_before_opens_the_same_view(app: Open) -> None:
    at = app("weights", run="tiny-autoint", weights="Groups inside", scenario="Search")
    assert not at.exception and not at.warning
    assert at.segmented_control(key="weights").value == "Subgroups"
