"""How users' click rates are spread, on normal days and in promotions, or scenario by scenario."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared import daily
from msviz.analyses.shared.words import percent
from msviz.errors import MsvizError, invalid
from msviz.finding import Finding, Provenance
from msviz.lazy import LazyModule
from msviz.probing.groups import DAY
from msviz.schema import FIRST, UNSEEN
from msviz.statistics.comparison import paired_test
from msviz.statistics.intervals import half_width, wilson_interval

if TYPE_CHECKING:
    from msviz.probing.study import Study

stats = LazyModule("scipy.stats")

Array = np.ndarray[Any, Any]
TITLE = "How do users' click rates differ between promotions and normal days?"
NORMAL_DAYS, PROMOTION_DAYS = "Normal days", "Promotion days"
KINDS = {
    NORMAL_DAYS: (daily.NORMAL,),
    "Days before": (daily.BEFORE,),
    PROMOTION_DAYS: daily.PROMOTION,
    "Days after": (daily.AFTER,),
}


class Options(QuestionOptions):
    """Whose rates are kept apart, and of how many impressions a user's rate is."""

    by: Literal["period", "scenario"] = Setting("period", description="kinds of days, or scenarios")
    periods: str = Setting(
        "", max_length=4000, description='promotions, as in "2025-03-11..2025-03-15 Spring sale; …"'
    )
    draws: int = Setting(
        10,
        ge=2,
        le=100,
        description="impressions of each user, drawn at random; users with fewer are left out",
    )
    most: int = Setting(6, ge=1, le=20, description="scenarios that are kept apart, those with most rows")
    rows: int = Setting(5_000_000, ge=100, description="rows that are looked at, a uniform sample of so many")


def analyse(study: Study, options: Options) -> Finding:
    """Return how many users clicked 0, 1, ... of as many impressions each, group by group.

    A user's rate is of `draws` impressions in the group, drawn at random, so that groups in which users are
    seen less often do not look wider. `share`, `low`, `high` (group, rate) are shares of the group's users,
    Wilson's interval; `chance` (group, rate) what one rate for all users would give (binomial); `users`,
    `mean`, `mean_low`, `mean_high`, `spread` (group): `spread` is the deviation of users' own rates, chance
    taken off. `difference`, `difference_low`, `difference_high`, `both` (group) compare users with themselves
    in the first group. Raises MsvizError where the log names no user, no promotions are known, or too few
    users are seen often enough.
    """
    user = study.schema.role("user")
    if user is None:
        raise MsvizError("rate_distribution: the log names no user (role: user)")
    who, group, label, names = _rows(study, options, study.schema.index(user.name))
    clicks = _clicks(who, group, label, len(names), options.draws, study.seed)
    seen = [np.isfinite(one).sum() for one in clicks]
    kept = [number for number, count in enumerate(seen) if count > 1]
    if not kept:
        raise invalid("draws", options.draws, "no two users are seen so often; wanted: fewer")
    data = _table(clicks[kept], [names[number] for number in kept], options.draws)
    data.attrs.update(by=options.by, draws=options.draws)
    return Finding(
        analysis="rate_distribution",
        question=TITLE if options.by == "period" else "How do users' click rates differ between scenarios?",
        takeaway=_words(data),
        data=data,
        provenance=Provenance(rows=len(who)),
    )


