"""An experiment's log summed up: what each arm counted by scenario and day, and the lifts that follow."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from msviz.analyses.shared.experiment import (
    METRICS,
    ArmSplit,
    Lift,
    Metric,
    arm_split,
    by_counts,
    by_days,
    by_units,
    unit_moments,
)
from msviz.data import experiment as log_file
from msviz.data.experiment import SAME, Experiment
from msviz.errors import invalid, one_of

Array = np.ndarray[Any, Any]
REST = "other days"
PERIOD = re.compile(r"\s*(\d{4}-\d\d-\d\d)\s*\.\.\s*(\d{4}-\d\d-\d\d)\s+(\S.*?)\s*")
MIN_UNITS = 10  # of both arms; with fewer, days are the units


@dataclass(frozen=True)
class ExperimentTable:
    """Daily sums (S + 1, 2, D) of both arms by what was counted, all scenarios first."""

    experiment: Experiment
    control: str
    treatment: str
    scenarios: list[str]
    scenario: Array  # (n,) place of each line among the scenarios kept, -1 for none
    metrics: list[str]
    sums: dict[str, Array]
    period: Array  # (D,) of names
    left: int

    @property
    def method(self) -> str:
        """Return what the units are called: 'users', 'buckets' or 'days'."""
        return f"{self.experiment.unit}s" if self.by_unit else "days"

    @property
    def by_unit(self) -> bool:
        """Tell whether there are enough users or buckets to be the units instead of days."""
        return self.experiment.units >= MIN_UNITS

    @property
    def arms(self) -> tuple[int, int]:
        """Return the places of control and treatment among the experiment's arms."""
        arms = self.experiment.arms
        return arms.index(self.control), arms.index(self.treatment)

    @property
    def events(self) -> list[str]:
        """Return the titles of the metrics that have an interval within a single day."""
        chosen = [METRICS[name] for name in self.metrics]
        return [metric.title for metric in chosen if metric.counts or self.by_unit]

    @property
    def periods(self) -> list[str]:
        """Return the names of the periods in the order of their first days, the rest last."""
        names = [name for name in dict.fromkeys(self.period) if name and name not in (SAME, REST)]
        return [*names, REST] if names and REST in self.period else names

    def ratios(self) -> tuple[Array, Array]:
        """Return the metrics themselves (S + 1, M) in control and in treatment."""
        live = self.period != SAME
        out = []
        for metric in (METRICS[name] for name in self.metrics):
            top, bottom = (self.sums[name][..., live].sum(-1) for name in (metric.top, metric.bottom))
            with np.errstate(all="ignore"):
                out.append(metric.scale * top / bottom)
        metrics = np.stack(out, 1)
        return metrics[..., 0], metrics[..., 1]

    def lifts(self, group: Array, groups: int) -> list[Lift]:
        """Return each metric's lifts (S + 1, groups) of days put together by `group` (D,), -1 for none."""
        out = []
        for metric in (METRICS[name] for name in self.metrics):
            if self.by_unit:
                out.append(self._units(metric, group, groups))
                continue
            period_lifts = [self._of_days(metric, group == number) for number in range(groups)]
            out.append(Lift(*(np.stack(parts, -1) for parts in zip(*period_lifts, strict=True))))
        return out

    def _of_days(self, metric: Metric, days: Array) -> tuple[Array, Array, Array, Array]:
        top, bottom = (self.sums[name][..., days] for name in (metric.top, metric.bottom))
        lift = by_days(top, bottom)
        return lift.value, lift.low, lift.high, lift.p

    def _units(self, metric: Metric, group: Array, groups: int) -> Lift:
        lines = group[self.experiment.place["day"]]
        moments = unit_moments(self.experiment, self.arms, self.scenario, lines, groups, metric)
        if metric.bottom == "users" and len(self.scenarios) > 1:
            moments[0] = np.nan
        return by_units(moments)

    def splits(self, planned: float) -> list[ArmSplit]:
        """Return for every scenario whether the arms' sizes are as planned, by users where they are known."""
        if self.experiment.unit == "user":
            lines = np.zeros(len(self.scenario), np.int64)
            people = unit_moments(self.experiment, self.arms, self.scenario, lines, 1, METRICS["ctr"])
            return [arm_split(arms, planned) for arms in np.moveaxis(people[..., 0], 1, 2)]
        counts = self.sums["users" if "users" in self.sums else "impressions"]
        if not np.isfinite(counts[0]).all():
            counts = np.concatenate([counts[1:].sum(0, keepdims=True), counts[1:]])
        return [arm_split(arms, planned) for arms in counts]


