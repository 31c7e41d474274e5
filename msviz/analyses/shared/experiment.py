"""Lifts of ratios and how sure they are: with days, counts, or users (buckets) as the units.

All work on L = log(ratio in treatment / ratio in control); the lift is exp(L) - 1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from msviz.data.experiment import Experiment
from msviz.lazy import LazyModule
from msviz.statistics.comparison import student_half_width, student_p
from msviz.statistics.intervals import jackknife_std, log_rate_variance

stats = LazyModule("scipy.stats")

Array = np.ndarray[Any, Any]
MIN_DAYS = 3  # a jackknife over fewer says nothing
MIN_UNITS = 5  # in each arm


@dataclass(frozen=True)
class Metric:
    """A ratio of two counts; `counts` says that its numerator is a number of events."""

    title: str
    top: str
    bottom: str
    scale: float = 1.0
    counts: bool = True


METRICS = {
    "ctr": Metric("CTR", "clicks", "impressions"),
    "conversion": Metric("Purchases per click", "purchases", "clicks"),
    "revenue": Metric("Amount per mille impressions", "amount", "impressions", 1000.0, counts=False),
    # The same user clicks again and again: clicks of one user are no independent events.
    "clicks_per_user": Metric("Clicks per user", "clicks", "users", counts=False),
}


@dataclass(frozen=True)
class Lift:
    """Relative lifts with 95 % bounds and p-values; NaN where not defined."""

    value: Array
    low: Array
    high: Array
    p: Array

    def take(self, group: int) -> "Lift":
        """Return one entry of the last axis."""
        return Lift(*(part[..., group] for part in (self.value, self.low, self.high, self.p)))


def of_log(log: Array, error: Array, freedom: Array) -> Lift:
    """Return the lift of a log ratio with its standard error, by Student's t."""
    log, error, freedom = np.broadcast_arrays(log, error, freedom)
    with np.errstate(all="ignore"):
        half = student_half_width(error, freedom)
        p = student_p(log / error, freedom)
    defined = np.isfinite(half) & (error > 0)
    half, p = np.where(defined, half, np.nan), np.where(defined, p, np.nan)
    return Lift(np.expm1(log), np.expm1(log - half), np.expm1(log + half), p)


def log_ratio(top: Array, bottom: Array) -> Array:
    """Return log(treatment's ratio / control's) of sums (..., 2), control first; NaN where one is zero."""
    with np.errstate(all="ignore"):
        log = np.log(top / bottom)
        out = log[..., 1] - log[..., 0]
    return np.where(np.isfinite(out), out, np.nan)


def by_days(top: Array, bottom: Array) -> Lift:
    """Return lifts of daily sums (..., 2, D), with the paired days as units: a jackknife over days.

    What moves both arms on a day cancels. Assumes that days are independent of one another in how the two
    arms differ. Days on which one arm was not shown are left out.
    """
    both: Array = np.asarray((bottom > 0).all(-2, keepdims=True))
    top, bottom = np.where(both, top, 0.0), np.where(both, bottom, 0.0)
    days = both.sum((-1, -2))
    log = log_ratio(top.sum(-1), bottom.sum(-1))
    left = log_ratio(
        np.moveaxis(top.sum(-1, keepdims=True) - top, -1, 0),
        np.moveaxis(bottom.sum(-1, keepdims=True) - bottom, -1, 0),
    )
    error = jackknife_std(left, used=np.moveaxis(both[..., 0, :], -1, 0))
    error = np.where(days >= MIN_DAYS, error, np.nan)
    return of_log(log, error, np.maximum(days - 1, 1).astype(float))


def by_counts(top: Array, bottom: Array) -> Lift:
    """Return lifts of counts (..., 2): the delta method on binomial counts, Poisson where top > bottom.

    var(log ratio) = (1 - ratio) / top in each arm. Assumes that events are independent of one another.
    """
    error = np.sqrt(log_rate_variance(top, bottom).sum(-1))
    return of_log(log_ratio(top, bottom), error, np.array(1e9))


