"""How alike the scenarios are to the model: by what it makes of the scenario itself, or of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import ComparedView, Question, QuestionOptions
from msviz.analyses.shared.aspects import similarity_aspect
from msviz.analyses.shared.cells import Cells, pairs
from msviz.errors import MsvizError, invalid, one_of
from msviz.finding import Finding, Provenance
from msviz.lazy import LazyModule, torch
from msviz.probing import hooks
from msviz.probing.reducers import Reducer, own_entry, row_keys
from msviz.probing.truth.sharing import sharing_score
from msviz.schema import UNSEEN
from msviz.statistics.intervals import Z, jackknife_std

if TYPE_CHECKING:
    from torch import Tensor

    from msviz.batch import Batch
    from msviz.probing.reducers import BatchRows
    from msviz.probing.study import Study
    from msviz.probing.truth import Score
    from msviz.schema import Schema

distances = LazyModule("scipy.spatial.distance")

hierarchy = LazyModule("scipy.cluster.hierarchy")

Array = np.ndarray[Any, Any]
TITLE = "Which scenarios does the model treat alike?"
COSINE, CENTRED, CKA, ANSWERS = "cosine", "centred cosine", "CKA", "answers"
WHOLE = "everything"
# What a score speaks of, as the start of a sentence.
SAID = {
    ANSWERS: "Correlations of the answers",
    COSINE: "Cosines",
    CENTRED: "Cosines after centring",
    CKA: "CKA values",
}
PARTS = ("layer", "level", "head", "expert")  # first axes that are also compared one by one
MANY = 60  # scenarios beyond which parts are not compared one by one
BLOCKS, WIDE = 10, 50_000  # the jackknife's blocks of rows; numbers a scenario from which four must do
CELLS = 15_000_000  # sums kept at a time
PROBED, AT_ONCE = 32, 16  # rows of a scenario looked at to see what depends on it; rows at a time
PREDICTED, TOGETHER = 400_000, 512  # predictions behind `answers`, about; rows put into a scenario at a time
ALONE = 1 - 1e-6  # share of the variation between scenarios from which rows play no part


class ScenarioSimilarityOptions(QuestionOptions):
    """What is compared, and how many scenarios and rows are looked at."""

    tap: str | None = Setting(
        None, description="what the model shows; by default what depends most on the scenario"
    )
    most: int = Setting(300, ge=2, le=2_000, description="the largest scenarios are kept, up to so many")
    rows: int = Setting(
        2_000, ge=20, description="rows of each scenario, where rows play a part, up to so many"
    )


def analyse(study: Study, options: ScenarioSimilarityOptions) -> Finding:
    """Return how alike any two scenarios are in the mean of what a tap shows of their rows.

    `value`, `low`, `high` (measure, part, scenario, other): the cosine of the two vectors; the cosine after
    taking out the mean of all scenarios; where the tap shows matrices, the linear CKA of what they make of
    the same even input, |W_a W_bᵀ|² / (|W_a W_aᵀ| |W_b W_bᵀ|); and, of everything, the correlation of the
    log-odds that the model answers when the same rows are put into both scenarios. `leaf` (measure, part,
    scenario) orders scenarios so that like ones stand together; `rows` (scenario). Bounds are 95 %, by a
    jackknife over blocks of rows; where a tap depends on the scenario alone they are the value itself.
    """
    count = np.bincount(study.part.scenario, minlength=len(study.schema.scenarios) + 1)
    count[UNSEEN] = 0
    present = np.flatnonzero(count)
    if len(present) < 2:
        raise MsvizError(
            f"scenario_similarity: split {study.split} has rows of {len(present)} scenario, not 2"
        )
    ranked = present[np.argsort(-count[present], kind="stable")]
    shares = _shares(study, np.sort(ranked[:8]))
    tap = _choose(shares, options.tap)
    alone = shares[tap] >= ALONE
    cells = _cells(study, tap, int(_some(study, ranked[:1], 1)[0]))
    blocks = 1 if alone else BLOCKS if cells <= WIDE else 4
    scenarios = np.sort(ranked[: max(2, min(options.most, CELLS // (cells * blocks)))])
    means = ScenarioMeans(tap, study.axes()[tap], scenarios, blocks, study.seed)
    with study.stage(0.0, 0.3):
        row_count = study.stream([means], _some(study, scenarios, 4 if alone else options.rows))
    data = _compare(study, means, scenarios)
    rows = study.sample(min(options.rows, max(PREDICTED // len(scenarios), 100)))
    with study.stage(0.3, 0.7):
        answers = _answers(study, scenarios, rows, data["part"].values)
    data = xr.concat(
        [answers, data], "measure", data_vars="minimal", coords="minimal", compat="override", join="exact"
    )
    data.attrs.update(tap=tap, alone=int(alone), left_out=len(present) - len(scenarios), asked=len(rows))
    words = {str(measure): _words(data, str(measure)) for measure in data["measure"].values}
    return Finding(
        analysis="scenario_similarity",
        question=TITLE,
        takeaway=words[ANSWERS],
        data=data,
        provenance=Provenance(rows=max(row_count, len(rows))),
        takeaways=words,
    )


def cells(finding: Finding) -> Cells:
    """Return how alike any two scenarios are, by each measure and part; every pair counts once."""
    value = finding.data["value"]
    loose = any(str(name).startswith(("head", "expert")) for name in value["part"].values)
    return Cells(
        pairs(value.transpose("measure", "part", "scenario", "other")),
        each=("measure", "part"),
        scale=1.0,
        means={"part": WHOLE},
        numbered="part" if loose else "",
        within=("measure",) if loose else (),
        noun="picture",
        even="all scenarios are equally alike",
    )


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema) -> list[Score]:
    """Return per measure how well the order of the pairs agrees with how alike scenarios really respond."""
    whole = finding.data["value"].sel(part=WHOLE)
    names = [str(name) for name in whole["scenario"].values]
    return [
        sharing
        for measure in whole["measure"].values
        for sharing in sharing_score(names, whole.sel(measure=measure).values, truth, SAID[str(measure)])
    ]


class ScenarioMeans(Reducer):
    """Sums of what one tap shows, by scenario and block of rows; of a scenario axis, the row's own entry."""

    def __init__(self, tap: str, axes: tuple[str, ...], scenarios: Array, blocks: int, seed: int) -> None:
        self.sources: tuple[str, ...] = (tap,)
        self.axes = tuple(axis for axis in axes if axis != "layer")
        self.kept, self.blocks, self.seed = scenarios, blocks, seed
        self.rows = np.zeros(len(scenarios) * blocks)
        self.sums: dict[int | None, Tensor] = {}
        self.shape: tuple[int, ...] = ()
        self._group = self._scenario = torch.zeros(0, dtype=torch.long)

    def begin(self, rows: BatchRows) -> None:
        """Sort the batch's rows into scenarios and blocks."""
        scenario = rows.batch.scenario.cpu().numpy()
        # Blocks by row, not by place in a batch: the same whatever the batch size.
        block = row_keys(rows.positions, self.seed) % np.uint64(self.blocks)
        group = np.searchsorted(self.kept, scenario) * self.blocks + block.astype(np.int64)
        self.rows += np.bincount(group, minlength=len(self.rows))
        self._group, self._scenario = torch.from_numpy(group), torch.from_numpy(scenario).long()

    def see(self, source: str, layer: int | None, values: Tensor, rows: slice) -> None:
        """Add what a tap shows of each row's own scenario."""
        own = own_entry(values, self.axes, self._scenario[rows])
        self.shape = tuple(own.shape[1:])
        if layer not in self.sums:
            self.sums[layer] = torch.zeros(len(self.rows), prod(self.shape), dtype=torch.float64)
        self.sums[layer].index_add_(0, self._group[rows], own.flatten(1).double().cpu())

    def merge(self, other: ScenarioMeans) -> None:
        """Add the sums of other rows."""
        self.rows += other.rows
        for layer, sums in other.sums.items():
            self.sums[layer] = self.sums[layer] + sums if layer in self.sums else sums

    def parts(self) -> tuple[list[str], Array, Array]:
        """Return the parts' names, sums (part, scenario, block, numbers) and rows (scenario, block)."""
        layers = [self.sums[layer].numpy() for layer in sorted(self.sums, key=lambda n: n or 0)]
        axes = tuple(axis for axis in self.axes if axis != "scenario")
        size = (len(self.kept), self.blocks)
        if None not in self.sums:
            stacked, kind = np.stack(layers).reshape(len(layers), *size, -1), "layer"
        elif axes[0] in PARTS and len(axes) > 1:
            whole = layers[0].reshape(*size, self.shape[0], -1)
            stacked, kind = np.moveaxis(whole, 2, 0), axes[0]
        else:
            return [WHOLE], layers[0].reshape(1, *size, -1), self.rows.reshape(size)
        kind = {"level": "position"}.get(kind, kind)
        return [f"{kind} {n + 1}" for n in range(len(stacked))], stacked, self.rows.reshape(size)


