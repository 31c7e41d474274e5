"""What makes people click in the planted shop: fields, pairs, groups, past clicks, the day, nothing else.

    logit p = intercept[scenario] + lift[day] + migration + Σ_e mix_e[day] · table_e[family, x_e]

Every table is pure: its weighted mean over any one of its fields is zero under the family's own joint
distribution, so no part of it could be said by fewer fields. Unknown and missing add 0. mix is 1, the
day's share of own taste or the day's share of what is hot, by the effect's pattern.
"""

import numpy as np

from msviz.data.planted.draw import Array, stream
from msviz.data.planted.effects import (
    MIGRATION,
    MIGRATION_STRENGTH,
    OPPOSED,
    OPPOSED_SCENARIO,
    SPOKEN_FOR,
    Effect,
    effects,
    shape_of,
)
from msviz.data.planted.shop import Shop, ShownRows
from msviz.data.planted.words import FAMILIES
from msviz.schema import FIRST

SAMPLE = 32_768  # rows per family from which weights, centres and intercepts are taken,
SAMPLE_CELLS = 2**23  # and fewer in a log so wide that they would not fit


class Response:
    """The click probability of any row of a shop."""

    def __init__(self, shop: Shop, seed: int) -> None:
        """Draw every table and set each scenario's intercept so that its click rate is what it should be."""
        self.shop, self.schema = shop, shop.schema
        self.effects = effects(shop.extra)
        rng = stream(seed, 2**64 - 2)
        hot = shop.calendar.hot_share
        self._mix = {"always": np.ones_like(hot), "taste": 1 - hot, "hot": hot}
        samples = [shop.of_family(rng, family, self.sample_size) for family in range(len(FAMILIES))]
        self._columns = [[self.schema.index(name) for name in effect.fields] for effect in self.effects]
        self.tables = [
            self._table(rng, effect, columns, samples)
            for effect, columns in zip(self.effects, self._columns, strict=True)
        ]
        # Scenarios beyond the first five are relatives: the same response, each strength a bit its own.
        self.scale = 0.6 + 0.8 * rng.random((len(self.effects) + 1, shop.scenarios.count))
        self.scale[:, : len(FAMILIES)] = 1.0
        relatives = np.arange(shop.scenarios.count) != OPPOSED_SCENARIO
        self.scale[self.effects.index(OPPOSED), relatives] = 0.0
        self._spoken = [self.schema.index(name) for name in SPOKEN_FOR]
        self.centres = [self._centred(family, rows) for family, rows in enumerate(samples)]
        self.intercept = self._intercepts(rng, samples)

    @property
    def sample_size(self) -> int:
        """Return how many rows of a family are drawn to learn about it."""
        return min(SAMPLE, SAMPLE_CELLS // len(self.schema.features))

    def contributions(self, rows: ShownRows) -> list[Array]:
        """Return what each effect, and last the migration, adds to the logits: arrays (n,)."""
        parts = [
            self._look_up(number, rows) * self.scale[number, rows.scenario]
            for number in range(len(self.effects))
        ]
        return [*parts, self._migration(rows) * self.scale[-1, rows.scenario]]

    def logit(self, contributions: list[Array], rows: ShownRows) -> Array:
        """Return the logit (n,) of rows from their contributions."""
        fixed = self.intercept[rows.scenario] + self.shop.calendar.lift[rows.day]
        return np.asarray(np.sum(contributions, axis=0) + fixed)

    def strength(self, effect: Effect, scenario: int) -> float:
        """Return the strength with sign that the world gives an effect in a scenario; 0 for none."""
        number = self.effects.index(effect)
        family = FAMILIES[int(self.shop.scenarios.family[scenario])].name
        return float(effect.strength.get(family, 0.0) * self.scale[number, scenario])

    def _look_up(self, number: int, rows: ShownRows) -> Array:
        table, mix = self.tables[number], self._mix[self.effects[number].pattern]
        index = rows.family.astype(np.int64)
        for column, size in zip(self._columns[number], table.shape[1:], strict=True):
            index = index * size + rows.fields[:, column]
        return np.asarray(table.ravel()[index] * mix[rows.day])

    def _table(
        self, rng: np.random.Generator, effect: Effect, columns: list[int], samples: list[ShownRows]
    ) -> Array:
        """Return the table (families, size of each field) of an effect, scaled to its strengths."""
        sizes = [self.schema.sizes[column] for column in columns]
        raw = shape_of(rng, effect.shape, [size - FIRST for size in sizes])
        table = np.zeros((len(FAMILIES), *sizes))
        for number, kind in enumerate(FAMILIES):
            if kind.name not in effect.strength:
                continue
            rows = samples[number]
            # Days on which the effect hardly counts hardly count for its purity.
            weight = _joint(rows.fields[:, columns], sizes, self._mix[effect.pattern][rows.day])
            inner = (slice(FIRST, None),) * len(sizes)
            table[number][inner] = purify(raw, weight[inner])
            # Rows with a missing value count in the spread: their contribution is 0.
            spread = np.sqrt((weight * table[number] ** 2).sum() / weight.sum())
            table[number] *= effect.strength[kind.name] / spread
        return table

    def warm(self, rows: ShownRows) -> Array:
        """Return how fresh and many each row's clicks in the item's category are: (n, families)."""
        category = rows.fields[:, self.schema.index("category")] - FIRST
        return self.shop.clicks.warmth(rows.history, category, rows.time)

    def _centred(self, family: int, rows: ShownRows) -> tuple[list[Array], float]:
        """Return what SPOKEN_FOR say of a family's migration, a table (size,) each, and what scales the rest.

        Least squares on the sample: what is left goes together with none of these fields.
        """
        raw = self.warm(rows) @ MIGRATION[family]
        sizes = [self.schema.sizes[column] for column in self._spoken]
        columns = [
            np.equal(rows.fields[:, [c]], np.arange(s)) for c, s in zip(self._spoken, sizes, strict=True)
        ]
        design = np.hstack(columns).astype(float)
        # The ridge: each field's columns add up to one, and some values the sample never held.
        gram = design.T @ design + 1e-3 * np.eye(design.shape[1])
        weights = np.linalg.solve(gram, design.T @ raw)
        rest = raw - design @ weights
        return np.split(weights, np.cumsum(sizes)[:-1]), float(MIGRATION_STRENGTH[family] / rest.std())

    def _migration(self, rows: ShownRows) -> Array:
        raw = (self.warm(rows) * MIGRATION[rows.family]).sum(1)
        out = np.empty(len(raw))
        for family, (centres, scale) in enumerate(self.centres):
            members = rows.family == family
            spoken = sum(
                table[rows.fields[members, column]]
                for table, column in zip(centres, self._spoken, strict=True)
            )
            out[members] = scale * (raw[members] - spoken)
        return out

    def _intercepts(self, rng: np.random.Generator, samples: list[ShownRows]) -> Array:
        """Return the intercept (K,) that gives each scenario its click rate."""
        count = self.shop.scenarios.count
        drift = np.exp(0.25 * rng.standard_normal(count))
        drift[: len(FAMILIES)] = 1.0
        out = np.empty(count)
        grid = np.linspace(-8, 6, 141)
        for number, kind in enumerate(FAMILIES):
            members = np.flatnonzero(self.shop.scenarios.family == number)
            if not len(members):
                continue
            rows = samples[number]
            parts = [self._look_up(effect, rows) for effect in range(len(self.effects))]
            rest = np.sum([*parts, self._migration(rows)], axis=0) + self.shop.calendar.lift[rows.day]
            rates = [sigmoid(rest + value).mean() for value in grid]
            out[members] = np.interp(np.minimum(kind.click_rate * drift[members], 0.8), rates, grid)
        return out


def sigmoid(logit: Array) -> Array:
    """Return 1 / (1 + exp(-logit))."""
    return np.asarray(1 / (1 + np.exp(-logit)))


def purify(raw: Array, weight: Array) -> Array:
    """Return a table (A, ...) less all that fewer of its fields could say.

    The result's weighted mean over any one axis is 0 (functional ANOVA under the joint weights).
    """
    # A cell that the sample never held must not divide by zero; it weighs next to nothing.
    weight = weight + 1e-6 * weight.mean()
    pure = np.asarray(raw, float)
    for _ in range(200):
        largest = 0.0
        for axis in range(pure.ndim):
            mean = (weight * pure).sum(axis, keepdims=True) / weight.sum(axis, keepdims=True)
            pure = pure - mean
            largest = max(largest, float(np.abs(mean).max()))
        if largest < 1e-12:
            break
    return pure


def _joint(ids: Array, sizes: list[int], weight: Array) -> Array:
    """Return the weight (n,) of each value, or combination of values, added up over ids (n, len(sizes))."""
    index = ids[:, 0].astype(np.int64)
    for column, size in zip(range(1, len(sizes)), sizes[1:], strict=True):
        index = index * size + ids[:, column]
    return np.bincount(index, weight, int(np.prod(sizes))).reshape(sizes)
