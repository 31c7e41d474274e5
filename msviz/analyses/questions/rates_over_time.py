"""How click rate, predicted rate and AUC move from day to day, in promotions and on normal days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared import daily
from msviz.analyses.shared.attention import ALL
from msviz.analyses.shared.words import percent, rows, span
from msviz.errors import MsvizError
from msviz.finding import Finding, Provenance
from msviz.lazy import torch
from msviz.probing.groups import DAY
from msviz.probing.reducers import Reducer
from msviz.statistics.auc import delong_interval
from msviz.statistics.intervals import wilson_interval

if TYPE_CHECKING:
    from torch import Tensor

    from msviz.analyses.shared.daily import Array, Calendar
    from msviz.probing.reducers import BatchRows
    from msviz.probing.study import Study

TITLE = "How do click rates move over time, and how good are predictions in promotions?"
LIMIT = 10.0  # logits are counted in bins from -LIMIT to LIMIT
BINS, CELLS = 32_768, 40_000_000  # at most; bins get coarser before memory gets larger
NORMAL_DAYS, BEFORE_DAYS, AFTER_DAYS = "Normal days", "Days before", "Days after"
PROMOTION_DAYS, ALL_DAYS = "All promotion days", "All days"


class RatesOverTimeOptions(QuestionOptions):
    """Which scenarios are kept apart, and which days were promotions."""

    most: int = Setting(
        12, ge=1, le=50, description="the scenarios with most rows are kept apart, up to so many"
    )
    periods: str = Setting(
        "", max_length=4000, description='promotions, as in "2025-03-11..2025-03-15 Spring sale; …"'
    )


def analyse(study: Study, options: RatesOverTimeOptions) -> Finding:
    """Return click and predicted rates by day and period, and the AUC by period, of every scenario.

    `rows`, `clicks`, `rate`, `low`, `high`, `predicted` (day, scenario) and, with `period_` before their
    names, (period, scenario); low and high are Wilson's 95 % interval. `auc`, `auc_low`, `auc_high`,
    `auc_rows` (period, scenario) are of rows that training never saw, DeLong's interval; where only the
    training split is asked for, of its rows. All splits are looked at unless one is named.
    """
    parts = [split_study for split_study in daily.studies(study) if split_study.part.rows]
    if not parts:
        raise MsvizError(f"split {study.split}: it has no rows to look at")
    first, last = daily.span(parts)
    days = [str(np.datetime64(day, "D")) for day in range(first, last + 1)]
    calendar = daily.calendar(days, options.periods, study.dataset.truth)
    scenarios = _largest_scenarios(parts, options.most, len(study.schema.scenarios) + 1)
    periods, member = _periods(calendar)
    total = sum(split_study.part.rows for split_study in parts)
    counter, done = _Counter(first, len(days), scenarios, len(study.schema.scenarios) + 1, member), 0
    held_out = any(split_study.split != "train" for split_study in parts)
    for split_study in parts:
        counter.ranks = split_study.split != "train" or not held_out
        with split_study.stage(done / total, split_study.part.rows / total):
            split_study.stream([counter])
        done += split_study.part.rows
    names = [ALL, *(study.schema.scenario_names[number] for number in scenarios)]
    data = _name_axes(counter, days, names, periods)
    data["phase"], data["promotion"] = (("day",), list(calendar.phase)), (("day",), list(calendar.promotion))
    data.attrs["held_out"] = int(held_out)
    words = {name: _words(data, name) for name in names}
    return Finding(
        analysis="rates_over_time",
        question=TITLE,
        takeaway=words[ALL],
        data=data,
        provenance=Provenance(rows=total),
        takeaways=words,
    )


def _largest_scenarios(parts: list[Study], most: int, scenarios: int) -> list[int]:
    """Return the scenarios with most rows, in the schema's order; combinations never seen come last."""
    count = sum(np.bincount(split_study.part.scenario, minlength=scenarios) for split_study in parts)
    present = np.flatnonzero(count)
    order = present[np.argsort(-np.asarray(count)[present], kind="stable")][:most]
    return sorted((int(number) for number in order), key=lambda number: (number == 0, number))


