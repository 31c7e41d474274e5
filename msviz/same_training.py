"""Which trainings are the same: one rule for plans, runs, studies, comparisons and listings.

Two trainings of one model, seed and data are the same where their settings agree, but for those that change
nothing in the result. How often validation looks does change it: other steps can be kept, and patience counts
validations.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msviz.run import Run

Settings = Mapping[str, Any]
ASIDE = ("threads", "checkpoint_seconds")  # these change nothing in the result
# What runs of earlier versions do not name, and were trained with all the same.
EARLIER: Settings = {
    "train_where": "",
    "train_share": 1.0,
    "scenario_fields": "",
    "keep": "auc",
    "precision": "auto",
    "schedule": "constant",
    "optimiser": "adam",
}


def deciding(settings: Settings) -> dict[str, Any]:
    """Return the settings that decide what a training gives, with what an earlier version did not name."""
    return {name: value for name, value in {**EARLIER, **settings}.items() if name not in ASIDE}


def same(one: Settings, other: Settings) -> bool:
    """Tell whether settings of model and training, of one model, give the same run.

    A setting of the model that only one of the two names is younger than the other, and at its default there.
    """
    own, theirs = deciding(one), deciding(other)
    return all(own[name] == theirs[name] for name in own.keys() & theirs.keys())


def other_seeds(run: Run, runs: Iterable[Run]) -> list[Run]:
    """Return the runs that differ from one in the seed alone, by seed: same model, settings and data."""
    card = run.card
    twins = [
        other
        for other in runs
        if (other.card.model, other.card.data.fingerprint) == (card.model, card.data.fingerprint)
        and other.card.seed != card.seed
        and same({**other.card.config, **other.card.training}, {**card.config, **card.training})
    ]
    return sorted(twins, key=lambda other: (other.card.seed, other.name))
