"""How the weights of a model's experts move from day to day, in promotions, and with the log's signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import ComparedView, Question, QuestionOptions, SnapshotView
from msviz.analyses.run import ask
from msviz.analyses.shared import daily
from msviz.analyses.shared.aspects import gates_aspect
from msviz.analyses.shared.attention import ALL
from msviz.analyses.shared.cells import Cells, size_of
from msviz.analyses.shared.words import listed, percent, rows
from msviz.errors import MsvizError, invalid, one_of
from msviz.finding import Finding, Provenance
from msviz.probing.groups import Groups, days, groups
from msviz.probing.over_time import WeightsByDay, quantiles
from msviz.statistics.comparison import adjust_p_values
from msviz.statistics.intervals import half_width

if TYPE_CHECKING:
    from msviz.analyses.question import Axes
    from msviz.analyses.shared.daily import Array, Calendar
    from msviz.analyses.snapshots import SnapshotStudy
    from msviz.probing.study import Study
    from msviz.probing.truth import Score
    from msviz.schema import Schema

TITLE = "How do the weights of the experts move over time?"
TAPS = (("expert",), ("scenario", "expert"))
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
CELLS = 20_000_000  # counts that a pass keeps; beyond it bins get coarser, never the memory larger
FINER = 32  # bins that are counted for one that is shown: where weights lie is known only after the pass
OTHERS = "others"
SNAPSHOT_ROWS = 512  # impressions of all days, at least, of one moment of a training
SNAPSHOT_GROUPS, SNAPSHOT_BINS = 8, 32  # groups of rows whose gates it keeps apart, bins of their weights


class GatesOverTimeOptions(QuestionOptions):
    """What rows are kept apart by, how finely weights are counted, and which days were promotions."""

    by: str = Setting(
        "scenario", description="scenario, hour, a user's, item's or context field, or none: kept apart"
    )
    most: int = Setting(
        12, ge=1, le=50, description="the groups with most rows are kept apart, up to so many"
    )
    bins: int = Setting(64, ge=8, le=256, description="bins between the lowest and the highest weight")
    periods: str = Setting(
        "", max_length=4000, description='promotions, as in "2025-03-11..2025-03-15 Spring sale; …"'
    )
    tap: str | None = Setting(None, description="which weights, where a model shows several; the first")
    rows: int | None = Setting(
        None, ge=1, description="a uniform sample of about so many rows; all by default"
    )


def analyse(study: Study, options: GatesOverTimeOptions) -> Finding:
    """Return the weights of every expert by day and group, and what goes together with them.

    `counts` (day, group, expert, bin), `rows` (day, group), `mean`, `deviation` (day, group, expert),
    `quantile` (day, group, expert, share); `low`, `high` (expert, bin); `phase`, `promotion`, `split`
    (day); the difference promotions - normal days with days as the units: `normal`, `promoted`, `change`,
    `change_low`, `change_high`, `change_p`, `change_q` (group, expert); `signal_value` (day, signal),
    standardised, and its correlation with the mean weight of all rows: `correlation`, `correlation_low`,
    `correlation_high`, `correlation_q` (expert, signal). All splits are looked at unless one is named.
    """
    tap, own = _tap(study, options.tap)
    if options.by == "day":
        raise invalid(
            "by", options.by, "weights are told by day as it is; wanted: none, scenario, hour or a field"
        )
    daily.calendar([], options.periods, None)  # what cannot be read is refused before the long pass
    if options.periods.strip() and study.run is not None:
        # Which days are promotions changes no weight: the pass over the rows is not done again.
        without = options.model_copy(update={"periods": ""})
        data = ask(study, "gates_over_time", without.key()).data.copy()
    else:
        data = _pass_once(study, options, tap, own)
    calendar = daily.calendar(list(data["day"].values), options.periods, study.dataset.truth)
    data["phase"], data["promotion"] = (("day",), list(calendar.phase)), (("day",), list(calendar.promotion))
    _changes(data, calendar)
    words = {str(name): _words(data, calendar, str(name)) for name in data["group"].values}
    return Finding(
        analysis="gates_over_time",
        question=TITLE,
        takeaway=words[str(data["group"].values[0])],
        data=data,
        provenance=Provenance(rows=int(data["rows"][:, 0].sum()) + int(data.attrs["left_out"])),
        takeaways=words,
    )


def cells(finding: Finding) -> Cells:
    """Return how each expert's mean weight moves from day to day around its own level, of every group.

    Levels are left out: between two experts they alone would make any two trainings agree or disagree.
    """
    mean = finding.data["mean"]
    return Cells(
        mean - mean.mean("day"),
        each=("group", "expert"),
        scale=size_of(mean),
        means={"group": str(finding.data["group"].values[0])},
        numbered="expert",
        noun="movement",
        even="the weights hardly move",
    )


def _pass_once(study: Study, options: GatesOverTimeOptions, tap: str, own: bool) -> xr.Dataset:
    """Return weights and signals by day, of one pass over all rows."""
    parts = daily.studies(study)
    if not sum(split_study.part.rows for split_study in parts):
        raise MsvizError(f"split {study.split}: it has no rows to look at")
    weights, largest, split = _stream(parts, options, tap, own)
    data = _name_axes(weights, largest, options)
    data["split"] = (("day",), split)
    _signals(data, weights, study.schema)
    data.attrs |= {"left_out": weights.left_out, "tap": tap, "by": _by_title(study.schema, options.by)}
    return data


def _tap(study: Study, wanted: str | None) -> tuple[str, bool]:
    """Return the tap that weighs experts, and whether it does so for every scenario."""
    suit = {name: axes for name, axes in study.axes().items() if axes in TAPS}
    if not suit:
        model = "this model" if study.run is None else study.run.card.model
        raise MsvizError(f"{model} weighs no experts against each other: it needs a gate over two or more")
    if wanted is not None and wanted not in suit:
        raise invalid("tap", wanted, one_of(suit))
    name = wanted or next(iter(suit))
    return name, suit[name] == ("scenario", "expert")


def _stream(
    parts: list[Study], options: GatesOverTimeOptions, tap: str, own: bool
) -> tuple[WeightsByDay, list[int], list[str]]:
    """Return what one pass over all splits saw, which groups have most rows, and each day's split."""
    first, last = daily.span(parts)
    by_day = days(first, last)
    by = None if options.by == "none" else options.by
    largest, names = _largest_groups(parts, by, options.most)
    experts = _experts(
        parts[0]
        if parts[0].part.rows
        else next(split_study for split_study in parts if split_study.part.rows),
        tap,
    )
    cells = len(by_day) * (len(largest) + 1) * experts * options.bins
    finer = int(np.clip(CELLS // cells, 1, FINER))
    total = sum(split_study.part.rows for split_study in parts)
    share = 1.0 if options.rows is None else min(1.0, options.rows / total)
    whole: WeightsByDay | None = None
    per_day = np.zeros((len(parts), len(by_day)), np.int64)
    done = 0.0
    for number, split_study in enumerate(parts):
        if not split_study.part.rows:
            continue
        reducer = WeightsByDay(
            tap, by_day, groups(split_study.part, by, largest), experts, options.bins * finer,
            own=own, signals=len(split_study.schema.signals),
        )  # fmt: skip
        chosen = None if share == 1.0 else split_study.sample(max(1, round(share * split_study.part.rows)))
        with split_study.stage(done / total, split_study.part.rows / total):
            split_study.stream([reducer], chosen)
        done += split_study.part.rows
        per_day[number] = reducer.rows.sum(1)
        if whole is None:
            whole = reducer
        else:
            whole.merge(reducer)
    assert whole is not None
    split = [parts[number].split for number in per_day.argmax(0)]
    whole.groups = Groups((*names, OTHERS), whole.groups.of)
    return whole, largest, split


def _experts(study: Study, tap: str) -> int:
    """Return how many experts are weighed: the tap's last axis."""
    return int(study.trace(np.zeros(1, np.int64)).seen[tap].values.shape[-1])


def _largest_groups(parts: list[Study], by: str | None, most: int) -> tuple[list[int], list[str]]:
    """Return the groups with most rows, in the schema's order, and their names."""
    grouping = groups(parts[0].part, by)
    if by is None:
        return [], []
    count = sum(_count_groups(split_study, by, len(grouping)) for split_study in parts)
    present = np.flatnonzero(count)
    chosen = sorted(present[np.argsort(-np.asarray(count)[present], kind="stable")][:most].tolist())
    return chosen, [grouping.names[number] for number in chosen]


def _count_groups(study: Study, by: str, size: int) -> Array:
    """Return the rows of every group, from the columns alone."""
    part = study.part
    if by == "scenario":
        return np.bincount(part.scenario, minlength=size)
    grouping = groups(part, by)
    count = np.zeros(size, np.int64)
    for start in range(0, part.rows, 65_536):
        ids = grouping.of(part.batch(slice(start, min(start + 65_536, part.rows)))).numpy()
        count += np.bincount(ids, minlength=size)
    return count


def _name_axes(weights: WeightsByDay, largest: list[int], options: GatesOverTimeOptions) -> xr.Dataset:
    """Return counts, moments and quantiles with named axes: all rows first, then the kept groups."""
    each, everything = list(range(len(largest))), list(range(len(largest) + 1))
    whole = ALL if options.by in ("none", "scenario") else "All rows"
    names = [whole, *weights.groups.names[: len(largest)]]
    # The groups' counts are summed once: all rows together stand first.
    fine = np.concatenate([weights.counts.sum(1, keepdims=True), weights.counts[:, each]], 1)
    means = [weights.moments(everything), tuple(moment[..., each] for moment in weights.moments())]
    mean, deviation = (np.concatenate([moment[which] for moment in means], -1) for which in range(2))
    count = np.concatenate([weights.rows.sum(1, keepdims=True), weights.rows[:, each]], 1)
    counts, edges = _zoom(fine, options.bins)
    cells = ("day", "group", "expert")
    arrays = {
        "counts": ((*cells, "bin"), counts),
        "mean": (cells, mean.swapaxes(1, 2)),
        "deviation": (cells, deviation.swapaxes(1, 2)),
        "quantile": ((*cells, "share"), quantiles(fine, 0.0, 1.0, SHARES)),
        "rows": (("day", "group"), count),
        "low": (("expert", "bin"), edges[:, :-1]),
        "high": (("expert", "bin"), edges[:, 1:]),
    }
    return xr.Dataset(
        arrays,
        {
            "day": list(weights.days.names),
            "group": names,
            "expert": [f"Expert {number + 1}" for number in range(fine.shape[2])],
            "share": list(SHARES),
        },
    )


def _zoom(fine: Array, bins: int) -> tuple[Array, Array]:
    """Return counts (day, group, expert, bin) and their borders (expert, bin + 1).

    The bins hold where 99.8 % of an expert's weights lie; what lies beyond counts in the end bins.
    """
    whole, experts = fine.shape[-1], fine.shape[2]
    counts = np.zeros((*fine.shape[:-1], bins), np.int32)
    edges = np.zeros((experts, bins + 1))
    for expert in range(experts):
        here = fine[:, :, expert]
        below = np.cumsum(here.sum((0, 1)) / max(1, here.sum()))
        first, last = (int(np.searchsorted(below, share)) for share in (0.001, 0.999))
        step = max(1, -(-(last + 1 - first) // bins))
        wide = bins * step
        low = int(np.clip((first + last + 1 - wide) // 2, 0, whole - wide))
        counts[:, :, expert] = here[..., low : low + wide].reshape(*here.shape[:-1], bins, step).sum(-1)
        counts[:, :, expert, 0] += here[..., :low].sum(-1, dtype=np.int32)
        counts[:, :, expert, -1] += here[..., low + wide :].sum(-1, dtype=np.int32)
        edges[expert] = np.linspace(low, low + wide, bins + 1) / whole
    return counts, edges


def _changes(data: xr.Dataset, calendar: Calendar) -> None:
    """Add how much each group's weights differ between promotions and normal days."""
    mean = data["mean"].values
    names = ("normal", "promoted", "change", "change_low", "change_high", "change_p", "worth")
    table = np.full((len(names), *mean.shape[1:]), np.nan)
    for group in range(mean.shape[1]):
        for expert in range(mean.shape[2]):
            change = daily.change(mean[:, group, expert], calendar)
            if change is not None:
                numbers = (
                    change.normal,
                    change.promotion,
                    change.difference,
                    change.low,
                    change.high,
                    change.p,
                    sum(change.worth),
                )
                table[:, group, expert] = numbers
    for name, values in zip(names, table, strict=True):
        data[name] = (("group", "expert"), values)
    # All rows are the groups together, so they are corrected apart from them.
    q = np.concatenate([adjust_p_values(table[5][:1]), adjust_p_values(table[5][1:])])
    data["change_q"] = (("group", "expert"), q)


def _signals(data: xr.Dataset, weights: WeightsByDay, schema: Schema) -> None:
    """Add the signals by day, as models read them, and how they go together with the weights."""
    fields = schema.signals
    with np.errstate(invalid="ignore"):
        raw = np.log1p(weights.signals.reshape(len(weights.days), len(fields)))
    centre = np.array([field.mean for field in fields])
    spread = np.array([field.deviation for field in fields])
    data["signal_value"] = (("day", "signal"), (raw - centre) / spread)
    mean = data["mean"].values[:, 0]
    table = np.full((4, mean.shape[1], len(fields)), np.nan)
    for expert in range(mean.shape[1]):
        for number in range(len(fields)):
            correlation = daily.together(data["signal_value"].values[:, number], mean[:, expert])
            table[:, expert, number] = correlation.value, correlation.low, correlation.high, correlation.p
    cells = ("expert", "signal")
    for name, values in zip(("correlation", "correlation_low", "correlation_high"), table, strict=False):
        data[name] = (cells, values)
    data["correlation_q"] = (cells, adjust_p_values(table[3]))
    data.coords["signal"] = [field.label for field in fields]


def _by_title(schema: Schema, by: str) -> str:
    if by in ("none", "scenario", "hour", "day", "label"):
        return by
    return schema.features[schema.index(by)].label


def _words(data: xr.Dataset, calendar: Calendar, group: str) -> str:
    """Return in words how the weights of one group move."""
    here = data.sel(group=group)
    whole = group == str(data["group"].values[0])
    if group == ALL:
        scope = "Over all scenarios"
    else:
        scope = (
            "Over all rows" if whole else f"In {group}" if data.attrs["by"] == "scenario" else f"For {group}"
        )
    count = rows(int(here["rows"].sum()))
    words = (
        _describe_promotions(here, calendar, scope, count)
        if calendar.known
        else _describe_range(here, scope, count)
    )
    if whole and data.attrs["left_out"]:
        words += f" {rows(data.attrs['left_out'])} of a scenario that training never saw have no gate."
    return words + (_with_signals(data) if whole else "")


def _describe_promotions(here: xr.Dataset, calendar: Calendar, scope: str, count: str) -> str:
    """Return how far promotions move the experts, the one that moves most in numbers."""
    change = here["change"].values
    promoted, normal = int(calendar.within(daily.PROMOTION).sum()), int(calendar.within([daily.NORMAL]).sum())
    if not np.isfinite(change).any():
        return (
            _describe_range(here, scope, count) + " Too few promotion days or normal days to compare the two."
        )
    top = int(np.nanargmax(np.abs(change)))
    best = here.isel(expert=top)
    interval = f"95 %: {100 * float(best['change_low']):+.1f} to {100 * float(best['change_high']):+.1f}"
    unit = f"{promoted} promotion days against {normal} normal days, {count}"
    words = (
        f"{scope}, {best['expert'].item()} gets {percent(float(best['promoted']))} of the weight in "
        f"promotions and {percent(float(best['normal']))} on normal days: "
        f"{100 * float(best['change']):+.1f} points ({interval}; {unit})."
    )
    sure = here["change_q"].values < 0.05
    if not sure.any():
        return words + " No expert's weight differs by more than days differ anyway."
    if len(change) > 2:
        names = here["expert"].values
        others = [f"{names[k]} {100 * change[k]:+.1f}" for k in np.flatnonzero(sure) if k != top]
        words += (
            f" Others move too, in points: {listed(others)}."
            if others
            else " No other expert's weight clearly moves."
        )
    return words


def _describe_range(here: xr.Dataset, scope: str, count: str) -> str:
    """Return the days between which the most restless expert moves."""
    mean = here["mean"].values
    spread = np.where(np.isfinite(mean).any(0), np.nanmax(mean, 0) - np.nanmin(mean, 0), -1.0)
    top = int(spread.argmax())
    name, values = here["expert"].values[top], mean[:, top]
    low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
    if np.isfinite(values).sum() < 2:
        return f"{scope}, {name} gets {percent(values[high])} of the weight on the only day ({count})."

    def describe(day: int) -> str:
        spread, many = float(here["deviation"].values[day, top]), int(here["rows"].values[day])
        half = f" ± {100 * half_width(spread, many):.1f}" if many > 1 else ""
        return f"{percent(values[day])}{half} on {here['day'].values[day]}"

    return (
        f"{scope}, {name} moves most from day to day: between {describe(low)} and {describe(high)} ({count})."
    )


def _with_signals(data: xr.Dataset) -> str:
    """Return which signal goes together best with an expert's weight, or that none does."""
    value = data["correlation"].values
    if not np.isfinite(value).any():
        return ""
    sure = np.where(data["correlation_q"].values < 0.05, np.abs(value), -1.0)
    if sure.max() < 0:
        return " No signal of the log clearly goes together with the weights."
    # The expert that promotions move most is spoken of already; with two experts both say the same.
    moved = np.nan_to_num(np.abs(data["change"].values[0])).argmax()
    expert = int(moved if sure[moved].max() > sure.max() - 0.01 else sure.max(1).argmax())
    cell = data.isel(expert=expert, signal=int(sure[expert].argmax()))
    return (
        f" Of the log's signals, {cell['signal'].item()} goes together best with {cell['expert'].item()}: "
        f"correlation {float(cell['correlation']):+.2f} over days "
        f"(95 %: {float(cell['correlation_low']):+.2f} to {float(cell['correlation_high']):+.2f})."
    )


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema) -> list[Score]:
    """Return how well the daily weights follow the planted share of what is hot, and how soon."""
    from msviz.probing.truth.mixture import scores

    data = finding.data.isel(group=0)
    return scores(
        [str(day) for day in data["day"].values],
        data["mean"].values,
        [str(name) for name in data["expert"].values],
        [str(name) for name in data["split"].values],
        truth["time"],
    )


def _snapshot_rank(axes: Axes) -> int | None:
    return 3 if any(axis_names in TAPS for axis_names in axes.values()) else None


def _ask_snapshot(study: SnapshotStudy) -> Finding:
    """Ask over the whole log, so that gates are seen to move in promotions."""
    whole = study.of_all_days(max(SNAPSHOT_ROWS, study.part.rows // 4))
    return ask(whole, "gates_over_time", {"most": SNAPSHOT_GROUPS, "bins": SNAPSHOT_BINS})


QUESTION = Question(
    title=TITLE,
    options=GatesOverTimeOptions,
    analyse=analyse,
    version=2,
    needs=("expert",),
    taps=TAPS,
    split="all",
    cells=cells,
    score=score,
    instead="Look at the rates and the AUC of promotion days and normal days instead.",
    compared=ComparedView(place=5, aspect=gates_aspect, options={"by": "scenario", "most": 50}),
    snapshot=SnapshotView(
        title="How do its experts share the work now?", rank=_snapshot_rank, ask=_ask_snapshot
    ),
)
