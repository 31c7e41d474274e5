"""Where attention differs between two scenarios or two models, and which differences are real."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.run import ask
from msviz.analyses.shared.attention import ALL, AXES, MEAN
from msviz.analyses.shared.cells import Cells
from msviz.analyses.shared.words import percent, rows
from msviz.errors import MsvizError, invalid, one_of
from msviz.finding import Finding, Provenance
from msviz.probing.truth import Score, changed_pairs, pair_score
from msviz.run import Run
from msviz.statistics.comparison import adjust_p_values, welch_test

if TYPE_CHECKING:
    from msviz.probing.study import Study
    from msviz.schema import Schema

TITLE = "Where do two scenarios, or two models, differ in what they attend to?"
LEVEL = 0.05  # share of false discoveries among the cells called significant


class AttentionDifferenceOptions(QuestionOptions):
    """Which two are compared; the second minus the first is shown."""

    a: str | None = Setting(None, description="first scenario; by default the largest")
    b: str | None = Setting(None, description="second scenario; by default the second largest")
    other: str | None = Setting(None, description="path of another run: compares it, in the same scenario")
    most: int = Setting(300, ge=1, le=10_000, description="the largest scenarios are kept, up to so many")
    rows: int | None = Setting(None, ge=1, description="a uniform sample of so many rows; all by default")

    def key(self) -> dict[str, Any]:
        """Return the options with the other run's content in place of its path."""
        digest = Run.peek(self.other).card.digest if self.other else None
        return {**super().key(), "other": digest}


def analyse(study: Study, options: AttentionDifferenceOptions) -> Finding:
    """Return the difference b - a of mean attention for every cell, with Welch's test.

    `share_a`, `share_b` (layer, head, query, key) are the mean shares of the two that are compared,
    `difference`, `low`, `high` b's less a's with the 95 % interval; `p` is Welch's,
    `q` corrected over all cells (Benjamini and Hochberg), `significant` is q <= 0.05. Raises
    MsvizError for a scenario that has no rows.
    """
    request = {"most": options.most, "rows": options.rows}
    first = ask(study, "attention_by_scenario", request).data
    second, dropped = first, ""
    names = [study.run.name if study.run else "this model"] * 2
    if options.other is not None:
        names[1], second = _other(study, options, request)
        first, second, dropped = _keep_shared(first, second)
        dropped = " The test takes the rows of the two as independent draws." + dropped
    a, b = _scenarios(first, second, options)
    left, right = first.sel(scenario=a), second.sel(scenario=b)
    count = (int(left["rows"]), int(right["rows"]))
    test = welch_test(
        (left["mean"].values, right["mean"].values),
        (left["deviation"].values, right["deviation"].values),
        count,
    )
    q = adjust_p_values(test.p)
    data = xr.Dataset(
        {
            "share_a": (AXES, left["mean"].values.astype(np.float32)),
            "share_b": (AXES, right["mean"].values.astype(np.float32)),
            "difference": (AXES, test.difference.astype(np.float32)),
            "low": (AXES, test.low.astype(np.float32)),
            "high": (AXES, test.high.astype(np.float32)),
            "p": (AXES, test.p),
            "q": (AXES, q),
            "significant": (AXES, np.nan_to_num(q, nan=1.0) <= LEVEL),
            "rows_a": ((), count[0]),
            "rows_b": ((), count[1]),
        },
        {axis: first[axis].values for axis in AXES},
    )
    sides = [a, b] if options.other is None else [f"{names[0]} ({a})", f"{names[1]} ({b})"]
    data.attrs.update(a=sides[0], b=sides[1])
    return Finding(
        analysis="attention_difference",
        question=TITLE,
        takeaway=_words(data, count) + dropped,
        data=data,
        provenance=Provenance(rows=sum(count)),
    )


def cells(finding: Finding) -> Cells:
    """Return the differences that are drawn, of every layer and head, whether significant or not."""
    return Cells(
        finding.data["difference"],
        each=("layer", "head"),
        scale=1 / finding.data.sizes["key"],
        means={"head": MEAN},
        numbered="head",
        within=("layer",),
        noun="difference",
        even="attention does not differ",
    )


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema) -> list[Score]:
    """Return how well the size of a difference between two scenarios ranks the pairs whose effect differs.

    Of the mean of heads in layer 1. Two models have no planted difference, so there is no score.
    """
    a, b = str(finding.data.attrs["a"]), str(finding.data.attrs["b"])
    if not {a, b} <= set(schema.scenario_names):
        return []
    size = abs(finding.data["difference"].sel(layer="1", head=MEAN))
    value, low, high, true, other = pair_score(size, changed_pairs(truth, a, b), truth, schema)
    if not np.isfinite(value):
        return []
    words = (
        f"A pair whose planted effect differs between {a} and {b} differs more in attention than another in "
        f"{value:.0%} of the comparisons (95 %: {low:.0%} to {high:.0%}; by luck 50 %; {true:.0f} pairs "
        f"against {other:.0f}); an effect that only turns its sign need not show in attention."
    )
    return [Score(f"{b} against {a}", value, low, high, 0.5, words)]


