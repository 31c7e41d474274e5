"""The planted shop's people: who they are, what they like, where they click and when they joined."""

import numpy as np

from msviz.data.planted.draw import Array, near, pick, pick_by_row
from msviz.data.planted.words import BEFORE, CATEGORIES, DAYS, FAMILIES
from msviz.schema import FIRST, MISSING

INTEREST_DAYS = 15  # how long a passing interest lasts


class People:
    """The shop's users, numbered from 0; `columns` holds the ids (users,) of their attributes."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        """Draw every user's attributes (some unknown to the shop), tastes and activity."""
        self.count = count
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
        self.columns = {
            name: np.where(rng.random(count) < missing, MISSING, FIRST + values)
            for name, (values, missing) in hidden.items()
        }
        self.activity = 0.4 + 0.3 * depth
        taste = np.exp(0.8 * rng.standard_normal((2, len(CATEGORIES))))
        self.fond = pick_by_row(taste, gender, rng.random(count))
        # Beside the favourite category, an interest that comes and goes.
        periods = -(-(BEFORE + DAYS) // INTEREST_DAYS)
        passing = pick_by_row(taste, np.repeat(gender, periods), rng.random(count * periods))
        self.interest = passing.reshape(count, periods)
        # The small scenarios have their regulars, else nobody would have clicked there.
        share = np.array([kind.share for kind in FAMILIES]) ** 0.5
        self.habit = pick(share, rng.random(count))
        self._weight = rng.permutation((np.arange(count) + 10.0) ** -0.6) * (0.5 + self.activity)
        # One user in seven joins during the log, so the test days hold users that training hardly saw.
        new = rng.random(count) < 0.15
        self.joined = np.where(new, (DAYS * rng.random(count)).astype(np.int64), -BEFORE)
        old = np.flatnonzero(~new)
        self._stand_in = old[(len(old) * rng.random(count)).astype(np.int64)]

    def draw(self, day: Array, uniform: Array) -> Array:
        """Return the users (n,) of rows on these days (n,); who has not joined yet is replaced."""
        user = pick(self._weight, uniform)
        return np.where(self.joined[user] > day, self._stand_in[user], user)
