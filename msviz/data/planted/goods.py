"""The planted shop's goods: what is on offer, how popular it is in each family of scenarios, since when."""

import numpy as np

from msviz.data.planted.draw import Array, near, pick, pick_by_row
from msviz.data.planted.words import CATEGORIES, DAYS, FAMILIES
from msviz.schema import FIRST, MISSING, UNKNOWN

ANY = -1  # instead of a category


class Goods:
    """The shop's items, numbered from 0; `columns` holds the ids (items,) of their attributes."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        """Draw every item's attributes and its popularity in each family of scenarios."""
        self.count, kinds = count, len(CATEGORIES)
        popular = rng.permutation((np.arange(kinds) + 2.0) ** -0.8)
        # Items of a category lie side by side, so that both draws below are one search.
        category = np.sort(pick(popular, rng.random(count)))
        price = pick_by_row(near(1 + 3.5 * rng.random(kinds), 6, 1.2), category, rng.random(count))
        brand = pick((np.arange(260) + 4.0) ** -0.9, rng.random(count))
        # A seller deals in few brands: the two go together and do nothing together.
        own = (brand * 7 + (3 * rng.random(count)).astype(np.int64)) % 300
        anyone = pick((np.arange(300) + 4.0) ** -0.9, rng.random(count))
        seller = np.where(rng.random(count) < 0.75, own, anyone)
        self.columns = {
            "category": FIRST + category,
            # The vocabulary keeps 200 brands and 250 sellers; smaller ones are "rare or unknown".
            "brand": np.where(brand < 200, FIRST + brand, UNKNOWN),
            "price_band": FIRST + price,
            "seller": np.where(seller < 250, FIRST + seller, UNKNOWN),
        }
        for name, missing in (("brand", 0.04), ("price_band", 0.02)):
            self.columns[name] = np.where(rng.random(count) < missing, MISSING, self.columns[name])
        self.category = category
        weight = rng.permutation((np.arange(count) + 3.0) ** -0.95)
        tilt = np.exp(0.5 * rng.standard_normal((len(FAMILIES), kinds)))
        by_family = weight * tilt[:, category]
        self.share = by_family / by_family.sum(1, keepdims=True)  # (families, items)
        self._sum = np.cumsum(self.share, axis=1)
        edges = np.searchsorted(category, np.arange(kinds + 1))
        self._category_sum = np.concatenate([np.zeros((len(FAMILIES), 1)), self._sum], 1)[:, edges]
        order = np.argsort(-weight)
        self.rarity = np.empty(count)  # 0 for the most popular item, 1 for the least
        self.rarity[order] = np.cumsum(weight[order]) / weight.sum()
        new = rng.random(count) < 0.15
        new[np.minimum(edges[:-1], count - 1)] = False
        self._released = np.where(new, (DAYS * rng.random(count)).astype(np.int64), 0)
        # A new item's place is taken by the nearest old item before it, of the same category.
        self._stand_in = np.maximum.accumulate(np.where(new, 0, np.arange(count)))

    def draw(self, family: Array, category: Array, day: Array, uniform: Array) -> Array:
        """Return items (n,) by their popularity in the family, from a category or from ANY, on these days."""
        low, high = self._category_sum[family, category], self._category_sum[family, category + 1]
        target = np.where((category != ANY) & (high > low), low + uniform * (high - low), uniform)
        item = np.empty(len(family), np.int64)
        for number in range(len(FAMILIES)):
            members = family == number
            item[members] = np.searchsorted(self._sum[number], target[members], side="right")
        item = np.minimum(item, self.count - 1)
        return np.where(self._released[item] > day, self._stand_in[item], item)
