"""The planted shop's calendar: promotions, how busy each hour is, and what the shop knows of a day.

Two patterns of response, own taste and what is hot, mix anew every day: `hot_share` is the share of the
second. Signals are what a shop could know before the day starts.
"""

import numpy as np

from msviz.data.planted.draw import Array
from msviz.data.planted.words import BEFORE, DAYS, FAMILIES, FIRST_DAY, PHASES, PROMOTIONS

DAY = 86_400
LEAD = 7  # days before the log that signals of its first day look back on
LIFT = 0.2  # what a promotion of strength 1 adds to every logit in its middle


def phases() -> tuple[list[str], Array]:
    """Return the phase of each day, and the strength (DAYS,) of the promotion that it belongs to."""
    names, strength = ["normal"] * DAYS, np.zeros(DAYS)
    for promotion in PROMOTIONS:
        edge = max(promotion.days // 4, 1)  # the first and the last days of a promotion
        inner = promotion.days - 2 * edge
        line = ["before"] * 2 + ["during_first"] * edge + ["during_middle"] * inner
        line += ["during_last"] * edge + ["after"] * 3
        for day, name in enumerate(line, promotion.start - 2):
            if day < DAYS:
                names[day], strength[day] = name, promotion.strength
    return names, strength


def signals_of(active: Array, sales: Array, traffic: Array) -> Array:
    """Return the signals (days - LEAD, K) of each day of three daily series (days,) after the first LEAD.

    Active users and GMV are of windows that end the day before; planned promotion traffic is known for today.
    """
    lines = []
    for today in range(LEAD, len(active)):
        past = [series[today - LEAD : today] for series in (active, sales, traffic)]
        users, spent, visits = past
        line = [series[-days:].mean() for series in (users, spent) for days in (1, 3, 7)]
        line += [traffic[today], visits[-3:].mean(), visits.mean()]
        line += [users[-1] / users.mean(), spent[-1] / spent.mean(), traffic[today] / visits.mean()]
        lines.append(line)
    return np.array(lines, np.float32)


class PlantedCalendar:
    """The days of the log: `phase`, `hot_share`, `lift` and `signals` of each, and a clock."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw how busy each day is, how far taste gives way on it, and the shop's daily figures."""
        self.phase, strength = phases()
        pull, added = np.array([PHASES[name] for name in self.phase]).T * strength
        self.heat = pull
        self.hot_share = np.clip(0.1 + 0.75 * pull + 0.015 * rng.standard_normal(DAYS), 0.02, 0.95)
        self.lift = LIFT * pull
        day = np.arange(-BEFORE, DAYS)
        weekend = (day + FIRST_DAY + 3) % 7 >= 5
        level = (1 + 0.25 * weekend + 0.004 * day) * np.exp(0.05 * rng.standard_normal(len(day)))
        level[BEFORE:] *= 1 + added
        self.signals = self._signals(rng, level)
        share = np.array([kind.share for kind in FAMILIES])
        pulled = share * np.exp(np.outer(pull, [kind.pull for kind in FAMILIES]))
        self.family_share = pulled / pulled.sum(1, keepdims=True)  # (DAYS, families)
        hour = np.arange(24)
        daily = 0.15 + np.exp(-(((hour - 21) / 3.0) ** 2)) + 0.6 * np.exp(-(((hour - 12.5) / 3.0) ** 2))
        self._long = _cumulate(level, daily)
        self._busy = _cumulate(level[BEFORE:], daily)
        self._by_family = [
            _cumulate(level[BEFORE:] * daily_share, daily) for daily_share in self.family_share.T
        ]

    def moment(self, quantile: Array, family: int | None = None) -> Array:
        """Return the local seconds (n,) before which these shares of all rows, or of a family's, lie."""
        return _clock(quantile, self._busy if family is None else self._by_family[family], 0)

    def earlier(self, uniform: Array, since: Array) -> Array:
        """Return local times in seconds (n,) from day `since` (n,) on, which may lie before the log."""
        low = self._long[24 * (since + BEFORE)]
        return _clock(low + (1 - low) * uniform, self._long, -BEFORE)

    def _signals(self, rng: np.random.Generator, level: Array) -> Array:
        """Return the signals (DAYS, K) from daily series that start a week before the log."""
        level, days = level[BEFORE - LEAD :], LEAD + DAYS
        heat = np.concatenate([np.zeros(LEAD), self.heat])
        noise = rng.standard_normal((3, days))
        active = 90_000 * level**0.8 * np.exp(0.03 * noise[0])
        sales = active * 0.021 * (1 + 0.9 * heat) * np.exp(0.05 * noise[1])
        # Some promotion or other always runs, so the planned traffic is never nothing.
        traffic = 12_000 * np.exp(2.3 * heat + 0.08 * noise[2])
        return signals_of(active, sales, traffic)


def _cumulate(level: Array, daily: Array) -> Array:
    """Return the share of all rows before each hour, from 0 to 1."""
    busy = np.outer(level, daily).ravel()
    return np.concatenate([[0.0], np.cumsum(busy) / busy.sum()])


def _clock(quantile: Array, busy: Array, first: int) -> Array:
    """Return local seconds (n,) from shares of the rows; `busy` starts on day `first` of the log."""
    hours = np.interp(quantile, busy, np.arange(len(busy)))
    inside = np.minimum(hours * 3600, (DAYS - first) * DAY - 1)
    return np.asarray((FIRST_DAY + first) * DAY + inside.astype(np.int64))
