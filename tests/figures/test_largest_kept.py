"""Whatever keeps the largest keeps the largest: each question that takes `most`, counted in the log."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msviz.analyses.question import load_questions
from msviz.dataset import SPLITS, Dataset
from msviz.figures.theme import ALL
from msviz.finding import Finding

Ask = Callable[..., Finding]
DEMO = Path(__file__).parents[2] / "data" / "demo-experiment.csv"
# Question: run, options, the axis of scenarios.
MOST: dict[str, tuple[str | None, dict[str, Any], str]] = {
    "attention_by_scenario": ("satrans", {}, "scenario"),
    "attention_importance": ("satrans", {}, "scenario"),
    "category_diversity": ("satrans", {"users": 20, "candidates": 40, "top": 6}, "scenario"),
    "feature_weights": ("optmsm", {}, "scenario"),
    "field_permutation": ("autoint-4-1", {"rows": 1_000, "draws": 1}, "scenario"),
    "gates_over_time": ("same", {}, "group"),
    "migration": ("sainet", {"rows": 1_500}, "target"),
    "projection": ("optmsm", {"points": 100}, "name"),
    "rate_distribution": (None, {"by": "scenario", "draws": 4}, "group"),
    "rates_over_time": ("satrans", {}, "scenario"),
    "representation": ("satrans", {"rows": 300}, "group"),
    "sankey": (None, {"fields": "gender,price_band"}, "scenario"),
    "scenario_similarity": ("satrans", {"rows": 30}, "scenario"),
    "sub_scenarios": (None, {"fields": "gender,city_tier", "on": "price_band"}, "scenario"),
    "tailoring": ("sainet", {}, "target"),
}
# Tested below; what projection_agreement lays out are the vectors of projection.
APART = {"attention_difference", "scenario_switch", "online_lift", "projection_agreement"}


def counted(world: Dataset, split: str) -> list[str]:
    """Return the names of the scenarios of a split (or of all rows), the largest first."""
    splits = SPLITS if split in ("", "all") else (split,)
    count = np.bincount(np.concatenate([world.split(one).scenario for one in splits]), minlength=6)[1:]
    assert len(set(count)) == len(count)
    return [world.schema.scenario_names[1 + place] for place in np.argsort(-count)]


def test_all_questions_that_keep_the_largest_are_here() -> None:
    able = {name for name, question in load_questions().items() if "most" in question.options.model_fields}
    assert able == set(MOST) | APART


@pytest.mark.parametrize("question", MOST)
def test_the_largest_scenarios_are_kept(asked: Ask, tiny_world: Dataset, question: str) -> None:
    run, options, axis = MOST[question]
    finding = asked(question, run, **options, most=2)
    kept = {str(name) for name in finding.data[axis].values} - {ALL, "others", "other scenarios"}
    assert kept == set(counted(tiny_world, finding.provenance.split)[:2])


def test_entries_of_every_scenario_are_the_largest_ones(asked: Ask, tiny_world: Dataset) -> None:
    finding = asked("representation", "optmsm", rows=100, most=2)
    assert set(finding.data["entry"].values) == set(counted(tiny_world, finding.provenance.split)[:2])


def test_the_two_largest_are_compared_unless_others_are_named(asked: Ask, tiny_world: Dataset) -> None:
    finding = asked("attention_difference", "satrans")
    largest = counted(tiny_world, finding.provenance.split)
    assert [finding.data.attrs["a"], finding.data.attrs["b"]] == largest[:2]
    few = asked("scenario_comparison", "satrans")
    assert set(few.data["scenario"].values) == set(largest[: few.data.sizes["scenario"]])


def test_an_impression_is_put_into_the_largest_scenarios_and_its_own(asked: Any, tiny_world: Dataset) -> None:
    part = tiny_world.split("test")
    largest = counted(tiny_world, "test")
    own = tiny_world.schema.scenario_names.index(largest[-1])
    row = int(part.row[int(np.flatnonzero(part.scenario == own)[0])])
    kept = asked("scenario_switch", "satrans", row=row, most=3).data["scenario"].values
    assert set(kept) == {largest[0], largest[1], largest[-1]}


def test_an_experiments_most_shown_scenarios_are_kept(asked: Ask) -> None:
    import csv

    shown: dict[str, int] = {}
    with DEMO.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            shown[row["scenario"]] = shown.get(row["scenario"], 0) + int(row["impressions"])
    kept = set(asked("online_lift", log=str(DEMO), most=2).data["scenario"].values) - {ALL}
    assert kept == set(sorted(shown, key=lambda name: -shown[name])[:2])


def test_the_most_frequent_values_are_kept(asked: Ask, tiny_world: Dataset) -> None:
    finding = asked("data_overview", field="category", top=3)
    splits = SPLITS if finding.provenance.split in ("", "all") else (finding.provenance.split,)
    ids = np.concatenate([tiny_world.split(one).column("category") for one in splits])
    names = [
        tiny_world.schema.field("category").value_name(int(n)) for n in np.argsort(-np.bincount(ids))[:3]
    ]
    assert [name for name in finding.data["value"].values if name in names] == names
    flows = asked("sankey", fields="category,gender", top=3)
    assert set(names) <= set(flows.data["first"].values) and flows.data.sizes["first"] == 4
