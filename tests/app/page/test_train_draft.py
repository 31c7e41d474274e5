"""The training that the form speaks of: seeds, changes, presets, and why it cannot start."""

from pathlib import Path
from typing import Any

import pytest

from app.page.train.form.draft import (
    FAST,
    MOST_SEEDS,
    Draft,
    TrainingView,
    apply_changes,
    draw_share,
    parse_seeds,
    presets,
    unknown_settings,
    view_rows,
)
from app.page.train.form.number_fields import fits_number, number_step
from app.page.train.form.probe_words import describe_probe, describe_seconds, parse_probe
from msviz.dataset import Dataset
from msviz.training.plans import Plan
from msviz.training.settings import by_name

BASE = Plan("same", Path("data/demo"), {"experts": 2}, seed=7)


@pytest.mark.parametrize(
    ("changes", "seeds"),
    [
        ({}, (7,)),
        ({"seed": "3"}, (3,)),
        ({"seeds": "3"}, (7, 8, 9)),
        ({"seed": "0", "seeds": "2"}, (0, 1)),
        ({"seed": "x", "seeds": "-1"}, (7,)),
        ({"seeds": "0"}, (7,)),
    ],
)
def test_seeds_follow_one_another_from_the_first(changes: dict[str, str], seeds: tuple[int, ...]) -> None:
    assert parse_seeds(changes, 7) == seeds


def test_there_is_an_end_to_seeds() -> None:
    assert len(parse_seeds({"seeds": "1000"}, 0)) == MOST_SEEDS


def test_changes_of_a_link_are_typed_and_what_the_model_lacks_is_named() -> None:
    changes = {"experts": "3", "seed": "5", "device": "cpu", "warp": "9"}
    assert unknown_settings("same", changes) == ["warp"]
    plan, seeds = apply_changes(BASE, changes)
    assert plan.full["experts"] == 3 and plan.device == "cpu" and plan.seed == 5 and seeds == (5,)
    assert "warp" not in plan.settings


def test_a_draft_says_what_is_changed_and_why_it_cannot_start(tiny_world: Dataset) -> None:
    plan, seeds = apply_changes(BASE, {"experts": "3", "seeds": "2"})
    problems = {"experts": "too many", "heads": "too many", "": "no such model"}
    draft = Draft(BASE, plan, tiny_world, seeds, problems=problems)
    assert draft.differences == {"experts": "experts 3 instead of 2"} and draft.stem == "same"
    assert [each.seed for each in draft.plans] == [7, 8]
    assert draft.reasons == ["experts, heads: too many", "no such model"]


def test_the_rows_that_a_training_sees(tiny_world: Dataset) -> None:
    total = tiny_world.rows["train"]
    whole = view_rows(tiny_world, "", "")
    assert whole.rows == total and not whole.problems and whole.schema is not None
    search = view_rows(tiny_world, "scenario == 'Search'", "")
    assert 0 < search.rows < total
    assert list(view_rows(tiny_world, "colour == 'red'", "").problems) == ["train_where"]
    assert list(view_rows(tiny_world, "", "colour").problems) == ["scenario_fields"]


@pytest.mark.parametrize(("share", "rows"), [(0.25, 25), (1.0, 100), (0.001, 1), ("half", 100), (2, 100)])
def test_a_share_leaves_at_least_a_row(share: Any, rows: int) -> None:
    assert draw_share(TrainingView(None, 100, {}), share).rows == rows


def test_presets_change_what_differs_from_the_base() -> None:
    offered = presets(BASE.changed(experts=5), 100)
    assert list(offered) == ["The paper's", FAST]
    assert offered["The paper's"]["experts"] == by_name("same")["experts"].default
    assert "batch_size" not in offered["The paper's"], "the papers' batch would be all of 100 rows"
    assert offered[FAST] == {"epochs": 1}, "100 rows are few enough"
    assert list(presets(Plan("autoint", Path("data/demo")), 100)) == ["The defaults", FAST]


def test_a_number_box_holds_what_it_can() -> None:
    experts = by_name("same")["experts"]
    assert fits_number(experts, 3) and not fits_number(experts, -1) and not fits_number(experts, True)
    assert not fits_number(experts, "three") and not fits_number(experts, 2.5)
    rate = by_name("same")["learning_rate"]
    assert not fits_number(rate, float("nan"))
    assert [number_step(value) for value in (0.001, 0.3, 20.0)] == [0.0005, 0.1, 10.0]


def test_what_a_probe_printed_is_told_in_words() -> None:
    log = 'loading\n{"seconds": 40, "rows_per_second": 7116.2, "memory": 120.4, "device": "cpu"}\n'
    numbers = parse_probe(log)
    assert numbers is not None
    assert describe_probe(numbers, 1) == (
        "about **40 s** at most at 7,116 rows a second, 120 MiB of memory (cpu)"
    )
    assert describe_probe({**numbers, "memory": None}, 3) == (
        "about **2 min** at most for all 3 trainings at 7,116 rows a second (cpu)"
    )
    assert parse_probe("nothing") is None and parse_probe("{no json}") is None
    assert [describe_seconds(seconds) for seconds in (99, 100, 5399, 9000)] == [
        "99 s",
        "2 min",
        "90 min",
        "2.5 h",
    ]
