"""The planted shop: who comes, what is shown to them, when, and through which scenario.

Everything here is what a log records; what makes people click stands in `click_probability.py`.
All columns are encoded ids: 0 unknown, 1 missing, then the field's own values.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from msviz.data.planted.days import DAY, PlantedCalendar
from msviz.data.planted.draw import Array, pick, pick_by_row, stream
from msviz.data.planted.goods import ANY, Goods
from msviz.data.planted.past_clicks import PlantedClicks
from msviz.data.planted.people import People
from msviz.data.planted.scenarios import PlantedScenarios
from msviz.data.planted.words import (
    BASE_FIELDS,
    COLUMNS,
    DAYS,
    EDGES,
    EXTRA_VALUES,
    FAMILIES,
    FIRST_DAY,
    LATEST,
    SIGNALS,
    TEST_DAY,
    VALID_DAY,
    VALUES,
)
from msviz.schema import FIRST, MISSING, Field, Schema, Split

MOST_USERS, MOST_ITEMS = 60_000, 60_000  # what memory is bounded by


@dataclass(frozen=True)
class ShownRows:
    """n rows of the log as they were shown, before anybody clicked."""

    fields: Array  # (n, N) ids
    scenario: Array  # (n,) numbers from 0
    family: Array  # (n,)
    time: Array  # (n,) local seconds
    history: tuple[Array, Array]  # (n,) each: number of the first click, and how many

    @property
    def day(self) -> Array:
        """Return the day of the log (n,), from 0."""
        return self.time // DAY - FIRST_DAY


class Shop:
    """The fixed part of a planted world: people, goods, calendar, scenarios and past clicks."""

    def __init__(self, seed: int, rows: int, scenarios: int, fields: int) -> None:
        """Draw people and goods for a log of `rows` rows; memory is bounded for any number of rows."""
        self.rows, self.extra = rows, fields - BASE_FIELDS
        rng = stream(seed, 2**64 - 1)
        self.scenarios = PlantedScenarios(scenarios)
        self.calendar = PlantedCalendar(rng)
        self.people = People(rng, int(np.clip(rows // 50, 2_000, MOST_USERS)))
        self.goods = Goods(rng, int(np.clip(rows // 80, 1_000, MOST_ITEMS)))
        self.clicks = PlantedClicks(rng, self.people, self.goods, self.scenarios, self.calendar)

    @cached_property
    def schema(self) -> Schema:
        """Return the schema of the log, vocabularies and scenarios included."""
        values = VALUES | {
            "user_id": [f"U{number:05d}" for number in range(1, self.people.count + 1)],
            "item_id": [f"I{number:05d}" for number in range(1, self.goods.count + 1)],
            "scenario": self.scenarios.names,
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
        fields.append(
            Field(
                name="history",
                title="Recent clicks",
                role="behaviour",
                kind="sequence",
                of="item_id",
                sides={"category": "history_category"},
                scenario="history_scenario",
                time="history_time",
                max=LATEST,
            )
        )
        for name, title, unit in SIGNALS:
            fields.append(Field(name=name, title=title, role="signal", kind="numeric", unit=unit))
        fields.append(Field(name="time", role="time", unit="s", title="Time"))
        days = [str(np.datetime64(FIRST_DAY + day, "D")) for day in (VALID_DAY, TEST_DAY)]
        split = Split(by="time", valid_from=days[0], test_from=days[1])
        combinations = [[FIRST + number] for number in range(self.scenarios.count)]
        return Schema(fields=fields, split=split, scenarios=combinations)

    def shown(self, rng: np.random.Generator, start: int, count: int) -> ShownRows:
        """Return rows start..start+count-1 of the log: in order of time, busy hours busier."""
        time = self.calendar.moment((start + np.arange(count) + rng.random(count)) / self.rows)
        return self.at(rng, time)

    def at(self, rng: np.random.Generator, time: Array) -> ShownRows:
        """Return one row for each of these times (n,)."""
        day = time // DAY - FIRST_DAY
        family = self.scenarios.draw_family(self.calendar.family_share, day, rng.random(len(time)))
        return self._draw(rng, time, self.scenarios.inside(family, rng.random(len(time))), family)

    def of_family(self, rng: np.random.Generator, family: int, count: int) -> ShownRows:
        """Return rows of one family over all days, also where it has no scenario here."""
        time = self.calendar.moment(rng.random(count), family)
        number = min(family, self.scenarios.count - 1)
        return self._draw(rng, time, np.full(count, number), np.full(count, family))

    def _draw(self, rng: np.random.Generator, time: Array, scenario: Array, family: Array) -> ShownRows:
        """Return rows at these times and scenarios."""
        count, day = len(time), time // DAY - FIRST_DAY
        user = self.people.draw(day, rng.random(count))
        history = self.clicks.window(user, time)
        item = self._item(rng, user, family, day, history)
        columns = {"user_id": FIRST + user, "item_id": FIRST + item, "scenario": FIRST + scenario}
        columns |= {name: values[user] for name, values in self.people.columns.items()}
        columns |= {name: values[item] for name, values in self.goods.columns.items()}
        clicked = self.clicks.count(user, self.goods.category[item], time, days=7)
        columns["category_clicks_7d"] = FIRST + np.searchsorted(EDGES["category_clicks_7d"], clicked)
        columns |= self._context(rng, time, item, family, columns["age_level"])
        out = np.empty((count, BASE_FIELDS + self.extra), np.int32)
        for position, (name, *_) in enumerate(COLUMNS):
            out[:, position] = columns[name]
        weights = 1 / np.arange(1, EXTRA_VALUES + 1)
        for number in range(self.extra):
            out[:, BASE_FIELDS + number] = FIRST + pick(weights, rng.random(count))
        return ShownRows(out, scenario, family, time, history)

    def _item(
        self, rng: np.random.Generator, user: Array, family: Array, day: Array, history: tuple[Array, Array]
    ) -> Array:
        """Return items (n,): some of the user's favourite category, some of one clicked lately."""
        start, length = history
        # The square prefers the latest clicks.
        back = (rng.random(len(user)) ** 2 * length).astype(np.int64)
        latest = np.minimum(start + length - 1 - back, len(self.clicks) - 1)
        why = rng.random(len(user))
        category = np.where(why < 0.15, self.people.fond[user], ANY)
        again = (why > 0.70) & (length > 0)
        category = np.where(again, self.clicks.category[latest], category)
        return self.goods.draw(family, category, day, rng.random(len(user)))

    def _context(
        self, rng: np.random.Generator, time: Array, item: Array, family: Array, age: Array
    ) -> dict[str, Array]:
        """Return when, where and how each item was shown: the ids (n,) of the fields of context."""
        count = len(time)
        day, second = np.divmod(time - FIRST_DAY * DAY, DAY)
        columns: dict[str, Array] = {}
        columns["hour"] = FIRST + second // 3600
        columns["weekday"] = FIRST + (day + FIRST_DAY + 3) % 7
        # Popular items stand further up: position and popularity go together.
        depth = 0.65 * rng.random(count) + 0.35 * self.goods.rarity[item]
        columns["position"] = FIRST + np.minimum(10 * depth**1.4, 9).astype(np.int64)
        columns["device"] = self._device(rng, age)
        entries = np.array([kind.entries for kind in FAMILIES])
        entry = FIRST + pick_by_row(entries, family, rng.random(count))
        columns["entry"] = np.where(rng.random(count) < 0.02, MISSING, entry)
        modules = np.array([kind.modules for kind in FAMILIES])
        columns["scenario_position"] = FIRST + pick_by_row(modules, family, rng.random(count))
        spread = np.exp(0.5 * rng.standard_normal(count))
        clicks = 40_000 * self.goods.share[family, item] * (day + 7) / DAYS * spread
        columns["item_scenario_clicks"] = FIRST + np.searchsorted(EDGES["item_scenario_clicks"], clicks)
        return columns

    def _device(self, rng: np.random.Generator, age: Array) -> Array:
        """Return devices (n,): phones rule, older people use more tablets and desktops."""
        level = np.linspace(0, 1, 6)[:, None]
        weights = np.hstack([0.5 + 0 * level, 0.38 - 0.2 * level, 0.04 + 0.1 * level, 0.08 + 0.12 * level])
        device = FIRST + pick_by_row(weights, np.maximum(age - FIRST, 0), rng.random(len(age)))
        return np.where(rng.random(len(age)) < 0.015, MISSING, device)
