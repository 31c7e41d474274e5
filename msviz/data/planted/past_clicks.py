"""The clicks that people of the planted shop left behind: drawn once, sorted by user and time.

They are the platform's, before and during the log; the log itself is a sample of what was shown.
"""

import numpy as np

from msviz.data.planted.days import DAY, PlantedCalendar
from msviz.data.planted.draw import Array
from msviz.data.planted.goods import ANY, Goods
from msviz.data.planted.people import INTEREST_DAYS, People
from msviz.data.planted.scenarios import PlantedScenarios
from msviz.data.planted.words import BEFORE, CATEGORIES, DAYS, FAMILIES, FIRST_DAY, LATEST

SPAN = (BEFORE + DAYS) * DAY  # seconds from the first possible click to the end of the log
START = (FIRST_DAY - BEFORE) * DAY
SILENT = 0.05  # of all people never click; a few more happen not to
VISITS = 14.0  # of a person of activity 1 that end in clicks, over the whole span
DECAY_DAYS = 10.0  # after so many days a click counts 1/e of a fresh one


class PlantedClicks:
    """Every user's clicks (E,) in order of user and time: `user`, `item`, `category`, `scenario`, `time`."""

    def __init__(
        self,
        rng: np.random.Generator,
        people: People,
        goods: Goods,
        scenarios: PlantedScenarios,
        calendar: PlantedCalendar,
    ) -> None:
        """Draw visits, each about one category in one scenario, and the clicks they are made of."""
        users = people.count
        silent = rng.random(users) < SILENT
        present = 1 - (people.joined + BEFORE) / (BEFORE + DAYS)
        visits = rng.poisson(VISITS * people.activity * present * rng.gamma(2.5, 1 / 2.5, users) * ~silent)
        visitor = np.repeat(np.arange(users), visits)
        begun = calendar.earlier(rng.random(len(visitor)), people.joined[visitor])
        family = self._families(rng, people.habit[visitor], scenarios)
        scenario = scenarios.inside(family, rng.random(len(visitor)))
        mood = rng.random(len(visitor))
        period = (begun - START) // (INTEREST_DAYS * DAY)
        about = np.where(mood < 0.4, people.fond[visitor], people.interest[visitor, period])
        about = np.where(mood < 0.75, about, ANY)
        # A visit without a topic gets one by popularity, so that all its clicks are of one category.
        topic = goods.draw(family, about, begun // DAY - FIRST_DAY, rng.random(len(visitor)))
        about = goods.category[topic]
        visit = np.repeat(np.arange(len(visitor)), rng.geometric(0.55, len(visitor)))
        pause = np.cumsum(20 + rng.exponential(120, len(visit)))
        first = np.searchsorted(visit, np.arange(len(visitor)))
        time = begun[visit] + (pause - pause[first[visit]]).astype(np.int64)
        visit, time = visit[time < START + SPAN], time[time < START + SPAN]
        order = np.lexsort((time, visitor[visit]))
        visit, self.time = visit[order], time[order]
        user = visitor[visit]
        self.scenario = scenario[visit].astype(np.int32)
        day = self.time // DAY - FIRST_DAY
        item = goods.draw(family[visit], about[visit], day, rng.random(len(visit)))
        self.item, self.category = item.astype(np.int32), goods.category[item].astype(np.uint8)
        self._family = family[visit].astype(np.uint8)
        self._first = np.searchsorted(user, np.arange(users))
        self._key = user * SPAN + (self.time - START)
        kinds = user * len(CATEGORIES) + self.category
        self._by_category = np.sort(kinds * SPAN + (self.time - START))

    def __len__(self) -> int:
        """Return the number of clicks."""
        return len(self.time)

    @property
    def user(self) -> Array:
        """Return whose each click is (E,)."""
        return np.asarray(self._key // SPAN)

    def _families(self, rng: np.random.Generator, habit: Array, scenarios: PlantedScenarios) -> Array:
        """Return the families (n,) of visits: half by habit, half by how large a scenario is."""
        share = np.array([[kind.share for kind in FAMILIES]]) ** 0.5
        drawn = scenarios.draw_family(share, np.zeros(len(habit), np.int64), rng.random(len(habit)))
        usual = (rng.random(len(habit)) < 0.5) & (habit < scenarios.families)
        return np.where(usual, habit, drawn)

    def window(self, user: Array, time: Array) -> tuple[Array, Array]:
        """Return where the latest clicks of users before a second (n,) start, and how many they are."""
        end = np.searchsorted(self._key, user * SPAN + (time - START))
        start = np.maximum(self._first[user], end - LATEST)
        return start, end - start

    def count(self, user: Array, category: Array, time: Array, days: int) -> Array:
        """Return how often users clicked in a category in the days before a second, (n,) each."""
        low = (user * len(CATEGORIES) + category) * SPAN
        now = time - START
        since = np.maximum(now - days * DAY, 0)
        return np.asarray(
            np.searchsorted(self._by_category, low + now) - np.searchsorted(self._by_category, low + since)
        )

    def warmth(self, history: tuple[Array, Array], category: Array, time: Array) -> Array:
        """Return (n, families): 1 - exp(-Σ exp(-age / DECAY_DAYS)) over the clicks in a category (n,)."""
        start, length = history
        row = np.repeat(np.arange(len(start)), length)
        click = np.arange(len(row)) + np.repeat(start - (np.cumsum(length) - length), length)
        related = self.category[click] == category[row]
        row, click = row[related], click[related]
        fresh = np.exp(-(time[row] - self.time[click]) / (DECAY_DAYS * DAY))
        both = row * len(FAMILIES) + self._family[click]
        total = np.bincount(both, fresh, len(start) * len(FAMILIES))
        return 1 - np.exp(-total.reshape(len(start), len(FAMILIES)))
