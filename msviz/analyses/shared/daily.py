"""Days as the units: which lie in a promotion, how alike neighbours are, what differs, what goes together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from msviz.dataset import SPLITS
from msviz.errors import invalid
from msviz.probing.groups import day_range
from msviz.statistics.comparison import normal_p, welch_test
from msviz.statistics.correlation import correlation_interval

if TYPE_CHECKING:
    from msviz.probing.study import Study

Array = np.ndarray[Any, Any]
NORMAL, BEFORE, AFTER, DURING = "normal", "before", "after", "promotion"
# What a planted world calls its phases, in the words of this page.
PLANTED = {
    "during_first": "first days",
    "during_middle": "middle days",
    "during_last": "last days",
}
PROMOTION = (*PLANTED.values(), DURING)
PERIODS = "wanted: first..last name; first..last name, as in 2025-03-11..2025-03-15 Spring sale"
DEPENDENT = 0.9  # beyond this, a few dozen days cannot tell how alike neighbours are


@dataclass(frozen=True)
class Calendar:
    """Days (D,) as ISO dates with the phase of each ("" where nothing is known) and its promotion or ""."""

    days: tuple[str, ...]
    phase: tuple[str, ...]
    promotion: tuple[str, ...]

    @property
    def known(self) -> bool:
        """Tell whether it is known which days are promotions."""
        return any(self.phase)

    def within(self, phases: Sequence[str]) -> Array:
        """Return which days (D,) lie in one of these phases."""
        return np.isin(np.array(self.phase), list(phases))


def studies(study: Study) -> list[Study]:
    """Return the study on every split of the log in order of time, or on the one that was asked for."""
    if study.split != "all":
        return [study]
    return [study.on(name) for name in SPLITS if study.dataset.rows.get(name)]


def span(parts: Sequence[Study]) -> tuple[int, int]:
    """Return the first and the last local day of several studies' rows."""
    ranges = [day_range(study.part.time) for study in parts if study.part.rows]
    return min(first for first, _ in ranges), max(last for _, last in ranges)


def calendar(days: Sequence[str], periods: str, truth: Mapping[str, Any] | None) -> Calendar:
    """Return what is known of days: from `periods` as the user writes them, else from a planted truth."""
    phase, promotion = [""] * len(days), [""] * len(days)
    if periods.strip():
        named = _parse(periods)
        for number, day in enumerate(days):
            inside = [name for first, last, name in named if first <= day <= last]
            phase[number], promotion[number] = (DURING, inside[0]) if inside else (NORMAL, "")
    elif truth and "time" in truth:
        time = truth["time"]
        planted = dict(zip(time["days"], time["phase"], strict=True))
        for number, day in enumerate(days):
            planted_phase = str(planted.get(day, ""))
            phase[number] = PLANTED.get(planted_phase, planted_phase)
            held = (event["name"] for event in time["promotions"] if event["start"] <= day <= event["end"])
            promotion[number] = str(next(held, ""))
    return Calendar(tuple(days), tuple(phase), tuple(promotion))


def _parse(text: str) -> list[tuple[str, str, str]]:
    """Return first day, last day and name of every period; raise MsvizError for what is none."""
    spans: list[tuple[str, str, str]] = []
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        match = re.fullmatch(r"(\d{4}-\d\d-\d\d)\s*\.\.\s*(\d{4}-\d\d-\d\d)\s+(\S.*)", part)
        if match is None:
            raise invalid("periods", part, PERIODS)
        first, last, name = match.groups()
        for day in (first, last):
            try:
                date.fromisoformat(day)
            except ValueError as error:
                raise invalid("periods", day, "wanted: a day of the calendar, as in 2025-03-11") from error
        if first > last:
            raise invalid("periods", part, "the first day must not come after the last")
        spans.append((first, last, name))
    return spans


