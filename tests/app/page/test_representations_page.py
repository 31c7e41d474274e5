"""The page Representations: pictures, numbers, a second run, and runs that have nothing to show."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from msviz.analyses.run import analyse
from msviz.dataset import Dataset

Open = Callable[..., AppTest]
PAGE = "representations"


@pytest.fixture(scope="module")
def kept(shelf_folder: Path, tiny_world: Dataset) -> Path:
    """Keep what the page reads: it starts jobs for what is missing."""
    for name in ("tiny-optmsm", "tiny-same", "tiny-satrans", "tiny-hierrec", "tiny-sainet"):
        analyse("representation", shelf_folder / name, tiny_world, rows=5_000)
    for question in ("projection", "projection_agreement"):
        analyse(question, shelf_folder / "tiny-optmsm", tiny_world, rows=5_000, method="umap", points=1_000)
    return shelf_folder


def charts(at: AppTest) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def words(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.warning, at.info)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def test_a_run_shows_picture_matrices_and_numbers(app: Open, kept: Path) -> None:
    at = app(PAGE, run="tiny-optmsm")
    assert not at.exception and not at.warning
    kinds = [[trace["type"] for trace in chart["data"]] for chart in charts(at)]
    assert kinds == [["scattergl"] * 5, ["heatmap"], ["heatmap"], ["scatter"], ["scatter"], ["scatter"]]
    said = words(at)
    assert "PCA of 5,000 vectors of 1,000 impressions" in said
    assert "mean |cosine| of" in said and "Checked against the planted truth: Cosines" in said
    assert "simulated data" in said and "Draw a lasso" in said


def test_umap_says_whether_it_would_come_out_again(app: Open, kept: Path) -> None:
    at = app(PAGE, run="tiny-optmsm", layout="UMAP", points="1,000")
    assert not at.exception and not at.warning
    assert "UMAP of 1,000 vectors" in words(at) and "UMAP from another start" in words(at)


def test_two_runs_show_the_same_impressions(app: Open, kept: Path) -> None:
    at = app(PAGE, run="tiny-optmsm", other="tiny-same", points="1,000")
    assert not at.exception
    assert "Both pictures show the same 200 impressions" in words(at)
    first, second = charts(at)[:2]
    assert len(first["data"]) == 5 and len(second["data"]) == 2
    assert [trace["name"] for trace in second["data"]] == ["Expert 1 (200)", "Expert 2 (200)"]
    assert "against tiny-same" not in words(at), "scenarios and experts are not compared"
    assert all(len(chart["data"]) == 1 for chart in charts(at)[-3:])


def test_two_runs_that_keep_scenarios_apart_are_compared(app: Open, kept: Path) -> None:
    at = app(PAGE, run="tiny-hierrec", other="tiny-sainet")
    assert not at.exception
    assert "tiny-hierrec against tiny-sainet: mean |cosine|" in words(at)
    assert all(len(chart["data"]) == 2 for chart in charts(at)[-3:])


def test_vectors_of_a_scenario_alone_have_nothing_to_lay_out(app: Open, kept: Path) -> None:
    at = app(PAGE, run="tiny-satrans", layout="t-SNE")
    assert not at.exception
    assert "Fewer than 50 of these vectors differ" in words(at)
    assert charts(at), "the numbers are there"


def test_a_run_without_vectors_offers_those_that_have_some(app: Open, kept: Path) -> None:
    at = app(PAGE, run="tiny-autoint")
    assert not at.exception and not charts(at)
    assert "This model shows no vectors" in words(at)
    offered = [button for button in at.button if button.label.replace("\\", "") == "tiny-optmsm"]
    offered[0].click()
    assert charts(at.run())


def test_a_field_colours_the_picture_by_its_values(app: Open, kept: Path) -> None:
    at = app(PAGE, run="tiny-optmsm", colour="Gender")
    names = [trace["name"].split(" (")[0] for trace in charts(at)[0]["data"]]
    assert {"Women", "Men"} <= set(names)


def test_an_empty_shelf_says_what_to_do(app: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MSVIZ_MODELS", str(tmp_path / "none"))
    at = app(PAGE)
    assert not at.exception and "No runs on the shelf" in words(at)
