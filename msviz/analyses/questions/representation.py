"""How a model represents impressions, and how far apart it keeps scenarios or experts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions, SnapshotView
from msviz.analyses.run import ask
from msviz.analyses.shared import separation as apart
from msviz.analyses.shared.cells import Cells, pairs
from msviz.analyses.shared.vectors import (
    CELLS,
    FIRST,
    JOINED,
    OWN,
    WIDE,
    KeptVectors,
    drawn,
    entry_names,
    largest,
    main_directions,
    tap_of,
    ways,
)
from msviz.analyses.shared.vectors import taps as vector_taps
from msviz.analyses.shared.words import percent
from msviz.errors import MsvizError, invalid, one_of
from msviz.finding import Finding, Provenance
from msviz.probing.truth.sharing import sharing_score
from msviz.statistics.comparison import adjust_p_values, normal_p
from msviz.statistics.intervals import Z, standard_error

if TYPE_CHECKING:
    from msviz.analyses.question import Axes
    from msviz.probing.study import Study
    from msviz.probing.truth import Score

TITLE = "How far apart does the model keep what it represents?"
LEVEL = 0.05  # share of false discoveries among the differences called clear
COUNTED, POINTS = (
    1_500,
    4_000,
)  # impressions and vectors that the numbers are made of: pairs grow with the square
# Where cosines do not follow the truth: what is said to a reader instead.
MEASURES = ("cosine", "silhouette", "probe")
MATRICES = ("cosine", "reaction")
SNAPSHOT_ROWS = 128  # impressions of one moment of a training: the cost grows with their square


class RepresentationOptions(QuestionOptions):
    """Which vectors, of how many impressions."""

    tap: str | None = Setting(
        None, description="which vectors the model shows; by default the most telling ones"
    )
    entries: Literal["each", "own", "joined"] | None = Setting(
        None,
        description="vectors of an impression: one for each scenario, expert or head; only its own "
        "scenario's; "
        "or all joined into one",
    )
    rows: int = Setting(
        5_000,
        ge=20,
        le=50_000,
        description="impressions, half of them shared out evenly among the scenarios so that small ones "
        "are seen",
    )
    most: int = Setting(20, ge=2, le=60, description="scenarios, experts or heads kept, the largest ones")


@dataclass(frozen=True)
class Vectors:
    """What was kept of n impressions, and the groups that the numbers compare."""

    tap: str
    kind: str  # what a group is: scenario, expert, head or level
    positions: np.ndarray[Any, Any]
    values: np.ndarray[Any, Any]  # (n, E, units)
    prediction: np.ndarray[Any, Any]
    entries: list[str]
    left: int  # entries or scenarios beyond `most`
    units: int  # of a vector as the model has it
    share: float  # of the vectors' squares that is kept where they have many units


def analyse(study: Study, options: RepresentationOptions) -> Finding:
    """Return vectors of a sample of impressions, and how far apart their groups lie.

    `vector` (impression, entry, unit) float32; `row`, `scenario`, `label`, `prediction`, `time` (impression)
    and
    `value` (impression, field) say whose they are. Groups are the entries, or the impressions' scenarios
    where an
    impression has one vector: `cosine`, its bounds and `signed` (group, other) are means over pairs;
    `reaction`
    (group, other) is whether an impression's vectors in two scenarios change together (CKA);
    `by_group` (measure, group) and `number` (measure), with bounds and `chance`, are mean |cosine|
    between different groups, silhouette and the share that a linear rule tells rightly.
    Raises MsvizError for a tap or entries that the model does not show.
    """
    vectors = _vectors(study, options)
    data = _impressions(study, vectors)
    # Pairs grow with the square of impressions: a part of them, the same for every model, makes the numbers.
    part = _part(study, len(vectors.positions), len(vectors.entries))
    group, names, left = _groups(study, vectors, part, options.most)
    values, weights = vectors.values[part], apart.resampled(len(part), study.seed)
    if len(vectors.entries) > 1:
        matrix, signed = (apart.entry_cosines(values, weights, absolute) for absolute in (True, False))
        flat, owner = values.reshape(-1, values.shape[2]), np.repeat(np.arange(len(part)), len(names))
    else:
        grouped = group >= 0
        flat, owner, group = values[grouped, 0], np.flatnonzero(grouped), group[grouped]
        matrix, signed = (
            apart.cosines(flat, group, len(names), weights[:, owner], absolute) for absolute in (True, False)
        )
    parts = [
        apart.silhouette(flat, group, len(names), owner, weights),
        apart.probe(flat, group, len(names), owner, weights, study.seed),
    ]
    if vectors.kind == "scenario" and len(vectors.entries) > 1:
        data = data.assign(_reaction(vectors.values, study.seed))
    data = data.assign(_numbers(matrix, signed, parts, names)).assign_coords(
        group=names, other=names, measure=list(MEASURES)
    )
    distinct = distinct_of(flat)
    data.attrs.update(
        tap=vectors.tap,
        kind=vectors.kind,
        counted=len(part),
        left_out=vectors.left + left,
        distinct=distinct,
        units=vectors.units,
        share=vectors.share,
    )
    return Finding(
        analysis="representation",
        question=TITLE,
        takeaway=words(data),
        data=data,
        provenance=Provenance(rows=len(vectors.positions)),
    )


def cells(finding: Finding) -> Cells:
    """Return how alike any two groups are, by each matrix that is drawn; every pair counts once.

    Vectors of two trainings have no coordinates in common, how their groups lie to one another has.
    """
    data = finding.data
    able = [name for name in MATRICES if name in data]
    kind = str(data.attrs["kind"])
    return Cells(
        pairs(xr.concat([data[name] for name in able], "matrix").assign_coords(matrix=able)),
        each=("matrix",),
        scale=1.0,
        noun="picture",
        even=f"all {kind}s are equally alike",
        incomparable=""
        if kind in ("scenario", "level")
        else f"{kind}s have no order in common between seeds",
    )


def score(finding: Finding, truth: Mapping[str, Any], schema: Any) -> list[Score]:
    """Return how well cosines and reactions follow how alike the scenarios really respond."""
    data = finding.data
    if data.attrs["kind"] != "scenario":
        return []
    names = [str(name) for name in data["group"].values]
    scores = sharing_score(names, data["signed"].values, truth, "Cosines")
    if "reaction" in data:
        scores += sharing_score(names, data["reaction"].values, truth, "Reactions")
    return scores


def words(data: xr.Dataset) -> str:
    """Return the three numbers in words, with their intervals."""
    kind, groups = str(data.attrs["kind"]), data.sizes["group"]
    if groups < 2:
        return f"Only one {kind} has impressions in this sample: there is nothing to keep apart."
    number = {name: data.sel(measure=name) for name in MEASURES}

    def describe(name: str, form: Any) -> str:
        value, low, high = (float(number[name][part]) for part in ("number", "low", "high"))
        return f"{form(value)} (95 %: {form(low)} to {form(high)})" if np.isfinite(value) else "not defined"

    def plain(value: float) -> str:
        return f"{value:.2f}"

    cosine = float(number["cosine"]["number"])
    verdict = (
        "they point in nearly the same direction" if cosine > 0.8
        else "they are kept apart" if cosine < 0.2
        else "they are partly kept apart"
    )  # fmt: skip
    first = (
        f"Vectors of different {kind}s have a mean |cosine| of {describe('cosine', plain)}: {verdict} "
        "(1 is the same direction, 0 a right angle)."
    )
    others = (
        f" Silhouette {describe('silhouette', plain)}; a straight rule tells the {kind} of a vector in "
        f"{describe('probe', percent)} of cases, where guessing gives {percent(1 / groups)}."
    )
    same = ""
    if data.attrs["distinct"] <= groups:
        same = f" These vectors are the same for all impressions of a {kind}: there is nothing else in them."
    if data.attrs["share"] < 0.995:
        same += (
            f" {data.attrs['units']:,} units are seen by their {data.sizes['unit']} main directions, "
            f"which hold "
            f"{percent(data.attrs['share'], 0)} of them."
        )
    size = f" From {data.attrs['counted']:,} impressions, {groups} {kind}s"
    left = f"; {data.attrs['left_out']} smaller ones left out" if data.attrs["left_out"] else ""
    return first + others + same + size + left + "."


def distinct_of(vectors: np.ndarray[Any, Any]) -> int:
    """Return how many of the vectors (n, units) differ by more than rounding."""
    size = max(float(np.abs(vectors).max(initial=0)), 1e-30)
    return len(np.unique((vectors / size).round(4), axis=0))


def compared(first: Finding, second: Finding) -> str:
    """Return by how much two models differ in the three numbers, and which differences are clear.

    Normal tests from the intervals' widths, corrected over the numbers (Benjamini and Hochberg). The
    impressions are the same in both, so that taking them as independent makes the test careful.
    """
    sides = [side.data.sel(measure=list(MEASURES)) for side in (first, second)]
    gap = sides[0]["number"].values - sides[1]["number"].values
    error = np.hypot(*(standard_error(side["low"], side["high"]) for side in sides))
    half = Z * error
    p = np.where(gap == 0, 1.0, normal_p(gap, error))
    clear = np.nan_to_num(adjust_p_values(p), nan=1.0) <= LEVEL
    titles = ("mean |cosine|", "silhouette", "share told rightly")
    parts = [
        f"{title} {value:+.2f} (95 %: {value - width:+.2f} to {value + width:+.2f}"
        f"{'' if sure else ', no clear difference'})"
        for title, value, width, sure in zip(titles, gap, half, clear, strict=True)
        if np.isfinite(value)
    ]
    names = (first.provenance.run, second.provenance.run)
    return f"{names[0]} against {names[1]}: {'; '.join(parts)}." if parts else ""


def _vectors(study: Study, options: RepresentationOptions) -> Vectors:
    tap_axes = study.axes()
    tap = tap_of(tap_axes, options.tap)
    axes = tap_axes[tap]
    able = ways(axes)
    way = options.entries or able[0]
    if way not in able:
        raise invalid("representation entries", way, f"{one_of(able)} (tap {tap})")
    positions = drawn(study, options.rows)
    if not len(positions):
        raise MsvizError(f"split {study.split}: it has no rows to look at")
    if way == "own" and not np.asarray(study.part.scenario)[positions].any():
        raise invalid("representation entries", way, "no row is of a scenario that training saw")
    shape = study.trace(positions[:1]).seen[tap].values.shape[1:]
    entries: list[int] | str = way
    names, left = [OWN if way == "own" else JOINED], 0
    if way == "each":
        count = int(shape[0])
        entries = largest(study, positions, options.most) if axes[0] == "scenario" else list(range(count))
        entries = entries[: options.most]
        every, left = entry_names(study, axes, count), count - len(entries)
        names = [every[number] for number in entries]
    units = int(np.prod(shape)) if way == "joined" else int(shape[-1])
    basis, share = _basis(study, tap, positions, entries) if units > WIDE else (None, 1.0)
    cells = len(names) * min(units, WIDE)
    positions = positions[_first(study, len(positions), max(CELLS // cells, 20))]
    vectors = KeptVectors(tap, positions, entries, basis)
    study.stream([vectors], positions)
    kind = axes[0] if way == "each" else "scenario"
    return Vectors(tap, kind, positions, vectors.values, vectors.prediction, names, left, units, share)


def _basis(
    study: Study, tap: str, positions: np.ndarray[Any, Any], entries: list[int] | str
) -> tuple[np.ndarray[Any, Any], float]:
    """Return the main directions of vectors with many units, from some of the impressions."""
    some = KeptVectors(tap, positions[_first(study, len(positions), FIRST)], entries)
    study.stream([some], some.positions)
    return main_directions(some.values.reshape(-1, some.values.shape[-1])[: 4 * FIRST])


def _first(study: Study, count: int, most: int) -> np.ndarray[Any, Any]:
    """Return up to `most` of `count` places, rising; fewer are always a part of more."""
    return np.sort(np.random.default_rng(study.seed + 1).permutation(count)[:most])


def _part(study: Study, impressions: int, entries: int) -> np.ndarray[Any, Any]:
    return _first(study, impressions, int(np.clip(POINTS // entries, 100, COUNTED)))


def _groups(
    study: Study, vectors: Vectors, part: np.ndarray[Any, Any], most: int
) -> tuple[np.ndarray[Any, Any], list[str], int]:
    """Return the group (n · E,) of every vector, -1 for none; the groups' names; how many were left out."""
    if len(vectors.entries) > 1:
        return np.tile(np.arange(len(vectors.entries)), len(part)), vectors.entries, 0
    scenario = np.asarray(study.part.scenario)[vectors.positions[part]]
    count = np.bincount(scenario, minlength=len(study.schema.scenarios) + 1)
    present = np.flatnonzero(count > 1)
    chosen = np.sort(present[np.argsort(-count[present], kind="stable")[:most]])
    index = np.full(len(count), -1)
    index[chosen] = np.arange(len(chosen))
    names = [study.schema.scenario_names[number] for number in chosen]
    return index[scenario], names, len(present) - len(chosen)