def summed(
    log: str, control: str | None, treatment: str | None, metric: str, periods: str, most: int
) -> ExperimentTable:
    """Read the log and sum it up; raise MsvizError where log and options do not fit."""
    experiment = log_file.read(log)
    control = log_file.arm(control, experiment, "control", treatment)
    treatment = log_file.arm(treatment, experiment, "treatment", control)
    arms = [experiment.arms.index(control), experiment.arms.index(treatment)]
    size = np.bincount(experiment.place["scenario"], experiment.value["impressions"])
    largest = np.sort(np.argsort(-size, kind="stable")[:most])
    index = np.full(len(size), -1)
    index[largest] = np.arange(len(largest))
    scenario = index[experiment.place["scenario"]]
    sums = {
        name: _sums(experiment, arms, values, scenario, len(largest), name)
        for name, values in experiment.value.items()
    }
    if not all(sums["impressions"][0, side].sum() for side in (0, 1)):
        raise invalid("log", log, f"{control} or {treatment} has no impressions")
    period = _name_days(periods, experiment)
    if (period == SAME).all():
        raise invalid("periods", SAME, "there are no other days to compare the arms on")
    return ExperimentTable(
        experiment, control, treatment, [experiment.scenarios[k] for k in largest], scenario,
        _metrics(metric, experiment), sums, period, len(size) - len(largest),
    )  # fmt: skip


def _sums(
    experiment: Experiment, arms: list[int], values: Array, scenario: Array, count: int, name: str
) -> Array:
    """Return daily sums (S + 1, 2, D) of one count."""
    days = len(experiment.days)
    side = np.full(len(experiment.arms), -1)
    side[arms] = (0, 1)
    arm, day = side[experiment.place["arm"]], experiment.place["day"]
    out = np.zeros((count + 1, 2, days))
    for first, where, size in ((0, np.zeros_like(scenario), 1), (1, scenario, count)):
        used = (arm >= 0) & (where >= 0)
        key = (where[used] * 2 + arm[used]) * days + day[used]
        out[first : first + size] = np.bincount(key, values[used], size * 2 * days).reshape(size, 2, days)
    if name == "users" and count > 1:
        out[0] = np.nan  # one user visits several scenarios: their counts do not add up
    return out


def _metrics(wanted: str, experiment: Experiment) -> list[str]:
    able = [name for name, metric in METRICS.items() if {metric.top, metric.bottom} <= set(experiment.value)]
    if wanted == "all":
        return able
    if wanted not in able:
        needs = f"; it needs {METRICS[wanted].top} and {METRICS[wanted].bottom}" if wanted in METRICS else ""
        raise invalid("metric", wanted, one_of(["all", *able]) + needs)
    return [wanted]


def _name_days(text: str, experiment: Experiment) -> Array:
    """Return the name of each day's period (D,), "" throughout where none is named."""
    if not text:
        names = np.array(experiment.period, dtype=object)
        return np.where((names == "") & bool((names != "").any()), REST, names).astype(str)
    out = np.full(len(experiment.days), REST, dtype=object)
    taken = np.zeros(len(out), bool)
    for part in filter(str.strip, text.split(";")):
        match = PERIOD.fullmatch(part)
        try:
            first, last = (np.datetime64(day) for day in match.groups()[:2]) if match else (None, None)
        except ValueError:
            match = None
        if not match or first is None or last is None or first > last:
            raise invalid("periods", part.strip(), "wanted: 2025-05-11..2025-05-15 Spring sale; …")
        inside = (experiment.days >= first) & (experiment.days <= last)
        if not inside.any() or (inside & taken).any():
            span = f"{experiment.days[0]}..{experiment.days[-1]}"
            raise invalid("periods", part.strip(), f"wanted: days of the log ({span}), each in one period")
        out[inside], taken = match[3], taken | inside
    return out.astype(str)


def daily(table: ExperimentTable) -> list[Lift]:
    """Return each metric's lifts (S + 1, D) of single days: units where known, else binomial counts."""
    days = len(table.experiment.days)
    if table.by_unit:
        return table.lifts(np.arange(days), days)
    out = []
    for metric in (METRICS[name] for name in table.metrics):
        top, bottom = (np.swapaxes(table.sums[name], 1, 2) for name in (metric.top, metric.bottom))
        lift = by_counts(top, bottom)
        if not metric.counts:  # sums of money say nothing of how they vary from user to user
            nothing = np.full(lift.value.shape, np.nan)
            lift = Lift(lift.value, nothing, nothing, nothing)
        out.append(lift)
    return out
