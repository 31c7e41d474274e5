"""The page of past clicks: every view, a second run beside it, runs that look at none, and links."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from msviz.analyses.run import analyse
from msviz.dataset import Dataset

Open = Callable[..., AppTest]


def charts(at: AppTest) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def words(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.warning, at.info)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


@pytest.fixture(scope="module")
def kept(shelf_folder: Path, tiny_world: Dataset) -> Path:
    """Keep what the page reads; one impression is answered while one waits."""
    for name in ("tiny-sainet", "tiny-same"):
        analyse("migration", shelf_folder / name, tiny_world, method="removal")
        analyse("migration", shelf_folder / name, tiny_world)
    analyse("migration", shelf_folder / "tiny-sainet", tiny_world, method="removal", only="Category")
    analyse("tailoring", shelf_folder / "tiny-sainet", tiny_world)
    for name in ("tiny-sainet", "tiny-satrans"):
        analyse("category_diversity", shelf_folder / name, tiny_world)
    other = str(shelf_folder / "tiny-same")
    analyse("category_diversity", shelf_folder / "tiny-sainet", tiny_world, other=other)
    return shelf_folder


@pytest.mark.parametrize("view", ["One impression", "Migration", "Tailoring", "Diversity"])
def test_every_view_draws_and_says_where_it_comes_from(app: Open, kept: Path, view: str) -> None:
    at = app("behaviours", run="tiny-sainet", behaviours=view)
    assert not at.exception and not at.warning
    assert at.title[0].value == "Behaviours"
    assert len(charts(at)) == 1
    said = words(at)
    assert "Source: run tiny-sainet" in said and "simulated data" in said
    assert ("Checked against the planted truth" in said) == (view == "Migration")


def test_an_impression_is_opened_by_link_and_from_the_list(
    app: Open, kept: Path, tiny_world: Dataset
) -> None:
    at = app("behaviours", run="tiny-same", scenario="Search")
    listed = at.dataframe[0].value
    assert set(listed["Scenario"]) == {"Search"} and len(listed) == 50
    row = int(listed["Row"].iloc[3])
    at = app("behaviours", run="tiny-same", row=str(row), behaviourtap="user attention", behaviourpart="2")
    assert not at.exception and not at.warning
    assert f"Impression {row} in Search" in words(at)
    assert len(charts(at)[0]["data"][0]["y"]) == int(listed["Past clicks"].iloc[3])
    at = app("behaviours", run="tiny-same", row=str(row), behaviourshow="What each click is worth")
    assert charts(at)[0]["data"][0]["type"] == "bar"
    part = tiny_world.split("test")
    nobody = int(part.row[part.history_spans[1] == 0][0])
    both = {"other": "tiny-sainet", "behaviourtap": "user attention"}
    for more in ({}, both):
        at = app("behaviours", run="tiny-same", row=str(nobody), **more)
        assert not at.exception and "it has no past clicks" in words(at)


def test_two_runs_stand_side_by_side_on_one_scale(app: Open, kept: Path) -> None:
    at = app("behaviours", run="tiny-same", other="tiny-sainet", behaviourtap="user attention")
    # SAINet has no user attention: it shows its own.
    assert not at.exception and not at.warning
    assert len(charts(at)) == 2
    assert words(at).count("Impression ") >= 2
    at = app("behaviours", run="tiny-same", other="tiny-sainet", behaviours="Migration")
    assert len(charts(at)) == 2 and "is not told in which scenario a past click happened" in words(at)
    at = app("behaviours", run="tiny-same", other="tiny-satrans", behaviours="Migration")
    assert len(charts(at)) == 1 and "tiny-satrans is left out" in words(at)


def test_migration_is_told_by_method_clicks_and_scenario(app: Open, kept: Path) -> None:
    at = app("behaviours", run="tiny-sainet", behaviours="Migration", migrationby="Attention")
    assert "Attention beyond an even share" in json.dumps(charts(at)[0])
    same = "Same category as the impression"
    at = app("behaviours", run="tiny-sainet", behaviours="Migration", migrationonly=same, scenario="Search")
    assert not at.exception and "In Search, " in words(at)
    assert {trace["type"] for trace in charts(at)[0]["data"]} == {"scatter"}


def test_a_run_that_looks_at_no_clicks_is_told_so_and_still_shows_diversity(app: Open, kept: Path) -> None:
    at = app("behaviours", run="tiny-satrans")
    assert not at.exception and len(charts(at)) == 1
    said = words(at)
    assert "This model looks at no past clicks" in said and "tiny-satrans would show" in said
    at.button(key="open-behaviour_attention-tiny-sainet").click().run()
    assert at.selectbox(key="run").value == "tiny-sainet"


def test_diversity_takes_a_second_run_as_its_baseline(app: Open, kept: Path) -> None:
    at = app("behaviours", run="tiny-sainet", behaviours="Diversity", other="tiny-same")
    assert not at.exception
    assert [trace["name"] for trace in charts(at)[0]["data"]][1:3] == ["tiny-sainet", "tiny-same"]
    at.selectbox(key="diversityshow").set_value("Bars").run()
    assert charts(at)[0]["data"][1]["type"] == "bar" and not at.exception


def test_gates_need_a_model_that_has_them(app: Open, kept: Path) -> None:
    at = app("behaviours", run="tiny-same", behaviours="Tailoring")
    assert not at.exception and "no gates on past clicks" in words(at)


def test_an_empty_shelf_says_what_to_do(app: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MSVIZ_MODELS", str(tmp_path / "none"))
    at = app("behaviours")
    assert not at.exception and "No runs on the shelf" in words(at)
