"""Every study of the papers trains what its models know, on the demo's kind of log."""

from pathlib import Path

import pytest

from msviz import registry
from msviz.papers._study import Study, without
from msviz.run import shelf
from msviz.schema import Schema
from msviz.training.plans import MOST, Plan, variants
from msviz.training.settings import by_name

ROOT = Path(__file__).parents[2]
STUDIES = [
    pytest.param(study, id=f"{paper}-{study.label}")
    for paper in registry.names("papers")
    for study in registry.load("papers", paper).STUDIES
]


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema.load(ROOT / "data" / "demo" / "schema.json")


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_can_be_trained(study: Study, schema: Schema) -> None:
    known = set(by_name(study.model))
    assert set(study.base) <= known
    assert 1 < len(study.changes) <= MOST
    for change in study.changes:
        assert set(change) <= known
        assert not Plan(study.model, Path("data"), {**study.base, **change}).problems(schema)
    plans = variants(Plan(study.model, Path("data"), dict(study.base)), study.changes)
    assert len(plans) == len(study.changes), "no training stands twice"
    assert study.show in ("Table", "List", "Curve", "Grid")


@pytest.mark.parametrize("paper", registry.names("papers"))
def test_labels_are_one_studys_and_tiles_name_studies(paper: str) -> None:
    module = registry.load("papers", paper)
    labels = [study.label for study in module.STUDIES]
    assert len(set(labels)) == len(labels)
    assert {tile.study for tile in module.TILES} - {""} <= set(labels)
    assert any(tile.study for tile in module.TILES)
    settings = set(by_name(paper))
    assert set(module.TRAINING) <= settings


def test_a_curve_and_a_grid_vary_what_they_are_looked_at_over() -> None:
    for param in STUDIES:
        (study,) = param.values
        if study.show == "Curve":
            assert len(study.grid) == 1 and not study.variants
        if study.show == "Grid":
            assert len(study.grid) == 2


def test_the_papers_tables_are_all_there() -> None:
    found = {
        paper: {s.label for s in registry.load("papers", paper).STUDIES} for paper in registry.names("papers")
    }
    assert {"Table 3 (a)", "Table 3 (b)", "Figures 9 and 10, embedding width"} <= found["satrans"]
    assert {"Figures 9 and 10, layers", "Figures 9 and 10, MetaNet depth"} <= found["satrans"]
    assert {"Table 3", "Figure 4 (a)", "Figure 4 (b)", "Figure 4 (c)"} <= found["sainet"]
    assert found["hierrec"] >= {"Figure 4"} and found["optmsm"] >= {"Table 5", "Table 6"}
    assert found["same"] >= {"Table IV"}


def test_the_demo_runs_are_part_of_their_studies() -> None:
    """So that a study does not train again what stands on the shelf."""
    runs = [run for run in shelf(ROOT / "models") if run.name.startswith("demo-")]
    mark = next(run for run in runs if run.name == "demo-same-2").card.data.fingerprint
    (study,) = (s for s in registry.load("papers", "same").STUDIES if s.label == "Table IV")
    plans = variants(Plan("same", Path("data"), dict(study.base)), study.changes)
    found = [plan.trained(mark, runs) for plan in plans]
    assert [run and run.name for run in found] == [f"demo-same-{count}" for count in (2, 3, 4, 5)]
    for paper in registry.names("papers"):
        for study in registry.load("papers", paper).STUDIES:
            plans = variants(Plan(study.model, Path("data"), dict(study.base)), study.changes)
            assert any(plan.trained(mark, runs) for plan in plans) or study.label == "Table 6"


def test_changes_are_all_combinations_beside_the_single_ones() -> None:
    study = Study("L", "t", "satrans", {}, {"layers": (1, 2), "heads": (2, 4)}, ({"attention": "none"},))
    assert study.changes == [
        {"attention": "none"},
        {"layers": 1, "heads": 2},
        {"layers": 1, "heads": 4},
        {"layers": 2, "heads": 2},
        {"layers": 2, "heads": 4},
    ]
    assert Study("L", "t", "sainet", {"heads": 2}, variants=without("extract")).settings == [
        {"heads": 2},
        {"heads": 2, "extract": False},
    ]
