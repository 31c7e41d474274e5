"""The page of gates over time: every view, runs without a gate, and links."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from msviz.analyses.run import analyse
from msviz.dataset import Dataset

Open = Callable[..., AppTest]
SLICE = 'day >= "2025-04-24" and day <= "2025-04-27"'


def charts(at: AppTest) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def words(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.warning, at.info)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


@pytest.fixture(scope="module")
def kept(shelf_folder: Path, tiny_world: Dataset) -> Path:
    """Keep what the page reads."""
    run = shelf_folder / "tiny-same"
    analyse("gates_over_time", run, tiny_world)
    analyse("gates_over_time", run, tiny_world, by="age_level")
    analyse("gates_over_time", run, tiny_world, periods="2025-03-20..2025-03-22 My sale")
    analyse("gates_over_time", run, tiny_world, slice=SLICE)
    for name in ("tiny-same", "tiny-satrans"):
        analyse("rates_over_time", shelf_folder / name, tiny_world)
    analyse("rate_distribution", run)
    return shelf_folder


@pytest.mark.parametrize("view", ["Heatmap", "Bands", "Ridges", "Signals", "Rates"])
def test_every_view_draws_and_says_where_it_comes_from(app: Open, kept: Path, view: str) -> None:
    at = app("gates", run="tiny-same", gates=view)
    assert not at.exception and not at.warning
    assert at.title[0].value == "Gates over time"
    assert len(charts(at)) == 1
    said = words(at)
    assert "Source: run tiny-same" in said and "20,000 rows" in said and "simulated data" in said
    if view == "Rates":
        assert "people click" in said
    else:
        assert "promotion days against" in said and "Checked against the planted truth" in said


def test_users_rates_are_curves_of_kinds_of_days(app: Open, kept: Path) -> None:
    at = app("gates", run="tiny-same", gates="Rates", rates="By user")
    assert not at.exception and not at.warning
    names = [trace["name"] for trace in charts(at)[0]["data"]]
    assert names[0].startswith("Normal days (") and any(name.startswith("Promotion days (") for name in names)
    assert "impressions each, users click on normal days" in words(at)


def test_a_run_without_a_gate_is_told_so_and_still_shows_rates(app: Open, kept: Path) -> None:
    at = app("gates", run="tiny-satrans")
    assert not at.exception and len(charts(at)) == 1
    said = words(at)
    assert "no gate over experts" in said and "people click" in said
    at.button(key="open-gates-tiny-same").click().run()
    assert at.selectbox(key="run").value == "tiny-same"


def test_scenario_expert_and_group_are_taken_from_the_link(app: Open, kept: Path) -> None:
    at = app("gates", run="tiny-same", scenario="Search", expert="Expert 2")
    assert not at.warning
    assert words(at).count("In Search, Expert") == 1
    names = {trace.get("name") for trace in charts(at)[0]["data"]}
    assert "Expert 2" in names and "Expert 1" not in names
    at = app("gates", run="tiny-same", gateby="Age")
    assert not at.exception and not at.warning
    assert "Over all rows" in words(at)
    at = app("gates", run="tiny-same", expert="Expert 9", gates="Pie")
    said = words(at)
    assert 'Expert "Expert 9" is not available here' in said and 'View "Pie" is not available' in said


def test_named_promotions_are_used_and_nonsense_is_told(app: Open, kept: Path) -> None:
    at = app("gates", run="tiny-same", promotions="2025-03-20..2025-03-22 My sale")
    assert not at.exception and "3 promotion days" in words(at)
    assert "My sale" in json.dumps(charts(at)[0]["layout"]["annotations"])


def test_a_stretch_of_days_is_offered_to_every_page(app: Open, kept: Path) -> None:
    from datetime import date

    at = app("gates", run="tiny-same", gates="Bands")
    assert not [button for button in at.button if button.key == "use-days"]
    at.slider[0].set_value((date(2025, 4, 24), date(2025, 4, 27))).run()
    assert not at.exception
    at.button(key="use-days").click().run()
    assert at.session_state["slice"] == SLICE
    assert not at.exception and len(charts(at)) == 1


def test_an_empty_shelf_says_what_to_do(app: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MSVIZ_MODELS", str(tmp_path / "none"))
    at = app("gates")
    assert not at.exception and "No runs on the shelf" in words(at)