def by_units(moments: Array) -> Lift:
    """Return lifts from moments (..., 2, 6) of units in each arm: n, Σx, Σy, Σxx, Σxy, Σyy (ratio x / y).

    The delta method for a ratio of means over independent units (Deng et al. 2018), Satterthwaite's degrees
    of freedom. Assumes that units were assigned to arms at random and independently.
    """
    n, x, y, xx, xy, yy = np.moveaxis(moments, -1, 0)
    with np.errstate(all="ignore"):
        ratio = x / y
        square = n / (n - 1) * np.maximum(xx - 2 * ratio * xy + ratio**2 * yy, 0) / x**2
        whole = square.sum(-1)
        freedom = whole**2 / (square**2 / (n - 1)).sum(-1)
    error = np.where((n >= MIN_UNITS).all(-1), np.sqrt(whole), np.nan)
    return of_log(log_ratio(x, y), error, np.where(np.isfinite(freedom), freedom, 1.0))


def unit_moments(
    experiment: Experiment,
    arms: tuple[int, int],
    scenario: Array,
    group: Array,
    groups: int,
    metric: Metric,
) -> Array:
    """Return moments (S + 1, groups, 2, 6) of units, all scenarios first.

    `scenario` and `group` (n,) give each line its place; lines with a negative group are left
    out, those with a negative scenario count only in all scenarios.
    """
    arm = np.full(len(experiment.arms), -1)
    arm[list(arms)] = (0, 1)
    side = arm[experiment.place["arm"]]
    count = int(scenario.max(initial=-1)) + 1
    x, y = experiment.value[metric.top], experiment.value[metric.bottom]
    out = np.zeros((count + 1, groups, 2, 6))
    for where, first in ((np.zeros_like(scenario), 0), (scenario, 1)):
        used = (side >= 0) & (group >= 0) & (where >= 0)
        size = 1 if first == 0 else count
        cell = (where[used] * groups + group[used]) * 2 + side[used]
        key = cell * experiment.units + experiment.place["unit"][used]
        keys, unit = np.unique(key, return_inverse=True)
        # A user's lines of several days (and scenarios) are one unit.
        sums = [np.bincount(unit, values[used], len(keys)) for values in (x, y)]
        a, b = sums
        cells = keys // experiment.units
        parts = [np.ones(len(keys)), a, b, a * a, a * b, b * b]
        table = [np.bincount(cells, part, size * groups * 2) for part in parts]
        out[first : first + size] = np.stack(table, -1).reshape(size, groups, 2, 6)
    return out


@dataclass(frozen=True)
class ArmSplit:
    """How the arms' sizes compare with what was planned."""

    share: float  # of treatment
    dispersion: float  # how much more the daily shares vary than by chance; 1 is chance
    chi: float
    p: float


def arm_split(counts: Array, planned: float) -> ArmSplit:
    """Return the test of a sample ratio mismatch of counts (2, D), control first, against a planned share.

    Pearson's chi-square, divided by the dispersion of the daily shares where there are days to measure it
    (impressions of one user come together, so that plain chi-square would cry wolf): F with 1 and D - 1
    degrees of freedom.
    """
    counts = counts[:, counts.sum(0) > 0]
    days, total = counts.shape[1], counts.sum()
    share = float(counts[1].sum() / total)
    chi = total * (share - planned) ** 2 / (planned * (1 - planned))
    if days <= MIN_DAYS or not 0 < share < 1:
        return ArmSplit(share, 1.0, float(chi), float(stats.chi2.sf(chi, 1)))
    daily = counts.sum(0)
    pearson = ((counts[1] - daily * share) ** 2 / (daily * share * (1 - share))).sum()
    dispersion = max(float(pearson / (days - 1)), 1.0)
    return ArmSplit(share, dispersion, float(chi), float(stats.f.sf(chi / dispersion, 1, days - 1)))
