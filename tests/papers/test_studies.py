"""Every study of the papers trains what its models know, with the settings of a demo run."""

from pathlib import Path
from typing import Any

import pytest

from msviz.dataset import Dataset, open_data
from msviz.papers.paper import load_paper
from msviz.papers.study import PaperStudy, settings, without
from msviz.registry import PAPERS
from msviz.run import Card, Run, TrainedOn, shelf
from msviz.training.loop import Training
from msviz.training.plans import MOST, Plan, variants
from msviz.training.rows import used
from msviz.training.settings import by_name

ROOT = Path(__file__).parents[2]
STUDIES = [
    pytest.param(study, id=f"{paper}-{study.label}")
    for paper in PAPERS.names()
    for study in load_paper(paper).studies
]
SHOWN = ("Table", "List", "Curve", "Grid", "With and without")


def run(name: str, seed: int = 0, data: str = "one", **values: Any) -> Run:
    """A SAME with settings of the model, and `epochs` and the like of its training."""
    training = {key: values.pop(key) for key in list(values) if key in Training.model_fields}
    card = Card(
        model="same", config={"experts": 2, "norm": True, **values}, training={"epochs": 4, **training},
        data=TrainedOn(name=data, fingerprint=data, rows={}), seed=seed, epochs=1, seconds=1,
        rows_per_second=1, parameters=1, device="cpu", created="2026-01-01", headline={}, msviz="1",
        digests={},
    )  # fmt: skip
    return Run(Path("models") / name, card)


@pytest.fixture(scope="module")
def demo() -> Dataset:
    return open_data(ROOT / "data" / "demo")


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return shelf(ROOT / "models")


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_can_be_trained_from_the_run_it_names(
    study: PaperStudy, demo: Dataset, runs: list[Run]
) -> None:
    start = study.begins(runs)
    assert start is not None and start.name == study.start
    known = set(by_name(study.model))
    assert 1 < len(study.changes) <= MOST
    base = Plan.of(start)
    for change in study.changes:
        assert set(change) <= known
        seen = used(demo, Training(scenario_fields=change.get("scenario_fields", ""))).dataset.schema
        assert not base.changed(**change).problems(seen)
    assert len(variants(base, study.changes)) == len(study.changes), "no training stands twice"
    assert study.show in SHOWN
    # The run itself is one of the study's, where not all of its trainings change something.
    assert study.base or any(start in found for found in study.trained(runs))


@pytest.mark.parametrize("paper", PAPERS.names())
def test_labels_are_one_studys_and_every_study_has_a_tile(paper: str) -> None:
    published = load_paper(paper)
    labels = [study.label for study in published.studies]
    assert len(set(labels)) == len(labels)
    assert {tile.study.label for tile in published.tiles if tile.study} == set(labels)
    assert set(published.training) <= set(by_name(paper))


def test_a_curve_and_a_grid_vary_what_they_are_looked_at_over() -> None:
    for param in STUDIES:
        (study,) = param.values
        if study.show == "Curve":
            assert len(study.grid) == 1 and not study.variants
        if study.show == "Grid":
            assert len(study.grid) == 2


def test_the_papers_tables_are_all_there() -> None:
    found = {paper: {s.label for s in load_paper(paper).studies} for paper in PAPERS.names()}
    assert {"Table 3 (a)", "Table 3 (b)", "RQ3", "Figures 9 and 10, embedding width"} <= found["satrans"]
    assert {"Figures 9 and 10, layers", "Figures 9 and 10, MetaNet depth"} <= found["satrans"]
    assert {"Table 3", "Figure 4 (a)", "Figure 4 (b)", "Figure 4 (c)"} <= found["sainet"]
    assert found["hierrec"] >= {"Figure 4"} and found["optmsm"] >= {"Table 5", "Table 6", "Figure 4"}
    assert found["same"] >= {"Table IV", "Table II"}


def test_the_demo_runs_are_part_of_their_studies(runs: list[Run]) -> None:
    """So that a study does not train again what stands on the shelf."""
    (study,) = (s for s in load_paper("same").studies if s.label == "Table IV")
    assert [[run.name for run in found] for found in study.trained(runs)] == [
        [f"demo-same-{count}"] for count in (2, 3, 4, 5)
    ]


def test_changes_are_all_combinations_beside_the_single_ones() -> None:
    study = PaperStudy(
        "L", "t", "satrans", grid={"layers": (1, 2), "heads": (2, 4)}, variants=({"attention": "none"},)
    )
    assert study.changes == [
        {"attention": "none"},
        {"layers": 1, "heads": 2},
        {"layers": 1, "heads": 4},
        {"layers": 2, "heads": 2},
        {"layers": 2, "heads": 4},
    ]
    based = PaperStudy("L", "t", "sainet", base={"heads": 2}, variants=without("extract"))
    assert based.changes == [{"heads": 2}, {"heads": 2, "extract": False}]


def test_settings_are_those_of_the_run_of_that_name_or_of_the_newest_ordinary_one() -> None:
    study = PaperStudy("L", "t", "same", "demo-same", variants=({}, {"experts": 3}))
    quick, newer, demo = run("quick", train_share=0.1), run("newer", epochs=2), run("demo-same")
    assert study.begins([quick, newer, demo]) is demo
    assert study.begins([quick, newer]) is newer
    assert study.begins([quick]) is None and study.missing([quick]) == ["same", "same with experts = 3"]
    assert settings(quick)["train_share"] == 0.1 and settings(demo)["train_where"] == ""


def test_a_studys_runs_differ_from_the_start_in_the_change_alone_one_a_seed() -> None:
    study = PaperStudy(
        "L", "t", "same", "demo", variants=({}, {"experts": 3}, {"epochs": 1}, {"scenario_fields": "g"})
    )
    shelf = [
        run("three-1", seed=1, experts=3, threads=8),
        run("three-0", experts=3, epochs=4),
        run("three-0-again", experts=3, epochs=4),
        run("three-quick", experts=3, epochs=1),
        run("three-far", experts=3, data="two"),
        run("short", epochs=1),
        run("by-grade", scenario_fields="g"),
        run("demo"),
    ]
    assert [[one.name for one in found] for found in study.trained(shelf)] == [
        ["demo"], ["three-0", "three-1"], ["short"], ["by-grade"],
    ]  # fmt: skip
    assert study.missing(shelf[2:]) == []
    assert study.missing(shelf[5:]) == ["same with experts = 3"]