def likeness(values: Array, group: Array | None = None) -> float:
    """Return how alike neighbouring days are: the correlation of a day with the next one, at least 0.

    values (D,), NaN where a day has none; with `group` (D,) only neighbours of one group count, each
    around its group's mean, so that a jump between groups is not taken for likeness.
    """
    rest = np.asarray(values, np.float64).copy()
    group = np.zeros(len(rest), np.int64) if group is None else np.asarray(group)
    for number in np.unique(group):
        here = group == number
        if np.isfinite(rest[here]).any():
            rest[here] -= np.nanmean(rest[here])
    pairs = (group[1:] == group[:-1]) & np.isfinite(rest[1:]) & np.isfinite(rest[:-1])
    square = float(np.nansum(rest**2))
    days = int(np.isfinite(rest).sum())
    if not pairs.any() or square <= 1e-18 * max(days, 1):
        return 0.0
    # Mean product of neighbours over mean square.
    correlation = float((rest[1:] * rest[:-1])[pairs].mean() / (square / days))
    return float(np.clip(correlation, 0.0, DEPENDENT))


def effective(days: int, likeness: float, stretches: int = 2) -> float:
    """Return how many independent days `days` days are worth whose neighbours are so alike.

    At least as many as there are `stretches` of days, which lie apart: three promotions are three.
    """
    return float(min(days, max(2, stretches, days * (1 - likeness) / (1 + likeness))))


@dataclass(frozen=True)
class Change:
    """How much higher a daily value lies in promotions, with 95 % bounds; days, and what they are worth."""

    normal: float
    promotion: float
    difference: float
    low: float
    high: float
    p: float
    days: tuple[int, int]
    worth: tuple[float, float]


def change(values: Array, calendar: Calendar) -> Change | None:
    """Compare a daily value (D,) in promotions with normal days, by Welch with days as the units.

    Neighbouring days are alike, so the days count as fewer (`effective`). None where one side has
    fewer than two days.
    """
    promoted, normal = calendar.within(PROMOTION), calendar.within([NORMAL])
    sides = [values[side & np.isfinite(values)] for side in (normal, promoted)]
    if min(map(len, sides)) < 2:
        return None
    alike = likeness(np.where(promoted | normal, values, np.nan), promoted.astype(int) + 2 * normal)
    apart = [int((np.diff(side.astype(int), prepend=0) == 1).sum()) for side in (normal, promoted)]
    worth = [effective(len(side), alike, runs) for side, runs in zip(sides, apart, strict=True)]
    (first, std), (second, other_std) = (
        (np.array(side.mean()), np.array(side.std(ddof=1))) for side in sides
    )
    test = welch_test((first, second), (std, other_std), (worth[0], worth[1]))
    return Change(
        float(first),
        float(second),
        float(test.difference),
        float(test.low),
        float(test.high),
        float(test.p),
        days=(len(sides[0]), len(sides[1])),
        worth=(worth[0], worth[1]),
    )


@dataclass(frozen=True)
class Together:
    """How two daily series go together: correlation, 95 % bounds, p, and the days they are worth."""

    value: float
    low: float
    high: float
    p: float
    worth: float


NOTHING = Together(np.nan, np.nan, np.nan, np.nan, np.nan)


def together(one: Array, two: Array) -> Together:
    """Return the correlation of two daily series (D,), with Fisher's interval over effective days.

    Both series have a memory, so n days count as n (1 - ab) / (1 + ab), where a and b say how alike
    neighbouring days are (Bartlett 1935). NaN where fewer than 6 days or no variation leave nothing to say.
    """
    both = np.isfinite(one) & np.isfinite(two)
    count = int(both.sum())
    a, b = np.asarray(one, np.float64)[both], np.asarray(two, np.float64)[both]
    if count < 6 or a.std() < 1e-9 or b.std() < 1e-9:
        return NOTHING
    value = float(np.clip(np.corrcoef(a, b)[0, 1], -1, 1))
    memory = likeness(np.where(both, one, np.nan)) * likeness(np.where(both, two, np.nan))
    worth = max(4.0, count * (1 - memory) / (1 + memory))
    centre = np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12))
    p = float(normal_p(centre, 1 / (worth - 3) ** 0.5))
    return Together(value, *correlation_interval(value, worth), p, worth)