def _rows(study: Study, options: Options, column: int) -> tuple[Array, Array, Array, list[str]]:
    """Return user, group and label (n,) of rows of known users in a group, and the groups' names."""
    parts = [one for one in daily.studies(study) if one.part.rows]
    if not parts:
        raise MsvizError(f"split {study.split}: it has no rows to look at")
    total = sum(one.part.rows for one in parts)
    found = []
    for one in parts:
        chosen = one.sample(max(1, int(np.ceil(options.rows * one.part.rows / total))))
        fields = one.part.fields(chosen)[:, column]
        found.append(
            [fields, *(np.asarray(a)[chosen] for a in (one.part.time, one.part.scenario, one.part.label))]
        )
    who, time, scenario, label = (np.concatenate(side) for side in zip(*found, strict=True))
    if options.by == "period":
        group, names = _by_day(study, time // DAY, options.periods)
    else:
        group, names = _by_scenario(study, scenario, options.most)
    inside = (group >= 0) & (who >= FIRST)
    return who[inside], group[inside], label[inside], names


def _by_day(study: Study, day: Array, periods: str) -> tuple[Array, list[str]]:
    """Return the kind of day (n,) of each row, -1 for none, and the kinds' names."""
    first = int(day.min())
    days = [str(np.datetime64(number, "D")) for number in range(first, int(day.max()) + 1)]
    known = daily.calendar(days, periods, study.dataset.truth)
    if not known.known:
        raise invalid("periods", periods, "no promotions are known here: name them, or ask by scenario")
    kind = np.full(len(days), -1)
    for number, phases in enumerate(KINDS.values()):
        kind[known.within(phases)] = number
    return kind[day - first], list(KINDS)


def _by_scenario(study: Study, scenario: Array, most: int) -> tuple[Array, list[str]]:
    """Return the place of each row's scenario (n,) among the largest, -1 for none, and their names."""
    count = np.bincount(scenario, minlength=len(study.schema.scenarios) + 1)
    count[UNSEEN] = 0
    kept = np.sort(np.argsort(-count, kind="stable")[:most])
    kept = kept[count[kept] > 0]
    place = np.full(len(count), -1)
    place[kept] = np.arange(len(kept))
    return place[scenario], [study.schema.scenario_names[number] for number in kept]


def _clicks(who: Array, group: Array, label: Array, groups: int, draws: int, seed: int) -> Array:
    """Return how many of `draws` impressions each user clicked in each group (group, user), NaN for fewer."""
    users, owner = np.unique(who, return_inverse=True)
    cell = group.astype(np.int64) * len(users) + owner
    order = np.random.default_rng(seed).permutation(len(cell))
    order = order[np.argsort(cell[order], kind="stable")]
    cell = cell[order]
    count = np.bincount(cell, minlength=groups * len(users))
    rank = np.arange(len(cell)) - (np.cumsum(count) - count)[cell]
    drawn = rank < draws
    found = np.bincount(cell[drawn], label[order][drawn], groups * len(users))
    return np.where(count >= draws, found, np.nan).reshape(groups, len(users))


def _table(clicks: Array, names: Sequence[str], draws: int) -> xr.Dataset:
    """Return the distribution of each group and how its users differ from themselves in the first."""
    known = [one[np.isfinite(one)] / draws for one in clicks]
    counts = np.stack([np.bincount(np.round(one * draws).astype(int), minlength=draws + 1) for one in known])
    users = counts.sum(1)
    low, high = wilson_interval(counts.ravel(), np.repeat(users, draws + 1))
    mean = np.array([one.mean() for one in known])
    half = half_width([one.std(ddof=1) for one in known], users)
    against = [paired_test(*_shared(clicks[0], one, draws)) for one in clicks]
    both = [int((np.isfinite(clicks[0]) & np.isfinite(one)).sum()) for one in clicks]
    cells, one = ("group", "rate"), ("group",)
    return xr.Dataset(
        {
            "share": (cells, counts / users[:, None]),
            "low": (cells, low.reshape(counts.shape)),
            "high": (cells, high.reshape(counts.shape)),
            "chance": (
                cells,
                np.stack([stats.binom.pmf(np.arange(draws + 1), draws, rate) for rate in mean]),
            ),
            "users": (one, users),
            "mean": (one, mean),
            "mean_low": (one, mean - half),
            "mean_high": (one, mean + half),
            "spread": (one, np.array([spread(rates, draws) for rates in known])),
            "difference": (one, np.array([found.difference for found in against])),
            "difference_low": (one, np.array([found.low for found in against])),
            "difference_high": (one, np.array([found.high for found in against])),
            "both": (one, np.array(both)),
        },
        {"group": list(names), "rate": np.arange(draws + 1) / draws},
    )


def _shared(first: Array, second: Array, draws: int) -> tuple[Array, Array]:
    """Return the rates of users that both groups have."""
    both = np.isfinite(first) & np.isfinite(second)
    return first[both] / draws, second[both] / draws


def spread(rates: Array, draws: int) -> float:
    """Return the deviation of users' own rates behind rates (U,) of `draws` impressions each.

    By moments: var = s² (1 - 1 / n) + p (1 - p) / n, where s is the deviation of the users' own rates.
    """
    mean = float(rates.mean())
    own = (float(rates.var(ddof=1)) - mean * (1 - mean) / draws) / (1 - 1 / draws)
    return float(max(own, 0.0) ** 0.5)


def _words(data: xr.Dataset) -> str:
    """Return what users click in the groups that differ most, and how far users differ among themselves."""
    groups = [str(name) for name in data["group"].values]
    draws = int(data.attrs["draws"])

    def told(name: str) -> str:
        one = data.sel(group=name)
        half = 100 * float(one["mean_high"] - one["mean"])
        users = f"{int(one['users']):,} users, own rates ± {percent(float(one['spread']))}"
        return f"{percent(float(one['mean']))} (± {half:.2g}) on average, {users}"

    def place(name: str) -> str:
        return f"on {name[0].lower()}{name[1:]}" if data.attrs["by"] == "period" else f"in {name}"

    first = groups[0]
    words = f"Of {draws} impressions each, users click {place(first)}: {told(first)}"
    if len(groups) == 1:
        return f"{words}."
    default = int(np.nanargmax(np.abs(data["difference"].values[1:]))) + 1
    other = PROMOTION_DAYS if PROMOTION_DAYS in groups[1:] else groups[default]
    one = data.sel(group=other)
    apart = 100 * np.array([float(one[f"difference{end}"]) for end in ("", "_low", "_high")])
    words += f"; {place(other)}: {told(other)}."
    if not np.isfinite(apart).all():
        return words
    clear = "" if apart[1] > 0 or apart[2] < 0 else "; that may be chance"
    return (
        f"{words} The {int(one['both']):,} users of both click {apart[0]:+.1f} points {place(other)} "
        f"(95 %: {apart[1]:+.1f} to {apart[2]:+.1f}{clear})."
    )


QUESTION = Question(
    title=TITLE,
    options=Options,
    analyse=analyse,
    version=1,
    needs=(),
    split="all",
)
