"""The planted shop: who comes, what is on offer, when, and through which scenario.

Everything here is what a log records; what makes people click stands in `_planted_response`.
All columns are encoded ids: 0 unknown, 1 missing, then the field's own values.
"""

from functools import cached_property
from typing import Any

import numpy as np

from msviz.data._planted_words import (
    BASE_FIELDS,
    CATEGORIES,
    COLUMNS,
    DAYS,
    EDGES,
    EXTRA_VALUES,
    FAMILIES,
    FIRST_DAY,
    TEST_DAY,
    VALID_DAY,
    VALUES,
)
from msviz.schema import FIRST, MISSING, UNKNOWN, Field, Schema, Split

Array = np.ndarray[Any, Any]


def stream(seed: int, chunk: int) -> np.random.Generator:
    """Return the random numbers of one chunk: a counter-based stream keyed by (seed, chunk)."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, chunk], np.uint64)))


def pick(weights: Array, uniform: Array) -> Array:
    """Return for each uniform number the index that it falls on under the (cumulated) weights."""
    cumulated = np.cumsum(weights)
    found = np.searchsorted(cumulated, uniform * cumulated[-1], side="right")
    return np.asarray(np.minimum(found, len(weights) - 1))


def pick_by_row(weights: Array, row: Array, uniform: Array) -> Array:
    """Return indices drawn under weights (K, V), row r of them for each element of `row` (n,)."""
    cumulated = np.cumsum(weights / weights.sum(1, keepdims=True), axis=1)
    return np.asarray(np.minimum((uniform[:, None] >= cumulated[row]).sum(1), weights.shape[1] - 1))


def near(centres: Array, count: int, width: float) -> Array:
    """Return weights (len(centres), count) that fall off as a normal curve around each centre."""
    distance = (np.arange(count) - np.asarray(centres)[:, None]) / width
    return np.asarray(np.exp(-(distance**2) / 2))


class Shop:
    """The fixed part of a planted world: people, goods, opening hours and scenarios."""

    def __init__(self, seed: int, rows: int, scenarios: int, fields: int) -> None:
        """Draw people and goods for a log of `rows` rows; memory is bounded for any number of rows."""
        self.rows, self.scenarios, self.extra = rows, scenarios, fields - BASE_FIELDS
        self.users = int(np.clip(rows // 20, 2_000, 60_000))
        self.items = int(np.clip(rows // 40, 1_000, 60_000))
        rng = stream(seed, 2**64 - 1)
        self._draw_hours(rng)
        self._draw_people(rng)
        self._draw_goods(rng)
        copy, family = np.divmod(np.arange(scenarios), len(FAMILIES))
        self.family = family
        share = np.array([kind.share for kind in FAMILIES])[family]
        self._shares = np.cumsum(share / (copy + 1) ** 1.1)
        self._shares /= self._shares[-1]

    @cached_property
    def scenario_names(self) -> list[str]:
        """Return the names of the scenarios: five families, then 'Home feed 2' and so on."""
        names = []
        for number in range(self.scenarios):
            copy, family = divmod(number, len(FAMILIES))
            names.append(FAMILIES[family].name + (f" {copy + 1}" if copy else ""))
        return names

    @cached_property
    def schema(self) -> Schema:
        """Return the schema of the log, vocabularies and scenarios included."""
        values = VALUES | {
            "user_id": [f"U{number:05d}" for number in range(1, self.users + 1)],
            "item_id": [f"I{number:05d}" for number in range(1, self.items + 1)],
            "scenario": self.scenario_names,
        }
        fields = [Field(name="click", role="label", title="Click")]
        for name, title, role, specific in COLUMNS:
            numeric: dict[str, Any] = {}
            if name in EDGES:
                numeric = {"kind": "numeric", "bins": len(EDGES[name]) + 1, "edges": EDGES[name]}
            field = Field(
                name=name, title=title, role=role, specific=specific, vocabulary=values[name], **numeric
            )
            fields.append(field)
        groups = [f"Group {number}" for number in range(1, EXTRA_VALUES + 1)]
        for number in range(1, self.extra + 1):
            fields.append(Field(name=f"extra_{number}", title=f"Extra {number}", vocabulary=groups))
        fields.append(Field(name="time", role="time", unit="s", title="Time"))
        days = [str(np.datetime64(FIRST_DAY + day, "D")) for day in (VALID_DAY, TEST_DAY)]
        split = Split(by="time", valid_from=days[0], test_from=days[1])
        found = [[FIRST + number] for number in range(self.scenarios)]
        return Schema(fields=fields, split=split, scenarios=found)

    def clock(self, start: int, uniform: Array) -> Array:
        """Return local times in seconds (n,) of rows start, start + 1, ...: in order, busy hours busier."""
        return self.moment((start + np.arange(len(uniform)) + uniform) / self.rows)

    def moment(self, quantile: Array) -> Array:
        """Return the local times in seconds (n,) before which these shares of all rows lie."""
        hours = np.interp(quantile, self._busy, np.arange(len(self._busy)))
        inside = np.minimum(hours * 3600, DAYS * 86_400 - 1)
        return np.asarray(FIRST_DAY * 86_400 + inside.astype(np.int64))

    def scenario(self, uniform: Array) -> Array:
        """Return the scenario numbers 0..K-1 (n,) of rows."""
        found = np.searchsorted(self._shares, uniform, side="right")
        return np.asarray(np.minimum(found, self.scenarios - 1))

    def draw(
        self, rng: np.random.Generator, time: Array, scenario: Array, family: Array | None = None
    ) -> Array:
        """Return the ids (n, N) int32 of rows at these times and scenarios; `family` replaces theirs."""
        count = len(time)
        family = self.family[scenario] if family is None else family
        day = time // 86_400 - FIRST_DAY
        user = pick(self._user_weight, rng.random(count))
        user = np.where(self._joined[user] > day, self._user_stand_in[user], user)
        item, fond = self._draw_item(rng, user, family)
        item = np.where(self._released[item] > day, self._item_stand_in[item], item)
        columns = {"user_id": FIRST + user, "item_id": FIRST + item, "scenario": FIRST + scenario}
        columns |= {name: values[user] for name, values in self._people.items()}
        columns |= {name: values[item] for name, values in self._goods.items()}
        columns |= self._context(rng, time, user, item, fond, family, columns["age_level"])
        out = np.empty((count, BASE_FIELDS + self.extra), np.int32)
        for position, (name, *_) in enumerate(COLUMNS):
            out[:, position] = columns[name]
        weights = 1 / np.arange(1, EXTRA_VALUES + 1)
        for number in range(self.extra):
            out[:, BASE_FIELDS + number] = FIRST + pick(weights, rng.random(count))
        return out

    def _context(
        self,
        rng: np.random.Generator,
        time: Array,
        user: Array,
        item: Array,
        fond: Array,
        family: Array,
        age: Array,
    ) -> dict[str, Array]:
        """Return when, where and how each item was shown: the ids (n,) of the fields of context and cross."""
        count = len(time)
        day, second = np.divmod(time - FIRST_DAY * 86_400, 86_400)
        columns: dict[str, Array] = {}
        columns["hour"] = FIRST + second // 3600
        columns["weekday"] = FIRST + (day + FIRST_DAY + 3) % 7
        # Popular items stand further up: position and popularity go together.
        place = 0.65 * rng.random(count) + 0.35 * self._rarity[item]
        columns["position"] = FIRST + np.minimum(10 * place**1.4, 9).astype(np.int64)
        columns["device"] = self._device(rng, age)
        columns["category_clicks_7d"] = self._recent_clicks(rng, user, item, fond)
        entries = np.array([kind.entries for kind in FAMILIES])
        entry = FIRST + pick_by_row(entries, family, rng.random(count))
        columns["entry"] = np.where(rng.random(count) < 0.02, MISSING, entry)
        modules = np.array([kind.modules for kind in FAMILIES])
        columns["scenario_position"] = FIRST + pick_by_row(modules, family, rng.random(count))
        spread = np.exp(0.5 * rng.standard_normal(count))
        clicks = 40_000 * self._item_share[family, item] * (day + 7) / DAYS * spread
        columns["item_scenario_clicks"] = FIRST + np.searchsorted(EDGES["item_scenario_clicks"], clicks)
        return columns

    def _draw_hours(self, rng: np.random.Generator) -> None:
        """Draw how busy each of the 61 x 24 hours is, as a cumulated share from 0 to 1."""
        hour = np.arange(24)
        daily = 0.15 + np.exp(-(((hour - 21) / 3.0) ** 2)) + 0.6 * np.exp(-(((hour - 12.5) / 3.0) ** 2))
        day = np.arange(DAYS)
        weekend = (day + FIRST_DAY + 3) % 7 >= 5
        level = (1 + 0.25 * weekend + 0.004 * day) * np.exp(0.05 * rng.standard_normal(DAYS))
        busy = np.outer(level, daily).ravel()
        self._busy = np.concatenate([[0.0], np.cumsum(busy) / busy.sum()])

    def _draw_people(self, rng: np.random.Generator) -> None:
        """Draw every user's attributes (some unknown to the shop), tastes and activity."""
        count = self.users
        age = pick(np.array([0.04, 0.24, 0.30, 0.21, 0.13, 0.08]), rng.random(count))
        # Occupation goes with age, grade with the city and depth with the grade; none of it is a pair.
        work = near(np.arange(6) * 1.7, 10, 2.0)
        occupation = pick_by_row(work, age, rng.random(count))
        city = pick(np.array([0.22, 0.27, 0.23, 0.17, 0.11]), rng.random(count))
        grade = pick_by_row(near(3.1 - 0.55 * np.arange(5), 5, 1.1), city, rng.random(count))
        depth = pick_by_row(near(0.9 + 0.45 * np.arange(5), 5, 1.2), grade, rng.random(count))
        gender = pick(np.array([0.56, 0.44]), rng.random(count))
        hidden = {"gender": (gender, 0.06), "age_level": (age, 0.05), "city_tier": (city, 0.02)}
        hidden |= {"occupation": (occupation, 0.12), "consumption_grade": (grade, 0.03)}
        hidden |= {"shopping_depth": (depth, 0.0)}
        self._people = {
            name: np.where(rng.random(count) < missing, MISSING, FIRST + values)
            for name, (values, missing) in hidden.items()
        }
        self._activity = 0.4 + 0.3 * depth
        taste = np.exp(0.8 * rng.standard_normal((2, len(CATEGORIES))))
        self._fond = pick_by_row(taste, gender, rng.random(count))
        self._user_weight = rng.permutation((np.arange(count) + 10.0) ** -0.6) * (0.5 + self._activity)
        # One user in seven joins during the log, so the test days hold users that training hardly saw.
        new = rng.random(count) < 0.15
        self._joined = np.where(new, (DAYS * rng.random(count)).astype(np.int64), 0)
        old = np.flatnonzero(~new)
        self._user_stand_in = old[(len(old) * rng.random(count)).astype(np.int64)]

    def _draw_goods(self, rng: np.random.Generator) -> None:
        """Draw every item's attributes and its popularity in each family of scenarios."""
        count, kinds = self.items, len(CATEGORIES)
        popular = rng.permutation((np.arange(kinds) + 2.0) ** -0.8)
        # Items of a category lie side by side, so that both draws below are one search.
        category = np.sort(pick(popular, rng.random(count)))
        price = pick_by_row(near(1 + 3.5 * rng.random(kinds), 6, 1.2), category, rng.random(count))
        brand = pick((np.arange(260) + 4.0) ** -0.9, rng.random(count))
        # A seller deals in few brands: the two go together and do nothing together.
        own = (brand * 7 + (3 * rng.random(count)).astype(np.int64)) % 300
        anyone = pick((np.arange(300) + 4.0) ** -0.9, rng.random(count))
        seller = np.where(rng.random(count) < 0.75, own, anyone)
        self._goods = {
            "category": FIRST + category,
            # The vocabulary keeps 200 brands and 250 sellers; smaller ones are "rare or unknown".
            "brand": np.where(brand < 200, FIRST + brand, UNKNOWN),
            "price_band": FIRST + price,
            "seller": np.where(seller < 250, FIRST + seller, UNKNOWN),
        }
        for name, missing in (("brand", 0.04), ("price_band", 0.02)):
            self._goods[name] = np.where(rng.random(count) < missing, MISSING, self._goods[name])
        self._category = category
        weight = rng.permutation((np.arange(count) + 3.0) ** -0.95)
        tilt = np.exp(0.5 * rng.standard_normal((len(FAMILIES), kinds)))
        by_family = weight * tilt[:, category]
        self._item_share = by_family / by_family.sum(1, keepdims=True)
        self._item_sum = np.cumsum(self._item_share, axis=1)
        edges = np.searchsorted(category, np.arange(kinds + 1))
        self._category_sum = np.concatenate([np.zeros((len(FAMILIES), 1)), self._item_sum], 1)[:, edges]
        order = np.argsort(-weight)
        self._rarity = np.empty(count)
        self._rarity[order] = np.cumsum(weight[order]) / weight.sum()
        new = rng.random(count) < 0.15
        new[np.minimum(edges[:-1], count - 1)] = False
        self._released = np.where(new, (DAYS * rng.random(count)).astype(np.int64), 0)
        # A new item's place is taken by the nearest old item before it, of the same category.
        self._item_stand_in = np.maximum.accumulate(np.where(new, 0, np.arange(count)))

    def _draw_item(self, rng: np.random.Generator, user: Array, family: Array) -> tuple[Array, Array]:
        """Return items (n,), one in four from the user's favourite category, and that category (n,)."""
        fond = self._fond[user]
        low, high = self._category_sum[family, fond], self._category_sum[family, fond + 1]
        uniform = rng.random(len(user))
        aimed = rng.random(len(user)) < 0.25
        target = np.where(aimed & (high > low), low + uniform * (high - low), uniform)
        item = np.empty(len(user), np.int64)
        for number in range(len(FAMILIES)):
            mine = family == number
            item[mine] = np.searchsorted(self._item_sum[number], target[mine], side="right")
        return np.minimum(item, self.items - 1), fond

    def _device(self, rng: np.random.Generator, age: Array) -> Array:
        """Return devices (n,): phones rule, older people use more tablets and desktops."""
        level = np.linspace(0, 1, 6)[:, None]
        weights = np.hstack([0.5 + 0 * level, 0.38 - 0.2 * level, 0.04 + 0.1 * level, 0.08 + 0.12 * level])
        device = FIRST + pick_by_row(weights, np.maximum(age - FIRST, 0), rng.random(len(age)))
        return np.where(rng.random(len(age)) < 0.015, MISSING, device)

    def _recent_clicks(self, rng: np.random.Generator, user: Array, item: Array, fond: Array) -> Array:
        """Return the bins (n,) of the user's clicks in the item's category in the last 7 days."""
        mean = self._activity[user] * np.where(self._category[item] == fond, 3.5, 0.6)
        return FIRST + np.searchsorted(EDGES["category_clicks_7d"], rng.poisson(mean))
