"""How past clicks of one scenario count in another, by attention or by taking the clicks away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import ComparedView, Question, QuestionOptions, SnapshotView
from msviz.analyses.run import ask
from msviz.analyses.shared.aspects import migration_aspect
from msviz.analyses.shared.behaviours import OTHERS, BehaviourTap, ScenarioAxis, attending, side, tap_of
from msviz.analyses.shared.cells import Cells
from msviz.analyses.shared.migration import Changes, Masses
from msviz.analyses.shared.words import percent, rows, span
from msviz.errors import MsvizError
from msviz.finding import Finding, Provenance
from msviz.probing.truth.migration import migration_scores
from msviz.statistics.comparison import adjust_p_values, student_p
from msviz.statistics.intervals import Z, half_width

if TYPE_CHECKING:
    from msviz.analyses.question import Axes
    from msviz.analyses.shared.behaviours import Array
    from msviz.probing.study import Study
    from msviz.probing.truth import Score
    from msviz.schema import Schema

TITLE = "Whose past clicks does the model use where?"
LEVEL = 0.05
SLIGHT = (0.01, 0.02)  # what is too small to speak of: log-odds, and share of an even share
FEW = 10  # rows that hold a source's clicks below which a cell is not tested
SNAPSHOT_SCENARIOS = 60  # between which past clicks are told apart at one moment of a training


class MigrationOptions(QuestionOptions):
    """How it is measured, which clicks count, and which scenarios are kept apart."""

    method: Literal["attention", "removal"] = Setting(
        "attention", description="attention, or removal: how the log-odds change without the clicks"
    )
    only: str = Setting(
        "", description="only clicks with the impression's own value of this field, such as category"
    )
    tap: str | None = Setting(
        None, description="which attention; the one nearest to the prediction by default"
    )
    part: int = Setting(0, ge=0, description="layer or expert, from 1; 0 for their mean")
    head: int = Setting(0, ge=0, description="head, from 1; 0 for the mean of heads")
    most: int = Setting(300, ge=1, le=300, description="the largest scenarios are kept apart, up to so many")
    rows: int = Setting(20_000, ge=100, le=1_000_000, description="removal: a uniform sample of so many rows")


def analyse(study: Study, options: MigrationOptions) -> Finding:
    """Return target × source: what impressions of a scenario make of past clicks of each scenario.

    By attention: `mass`, `even` (the clicks' share of the history), `lift` = mass / even with bounds, and
    `difference` = mass - even with bounds. By removal: `difference` in log-odds, with less without. Always
    `p`, `q` (corrected over all cells), `significant`, `holding` (rows with such a click), `rows` (target).
    Intervals are normal, 95 %, over impressions.
    """
    axis = ScenarioAxis.largest(study, options.most)
    narrowed = side(study, options.only) if options.only else None
    if options.method == "attention":
        sums = Masses(study, BehaviourTap.of(study, options.tap, options.part, options.head), axis, narrowed)
        study.stream([sums])
        arrays, counts = _average_masses(sums)
        attrs = {"tap": sums.sources[0]}
    else:
        if options.part or options.head or options.tap:
            raise MsvizError("migration: tap, part and head belong to method attention")
        tap_of(study, None)
        changes = Changes(study, axis, narrowed)
        changes.over(study.sample(options.rows))
        arrays, counts = _average_changes(changes)
        attrs = {"tap": ""}
    arrays, counts = ({k: v[: len(axis.targets)] for k, v in part.items()} for part in (arrays, counts))
    arrays["p"] = np.where(counts["holding"] >= FEW, arrays["p"], np.nan)
    arrays["q"] = adjust_p_values(arrays["p"])
    arrays["significant"] = arrays["q"] <= LEVEL
    has_clicks = counts["holding"].any(0) | (np.arange(len(axis.sources)) < len(axis.targets))
    data = xr.Dataset(
        {
            **{name: (("target", "source"), value[:, has_clicks]) for name, value in arrays.items()},
            "holding": (("target", "source"), counts["holding"][:, has_clicks]),
            "rows": (("target",), counts["rows"]),
        },
        {
            "target": axis.targets,
            "source": [name for name, present in zip(axis.sources, has_clicks, strict=True) if present],
        },
        {
            "method": options.method,
            "only": study.schema.field(options.only).label if options.only else "",
            "told": int("behaviour scenarios" in study.net.needs),
            **attrs,
        },
    )
    return Finding(
        analysis="migration",
        question=TITLE,
        takeaway=_words(data),
        data=data,
        provenance=Provenance(rows=int(counts["rows"].sum())),
        takeaways={name: _of_target(data, name) for name in axis.targets},
    )


def cells(finding: Finding) -> Cells:
    """Return what is drawn of every target, by the names that the picture has for it."""
    data = finding.data
    able = {"beyond even": "lift", "share": "mass"} if "mass" in data else {"change": "difference"}
    values = xr.concat([data[name] for name in able.values()], "view", coords="minimal", compat="override")
    return Cells(
        values.assign_coords(view=list(able))
        .where(data["holding"] > 0)
        .transpose("view", "target", "source"),
        each=("view", "target"),
        scale=1.0,
        even="past clicks of all scenarios count alike",
    )


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema) -> list[Score]:
    """Return how well the matrix follows the planted weights of past clicks, over cells with enough rows."""
    if "behaviours" not in truth:
        return []
    data = finding.data
    removed = data.attrs["method"] == "removal"
    values = (data["difference"] if removed else data["lift"]).transpose("target", "source").values
    enough = data["holding"].transpose("target", "source").values >= FEW
    targets, sources = ([str(name) for name in data[axis].values] for axis in ("target", "source"))
    what = "What taking clicks away changes" if removed else "Attention beyond an even share"
    return migration_scores(np.where(enough, values, np.nan), truth, targets, sources, what)


def _average_masses(sums: Masses) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the arrays (targets, sources) of attention from its sums, and the counts."""
    count = sums.rows.double().numpy()[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        mass, even, mass_2, even_2, both = (part.numpy() / count for part in sums.sums)
        less = np.where(count > 1, count / (count - 1), np.nan)  # sample variances
        of_mass = np.maximum(mass_2 - mass**2, 0) * less
        of_even = np.maximum(even_2 - even**2, 0) * less
        joint = (both - mass * even) * less
        lift = np.where(even > 0, mass / even, np.nan)
        # The delta method for a ratio of two means of the same rows.
        wide = np.sqrt(np.maximum(of_mass - 2 * lift * joint + lift**2 * of_even, 0) / count) / even
        apart = np.sqrt(np.maximum(of_mass - 2 * joint + of_even, 0) / count)
    own = half_width(np.sqrt(of_mass), count)
    arrays = {
        "mass": mass, "mass_low": mass - own, "mass_high": mass + own, "even": even,
        "lift": lift, "lift_low": lift - Z * wide, "lift_high": lift + Z * wide,
        **_test(mass - even, apart, count),
    }  # fmt: skip
    return arrays, {"holding": sums.holding.numpy(), "rows": sums.rows.numpy()}


def _average_changes(changes: Changes) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the arrays (targets, sources) of the changes from their sums, and the counts."""
    count = changes.holding.double().numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(count > 0, changes.sums[0].numpy() / count, np.nan)
        spread = np.maximum(changes.sums[1].numpy() / count - mean**2, 0)
        error = np.sqrt(np.where(count > 1, spread / (count - 1), np.nan))
    counts = {"holding": changes.holding.numpy(), "rows": changes.rows.numpy()}
    return _test(mean, error, count), counts


def _test(mean: Array, error: Array, count: Array) -> dict[str, Array]:
    """Return the mean (targets, sources), its 95 % bounds and Student's p that it is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = student_p(mean / error, np.maximum(count - 1, 1))
    return {"difference": mean, "low": mean - Z * error, "high": mean + Z * error, "p": p}


def _words(data: xr.Dataset) -> str:
    """Tell the strongest use of another scenario's clicks, and how many cells differ from nothing."""
    tested = int(np.isfinite(data["p"].values).sum())
    clear = int(data["significant"].values.sum())
    what = "even attention" if data.attrs["method"] == "attention" else "no change"
    tail = f"{clear} of {tested} pairs of scenarios differ from {what} (false discovery rate 5 %)."
    apart = np.array([[s not in (t, OTHERS) for s in data["source"].values] for t in data["target"].values])
    # Only where the interval leaves no doubt that the effect is there.
    telling = data["significant"].values & apart & (data["difference"].values > 0)
    if not telling.any():
        return f"No scenario clearly draws on past clicks of another one. {tail}{_blind(data)}"
    strength = (data["lift"] if "lift" in data else data["difference"]).values
    target, source = np.unravel_index(int(np.where(telling, strength, -np.inf).argmax()), strength.shape)
    removed = data.attrs["method"] == "removal"
    if removed and strength[target, source] < SLIGHT[0]:
        return (
            f"Past clicks hardly carry over between scenarios: none of another scenario raises the log-odds "
            f"by "
            f"{SLIGHT[0]:g} on average. {tail}{_blind(data)}"
        )
    if not removed and strength[target, source] - 1 < SLIGHT[1]:
        return (
            f"Attention is practically even between scenarios: past clicks of none get "
            f"{percent(SLIGHT[1], 0)} more "
            f"than their even share in another. {tail}{_blind(data)}"
        )
    words = _cell(data, int(target), int(source))
    here, there = data["target"].values[target], data["source"].values[source]
    if removed:
        return f"Past clicks carry over most from {there} to {here}: {words}. {tail}{_blind(data)}"
    return (
        f"Past clicks from {there} stand out most in {here}: {words}. {tail} Being looked at is not the "
        f"same as "
        f"moving the prediction: for that, take the clicks away.{_blind(data)}"
    )


def _blind(data: xr.Dataset) -> str:
    """Say where a model cannot tell the scenarios of past clicks apart."""
    if data.attrs["told"]:
        return ""
    return (
        " This model is not told in which scenario a past click happened, so it can only tell clicks apart "
        "by "
        "what was clicked."
    )


def _of_target(data: xr.Dataset, name: str) -> str:
    """Tell which scenario's past clicks an impression of this one uses most."""
    row = [str(target) for target in data["target"].values].index(name)
    strength = (data["lift"] if "lift" in data else data["difference"]).values[row]
    tested = np.isfinite(data["p"].values[row]) & np.isfinite(strength)
    count = rows(int(data["rows"].values[row]))
    if not tested.any():
        return f"In {name} ({count} with past clicks), no scenario's past clicks are frequent enough to tell."
    best = int(np.where(tested, strength, -np.inf).argmax())
    clear = "" if data["significant"].values[row, best] else " (not clearly more than nothing)"
    words = _cell(data, row, best)
    verb = "raise the prediction" if data.attrs["method"] == "removal" else "stand out"
    return f"In {name}, past clicks from {data['source'].values[best]} {verb} most{clear}: {words}."


def _cell(data: xr.Dataset, target: int, source: int) -> str:
    """Return one cell in words, with its interval and rows."""
    here = data.isel(target=target, source=source)
    like = f" of the impression's own {data.attrs['only'].lower()}" if data.attrs["only"] else ""
    if data.attrs["method"] == "removal":
        return (
            f"without those clicks{like} the log-odds fall by {float(here['difference']):.3f} "
            f"(95 %: {float(here['low']):.3f} to {float(here['high']):.3f}, {rows(int(here['holding']))})"
        ).replace("fall by -", "rise by ")
    return (
        f"clicks{like} get {percent(float(here['mass']))} of the attention "
        f"({span(float(here['mass_low']), float(here['mass_high']))}), {float(here['lift']):.2f} times their "
        f"even share of {percent(float(here['even']))} ({rows(int(data['rows'].values[target]))})"
    )


def _snapshot_rank(axes: Axes) -> int | None:
    return 5 if attending(axes) else None


def _ask_snapshot(study: Study) -> Finding:
    return ask(study, "migration", {"most": SNAPSHOT_SCENARIOS})


QUESTION = Question(
    title=TITLE,
    options=MigrationOptions,
    analyse=analyse,
    version=1,
    needs=("behaviour",),
    cells=cells,
    score=score,
    instead=(
        "Where it is attention, look at what taking the clicks away changes instead; a model that is not "
        "told in "
        "which scenario a past click happened cannot show it either way."
    ),
    compared=ComparedView(place=6, aspect=migration_aspect),
    snapshot=SnapshotView(title="Whose past clicks count now?", rank=_snapshot_rank, ask=_ask_snapshot),
)