def _impressions(study: Study, vectors: Vectors) -> xr.Dataset:
    positions = vectors.positions
    names = np.array(study.schema.scenario_names)
    return xr.Dataset(
        {
            "vector": (("impression", "entry", "unit"), vectors.values),
            "row": (("impression",), np.array(study.part.row[positions])),
            "time": (("impression",), np.array(study.part.time[positions])),
            "scenario": (("impression",), names[np.asarray(study.part.scenario)[positions]]),
            "label": (("impression",), np.array(study.part.label[positions], np.uint8)),
            "prediction": (("impression",), vectors.prediction),
            "value": (("impression", "field"), study.part.fields(positions).astype(np.int32)),
        },
        {"entry": vectors.entries, "field": [field.label for field in study.schema.features]},
    )


def _numbers(
    matrix: apart.Estimate, signed: apart.Estimate, parts: list[apart.Estimate], names: list[str]
) -> dict[str, Any]:
    """Return the arrays of cosines (group, other), and of the three measures overall and by group."""
    both, inside = ("group", "other"), ("measure", "group")
    overall = apart.between(matrix)
    rows = []
    for number in range(len(names)):
        mask = np.arange(len(names)) != number
        rows.append(
            apart.Estimate.of(_mean(matrix.value[number, mask]), _mean(matrix.draws[:, number, mask]))
        )
    arrays: dict[str, Any] = {
        "cosine": (both, matrix.value.astype(np.float32)),
        "cosine_low": (both, matrix.low.astype(np.float32)),
        "cosine_high": (both, matrix.high.astype(np.float32)),
        "signed": (both, signed.value.astype(np.float32)),
        "chance": (("measure",), np.array([np.nan, 0.0, 1 / len(names)])),
    }
    for field, name in (("value", "number"), ("low", "low"), ("high", "high")):
        whole = [getattr(overall, field), *(getattr(part, field)[0] for part in parts)]
        each = [[getattr(row, field) for row in rows], *(getattr(part, field)[1:] for part in parts)]
        arrays[name] = (("measure",), np.array(whole, float))
        arrays["by_group" if name == "number" else f"by_group_{name}"] = (inside, np.array(each, float))
    return arrays


