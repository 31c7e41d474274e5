"""What an online experiment changed: lift by scenario, day and period from the log of an A/B test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared.attention import ALL
from msviz.analyses.shared.experiment import METRICS
from msviz.analyses.shared.experiment_table import daily, summed
from msviz.analyses.shared.words import listed
from msviz.data import experiment as log_file
from msviz.data.experiment import SAME
from msviz.errors import MsvizError
from msviz.finding import Finding, Provenance
from msviz.probing.truth import Score
from msviz.statistics.comparison import adjust_p_values
from msviz.statistics.correlation import correlation_interval
from msviz.statistics.intervals import wilson_interval

if TYPE_CHECKING:
    from msviz.analyses.shared.experiment import Lift
    from msviz.schema import Schema

Array = np.ndarray[Any, Any]
TITLE = "What did the experiment change, in which scenario?"
LEVEL = 0.05
UNEVEN = 0.001  # p below which the arms' sizes are called uneven: such a test runs once a day in many shops


class OnlineLiftOptions(QuestionOptions):
    """Which log, which arms, which metric."""

    log: str = Setting(
        description="CSV, TSV or Parquet with date, scenario, arm, impressions, clicks; also users, "
        "purchases, amount, period, bucket or user"
    )
    control: str | None = Setting(None, description="arm without the change; by default the one named so")
    treatment: str | None = Setting(None, description="arm with the change; by default the other")
    metric: str = Setting("all", description=f"{', '.join(METRICS)}; all that the log allows by default")
    periods: str = Setting(
        "", description="days by name: 2025-05-11..2025-05-15 Spring sale; …; by default the log's own"
    )
    share: float = Setting(0.5, gt=0, lt=1, description="treatment's planned share of the two arms")
    most: int = Setting(300, ge=1, le=1_000, description="the largest scenarios are kept, up to so many")

    def key(self) -> dict[str, Any]:
        """Return the options with the log's content in place of its path."""
        return {**super().key(), "log": log_file.digest(self.log)}


def source(options: OnlineLiftOptions) -> str:
    """Return the file that the question is asked of."""
    return options.log


def analyse(study: None, options: OnlineLiftOptions) -> Finding:
    """Return treatment's relative lift over control with 95 % intervals, p and q.

    `lift`, `low`, `high`, `p`, `q`, `significant`, `control`, `treatment` (scenario, metric) over all days;
    `period_*` (scenario, metric, period) and `day_*` (scenario, metric, day) likewise; `period_of` (day);
    `impressions` (scenario, arm), `share`, `share_p` (scenario). q is Benjamini and Hochberg's over all cells
    of the array. Days of a period called "A/A" count in `same_*` (scenario, metric) alone.
    """
    del study
    table = summed(
        options.log, options.control, options.treatment, options.metric, options.periods, options.most
    )
    whole = table.lifts(np.where(table.period == SAME, -1, 0), 1)
    data = xr.Dataset(
        {
            **_arrays("", [lift.take(0) for lift in whole]),
            **_arrays("day_", daily(table)),
            "period_of": (("day",), table.period),
            "impressions": (("scenario", "arm"), table.sums["impressions"].sum(-1)),
            "control": (("scenario", "metric"), table.ratios()[0]),
            "treatment": (("scenario", "metric"), table.ratios()[1]),
        },
        {
            "scenario": [ALL, *table.scenarios],
            "metric": [METRICS[name].title for name in table.metrics],
            "day": table.experiment.days.astype("datetime64[ns]"),
            "arm": [table.control, table.treatment],
        },
    )
    names = table.periods
    if names:
        group = np.array([names.index(p) if p in names else -1 for p in table.period])
        lifts = table.lifts(group, len(names))
        data = data.assign(_arrays("period_", lifts, "period")).assign_coords(period=names)
    if SAME in table.period:
        same = table.lifts(np.where(table.period == SAME, 0, -1), 1)
        data = data.assign(_arrays("same_", [lift.take(0) for lift in same]))
    splits = table.splits(options.share)
    data["share"] = (("scenario",), [split.share for split in splits])
    data["share_p"] = (("scenario",), [split.p for split in splits])
    live = int((table.period != SAME).sum())
    data.attrs.update(
        control=table.control, treatment=table.treatment, method=table.method, days=live,
        planned=options.share, left_out=table.left, events=" and ".join(table.events),
    )  # fmt: skip
    words = {str(name): _words(data, str(name)) for name in data["scenario"].values}
    return Finding(
        analysis="online_lift",
        question=TITLE,
        takeaway=" ".join([words[ALL], _sure(data), *warnings(data)]),
        data=data,
        provenance=Provenance(rows=table.experiment.lines, fingerprint=table.experiment.digest),
        takeaways=words,
    )


def _arrays(prefix: str, lifts: list[Lift], last: str = "day") -> dict[str, Any]:
    """Return lift, bounds, p and q of all metrics as arrays with named axes."""
    stacked = {
        name: np.stack([getattr(lift, name) for lift in lifts], 1) for name in ("value", "low", "high", "p")
    }
    dims = ("scenario", "metric", last)[: stacked["p"].ndim]
    q = adjust_p_values(stacked["p"])
    named = {"lift": stacked["value"], "low": stacked["low"], "high": stacked["high"], "p": stacked["p"]}
    named |= {"q": q, "significant": np.nan_to_num(q, nan=1.0) <= LEVEL}
    return {prefix + name: (dims, values) for name, values in named.items()}


