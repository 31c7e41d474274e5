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


class RateDistributionOptions(QuestionOptions):
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


def analyse(study: Study, options: RateDistributionOptions) -> Finding:
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
    clicks = clicks_by_user(who, group, label, len(names), options.draws, study.seed)
    users = [np.isfinite(user_clicks).sum() for user_clicks in clicks]
    groups = [number for number, count in enumerate(users) if count > 1]
    if not groups:
        raise invalid("draws", options.draws, "no two users are seen so often; wanted: fewer")
    data = rate_table(clicks[groups], [names[number] for number in groups], options.draws)
    data.attrs.update(by=options.by, draws=options.draws)
    return Finding(
        analysis="rate_distribution",
        question=TITLE if options.by == "period" else "How do users' click rates differ between scenarios?",
        takeaway=_words(data),
        data=data,
        provenance=Provenance(rows=len(who)),
    )


def _rows(
    study: Study, options: RateDistributionOptions, column: int
) -> tuple[Array, Array, Array, list[str]]:
    """Return user, group and label (n,) of rows of known users in a group, and the groups' names."""
    parts = [split_study for split_study in daily.studies(study) if split_study.part.rows]
    if not parts:
        raise MsvizError(f"split {study.split}: it has no rows to look at")
    total = sum(split_study.part.rows for split_study in parts)
    columns = []
    for split_study in parts:
        chosen = split_study.sample(max(1, int(np.ceil(options.rows * split_study.part.rows / total))))
        fields = split_study.part.fields(chosen)[:, column]
        columns.append(
            [
                fields,
                *(
                    np.asarray(a)[chosen]
                    for a in (split_study.part.time, split_study.part.scenario, split_study.part.label)
                ),
            ]
        )
    who, time, scenario, label = (np.concatenate(side) for side in zip(*columns, strict=True))
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
    calendar = daily.calendar(days, periods, study.dataset.truth)
    if not calendar.known:
        raise invalid("periods", periods, "no promotions are known here: name them, or ask by scenario")
    kind = np.full(len(days), -1)
    for number, phases in enumerate(KINDS.values()):
        kind[calendar.within(phases)] = number
    return kind[day - first], list(KINDS)


def _by_scenario(study: Study, scenario: Array, most: int) -> tuple[Array, list[str]]:
    """Return the place of each row's scenario (n,) among the largest, -1 for none, and their names."""
    count = np.bincount(scenario, minlength=len(study.schema.scenarios) + 1)
    count[UNSEEN] = 0
    largest = np.sort(np.argsort(-count, kind="stable")[:most])
    largest = largest[count[largest] > 0]
    index = np.full(len(count), -1)
    index[largest] = np.arange(len(largest))
    return index[scenario], [study.schema.scenario_names[number] for number in largest]


def clicks_by_user(who: Array, group: Array, label: Array, groups: int, draws: int, seed: int) -> Array:
    """Return how many of `draws` impressions each user clicked in each group (group, user), NaN for fewer."""
    users, owner = np.unique(who, return_inverse=True)
    cell = group.astype(np.int64) * len(users) + owner
    order = np.random.default_rng(seed).permutation(len(cell))
    order = order[np.argsort(cell[order], kind="stable")]
    cell = cell[order]
    count = np.bincount(cell, minlength=groups * len(users))
    rank = np.arange(len(cell)) - (np.cumsum(count) - count)[cell]
    drawn = rank < draws
    clicks = np.bincount(cell[drawn], label[order][drawn], groups * len(users))
    return np.where(count >= draws, clicks, np.nan).reshape(groups, len(users))


def rate_table(clicks: Array, names: Sequence[str], draws: int) -> xr.Dataset:
    """Return the distribution of each group and how its users differ from themselves in the first."""
    group_rates = [user_clicks[np.isfinite(user_clicks)] / draws for user_clicks in clicks]
    counts = np.stack(
        [
            np.bincount(np.round(user_clicks * draws).astype(int), minlength=draws + 1)
            for user_clicks in group_rates
        ]
    )
    users = counts.sum(1)
    low, high = wilson_interval(counts.ravel(), np.repeat(users, draws + 1))
    mean = np.array([user_rates.mean() for user_rates in group_rates])
    half = half_width([user_rates.std(ddof=1) for user_rates in group_rates], users)
    against = [paired_test(*_keep_shared(clicks[0], user_rates, draws)) for user_rates in clicks]
    both = [int((np.isfinite(clicks[0]) & np.isfinite(user_rates)).sum()) for user_rates in clicks]
    cells, axis = ("group", "rate"), ("group",)
    return xr.Dataset(
        {
            "share": (cells, counts / users[:, None]),
            "low": (cells, low.reshape(counts.shape)),
            "high": (cells, high.reshape(counts.shape)),
            "chance": (
                cells,
                np.stack([stats.binom.pmf(np.arange(draws + 1), draws, rate) for rate in mean]),
            ),
            "users": (axis, users),
            "mean": (axis, mean),
            "mean_low": (axis, mean - half),
            "mean_high": (axis, mean + half),
            "spread": (axis, np.array([spread(rates, draws) for rates in group_rates])),
            "difference": (axis, np.array([test.difference for test in against])),
            "difference_low": (axis, np.array([test.low for test in against])),
            "difference_high": (axis, np.array([test.high for test in against])),
            "both": (axis, np.array(both)),
        },
        {"group": list(names), "rate": np.arange(draws + 1) / draws},
    )


def _keep_shared(first: Array, second: Array, draws: int) -> tuple[Array, Array]:
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

    def describe(name: str) -> str:
        group = data.sel(group=name)
        half = 100 * float(group["mean_high"] - group["mean"])
        users = f"{int(group['users']):,} users, own rates ± {percent(float(group['spread']))}"
        return f"{percent(float(group['mean']))} (± {half:.2g}) on average, {users}"

    def where(name: str) -> str:
        return f"on {name[0].lower()}{name[1:]}" if data.attrs["by"] == "period" else f"in {name}"

    first = groups[0]
    words = f"Of {draws} impressions each, users click {where(first)}: {describe(first)}"
    if len(groups) == 1:
        return f"{words}."
    default = int(np.nanargmax(np.abs(data["difference"].values[1:]))) + 1
    other = PROMOTION_DAYS if PROMOTION_DAYS in groups[1:] else groups[default]
    group = data.sel(group=other)
    apart = 100 * np.array([float(group[f"difference{end}"]) for end in ("", "_low", "_high")])
    words += f"; {where(other)}: {describe(other)}."
    if not np.isfinite(apart).all():
        return words
    clear = "" if apart[1] > 0 or apart[2] < 0 else "; that may be chance"
    return (
        f"{words} The {int(group['both']):,} users of both click {apart[0]:+.1f} points {where(other)} "
        f"(95 %: {apart[1]:+.1f} to {apart[2]:+.1f}{clear})."
    )


QUESTION = Question(
    title=TITLE,
    options=RateDistributionOptions,
    analyse=analyse,
    version=1,
    needs=(),
    split="all",
)