def _scenarios(first: xr.Dataset, second: xr.Dataset, options: AttentionDifferenceOptions) -> tuple[str, str]:
    """Return the names of the two scenarios; raise MsvizError for one without rows, or one taken twice."""
    scenarios = [[str(name) for name in side["scenario"].values] for side in (first, second)]
    if options.other is not None:
        a = options.a or ALL
        b = options.b or a
    else:
        size = first["rows"].values[1:]
        ranked = [scenarios[0][1 + number] for number in np.argsort(-size, kind="stable")]
        if len(ranked) < 2:
            raise invalid("scenarios", scenarios[0][1:], "a difference needs two with rows in this split")
        a = options.a or next(name for name in ranked if name != options.b)
        b = options.b or next(name for name in ranked if name != a)
    for option, name, choices in (("a", a, scenarios[0]), ("b", b, scenarios[1])):
        if name not in choices:
            raise invalid(f"attention_difference {option}", name, one_of(choices[:21]))
        if options.other is None and name == ALL:
            raise invalid(f"attention_difference {option}", name, "it holds the rows of the other side")
    if options.other is None and a == b:
        raise invalid("attention_difference b", b, "wanted: another scenario than a")
    return a, b


def _other(
    study: Study, options: AttentionDifferenceOptions, request: dict[str, Any]
) -> tuple[str, xr.Dataset]:
    """Return name and attention of the other run, over the same data where it was trained on it.

    Raises MsvizError where a scenario is named that is another thing to the other run, even of the same name.
    """
    run = Run.open(Path(str(options.other)))
    other = study.beside(run)
    attention = ask(other, "attention_by_scenario", request).data
    if options.a not in (None, ALL) and options.b is None:
        strange = [field.label for field in other.dataset.schema.scenario_fields]
        if strange != [field.label for field in study.schema.scenario_fields]:
            names = [str(name) for name in attention["scenario"].values][:21]
            wanted = f"scenarios of {run.name} are by {', '.join(strange)}; name b, {one_of(names)}"
            raise invalid("attention_difference a", options.a, wanted)
    return run.name, attention


def _keep_shared(first: xr.Dataset, second: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset, str]:
    """Return both with the layers, heads and fields that the two models share, and what was dropped."""
    keep: dict[str, list[str]] = {}
    lost = []
    for axis in AXES:
        left, right = ([str(name) for name in side[axis].values] for side in (first, second))
        keep[axis] = [name for name in left if name in right]
        gone = sorted({*left, *right} - set(keep[axis]))
        if gone and axis != "query":
            lost.append(f"{'field' if axis == 'key' else axis} " + ", ".join(gone))
    if not keep["key"] or not keep["layer"]:
        raise MsvizError("attention_difference other: the two models have no field in common")
    words = f" Only one of the two has {'; '.join(lost)}: not compared." if lost else ""
    return first.sel(keep), second.sel(keep), words


def _words(data: xr.Dataset, count: tuple[int, int]) -> str:
    """Return a sentence on the largest significant difference and on how many there are."""
    a, b = data.attrs["a"], data.attrs["b"]
    sizes = f"{rows(count[1])} against {count[0]:,}"
    if min(count) < 2:
        return f"Too few rows to compare {a} and {b} ({sizes}): a test needs two in each."
    significant = data["significant"].values
    share = f"{int(significant.sum()):,} of {significant.size:,} cells differ"
    share += " (Welch's test, false discoveries held at 5 % over all cells)"
    if not significant.any():
        return f"Between {a} and {b} ({sizes}), no difference stands out: 0 of {significant.size:,} cells."
    # The mean of heads is the calmest view; a single head speaks only where the mean is silent.
    mean = data.sel(head=[MEAN])
    view = mean if mean["significant"].values.any() else data
    size = np.where(view["significant"].values, np.abs(view["difference"].values), -1)
    # What two fields have to do with one another says more than a field's regard for itself.
    apart = np.where(np.eye(size.shape[-1], dtype=bool), -1, size)
    size = apart if apart.max() > 0 else size
    layer, head, query, key = (int(i) for i in np.unravel_index(int(size.argmax()), size.shape))
    cell = view.isel(layer=layer, head=head, query=query, key=key)
    value, half = float(cell["difference"]), float(cell["high"] - cell["low"]) / 2
    size_of = f"{percent(abs(value)).removesuffix(' %')} points (± {100 * half:.2g})"
    name = str(cell["head"].item())
    position = f"layer {cell['layer'].item()}, {name if name == MEAN else f'head {name}'}"
    return (
        f"In {b}, {cell['query'].item()} attends {size_of} {'more' if value > 0 else 'less'} to "
        f"{cell['key'].item()} than in {a} ({position}; {sizes}); {share}."
    )


QUESTION = Question(
    title=TITLE,
    options=AttentionDifferenceOptions,
    analyse=analyse,
    version=2,
    needs=AXES,
    cells=cells,
    score=score,
    instead="Look at what losing a field costs in each of the two scenarios instead.",
)
