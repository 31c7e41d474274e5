"""Groups inside a scenario: values of two fields that answer to a third field in different ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared.attention import ALL
from msviz.analyses.shared.flows import chance, chosen, counted, places_of
from msviz.analyses.shared.groups_inside import answers
from msviz.analyses.shared.weights import largest
from msviz.analyses.shared.words import listed
from msviz.data.slices import narrowed
from msviz.errors import MsvizError, invalid, one_of
from msviz.finding import Finding, Provenance
from msviz.probing.truth import Score
from msviz.statistics.auc import newcombe_interval, ranking_auc
from msviz.statistics.comparison import adjust_p_values

if TYPE_CHECKING:
    from msviz.probing.study import Study
    from msviz.schema import Field, Schema

TITLE = "Are there groups inside a scenario that answer to a field differently?"
LEVEL = 0.05


class SubScenariosOptions(QuestionOptions):
    """Which fields make the groups, and what they answer to."""

    fields: str = Setting(
        "", description="two features that make the groups, 'gender,age_level'; by default two of few values"
    )
    on: str = Setting(description="the feature that groups answer to, 'price_band'")
    top: int = Setting(8, ge=2, le=12, description="values of each field with the most rows")
    most: int = Setting(300, ge=1, le=10_000, description="the largest scenarios are kept, up to so many")


def analyse(study: Study, options: SubScenariosOptions) -> Finding:
    """Return how much more often each combination of two fields clicks at some values of a third.

    `rows`, `clicks` (scenario, first, second) of all rows; `more` (scenario, third): 1 for the values that
    are held against those of -1, chosen on a random half of the rows; `answer`, `low`, `high` (scenario,
    first, second): difference of click rates on the other half, with 95 % intervals; `q` (scenario) of "all
    combinations answer alike" (Cochran's Q, corrected over scenarios). All splits are counted unless one is
    named. Raises MsvizError for names that are not three features.
    """
    dataset, schema = study.dataset, study.dataset.schema
    splits = list(dataset.rows) if study.split == "all" else [study.split]
    parts = [narrowed(dataset.split(name), study.slice) for name in splits]
    if not sum(part.rows for part in parts):
        raise MsvizError(f"split {study.split}: it has no rows to look at")
    first, other = chosen(schema, options.fields, "sub_scenarios")
    third = _third(schema, options.on, first, other)
    fields = (first, other, third)
    places = [places_of(parts, field, options.top) for field in fields]
    scenarios, left = largest(np.concatenate([part.scenario for part in parts]), options.most)
    counts = counted(
        parts, tuple(f.name for f in fields), [index for index, _ in places], scenarios, halves=True
    )
    names = [ALL, *(schema.scenario_names[number] for number in scenarios)]
    shape = counts.shape[3:5]
    tests = [
        answers(*(counts[:, part, scenario].reshape(2, -1, counts.shape[5]) for part in (0, 1)))
        for scenario in range(len(names))
    ]
    cells = ("scenario", "first", "second")
    whole = counts.sum((0, 5))
    arrays = {name: np.stack([getattr(answer, name).reshape(shape) for answer in tests]) for name in BOUNDS}
    data = xr.Dataset(
        {"rows": (cells, whole[0]), "clicks": (cells, whole[1])}
        | {name: (cells, values.astype(np.float32)) for name, values in arrays.items()}
        | {"more": (("scenario", "third"), np.stack([answer.more for answer in tests]))},
        {"scenario": names, "first": places[0][1], "second": places[1][1], "third": places[2][1]},
    )
    p = np.array([answer.p for answer in tests])
    # All scenarios together are no further test, they hold the same rows once more.
    data["q"] = (("scenario",), np.append(p[:1], adjust_p_values(p[1:])))
    data.attrs.update(
        first_field=first.label, second_field=other.label, third_field=third.label, left_out=left
    )
    words = {name: _words(data.sel(scenario=name)) for name in names}
    return Finding(
        analysis="sub_scenarios",
        question=f"Who answers differently to {third.label}, by {first.label} and {other.label}?",
        takeaway=_most(data, words),
        data=data,
        provenance=Provenance(rows=int(whole[0, 0].sum())),
        takeaways=words,
    )


BOUNDS = ("answer", "low", "high")


def _third(schema: Schema, name: str, first: Field, other: Field) -> Field:
    features = [f for f in schema.features if f.role != "scenario" and f not in (first, other)]
    for field in features:
        if name in (field.name, field.label):
            return field
    raise invalid("sub_scenarios on", name, one_of([field.name for field in features][:40]))


def _most(data: xr.Dataset, words: dict[str, str]) -> str:
    """Return the words of the scenario whose groups are surest, and in how many there are any."""
    q = data["q"].values[1:]
    sure = int((np.nan_to_num(q, nan=1.0) <= LEVEL).sum())
    of = f"{sure} of {len(q)} scenarios hold such groups (corrected over scenarios)"
    if not sure:
        return f"{words[ALL]} {of}."
    name = str(data["scenario"].values[1 + int(np.nanargmin(q))])
    return f"{words[name]} {of}."


def _words(here: xr.Dataset) -> str:
    scenario = str(here["scenario"].item())
    scope = "Over all scenarios" if scenario == ALL else f"In {scenario}"
    first, other, third = (here.attrs[f"{side}_field"] for side in ("first", "second", "third"))
    q, answer = float(here["q"]), here["answer"].values
    if not np.isfinite(q):
        return f"{scope}, too few rows to compare groups by {first} and {other}."
    if q > LEVEL:
        return (
            f"{scope}, groups by {first} and {other} that answer to {third} differently are not shown "
            f"(corrected p {chance(q)})."
        )
    values = here["third"].values.astype(str)
    more, less = (listed(list(values[here["more"].values == side])) for side in (1, -1))
    # The surest at either end: by the near end of the interval.
    top = np.unravel_index(int(np.nanargmax(here["low"].values)), answer.shape)
    bottom = np.unravel_index(int(np.nanargmin(here["high"].values)), answer.shape)
    groups = [_describe_group(here, int(a), int(b)) for a, b in (top, bottom)]
    return (
        f"{scope}, groups by {first} and {other} answer to {third} differently (corrected p {chance(q)}): "
        f"with {more} rather than {less}, {groups[0]} and {groups[1]}."
    )


def _describe_group(here: xr.Dataset, first: int, second: int) -> str:
    cell = here.isel(first=first, second=second)
    value, half = 100 * float(cell["answer"]), 50 * float(cell["high"] - cell["low"])
    way = "more" if value > 0 else "less"
    who = f"{cell['first'].item()}, {cell['second'].item()}"
    return f"{who} click {abs(value):.1f} points (± {half:.1f}) {way} often"


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema) -> list[Score]:
    """Return how well the answers tell the two planted groups apart, where these very fields make them."""
    data = finding.data
    names = [schema.field(data.attrs[f"{side}_field"]).name for side in ("first", "second", "third")]
    scores = []
    for group in truth["sub_scenarios"]:
        flip = names[:2] == group["fields"][::-1]
        if not (flip or names[:2] == group["fields"]) or names[2] != group["on"]:
            continue
        if group["scenario"] not in data["scenario"].values or finding.provenance.parameters.get("slice"):
            continue
        sides = [_of(data.sel(scenario=group["scenario"]), members, flip) for members in group["groups"]]
        auc = np.asarray(ranking_auc(*sides))
        if np.isnan(auc):
            continue
        low, high = (float(b) for b in newcombe_interval(auc, *(np.array(len(side)) for side in sides)))
        words = (
            f"In {group['scenario']}, a combination of the first planted group answers more to "
            f"{data.attrs['third_field']} than one of the second in {float(auc):.0%} of "
            f"{len(sides[0]) * len(sides[1])} comparisons (95 %: {low:.0%} to {high:.0%}; by luck 50 %)."
        )
        scores.append(Score(group["scenario"], float(auc), low, high, 0.5, words))
    return scores


def _of(here: xr.Dataset, members: list[list[str]], flip: bool) -> np.ndarray[Any, Any]:
    pairs = [pair[::-1] if flip else pair for pair in members]
    first, second = (list(here[side].values.astype(str)) for side in ("first", "second"))
    table = here["answer"].values
    positions = [(first.index(a), second.index(b)) for a, b in pairs if a in first and b in second]
    values = np.array([table[position] for position in positions], np.float64)
    defined: np.ndarray[Any, Any] = values[np.isfinite(values)]
    return defined


QUESTION = Question(
    title=TITLE,
    options=SubScenariosOptions,
    analyse=analyse,
    version=1,
    needs=(),
    split="all",
    score=score,
)
