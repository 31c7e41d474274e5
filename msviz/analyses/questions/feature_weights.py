"""How much weight a model gives each field in every scenario, head by head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import ComparedView, Question, QuestionOptions, SnapshotView
from msviz.analyses.run import ask
from msviz.analyses.shared.aspects import weights_aspect
from msviz.analyses.shared.attention import ALL, MEAN
from msviz.analyses.shared.cells import Cells, size_of
from msviz.analyses.shared.weights import SHAPES, agreement, entropy, largest, measured, tap_of
from msviz.analyses.shared.words import listed, percent
from msviz.errors import MsvizError, invalid, one_of
from msviz.finding import Finding, Provenance
from msviz.probing.truth.fields import score_change, score_fields
from msviz.schema import UNSEEN
from msviz.statistics.comparison import adjust_p_values, welch_test
from msviz.statistics.intervals import half_width

if TYPE_CHECKING:
    from msviz.analyses.question import Axes
    from msviz.probing.study import Study
    from msviz.probing.truth import Score
    from msviz.schema import Schema

TITLE = "How much weight does each field get in each scenario?"
AXES = ("scenario", "head", "field")
LEVEL = 0.05
EVEN = 0.98  # entropy from which weights are called nearly even


class FeatureWeightsOptions(QuestionOptions):
    """Which weights, which scenarios, and which two are compared."""

    tap: str | None = Setting(None, description="which of the model's field weights; the first by default")
    most: int = Setting(300, ge=1, le=10_000, description="the largest scenarios are kept, up to so many")
    rows: int | None = Setting(None, ge=1, description="a uniform sample of so many rows; all by default")
    a: str | None = Setting(None, description="compare two scenarios: the first one")
    b: str | None = Setting(None, description="compare two scenarios: the one it is compared with")


def analyse(study: Study, options: FeatureWeightsOptions) -> Finding:
    """Return the weights of every scenario, their entropy and what all heads agree on.

    `weight`, `weight_low`, `weight_high` (normal 95 % over rows), `deviation` (scenario, head, field), mean
    of heads first; `entropy` (scenario, head) of the
    weights as shares, from 0 (one field) to 1 (even); `agreed` (scenario, field) is the lowest head's weight,
    `agreement` (scenario) the mean rank correlation of two heads; `rows` (scenario). Of a net that weighs for
    all scenarios at once, each row counts with its own one; rows of unseen combinations have none and are
    left out there. With `a` and `b`, `difference`, `low`, `high`, `p`, `q`, `significant` (head, field) are
    b - a. Raises MsvizError when the model shows no field weights and for scenarios that have no rows.
    """
    if options.a is not None or options.b is not None:
        return _compare(study, options)
    tap = tap_of(study, options.tap)
    positions = study.sample(study.part.rows if options.rows is None else options.rows)
    if "scenario" in study.axes()[tap]:
        positions = positions[study.part.scenario[positions] != UNSEEN]
    if not len(positions):
        raise MsvizError(f"split {study.split}: it has no rows to look at")
    scenarios, left = largest(study.part.scenario[positions], options.most)
    weights = measured(study, tap, scenarios, positions)
    heads = weights.mean.shape[1] - 1
    by_head = weights.mean[:, 1:] if heads else weights.mean
    # Weights that a scenario has exactly have no sampling error, and no width.
    half = 0.0 if weights.exact else half_width(weights.deviation, weights.rows[:, None, None])
    data = xr.Dataset(
        {
            "weight": (AXES, weights.mean.astype(np.float32)),
            "weight_low": (AXES, (weights.mean - half).astype(np.float32)),
            "weight_high": (AXES, (weights.mean + half).astype(np.float32)),
            "deviation": (AXES, weights.deviation.astype(np.float32)),
            "entropy": (AXES[:2], entropy(weights.mean).astype(np.float32)),
            "agreed": (("scenario", "field"), by_head.min(1).astype(np.float32)),
            "agreement": (
                ("scenario",),
                np.array([agreement(head_weights) for head_weights in by_head], np.float32),
            ),
            "rows": (("scenario",), weights.rows),
        },
        {
            "scenario": [ALL, *(study.schema.scenario_names[number] for number in scenarios)],
            "head": [MEAN, *(str(number + 1) for number in range(heads))] if heads else [tap],
            "field": _titles(study, tap, weights.mean.shape[-1]),
        },
    )
    shares = bool(np.allclose(weights.mean.sum(-1), 1, atol=1e-3))
    data.attrs.update(left_out=left, exact=int(weights.exact), shares=int(shares), tap=tap)
    words = {str(name): _words(data, str(name)) for name in data["scenario"].values}
    also = f" {left} smaller scenarios are only part of the average." if left else ""
    return Finding(
        analysis="feature_weights",
        question=TITLE,
        takeaway=words[ALL] + also,
        data=data,
        provenance=Provenance(rows=len(positions)),
        takeaways=words,
    )


def cells(finding: Finding) -> Cells:
    """Return the weights that are drawn, of every scenario and head; of two compared, the differences."""
    data = finding.data
    heads = data.sizes["head"] > 1
    two = "difference" in data
    return Cells(
        data["difference" if two else "weight"],
        each=("head",) if two else ("scenario", "head"),
        scale=size_of(data["weight"]),
        means=({} if two else {"scenario": ALL}) | ({"head": MEAN} if heads else {}),
        numbered="head" if heads else "",
        noun="difference" if two else "picture",
        even="the weights do not differ" if two else "all weights are alike",
    )


def _titles(study: Study, tap: str, size: int) -> list[str]:
    columns = study.net.columns(tap)
    if len(columns) != size:
        raise invalid(
            f"tap {tap}", f"{size} weights", f"the net says that it runs over {len(columns)} fields"
        )
    return [study.schema.features[column].label for column in columns]


def _words(data: xr.Dataset, scenario: str) -> str:
    """Return how uneven the weights of a scenario are, which are largest, and whether heads agree."""
    here = data.sel(scenario=scenario)
    whole = here.isel(head=0)
    order = np.argsort(-whole["weight"].values, kind="stable")[:3]
    top = [f"{whole['field'].values[i]} ({_amount(data, whole, int(i))})" for i in order]
    scope = "Over all scenarios" if scenario == ALL else f"In {scenario}"
    heads = data.sizes["head"] - 1
    in_mean = ", in the mean of its heads" if heads > 1 else ""
    even = f"; an even share would be {percent(1 / data.sizes['field'])}" if data.attrs["shares"] else ""
    words = f"{scope}, the model gives most weight to {listed(top)}{in_mean}{even}"
    evenness = float(whole["entropy"])
    words += f". Evenness {evenness:.3f} (1: all fields alike, 0: one field only)"
    words += ": nearly all alike, so their order says little" if evenness > EVEN else ""
    if heads > 1 and np.isfinite(here["agreement"]):
        best = str(data["field"].values[int(np.argmax(here["agreed"].values))])
        least = _number(data, float(here["agreed"].max()))
        value = float(here["agreement"])
        how = "rank the fields much alike" if value >= 0.5 else "rank the fields differently"
        words += (
            f". The {heads} heads {how} (mean rank correlation {value:.2f}); "
            f"what all of them give most is {best}, at least {least} each"
        )
    if scenario == ALL:
        return words + "."
    count = int(here["rows"])
    rows_here = f"{count:,} row" + ("" if count == 1 else "s")
    if data.attrs["exact"]:
        return f"{words}. These weights are the scenario's own, the same for all its {rows_here}."
    return f"{words} ({rows_here})."


def _amount(data: xr.Dataset, whole: xr.Dataset, field: int) -> str:
    cell = whole.isel(field=field)
    text, count = _number(data, float(cell["weight"])), int(cell["rows"])
    half = float(half_width(cell["deviation"], count)) if count > 1 else np.nan
    if data.attrs["exact"] or not np.isfinite(half):
        return text
    return f"{text} ± {100 * half:.2g} points" if data.attrs["shares"] else f"{text} ± {half:.2g}"


def _number(data: xr.Dataset, value: float) -> str:
    return percent(value) if data.attrs["shares"] else f"{value:.3f}"


def _compare(study: Study, options: FeatureWeightsOptions) -> Finding:
    """Return the weights with the difference of two scenarios beside them."""
    base = ask(study, "feature_weights", {"tap": options.tap, "most": options.most, "rows": options.rows})
    data = base.data.copy()
    names = [str(name) for name in data["scenario"].values[1:]]
    a, b = _two(data, names, options)
    left, right = data.sel(scenario=a), data.sel(scenario=b)
    count = (int(left["rows"]), int(right["rows"]))
    means = (left["weight"].values, right["weight"].values)
    # Weights that a scenario has exactly have no sampling error, whatever the number of its rows.
    exact = bool(data.attrs["exact"])
    rows_of = (max(count[0], 2), max(count[1], 2)) if exact else count
    test = welch_test(means, (left["deviation"].values, right["deviation"].values), rows_of)
    q = adjust_p_values(test.p)
    cells = ("head", "field")
    arrays = {"difference": test.difference, "low": test.low, "high": test.high, "p": test.p, "q": q}
    for name, values in arrays.items():
        data[name] = (cells, np.asarray(values, np.float32))
    data["significant"] = (cells, np.nan_to_num(q, nan=1.0) <= LEVEL)
    data.attrs.update(a=a, b=b)
    return Finding(
        analysis="feature_weights",
        question=f"Which fields get other weights in {b} than in {a}?",
        takeaway=_difference_words(data, count),
        data=data,
        provenance=Provenance(rows=sum(count)),
    )


def _two(data: xr.Dataset, names: list[str], options: FeatureWeightsOptions) -> tuple[str, str]:
    """Return the two scenarios, the largest others where one is not named; raise MsvizError for a bad one."""
    ranked = [names[i] for i in np.argsort(-data["rows"].values[1:], kind="stable")]
    if len(ranked) < 2:
        raise invalid("scenarios", names, "a difference needs two with rows in this split")
    a = options.a or next(name for name in ranked if name != options.b)
    b = options.b or next(name for name in ranked if name != a)
    for option, name in (("a", a), ("b", b)):
        if name not in names:
            raise invalid(f"feature_weights {option}", name, one_of(names[:20]))
    if a == b:
        raise invalid("feature_weights b", b, "wanted: another scenario than a")
    return a, b


def _difference_words(data: xr.Dataset, count: tuple[int, int]) -> str:
    a, b, exact = data.attrs["a"], data.attrs["b"], bool(data.attrs["exact"])
    mean_of_heads = data.isel(head=0)
    change = mean_of_heads["difference"].values
    significant = mean_of_heads["significant"].values
    if not significant.any():
        why = "they are the same" if exact else "none of the differences is more than chance"
        return f"{a} and {b} weigh the {data.sizes['field']} fields alike: {why}."
    size = np.where(significant, np.abs(change), -1)
    parts = []
    for field in np.argsort(-size, kind="stable")[:3]:
        if size[field] > 0:
            sign = "more" if change[field] > 0 else "less"
            by = _points(data, abs(float(change[field])))
            half = float(mean_of_heads["high"][field] - mean_of_heads["low"][field]) / 2
            sure = "" if exact else f" (± {_points(data, half)})"
            parts.append(f"{by} {sign} to {mean_of_heads['field'].values[field]}{sure}")
    sure = (
        "The weights belong to the scenarios, so these differences are exact"
        if exact
        else f"{int(significant.sum())} of {significant.size} fields differ by more than chance "
        "(Welch's test, false discoveries held at 5 %)"
    )
    return f"{b} gives {listed(parts)} than {a} ({count[1]:,} against {count[0]:,} rows). {sure}."


def _points(data: xr.Dataset, value: float) -> str:
    return f"{100 * value:.2g} points" if data.attrs["shares"] else f"{value:.2g}"


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema) -> list[Score]:
    """Return how well the weights (mean of heads) rank the fields that matter, scenario by scenario.

    Of two scenarios compared: how the change in weight goes with the change in how much fields matter.
    """
    data = finding.data["weight"].isel(head=0)
    if "difference" in finding.data:
        sides = finding.data.attrs["a"], finding.data.attrs["b"]
        change = finding.data["difference"].isel(head=0)
        return score_change(
            change.values, *sides, [str(n) for n in change["field"].values], truth, schema, "weight"
        )
    return score_fields(
        data.values,
        [str(name) for name in data["scenario"].values],
        [str(name) for name in data["field"].values],
        truth,
        schema,
        "weight",
    )


def _snapshot_rank(axes: Axes) -> int | None:
    return 4 if any(axis_names in SHAPES for axis_names in axes.values()) else None


def _ask_snapshot(study: Study) -> Finding:
    return ask(study, "feature_weights", {})


QUESTION = Question(
    title=TITLE,
    options=FeatureWeightsOptions,
    analyse=analyse,
    version=1,
    needs=("field",),
    cells=cells,
    score=score,
    instead="Look at what losing a field costs instead.",
    compared=ComparedView(place=4, aspect=weights_aspect),
    snapshot=SnapshotView(title="Which fields does it weigh now?", rank=_snapshot_rank, ask=_ask_snapshot),
)
