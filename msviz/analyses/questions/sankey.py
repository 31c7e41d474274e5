"""How the rows of a scenario, and their clicks, divide over the values of two fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared.attention import ALL
from msviz.analyses.shared.flows import chance, chosen, counted, places_of
from msviz.analyses.shared.weights import largest
from msviz.analyses.shared.words import percent
from msviz.data.slices import narrowed
from msviz.errors import MsvizError
from msviz.finding import Finding, Provenance
from msviz.lazy import LazyModule
from msviz.probing.truth import Score
from msviz.statistics.comparison import adjust_p_values, normal_p
from msviz.statistics.intervals import Z, smoothed_rate, wilson_interval

if TYPE_CHECKING:
    from msviz.probing.study import Study
    from msviz.schema import Schema

special = LazyModule("scipy.special")

TITLE = "How do a scenario's rows and clicks divide over two fields?"
FEWEST = 30  # rows that a combination needs to be compared with others
LEVEL = 0.05
Array = np.ndarray[Any, Any]


class SankeyOptions(QuestionOptions):
    """Which two fields, and how much of them."""

    fields: str = Setting(
        "",
        description="two features by column name or title, 'gender,age_level'; by default two of few values",
    )
    top: int = Setting(
        8, ge=2, le=50, description="values of each field with the most rows; the others share one place"
    )
    most: int = Setting(300, ge=1, le=10_000, description="the largest scenarios are kept, up to so many")


def analyse(study: Study, options: SankeyOptions) -> Finding:
    """Return rows and clicks of every combination of two fields' values, in every scenario and in all.

    `rows`, `clicks`, `click_rate`, `low`, `high` (scenario, first, second), Wilson's 95 % interval; `q`
    (scenario) of the test that the click rate answers to one field the same way whatever the other says
    (Woolf 1955, on the logit scale, corrected over scenarios). All splits are counted unless one is named.
    Raises MsvizError for names that are not two features.
    """
    dataset, schema = study.dataset, study.dataset.schema
    splits = list(dataset.rows) if study.split == "all" else [study.split]
    parts = [narrowed(dataset.split(name), study.slice) for name in splits]
    if not sum(part.rows for part in parts):
        raise MsvizError(f"split {study.split}: it has no rows to look at")
    first, second = chosen(schema, options.fields, "sankey")
    places = [places_of(parts, field, options.top) for field in (first, second)]
    scenarios, left = largest(np.concatenate([part.scenario for part in parts]), options.most)
    counts = counted(parts, (first.name, second.name), [index for index, _ in places], scenarios)[0]
    low, high = wilson_interval(counts[1], counts[0])
    rate = np.divide(counts[1], counts[0], out=np.full(counts[0].shape, np.nan), where=counts[0] > 0)
    dims = ("scenario", "first", "second")
    arrays = {"rows": counts[0], "clicks": counts[1], "click_rate": rate, "low": low, "high": high}
    names = [ALL, *(schema.scenario_names[number] for number in scenarios)]
    data = xr.Dataset(
        {name: (dims, values) for name, values in arrays.items()},
        {"scenario": names, "first": places[0][1], "second": places[1][1]},
    )
    p = np.array([woolf(counts[1, k], counts[0, k]) for k in range(len(names))])
    # All scenarios together are no further test, they hold the same rows once more.
    data["q"] = (("scenario",), np.append(p[:1], adjust_p_values(p[1:])))
    data.attrs.update(first_field=first.label, second_field=second.label, left_out=left)
    words = dict(zip(names, _sentences(data), strict=True))
    also = f" {left} smaller scenarios are only part of the whole." if left else ""
    return Finding(
        analysis="sankey",
        question=f"How do rows and clicks divide over {first.label} and {second.label}?",
        takeaway=words[ALL] + also,
        data=data,
        provenance=Provenance(rows=int(counts[0, 0].sum())),
        takeaways=words,
    )


def woolf(clicks: Array, rows: Array) -> float:
    """Return the p-value of "both fields move the logit of a click independently", from counts (A, B).

    Least squares on empirical logits log((c + ½) / (n - c + ½)), weighted by their variance, leaves a χ² of
    its residuals. Combinations of fewer than FEWEST rows are left out; NaN where no freedom remains.
    """
    full = rows >= FEWEST
    first, second = np.nonzero(full)
    c, n = clicks[full].astype(np.float64), rows[full].astype(np.float64)
    if not len(c):
        return float("nan")
    logit = np.log((c + 0.5) / (n - c + 0.5))
    scale = (1 / (c + 0.5) + 1 / (n - c + 0.5)) ** -0.5
    design = np.hstack([np.equal.outer(first, np.unique(first)), np.equal.outer(second, np.unique(second))])
    weighted = design * scale[:, None]
    fitted, _, rank, _ = np.linalg.lstsq(weighted, logit * scale, rcond=None)
    freedom = len(c) - int(rank)
    if freedom < 1:
        return float("nan")
    return float(special.chdtrc(freedom, float(((logit * scale - weighted @ fitted) ** 2).sum())))


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema) -> list[Score]:
    """Return in how many scenarios the view tells rightly whether its two fields act together.

    Of a slice, and of ids that determine other fields, the truth does not say it, so these have no score.
    """
    data = finding.data
    names = [schema.field(data.attrs[f"{side}_field"]).name for side in ("first", "second")]
    if finding.provenance.parameters.get("slice") or set(names) & set(truth["determined"]):
        return []
    where = {
        name for pair in truth["pairs"] if set(pair["fields"]) == set(names) for name in pair["strength"]
    }
    q = data["q"].isel(scenario=slice(1, None))
    tested = [k for k, name in enumerate(q["scenario"].values) if str(name) in truth["fields"]]
    tested = [k for k in tested if np.isfinite(q.values[k])]
    if not tested:
        return []
    planted = [str(q["scenario"].values[k]) in where for k in tested]
    detected = [bool(q.values[k] <= LEVEL) for k in tested]
    right = sum(expected == other for expected, other in zip(planted, detected, strict=True))
    low, high = (float(bound) for bound in wilson_interval(np.array(right), np.array(len(tested))))
    words = (
        f"In {right} of {len(tested)} scenarios the view tells rightly whether {data.attrs['first_field']} "
        f"and {data.attrs['second_field']} act together: planted in {sum(planted)}, found in {sum(detected)}."
    )
    if sum(detected) > sum(planted):
        words += " Two fields may also seem to, where one of them goes together with a third that does."
    return [Score(ALL, right / len(tested), low, high, 0.5, words, "share right")]


def _sentences(data: xr.Dataset) -> list[str]:
    """Return for each scenario which two combinations differ most in click rate, as surely as can be said."""
    widest = [_widest(data.isel(scenario=scenario)) for scenario in range(data.sizes["scenario"])]
    # Corrected over all pairs of combinations of all scenarios: the widest of many gaps is wide by luck.
    pairs = np.concatenate([test[0] for test in widest])
    q = adjust_p_values(pairs)
    out, start = [], 0
    for scenario, (p, low, index) in enumerate(widest):
        own = q[start : start + len(p)]
        start += len(p)
        out.append(_sentence(data.isel(scenario=scenario), own, low, index))
    return out


def _widest(here: xr.Dataset) -> tuple[Array, Array, Array]:
    """Return of every pair of combinations p, the near end of the interval of its gap, and both places."""
    n, c = here["rows"].values.ravel(), here["clicks"].values.ravel()
    cells = np.flatnonzero(n >= FEWEST)
    i, j = np.triu_indices(len(cells), 1)
    i, j = cells[i], cells[j]
    rate = np.divide(c, n, out=np.zeros(len(n)), where=n > 0)
    gap = np.abs(rate[i] - rate[j])
    smooth, variance = smoothed_rate(c, n)
    both = np.sqrt(variance[i] + variance[j])
    centre = np.abs(smooth[i] - smooth[j])
    return normal_p(centre, both), np.maximum(centre - Z * both, 0), np.stack([i, j, gap], 1)


def _sentence(here: xr.Dataset, q: Array, low: Array, index: Array) -> str:
    scenario = str(here["scenario"].item())
    scope = "Over all scenarios" if scenario == ALL else f"In {scenario}"
    rows, clicks = int(here["rows"].sum()), int(here["clicks"].sum())
    words = f"{scope}, {percent(clicks / rows) if rows else 'none'} of {rows:,} rows were clicked"
    sure = np.flatnonzero(q <= LEVEL)
    if not len(sure):
        return f"{words}; no two combinations differ by more than chance."
    best = sure[int(np.argmax(low[sure]))]
    pair = sorted(index[best, :2].astype(int), key=lambda k: -float(here["click_rate"].values.ravel()[k]))
    parts = [_combination(here, int(k)) for k in pair]
    words += (
        f". Of {len(q):,} pairs of combinations, most surely apart are {parts[0]} and {parts[1]}, by "
        f"at least {100 * float(low[best]):.1f} points (false discoveries held at 5 %)"
    )
    first, second = here.attrs["first_field"], here.attrs["second_field"]
    p = float(here["q"])
    if np.isfinite(p) and p <= LEVEL:
        words += f". How clicks go with {second} depends on {first} (corrected p {chance(p)})"
    elif np.isfinite(p):
        words += f". That {first} changes how clicks go with {second} is not shown (corrected p {chance(p)})"
    return words + "."


def _combination(here: xr.Dataset, cell: int) -> str:
    combination = here.isel(first=cell // here.sizes["second"], second=cell % here.sizes["second"])
    return (
        f"{here.attrs['first_field']} {combination['first'].item()} with {here.attrs['second_field']} "
        f"{combination['second'].item()} ({percent(float(combination['click_rate']))}, 95 %: "
        f"{percent(float(combination['low'])).removesuffix(' %')}–{percent(float(combination['high']))}, "
        f"{int(combination['rows']):,} rows)"
    )


QUESTION = Question(
    title=TITLE,
    options=SankeyOptions,
    analyse=analyse,
    version=1,
    needs=(),
    split="all",
    score=score,
    instead="Two fields may act together through a third: look at groups inside a scenario as well.",
)
