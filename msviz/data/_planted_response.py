"""What makes people click in the planted shop: single fields, pairs of fields, and nothing else.

    logit p = intercept[scenario] + sum_f main_f[family, x_f] + sum_(a,b) pair_ab[family, x_a, x_b]

Every pair table is pure: its weighted mean over either field is zero under the family's own joint
distribution, so no part of it could be said by the two fields alone. Unknown and missing add 0.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from msviz.data._planted_shop import Array, Shop, stream
from msviz.data._planted_words import FAMILIES, ITEM_FIELDS, USER_FIELDS
from msviz.schema import FIRST

HOME, SEARCH, CART, LIVE, FLASH = (kind.name for kind in FAMILIES)
EVERYWHERE = (HOME, SEARCH, CART, LIVE, FLASH)
SAMPLE = 32_768  # rows per family from which weights, centres and intercepts are taken,
SAMPLE_CELLS = 2**23  # and fewer in a log so wide that they would not fit


@dataclass(frozen=True)
class Effect:
    """What one field or one pair adds to the logit: its shape and its signed strength by family."""

    fields: tuple[str, ...]
    shape: Literal["random", "rising", "falling", "matching", "wave"]
    strength: dict[str, float]


def all_families(strength: float) -> dict[str, float]:
    """Return the same strength in every family."""
    return dict.fromkeys(EVERYWHERE, strength)


MAINS = (
    Effect(("user_id",), "random", all_families(0.15)),
    Effect(("item_id",), "random", all_families(0.25)),
    Effect(("category",), "random", all_families(0.20)),
    Effect(("brand",), "random", {HOME: 0.20, SEARCH: 0.25, CART: 0.20}),
    Effect(("position",), "falling", all_families(0.25) | {SEARCH: 0.40}),
    Effect(("category_clicks_7d",), "rising", all_families(0.35) | {CART: 0.45}),
    Effect(("item_scenario_clicks",), "rising", all_families(0.20) | {FLASH: 0.35}),
    Effect(("price_band",), "falling", {CART: 0.25, FLASH: 0.35}),
    Effect(("hour",), "wave", {HOME: 0.15, LIVE: 0.40}),
    Effect(("age_level",), "random", {HOME: 0.20, LIVE: 0.25}),
    Effect(("shopping_depth",), "rising", {CART: 0.25, FLASH: 0.25}),
    Effect(("device",), "random", {SEARCH: 0.20}),
)
PAIRS = (
    Effect(("gender", "category"), "random", all_families(0.55) | {SEARCH: 0.45, CART: 0.40}),
    Effect(("consumption_grade", "price_band"), "matching", all_families(0.50)),
    # The one pair whose sign is reversed between two scenarios.
    Effect(("age_level", "category"), "random", {HOME: 0.50, SEARCH: -0.50}),
    Effect(("entry", "price_band"), "random", {HOME: 0.40}),
    Effect(("position", "device"), "random", {SEARCH: 0.50}),
    Effect(("category", "weekday"), "random", {CART: 0.45}),
    Effect(("shopping_depth", "price_band"), "matching", {CART: 0.40, FLASH: 0.45}),
    Effect(("category", "hour"), "wave", {LIVE: 0.50}),
    Effect(("city_tier", "device"), "random", {LIVE: 0.40}),
)
# Fields that go together in the log, by popularity or by who people are, and do nothing together.
DECOYS = (
    ("brand", "seller"),
    ("age_level", "occupation"),
    ("city_tier", "consumption_grade"),
    ("position", "item_scenario_clicks"),
)
DETERMINED = {"user_id": list(USER_FIELDS), "item_id": list(ITEM_FIELDS)}


def effects(extra: int) -> tuple[Effect, ...]:
    """Return all effects of a world with `extra` further fields; most of those are pure noise."""
    alone, paired = min(extra // 3, 8), min(extra // 4, 6)
    found = [*MAINS, *PAIRS]
    for number in range(1, alone + 1):
        found.append(Effect((f"extra_{number}",), "random", all_families(0.3 / alone**0.5)))
    for number in range(alone + 1, alone + paired + 1):
        strength = {EVERYWHERE[number % 3]: 0.4 / paired**0.5}
        found.append(Effect(("category", f"extra_{number}"), "random", strength))
    return tuple(found)


class Response:
    """The click probability of any row of a shop."""

    def __init__(self, shop: Shop, seed: int) -> None:
        """Draw every table and set each scenario's intercept so that its click rate is what it should be."""
        self.shop, self.schema = shop, shop.schema
        self.effects = effects(shop.extra)
        rng = stream(seed, 2**64 - 2)
        samples = [self._sample(rng, family) for family in range(len(FAMILIES))]
        self._columns = [[self.schema.index(name) for name in effect.fields] for effect in self.effects]
        self._tables = [
            self._table(rng, effect, columns, samples)
            for effect, columns in zip(self.effects, self._columns, strict=True)
        ]
        # Scenarios beyond the first five are relatives: the same response, each strength a bit its own.
        self.scale = 0.6 + 0.8 * rng.random((len(self.effects), shop.scenarios))
        self.scale[:, : len(FAMILIES)] = 1.0
        self._intercept = self._intercepts(rng, samples)

    def contributions(self, fields: Array, scenario: Array) -> list[Array]:
        """Return what each effect adds to the logit of rows (n, N): one array (n,) per effect."""
        family = self.shop.family[scenario]
        found = []
        for number, columns in enumerate(self._columns):
            found.append(self._look_up(number, columns, fields, family) * self.scale[number, scenario])
        return found

    def logit(self, contributions: list[Array], scenario: Array) -> Array:
        """Return the logit (n,) of rows from their contributions and scenario numbers."""
        return np.asarray(np.sum(contributions, axis=0) + self._intercept[scenario])

    def strength(self, effect: Effect, scenario: int) -> float:
        """Return the strength with sign that the world gives an effect in a scenario; 0 for none."""
        number = self.effects.index(effect)
        family = FAMILIES[int(self.shop.family[scenario])].name
        return float(effect.strength.get(family, 0.0) * self.scale[number, scenario])

    def _look_up(self, number: int, columns: list[int], fields: Array, family: Array) -> Array:
        table = self._tables[number]
        index = family.astype(np.int64)
        for column, size in zip(columns, table.shape[1:], strict=True):
            index = index * size + fields[:, column]
        return np.asarray(table.ravel()[index])

    def _sample(self, rng: np.random.Generator, family: int) -> Array:
        """Return rows (n, N) of a family over all days, also where it has no scenario here."""
        count = min(SAMPLE, SAMPLE_CELLS // len(self.schema.features))
        scenario = np.full(count, min(family, self.shop.scenarios - 1))
        time = self.shop.moment(rng.random(count))
        return self.shop.draw(rng, time, scenario, np.full(count, family))

    def _table(
        self, rng: np.random.Generator, effect: Effect, columns: list[int], samples: list[Array]
    ) -> Array:
        """Return the table (families, size of each field) of an effect, scaled to its strengths."""
        sizes = [self.schema.sizes[column] for column in columns]
        raw = _raw(rng, effect.shape, [size - FIRST for size in sizes])
        table = np.zeros((len(FAMILIES), *sizes))
        for number, kind in enumerate(FAMILIES):
            if kind.name not in effect.strength:
                continue
            weight = _joint(samples[number][:, columns], sizes)
            inner = (slice(FIRST, None),) * len(sizes)
            table[number][inner] = purify(raw, weight[inner])
            # Rows with a missing value count in the spread: their contribution is 0.
            spread = np.sqrt((weight * table[number] ** 2).sum() / weight.sum())
            table[number] *= effect.strength[kind.name] / spread
        return table

    def _intercepts(self, rng: np.random.Generator, samples: list[Array]) -> Array:
        """Return the intercept (K,) that gives each scenario its click rate."""
        scenarios = self.shop.scenarios
        drift = np.exp(0.25 * rng.standard_normal(scenarios))
        drift[: len(FAMILIES)] = 1.0
        out = np.empty(scenarios)
        grid = np.linspace(-8, 6, 141)
        for number, kind in enumerate(FAMILIES):
            mine = np.flatnonzero(self.shop.family == number)
            if not len(mine):
                continue
            family = np.full(len(samples[number]), number)
            parts = [
                self._look_up(effect, columns, samples[number], family)
                for effect, columns in enumerate(self._columns)
            ]
            rates = [sigmoid(np.sum(parts, axis=0) + value).mean() for value in grid]
            out[mine] = np.interp(np.minimum(kind.click_rate * drift[mine], 0.8), rates, grid)
        return out


def sigmoid(logit: Array) -> Array:
    """Return 1 / (1 + exp(-logit))."""
    return np.asarray(1 / (1 + np.exp(-logit)))


def purify(raw: Array, weight: Array) -> Array:
    """Return `raw` less its weighted mean, or, for a table (A, B), less all that A or B says alone.

    The result's weighted mean over either axis is 0 (functional ANOVA under the joint weights).
    """
    # A cell that the sample never held must not divide by zero; it weighs next to nothing.
    weight = weight + 1e-6 * weight.mean()
    if raw.ndim == 1:
        return np.asarray(raw - (weight * raw).sum() / weight.sum())
    pure = raw - (weight * raw).sum() / weight.sum()
    for _ in range(200):
        rows = (weight * pure).sum(1, keepdims=True) / weight.sum(1, keepdims=True)
        pure = pure - rows
        columns = (weight * pure).sum(0, keepdims=True) / weight.sum(0, keepdims=True)
        pure = pure - columns
        if max(np.abs(rows).max(), np.abs(columns).max()) < 1e-12:
            break
    return np.asarray(pure)


def _joint(ids: Array, sizes: list[int]) -> Array:
    """Return how often each value, or pair of values, occurs among ids (n, 1 or 2)."""
    index = ids[:, 0].astype(np.int64)
    for column, size in zip(range(1, len(sizes)), sizes[1:], strict=True):
        index = index * size + ids[:, column]
    return np.bincount(index, minlength=int(np.prod(sizes))).reshape(sizes).astype(float)


def _raw(rng: np.random.Generator, shape: str, sizes: list[int]) -> Array:
    """Return a table over the fields' own values before it is made pure and scaled."""
    if shape in ("rising", "falling"):
        ramp = np.linspace(-1.0, 1.0, sizes[0])
        return ramp if shape == "rising" else -ramp
    if shape == "matching":  # both low or both high is good: big spenders like what is dear
        return np.outer(np.linspace(-1, 1, sizes[0]), np.linspace(-1, 1, sizes[1]))
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
