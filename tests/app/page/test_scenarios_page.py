"""The Scenarios page: kept answers, links that name scenarios, and runs that show less."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from msviz.analyses.run import analyse
from msviz.dataset import Dataset

Open = Callable[..., AppTest]


def words(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.warning, at.info)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


@pytest.fixture(scope="module", autouse=True)
def kept(shelf_folder: Path, tiny_world: Dataset) -> None:
    analyse("data_overview", None, tiny_world, split="test")
    for name in ("tiny-satrans", "tiny-hierrec"):
        analyse("scenario_comparison", shelf_folder / name, tiny_world)
    analyse("scenario_comparison", shelf_folder / "tiny-satrans", tiny_world, scenarios="Search | Cart page")


def test_the_largest_scenarios_stand_side_by_side(app: Open) -> None:
    at = app("scenarios")
    assert not at.exception and not at.warning
    assert at.multiselect(key="scenarios").value == ["Home feed", "Search", "Cart page", "Live stream"]
    said = words(at)
    assert "simulated data" in said and "differences tested" in said and "Click rate runs from" in said
    assert "Entry is Search box in" in said, "the planted entry of Search"
    spec = at.get("plotly_chart")[0].proto.spec
    assert "Attention received" in spec and len(spec) < 100_000


def test_a_link_names_the_scenarios(app: Open) -> None:
    at = app("scenarios", scenarios=["Search", "Cart page"], compare="Quality")
    assert not at.exception and not at.warning
    assert at.multiselect(key="scenarios").value == ["Search", "Cart page"]
    spec = at.get("plotly_chart")[0].proto.spec
    assert "Logloss" in spec and "Click rate" not in spec and "Home feed" not in spec


def test_a_link_that_names_too_little_or_what_is_not_there_is_told(app: Open) -> None:
    at = app("scenarios", scenarios=["Search", "Nowhere"])
    assert not at.exception
    assert any('Scenarios "Nowhere" is not available' in one.value for one in at.warning)
    assert "Choose a second scenario" in words(at)


def test_a_run_without_attention_is_compared_by_what_it_shows(app: Open) -> None:
    at = app("scenarios", run="tiny-hierrec")
    assert not at.exception and not at.warning
    spec = at.get("plotly_chart")[0].proto.spec
    assert "Logloss" in spec and "Attention received" not in spec