def signed(share: float) -> str:
    """Return '+2.1 %'."""
    return f"{100 * share:+.1f} %"


def told(data: xr.Dataset, scenario: str, metric: str) -> str:
    """Return 'CTR +2.1 % (95 %: +1.2 to +3.0 %)'."""
    cell = data.sel(scenario=scenario, metric=metric)
    value, low, high = (float(cell[name]) for name in ("lift", "low", "high"))
    if not np.isfinite(value):
        return ""
    if not np.isfinite(low):
        return f"{metric} {signed(value)} (no interval: too few days)"
    return f"{metric} {signed(value)} (95 %: {signed(low).removesuffix(' %')} to {signed(high)})"


def _words(data: xr.Dataset, scenario: str) -> str:
    """Return a sentence on all metrics in one scenario."""
    parts = [told(data, scenario, str(metric)) for metric in data["metric"].values]
    arms = f"{data.attrs['treatment']} against {data.attrs['control']}"
    scope = "Over all scenarios" if scenario == ALL else f"In {scenario}"
    volume = f"{data['impressions'].sel(scenario=scenario).values.sum():,.0f} impressions"
    days = data.attrs["days"]
    over = f"{volume} over {days} day{'s' * (days != 1)}"
    comparisons = [part for part in parts if part]
    if not comparisons:
        return f"{scope}, {arms} cannot be compared ({over}): a count is zero."
    return f"{scope}, {arms}: {listed(comparisons)} ({over})."


def _sure(data: xr.Dataset) -> str:
    """Return a sentence on the scenarios and metrics where the lift is surely not zero."""
    single = data.isel(scenario=slice(1, None))
    if not single.sizes["scenario"]:
        return ""
    yes = single["significant"].values
    tested = int(np.isfinite(single["p"].values).sum())
    method = f"{data.attrs['method']} as units, false discoveries held at 5 %"
    if not yes.any():
        return f"By scenario, none of {tested} lifts is surely different from zero ({method})."
    up, down = (int((yes & (side * single["lift"].values > 0)).sum()) for side in (1, -1))
    size = np.where(yes, np.abs(single["lift"].values), -1)
    row, column = np.unravel_index(int(size.argmax()), size.shape)
    best = told(data, str(single["scenario"].values[row]), str(single["metric"].values[column]))
    return (
        f"By scenario, {up} of {tested} lifts are surely above zero and {down} surely below ({method}); "
        f"the largest is {single['scenario'].values[row]}, {best}."
    )


def warnings(data: xr.Dataset) -> list[str]:
    """Return what makes this experiment hard to trust, in sentences."""
    out = []
    control, treatment = data.attrs["control"], data.attrs["treatment"]
    if float(data["share_p"][0]) < UNEVEN:
        got, planned = float(data["share"][0]), float(data.attrs["planned"])
        out.append(
            f"Warning: {treatment} has {100 * got:.1f} % of the traffic where {100 * planned:g} % was "
            f"planned (p = {float(data['share_p'][0]):.1g}): assignment or logging may be broken."
        )
    if "same_q" in data:
        off = data["same_significant"].values
        if off.any():
            out.append(
                f"Warning: on the {SAME} days, when both arms ran the same, {int(off.sum())} of "
                f"{int(np.isfinite(data['same_p'].values).sum())} lifts already differ from zero: "
                f"{control} and {treatment} were not alike before."
            )
        else:
            out.append(f"On the {SAME} days, when both arms ran the same, no lift differs from zero.")
    return out


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema | None) -> list[Score]:
    """Return how often the intervals hold the planted lifts, and how well the lifts follow them."""
    del schema
    if "lift" not in truth:
        raise MsvizError("truth: it is not that of an experiment")
    data = finding.data
    estimates, planned = [], []
    for scenario in data["scenario"].values:
        for metric in data["metric"].values:
            true = truth["lift"].get(str(scenario), {}).get(str(metric))
            cell = data.sel(scenario=scenario, metric=metric)
            if true is not None and np.isfinite(cell["low"]):
                estimates.append([float(cell[name]) for name in ("lift", "low", "high")])
                planned.append(float(true))
    if len(estimates) < 4:
        return []
    value, low, high = np.array(estimates).T
    true = np.array(planned)
    inside = int(((low <= true) & (true <= high)).sum())
    blind = float(((low - value <= true) & (true <= high - value)).mean())
    bounds = wilson_interval(np.array(inside), np.array(len(true)))
    together = float(np.corrcoef(value, true)[0, 1])
    return [
        Score(
            "Intervals", inside / len(true), float(bounds[0]), float(bounds[1]), blind,
            f"{inside} of {len(true)} intervals hold the planted lift, where 95 % should; as wide around no "
            f"lift at all, {100 * blind:.0f} % would.", "share",
        ),
        Score(
            "Lifts", together, *correlation_interval(together, len(true)), 0.0,
            f"measured and planted lifts correlate with {together:.2f} over {len(true)} scenarios and "
            "metrics.", "correlation",
        ),
    ]  # fmt: skip


QUESTION = Question(
    title=TITLE,
    options=OnlineLiftOptions,
    analyse=analyse,
    version=1,
    needs=(),
    source=source,
    score=score,
)