def _some(study: Study, scenarios: Array, size: int) -> Array:
    """Return positions, rising, of up to `size` rows drawn from each scenario."""
    draw = np.random.default_rng(study.seed)
    scenario = np.asarray(study.part.scenario)
    order = np.argsort(scenario, kind="stable")
    starts = np.searchsorted(scenario, scenarios, sorter=order)
    ends = np.searchsorted(scenario, scenarios, side="right", sorter=order)
    drawn = [
        order[first + draw.choice(last - first, min(size, last - first), replace=False, shuffle=False)]
        for first, last in zip(starts, ends, strict=True)
    ]
    return np.sort(np.concatenate(drawn))


def _shares(study: Study, scenarios: Array) -> dict[str, float]:
    """Return the share of each tap's variation that lies between scenarios; behaviours' taps are left out."""
    usable = {name: axes for name, axes in study.axes().items() if "behaviour" not in axes}
    if not usable:
        raise MsvizError("scenario_similarity: this model shows nothing of a scenario or of whole rows")
    rows = _some(study, scenarios, PROBED)
    scenario = np.asarray(study.part.scenario)[rows]
    index = torch.from_numpy(np.searchsorted(scenarios, scenario))
    sums: dict[str, Tensor] = {}
    squares = dict.fromkeys(usable, 0.0)
    for start in range(0, len(rows), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        trace = study.trace(rows[part])
        for name, axes in usable.items():
            own = own_entry(trace.seen[name].values, axes, torch.from_numpy(scenario[part]).long())
            flat = own.flatten(1).double().cpu()
            squares[name] += float((flat**2).sum())
            if name not in sums:
                sums[name] = torch.zeros(len(scenarios), flat.shape[1], dtype=torch.float64)
            sums[name].index_add_(0, index[part], flat)
    count = torch.bincount(index, minlength=len(scenarios)).double()[:, None]
    shares = {}
    for name, total in sums.items():
        centre = float(((total.sum(0)) ** 2).sum() / count.sum())
        spread = squares[name] - centre
        between = float((total**2 / count).sum()) - centre
        # Squares of large numbers cancel: what is left of less than a billionth is rounding.
        shares[name] = between / spread if spread > 1e-9 * squares[name] else 0.0
    return shares


def _choose(shares: dict[str, float], wanted: str | None) -> str:
    if wanted is not None and wanted not in shares:
        raise invalid("scenario_similarity tap", wanted, one_of(shares))
    # Rounding must not choose among those that depend on the scenario alone.
    return wanted or max(shares, key=lambda name: round(shares[name], 5))


def _cells(study: Study, tap: str, row: int) -> int:
    """Return how many numbers a tap shows of a row, its own scenario's alone."""
    output = study.trace(np.array([row])).seen[tap]
    pairs = zip(output.axes, output.values.shape[1:], strict=True)
    return prod(size for axis, size in pairs if axis != "scenario")


def _compare(study: Study, means: ScenarioMeans, scenarios: Array) -> xr.Dataset:
    """Return value, low, high and leaf of every measure and part."""
    parts, sums, rows = means.parts()
    matrices = next(p.tap.matrices for p in hooks.points(study.net) if p.name == means.sources[0])
    measures = [COSINE, CENTRED, *([CKA] if matrices else [])]
    names = [WHOLE, *parts] if parts != [WHOLE] and len(scenarios) <= MANY else [WHOLE]
    value = _similar(_mean(sums, rows), measures, len(names), matrices)
    bounds = (value, value)
    if means.blocks > 1:
        bounds = _jackknife(sums, rows, value, measures, len(names), matrices)
    leaf = np.array([[_leaves(cells) for cells in of_measure] for of_measure in value])
    axes = ("measure", "part", "scenario", "other")
    labels = [study.schema.scenario_names[number] for number in scenarios]
    return xr.Dataset(
        {
            "value": (axes, value.astype(np.float32)),
            "low": (axes, bounds[0].astype(np.float32)),
            "high": (axes, bounds[1].astype(np.float32)),
            "leaf": (axes[:3], leaf),
            "rows": (("scenario",), rows.sum(1).astype(np.int64)),
        },
        {"measure": measures, "part": names, "scenario": labels, "other": labels},
    )


def _answers(study: Study, scenarios: Array, rows: Array, parts: Array) -> xr.Dataset:
    """Return how the model's log-odds for the same rows correlate from scenario to scenario."""
    columns = study.schema.scenario_columns
    odds = np.empty((len(scenarios), len(rows)))
    for start in range(0, len(rows), TOGETHER):
        batch = study.batch(rows[start : start + TOGETHER])
        for row, number in enumerate(scenarios):
            fields = batch.fields.clone()
            fields[:, columns] = torch.tensor(study.schema.scenarios[number - 1], device=fields.device)
            moved = batch.replace(fields=fields, scenario=torch.full_like(batch.scenario, int(number)))
            p = _in_order(study, moved).double().clamp(1e-7, 1 - 1e-7)
            odds[row, start : start + len(batch)] = torch.logit(p).cpu().numpy()
        if study.progress:
            study.progress(start / len(rows), f"{start:,} of {len(rows):,} rows in every scenario")
    block = row_keys(rows, study.seed) % np.uint64(BLOCKS)
    value = _correlate(odds)
    each = np.array([_correlate(odds[:, block != k]) for k in range(BLOCKS)])
    half = Z * jackknife_std(each)
    cells = np.full((3, 1, len(parts), len(scenarios), len(scenarios)), np.nan, np.float32)
    cells[:, 0, 0] = value, np.clip(value - half, -1, 1), np.clip(value + half, -1, 1)
    leaf = np.tile(_leaves(value), (1, len(parts), 1))
    axes = ("measure", "part", "scenario", "other")
    data = {name: (axes, array) for name, array in zip(("value", "low", "high"), cells, strict=True)}
    labels = [study.schema.scenario_names[number] for number in scenarios]
    return xr.Dataset(
        {**data, "leaf": (axes[:3], leaf)},
        {"measure": [ANSWERS], "part": parts, "scenario": labels, "other": labels},
    )


def _in_order(study: Study, batch: Batch) -> Tensor:
    """Return the predictions (B,) of a batch in its own order, whatever order the net computes in."""
    order = study.net.order(batch)
    if order is None:
        return study.predict(batch)
    prediction = study.predict(batch.take(order))
    return torch.empty_like(prediction).index_copy_(0, order, prediction)


def _correlate(odds: Array) -> Array:
    """Return the correlation over rows of log-odds (scenario, rows), NaN where they never vary."""
    apart = odds - odds.mean(1, keepdims=True)
    return _cosine(apart, centred=False)


def _mean(sums: Array, rows: Array, without: int | None = None) -> Array:
    """Return the means (part, scenario, numbers), `without` one block of rows."""
    total, count = sums.sum(2), rows.sum(1)
    if without is not None:
        total, count = total - sums[:, :, without], count - rows[:, without]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Array = total / count[:, None]
    return mean


def _similar(mean: Array, measures: list[str], names: int, matrices: tuple[int, int, int] | None) -> Array:
    """Return similarities (measure, part, scenario, scenario) of means (part, scenario, numbers)."""
    every = [np.moveaxis(mean, 0, 1).reshape(mean.shape[1], -1), *(mean if names > 1 else [])]
    similarities = []
    for measure in measures:
        if measure == CKA and matrices is not None:
            each = [_alike(part.reshape(-1, *matrices)) for part in mean]
            similarities.append([np.mean(each, 0), *(each if names > 1 else [])])
        else:
            similarities.append([_cosine(part, measure == CENTRED) for part in every])
    return np.array(similarities)


def _cosine(vectors: Array, centred: bool) -> Array:
    vectors = vectors - vectors.mean(0) if centred else vectors
    length = np.sqrt((vectors**2).sum(1))
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = vectors @ vectors.T / np.outer(length, length)
    return np.clip(cosine, -1, 1)


def _alike(matrices: Array) -> Array:
    """Return the mean over P of the linear CKA between the scenarios' matrices (S, P, d, d)."""
    similarity = np.empty((len(matrices), len(matrices)))
    # Per matrix, not after the mean: each of the P is compared on a scale of its own.
    own = np.sqrt(((matrices @ matrices.swapaxes(2, 3)) ** 2).sum((2, 3)))
    for row, matrix in enumerate(matrices):
        cross = ((matrices @ matrix.swapaxes(1, 2)) ** 2).sum((2, 3))
        similarity[row] = (cross / (own * own[row])).mean(1)
    return np.clip(similarity, 0, 1)


def _jackknife(
    sums: Array,
    rows: Array,
    value: Array,
    measures: list[str],
    names: int,
    matrices: tuple[int, int, int] | None,
) -> tuple[Array, Array]:
    """Return 95 % bounds by leaving out one block of rows after the other."""
    blocks = rows.shape[1]
    each = np.array([_similar(_mean(sums, rows, k), measures, names, matrices) for k in range(blocks)])
    half = Z * jackknife_std(each)
    return np.clip(value - half, -1, 1), np.clip(value + half, -1, 1)


def _leaves(similarity: Array) -> Array:
    """Return the order (S,) of a tree by average linkage, in which like scenarios stand side by side."""
    apart = 1 - (similarity + similarity.T) / 2
    if len(apart) < 3 or not np.isfinite(apart).all():
        return np.arange(len(apart))
    np.fill_diagonal(apart, 0)
    tree = hierarchy.linkage(
        distances.squareform(np.maximum(apart, 0), checks=False), "average", optimal_ordering=True
    )
    return np.asarray(hierarchy.leaves_list(tree))


def _words(data: xr.Dataset, measure: str) -> str:
    """Return a sentence on the most and the least alike scenarios, and on what was compared."""
    here = data.sel(measure=measure, part=WHOLE)
    value = here["value"].values
    first, second = np.triu_indices(len(value), 1)
    pairs = value[first, second]
    names = data["scenario"].values
    exact = bool(data.attrs["alone"]) and measure != ANSWERS

    def named(pair: int) -> str:
        a, b = first[pair], second[pair]
        words = f"{names[a]} and {names[b]} ({_number(pairs[pair], pairs)}"
        if not exact:
            low, high = (here[bound].values[a, b] for bound in ("low", "high"))
            words += f", 95 %: {_number(low, pairs)} to {_number(high, pairs)}"
        return words + ")"

    what, source = _compares(data, measure, exact)
    left = data.attrs["left_out"]
    source += f" {left} smaller scenarios are left out." if left else ""
    if not np.isfinite(pairs).all():
        return f"{what}, some scenarios cannot be compared: what is shown of them does not vary. {source}"
    if len(pairs) == 1:
        return f"{what}, {named(0)} are compared. {source}"
    return (
        f"{what}, the most alike are {named(int(pairs.argmax()))}, the least {named(int(pairs.argmin()))}; "
        f"the average of {len(pairs):,} pairs is {_number(pairs.mean(), pairs)}. {source}"
    )


def _compares(data: xr.Dataset, measure: str, exact: bool) -> tuple[str, str]:
    """Return what is compared, as the start of a sentence, and a sentence on the rows behind it."""
    tap = data.attrs["tap"]
    if measure == ANSWERS:
        source = f"{data.attrs['asked']:,} impressions were put into every scenario and predicted there."
        return "By what the model answers to the same impressions (correlation)", source
    if exact:
        source = "It depends on the scenario alone, so no sampling error comes in."
    else:
        source = f"It varies from row to row: means of {int(data['rows'].sum()):,} rows are compared."
    return f'By the {measure} of what the model shows as "{tap}"', source


def _number(value: float, pairs: Array) -> str:
    """Return a similarity with as many digits as it takes to tell the pairs apart."""
    spread = float(np.ptp(pairs))
    digits = 2 if spread >= 0.05 or spread == 0 else min(2 + int(np.ceil(np.log10(0.05 / spread))), 6)
    return f"{value:.{digits}f}"


QUESTION = Question(
    title=TITLE,
    options=ScenarioSimilarityOptions,
    analyse=analyse,
    version=1,
    needs=("prediction",),
    cells=cells,
    score=score,
    instead=(
        "Few scenarios make few pairs: trust a block only where other trainings show it too, and "
        "compare what "
        "predictions lose without each field, scenario by scenario."
    ),
    compared=ComparedView(place=7, aspect=similarity_aspect),
)
