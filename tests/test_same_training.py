"""One rule says which trainings are the same; every room that asks it answers alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from msviz.analyses.shared.side_by_side import entries
from msviz.papers.study import PaperStudy
from msviz.run import Card, Run, TrainedOn
from msviz.same_training import deciding, other_seeds, same
from msviz.shelving.search import differences
from msviz.training.loop import Training
from msviz.training.plans import Plan, variants

Settings = dict[str, Any]
NOW: Settings = Training().model_dump()
# What earlier versions wrote: they knew none of these settings, and kept the step of the best AUC.
LATER = ("keep", "schedule", "precision", "optimiser", "train_where", "train_share", "scenario_fields")
EARLIER: Settings = {name: value for name, value in NOW.items() if name not in LATER}


def run(name: str, training: Settings, seed: int = 0) -> Run:
    card = Card(
        model="same", config={"experts": 2}, training=training, seed=seed, epochs=1, seconds=1,
        data=TrainedOn(name="one", fingerprint="one", rows={}), rows_per_second=1, parameters=1,
        device="cpu", created="2026-01-01", headline={}, msviz="1", digests={},
    )  # fmt: skip
    return Run(Path("models") / name, card)


def by_plan(one: Settings, other: Settings) -> bool:
    """The Train page: the shelf has this very training already."""
    return Plan.of(run("one", one)).trained("one", [run("other", other)]) is not None


def by_sweep(one: Settings, other: Settings) -> bool:
    """A sweep trains nothing twice."""
    plan = Plan("same", Path("data"))
    return len(variants(plan, [Plan.of(run("it", settings)).settings for settings in (one, other)])) == 1


def by_seeds(one: Settings, other: Settings) -> bool:
    """The controls of a picture: the same training with another seed."""
    return bool(other_seeds(run("one", one), [run("other", other, seed=1)]))


def by_study(one: Settings, other: Settings) -> bool:
    """A paper's study: a run that is one of its trainings."""
    found = PaperStudy("L", "t", "same", "one", variants=({},)).trained(
        [run("one", one), run("other", other, 1)]
    )
    return len(found[0]) == 2


def by_comparison(one: Settings, other: Settings) -> bool:
    """Runs side by side: seeds of one training stand together."""
    return len(entries(run("one", one), [run("other", other, seed=1)], "one")[0]) == 1


def by_listing(one: Settings, other: Settings) -> bool:
    """The shelf: what a run changed in its parent."""
    return differences(run("one", one).card, run("other", other).card) == {}


@pytest.mark.parametrize(
    "rule", [same, by_plan, by_sweep, by_seeds, by_study, by_comparison, by_listing], ids=lambda f: f.__name__
)
@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (NOW, {**NOW, "threads": 9, "checkpoint_seconds": 1.0}, True),
        # Two of the rules said that these are the same.
        (NOW, {**NOW, "checks_per_epoch": 4}, False),
        (NOW, {**NOW, "patience": 3}, False),
        (EARLIER, {**NOW, "keep": "auc"}, True),
        # One of them took what an earlier version did not name for today's default.
        (EARLIER, NOW, False),
        # One of them did not know that every earlier training was Adam's.
        (EARLIER, {**NOW, "keep": "auc", "optimiser": "adagrad"}, False),
    ],
    ids=["threads", "checks", "patience", "earlier", "earlier kept by AUC", "earlier took Adam"],
)
def test_every_room_answers_alike(
    rule: Callable[[Settings, Settings], bool], one: Settings, other: Settings, alike: bool
) -> None:
    assert rule(one, other) == rule(other, one) == alike


def test_settings_of_a_model_that_came_later_are_no_difference() -> None:
    assert same({"experts": 2}, {"experts": 2, "gate": 1}) and not same({"experts": 2}, {"experts": 3})


def test_all_settings_are_known_and_all_that_came_later_are_named() -> None:
    assert set(NOW) - set(deciding(NOW)) == {"threads", "checkpoint_seconds"}
    assert set(deciding(EARLIER)) == set(deciding(NOW))
