"""What is planted in the shop: which fields, pairs, groups and past clicks matter where, and how much."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from msviz.data.planted.words import FAMILIES, ITEM_FIELDS, USER_FIELDS

HOME, SEARCH, CART, LIVE, FLASH = (kind.name for kind in FAMILIES)
EVERYWHERE = (HOME, SEARCH, CART, LIVE, FLASH)
Pattern = Literal["always", "taste", "hot"]


@dataclass(frozen=True)
class Effect:
    """What one field, a pair or a group of three adds to the logit: shape and signed strength by family.

    Of pattern "taste" it counts by the day's share of own taste, of "hot" by the share of what is hot; the
    strength is then that of a day which knows nothing else.
    """

    fields: tuple[str, ...]
    shape: Literal["random", "rising", "falling", "matching", "wave", "opposed"]
    strength: dict[str, float]
    pattern: Pattern = "always"


def all_families(strength: float) -> dict[str, float]:
    """Return the same strength in every family."""
    return dict.fromkeys(EVERYWHERE, strength)


MAINS = (
    Effect(("user_id",), "random", all_families(0.15)),
    Effect(("item_id",), "random", all_families(0.25)),
    Effect(("category",), "random", all_families(0.20)),
    Effect(("brand",), "random", {HOME: 0.20, SEARCH: 0.25, CART: 0.20}),
    Effect(("position",), "falling", all_families(0.25) | {SEARCH: 0.40}),
    Effect(("category_clicks_7d",), "rising", all_families(0.30) | {CART: 0.40}),
    Effect(("item_scenario_clicks",), "rising", {FLASH: 0.25}),
    Effect(("price_band",), "falling", {CART: 0.20, FLASH: 0.20}),
    Effect(("hour",), "wave", {HOME: 0.15, LIVE: 0.30}),
    Effect(("age_level",), "random", {HOME: 0.20, LIVE: 0.25}),
    Effect(("shopping_depth",), "rising", {CART: 0.25, FLASH: 0.25}),
    Effect(("device",), "random", {SEARCH: 0.20}),
    # What is hot depends on the goods, not on who looks at them.
    Effect(("category",), "random", all_families(0.70), "hot"),
    Effect(("price_band",), "falling", all_families(0.55), "hot"),
    Effect(("item_scenario_clicks",), "rising", all_families(0.55), "hot"),
)
PAIRS = (
    Effect(("gender", "category"), "random", all_families(0.70) | {SEARCH: 0.55, CART: 0.50}, "taste"),
    Effect(("consumption_grade", "price_band"), "matching", all_families(0.65), "taste"),
    # The one pair whose sign is reversed between two scenarios.
    Effect(("age_level", "category"), "random", {HOME: 0.60, SEARCH: -0.60}, "taste"),
    Effect(("entry", "price_band"), "random", {HOME: 0.40}),
    Effect(("position", "device"), "random", {SEARCH: 0.45}),
    Effect(("category", "weekday"), "random", {CART: 0.45}),
    Effect(("shopping_depth", "price_band"), "matching", {CART: 0.40, FLASH: 0.45}),
    Effect(("category", "hour"), "wave", {LIVE: 0.50}),
    Effect(("city_tier", "device"), "random", {LIVE: 0.35}),
)
# Inside one scenario (not its relatives): who is young and a woman, or older and a man, likes the dear; the
# others like the cheap. The first two fields make the groups, the third is what they answer to.
OPPOSED = Effect(("gender", "age_level", "price_band"), "opposed", {SEARCH: 0.45})
OPPOSED_SCENARIO = EVERYWHERE.index(SEARCH)
YOUNG = 3  # the first age levels: up to 34
# Fields that go together in the log, by popularity or by who people are, and do nothing together.
DECOYS = (
    ("brand", "seller"),
    ("age_level", "occupation"),
    ("city_tier", "consumption_grade"),
    ("position", "item_scenario_clicks"),
)
DETERMINED = {"user_id": list(USER_FIELDS), "item_id": list(ITEM_FIELDS)}

# How much a past click in a source (column) counts in a target (row), for the same category.
MIGRATION = np.array(
    [  # Home feed, Search, Cart page, Live stream, Flash sale
        [1.0, 0.4, 0.2, 0.0, 0.1],
        [0.2, 1.0, 0.1, 0.0, 0.0],
        [0.1, 1.2, 0.8, 0.0, 0.4],
        [0.0, -0.4, 0.0, 1.0, 0.3],
        [0.0, 0.2, 0.6, 0.7, 1.0],
    ]
)
MIGRATION_STRENGTH = np.array([0.50, 0.55, 0.60, 0.60, 0.55])  # by target
# Past clicks go together with these fields; what they say alone is taken out of the migration.
SPOKEN_FOR = ("category", "category_clicks_7d", "shopping_depth")


def effects(extra: int) -> tuple[Effect, ...]:
    """Return all effects of a world with `extra` further fields; most of those are pure noise."""
    alone, paired = min(extra // 3, 8), min(extra // 4, 6)
    drawn = [*MAINS, *PAIRS, OPPOSED]
    for number in range(1, alone + 1):
        drawn.append(Effect((f"extra_{number}",), "random", all_families(0.3 / alone**0.5)))
    for number in range(alone + 1, alone + paired + 1):
        strength = {EVERYWHERE[number % 3]: 0.4 / paired**0.5}
        drawn.append(Effect(("category", f"extra_{number}"), "random", strength))
    return tuple(drawn)


def shape_of(rng: np.random.Generator, shape: str, sizes: list[int]) -> np.ndarray:
    """Return an effect's table over the fields' own values, before it is made pure and scaled."""
    if shape in ("rising", "falling"):
        ramp = np.linspace(-1.0, 1.0, sizes[0])
        return ramp if shape == "rising" else -ramp
    if shape == "matching":  # both low or both high is good: big spenders like what is dear
        return np.outer(np.linspace(-1, 1, sizes[0]), np.linspace(-1, 1, sizes[1]))
    if shape == "opposed":
        side = np.outer([1.0, -1.0], np.where(np.arange(sizes[1]) < YOUNG, 1.0, -1.0))
        return np.asarray(side[:, :, None] * np.linspace(-1, 1, sizes[2]))
    if shape == "wave":  # the last field is the hour: each value has its own time of the day
        hour = np.arange(sizes[-1]) * 2 * np.pi / sizes[-1]
        if len(sizes) == 1:
            return np.asarray(np.cos(hour - 5.5))
        peak = 2 * np.pi * rng.random((sizes[0], 1))
        return np.asarray(np.cos(hour - peak))
    if len(sizes) == 1:
        return rng.standard_normal(sizes[0])
    # Two factors, not one number per cell: tastes are shared between values, and can be learned.
    return np.asarray(rng.standard_normal((sizes[0], 2)) @ rng.standard_normal((2, sizes[1])))