def _periods(calendar: Calendar) -> tuple[list[str], Array]:
    """Return the periods' names and which days belong to each (P, D)."""
    days = np.ones(len(calendar.days), bool)
    periods = [(ALL_DAYS, days)]
    if calendar.known:
        periods.append((NORMAL_DAYS, calendar.within([daily.NORMAL])))
        periods += [
            (BEFORE_DAYS, calendar.within([daily.BEFORE])),
            (AFTER_DAYS, calendar.within([daily.AFTER])),
        ]
        periods.append((PROMOTION_DAYS, calendar.within(daily.PROMOTION)))
        for name in dict.fromkeys(filter(None, calendar.promotion)):
            periods.append((name, np.array([promotion == name for promotion in calendar.promotion])))
    occurring = [(name, inside) for name, inside in periods if inside.any()]
    return [name for name, _ in occurring], np.stack([inside for _, inside in occurring])


class _Counter(Reducer):
    """Rows, clicks and predictions by day and scenario, and predictions' histograms by period and label."""

    sources: tuple[str, ...] = ("prediction", "label")

    def __init__(self, first: int, days: int, largest: list[int], scenarios: int, member: Array) -> None:
        self.first, self.days, self.member = first, days, member
        self.places = len(largest) + 1
        self.place = np.full(scenarios, len(largest))
        self.place[largest] = np.arange(len(largest))
        self.ranks = True
        self.sums = np.zeros((3, days * self.places))  # rows, clicks, predictions
        # Days of one period are added up while the pass goes: a year of histograms would be large.
        self.kinds, self.kind = np.unique(member.T, axis=0, return_inverse=True)
        self.bins = int(np.clip(CELLS // (len(self.kinds) * self.places * 2), 1024, BINS))
        self.seen = np.zeros(len(self.kinds) * self.places * 2 * self.bins, np.int32)
        self.cell = self.inside = self.label = np.zeros(0, np.int64)

    def begin(self, rows: BatchRows) -> None:
        batch = rows.batch
        day = (batch.time.cpu().numpy() // DAY) - self.first
        index = self.place[batch.scenario.cpu().numpy()]
        self.label = batch.label.cpu().numpy().astype(np.int64)
        self.cell = day * self.places + index
        self.inside = (self.kind[day] * self.places + index) * 2 + self.label

    def see(self, source: str, layer: int | None, values: Tensor, rows: slice) -> None:
        if source == "label":
            return
        score = values.double().cpu().numpy()
        cell = self.cell[rows]
        for number, weight in enumerate((None, self.label[rows], score)):
            self.sums[number] += np.bincount(cell, weight, self.sums.shape[1])
        if self.ranks:
            logit = torch.logit(values.double().cpu(), 1e-9).numpy()
            bins = np.clip(((logit + LIMIT) / (2 * LIMIT) * self.bins).astype(np.int64), 0, self.bins - 1)
            np.add.at(self.seen, self.inside[rows] * self.bins + bins, np.int32(1))

    def merge(self, other: _Counter) -> None:
        self.sums += other.sums
        self.seen += other.seen

    def by_day(self) -> Array:
        """Return rows, clicks and predictions (3, day, scenario), all scenarios first."""
        table = self.sums.reshape(3, self.days, self.places)
        return np.concatenate([table.sum(2, keepdims=True), table[:, :, :-1]], 2)

    def histograms(self, period: int) -> Array:
        """Return a period's counts (scenario, label, bin), all scenarios first."""
        counts = self.seen.reshape(len(self.kinds), self.places, 2, self.bins)[self.kinds[:, period]].sum(0)
        return np.concatenate([counts.sum(0, keepdims=True), counts[:-1]])


def _name_axes(counter: _Counter, days: list[str], names: list[str], periods: list[str]) -> xr.Dataset:
    """Return everything with named axes."""
    by_day = counter.by_day()
    arrays = _rates(by_day, ("day", "scenario"), "")
    by_period = np.stack([by_day[:, inside].sum(1) for inside in counter.member], 1)
    arrays |= _rates(by_period, ("period", "scenario"), "period_")
    ranked = np.full((4, len(periods), len(names)), np.nan)
    for period in range(len(periods)):
        for number, counts in enumerate(counter.histograms(period)):
            misses, hits = counts  # rows of a bin count as ties
            ranked[:3, period, number] = delong_interval(hits, misses)
            ranked[3, period, number] = counts.sum()
    for name, values in zip(("auc", "auc_low", "auc_high", "auc_rows"), ranked, strict=True):
        arrays[name] = (("period", "scenario"), values)
    return xr.Dataset(arrays, {"day": days, "scenario": names, "period": periods})


def _rates(sums: Array, dims: tuple[str, str], prefix: str) -> dict[str, Any]:
    count, clicks, predicted = sums
    low, high = wilson_interval(clicks, count)
    with np.errstate(invalid="ignore", divide="ignore"):
        arrays = {
            "rows": count.astype(np.int64),
            "clicks": clicks.astype(np.int64),
            "rate": clicks / count,
            "low": low,
            "high": high,
            "predicted": predicted / count,
        }
    return {f"{prefix}{name}": (dims, values) for name, values in arrays.items()}


def _words(data: xr.Dataset, scenario: str) -> str:
    """Return in words how promotions change click rate and AUC in one scenario."""
    here = data.sel(scenario=scenario)
    scope = "Over all scenarios" if scenario == ALL else f"In {scenario}"
    periods = [str(name) for name in data["period"].values]
    if PROMOTION_DAYS not in periods or NORMAL_DAYS not in periods:
        cell = here.sel(period=ALL_DAYS)
        clicks = f"{percent(float(cell['period_rate']), 2)} of {rows(int(cell['period_rows']))} were clicked"
        return f"{scope}, {clicks}; no promotions are known: name them with the option periods."
    hot, usual = here.sel(period=PROMOTION_DAYS), here.sel(period=NORMAL_DAYS)
    words = f"{scope}, people click {_rate(hot)} on promotion days and {_rate(usual)} on normal days."
    words += f" The model predicts {_describe_prediction(hot)} and {_describe_prediction(usual)}."
    if np.isfinite(hot["auc"]) and np.isfinite(usual["auc"]):
        words += f" {_apart(hot, usual)}"
    return words


def _describe_prediction(cell: xr.Dataset) -> str:
    """Return what was predicted on average, and whether that lies outside what was clicked."""
    predicted, rate = float(cell["period_predicted"]), float(cell["period_rate"])
    inside = float(cell["period_low"]) <= predicted <= float(cell["period_high"])
    return (
        percent(predicted, 2)
        if inside or not rate
        else f"{percent(predicted, 2)} ({predicted / rate:.2f} times that)"
    )


def _rate(cell: xr.Dataset) -> str:
    interval = span(float(cell["period_low"]), float(cell["period_high"]))
    return f"{percent(float(cell['period_rate']), 2)} ({interval}; {rows(int(cell['period_rows']))})"


def _apart(hot: xr.Dataset, usual: xr.Dataset) -> str:
    """Return whether predictions are worse in promotions, from two independent AUCs."""
    gap = float(hot["auc"]) - float(usual["auc"])
    halves = [float(days["auc_high"] - days["auc_low"]) / 2 for days in (hot, usual)]
    both = f"AUC {float(hot['auc']):.3f} in promotions, {float(usual['auc']):.3f} on normal days"
    if not np.isfinite(halves).all():
        return f"Predictions of these days: {both}."
    half = float(np.hypot(halves[0], halves[1]))
    clear = "" if abs(gap) > half else "; that may be chance"
    return (
        f"Predictions: {both} (difference {gap:+.3f}, 95 %: {gap - half:+.3f} to {gap + half:+.3f}{clear})."
    )


QUESTION = Question(
    title=TITLE,
    options=RatesOverTimeOptions,
    analyse=analyse,
    version=3,
    needs=("prediction",),
    split="all",
)