def _reaction(values: np.ndarray[Any, Any], seed: int) -> dict[str, Any]:
    estimate = apart.reaction(values, seed)
    both = ("group", "other")
    return {
        "reaction": (both, estimate[0].astype(np.float32)),
        "reaction_low": (both, estimate[1].astype(np.float32)),
        "reaction_high": (both, estimate[2].astype(np.float32)),
    }


def _mean(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the mean over the last axis of what is known, NaN where nothing is."""
    finite = np.isfinite(values)
    count = finite.sum(-1)
    return np.where(count, np.where(finite, values, 0).sum(-1) / np.maximum(count, 1), np.nan)


def _snapshot_rank(axes: Axes) -> int | None:
    """A representation for every scenario says more than the gate that made it; other vectors say least."""
    if ("scenario", "unit") in axes.values():
        return 2
    return 6 if vector_taps(axes) else None


def _ask_snapshot(study: Study) -> Finding:
    """Ask of few impressions; the numbers are the picture, the vectors would be a hundred times as large."""
    finding = ask(study, "representation", {"rows": SNAPSHOT_ROWS})
    return replace(finding, data=finding.data.drop_dims("impression"))


QUESTION = Question(
    title=TITLE,
    options=RepresentationOptions,
    analyse=analyse,
    version=1,
    needs=("unit",),
    cells=cells,
    score=score,
    instead=(
        "Directions kept apart are no measure of how differently scenarios respond: look at whether vectors "
        "change together, and put one impression into every scenario."
    ),
    snapshot=SnapshotView(
        title="How far apart does it keep scenarios now?", rank=_snapshot_rank, ask=_ask_snapshot
    ),
)
