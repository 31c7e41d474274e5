"""Two to six scenarios side by side in all that a model shows, and what is special about each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared.compared import ask_aspects
from msviz.analyses.shared.special import of_values, ranked
from msviz.analyses.shared.words import listed
from msviz.errors import MsvizError, invalid, one_of
from msviz.finding import Finding, Provenance
from msviz.probing.truth.sharing import sharing_score
from msviz.schema import UNSEEN

if TYPE_CHECKING:
    from msviz.analyses.shared.aspects import Aspect
    from msviz.analyses.shared.special import Special
    from msviz.probing.study import Study
    from msviz.probing.truth import Score
    from msviz.schema import Schema

TITLE = "What is special about each of these scenarios?"
# Where the likeness does not follow the truth: what is said to a reader instead.
FEWEST, MOST, DEFAULT = 2, 6, 4
SAID = 2  # special things of the log, and of the model, that the words tell; the table holds more


class ScenarioComparisonOptions(QuestionOptions):
    """Which scenarios are compared."""

    scenarios: str = Setting(
        "", max_length=4_000, description="2 to 6 names with commas or | between; by default the 4 largest"
    )


def analyse(study: Study, options: ScenarioComparisonOptions) -> Finding:
    """Return aligned numbers of the scenarios, and what sets each apart from all other rows.

    `value`, `low`, `high` (aspect, scenario), `usual` (aspect) over all rows, `group`, `form` (aspect);
    `likeness` (scenario, other) where the model can be asked; what is special (scenario, place), the largest
    first: `kind`, `what`, `words`, `ratio`, `ratio_low`, `ratio_high`, `q`. q is Benjamini and Hochberg's
    over all that was tested; rows count as independent. Raises MsvizError for scenarios without rows and for
    fewer than 2 or more than 6.
    """
    chosen = _choose(study, options.scenarios)
    names = [study.schema.scenario_names[number] for number in chosen]
    parts, questions, missing = ask_aspects(study, names)
    tested = [item for part in parts for item in part.special]
    tested += of_values(study.part, study.schema, chosen, names)
    special = ranked(tested)
    data = _name_axes(parts, names).assign(_table(special, names))
    likeness = next((part.likeness for part in parts if part.likeness is not None), None)
    if likeness is not None:
        data["likeness"] = (("scenario", "other"), likeness.values)
        data = data.assign_coords(other=names)
    data.attrs.update(asked=", ".join(questions), missing="; ".join(missing), tested=len(tested))
    words = {name: _words(name, special.get(name, [])) for name in names}
    return Finding(
        analysis="scenario_comparison",
        question=TITLE,
        takeaway=_takeaway(names, special, len(tested)),
        data=data,
        provenance=Provenance(rows=study.part.rows),
        takeaways=words,
    )


def _choose(study: Study, text: str) -> list[int]:
    """Return the ids of the scenarios, the largest first; raise MsvizError for one without rows."""
    count = np.bincount(study.part.scenario, minlength=len(study.schema.scenarios) + 1)
    count[UNSEEN] = 0
    order = [int(number) for number in np.argsort(-count, kind="stable") if count[number]]
    numbers = {study.schema.scenario_names[number]: number for number in order}
    if len(numbers) < FEWEST:
        raise MsvizError(
            f"split {study.split}: it has rows of {len(numbers)} scenario, a comparison needs two"
        )
    if not text.strip():
        return order[:DEFAULT]
    names = [name.strip() for name in text.split("|" if "|" in text else ",")]
    for name in names:
        if name not in numbers:
            raise invalid("scenarios", name, f"with rows here: {one_of(list(numbers)[:20])}")
    names = list(dict.fromkeys(names))
    if not FEWEST <= len(names) <= MOST:
        raise invalid("scenarios", text, f"wanted: {FEWEST} to {MOST} scenarios")
    return [numbers[name] for name in names]


def _name_axes(parts: list[Aspect], names: list[str]) -> xr.Dataset:
    """Return the aspects' rows as arrays with named axes."""
    lines = [row for part in parts for row in part.rows]
    cells = ("aspect", "scenario")
    return xr.Dataset(
        {
            **{key: (cells, np.stack([getattr(row, key) for row in lines]).astype(float))
               for key in ("value", "low", "high")},
            "usual": (("aspect",), np.array([row.usual for row in lines], float)),
            "group": (("aspect",), [row.group for row in lines]),
            "form": (("aspect",), [row.form for row in lines]),
        },
        {"aspect": [row.name for row in lines], "scenario": names},
    )  # fmt: skip


def _table(special: Mapping[str, list[Special]], names: list[str]) -> dict[str, Any]:
    """Return what is special as arrays (scenario, place), empty where a scenario has less."""
    width = max([1, *(len(special.get(name, [])) for name in names)])
    text = {key: np.full((len(names), width), "", dtype=object) for key in ("kind", "what", "words")}
    numbers = {key: np.full((len(names), width), np.nan) for key in ("ratio", "low", "high", "q")}
    for row, name in enumerate(names):
        for rank, item in enumerate(special.get(name, [])):
            for key, array in {**text, **numbers}.items():
                array[row, rank] = getattr(item, key)
    cells = ("scenario", "place")
    named = {"low": "ratio_low", "high": "ratio_high"}
    return {key: (cells, array.astype(str)) for key, array in text.items()} | {
        named.get(key, key): (cells, array) for key, array in numbers.items()
    }


def _words(name: str, special: list[Special]) -> str:
    """Return what sets a scenario apart, in the log and in the model."""
    if not special:
        return f"{name}. Nothing sets it surely apart from the other rows."
    log, model = (_some(special, of_log) for of_log in (True, False))
    parts = [f"In the log, {log}."] * bool(log) + [f"In the model, {model}."] * bool(model)
    return f"{name}. {' '.join(parts)}"


def _some(special: list[Special], of_log: bool) -> str:
    return "; ".join([item.words for item in special if item.of_log == of_log][:SAID])


def _takeaway(names: list[str], special: Mapping[str, list[Special]], tested: int) -> str:
    """Return what sets each scenario apart most, and how it was tested."""
    first = [f"{name}: {special[name][0].words}" for name in names if special.get(name)]
    plain = [name for name in names if not special.get(name)]
    words = ". ".join(first) + "." if first else ""
    if plain:
        words += f" Nothing sets {listed(plain)} surely apart."
    return f"{words} Of {tested:,} differences tested, false discoveries are held at 5 %.".strip()


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema) -> list[Score]:
    """Return how well the measured likeness follows how alike scenarios really respond, from four on."""
    del schema
    if "likeness" not in finding.data:
        return []
    names = [str(name) for name in finding.data["scenario"].values]
    return sharing_score(names, finding.data["likeness"].values, truth, "Correlations of the answers")


QUESTION = Question(
    title=TITLE,
    options=ScenarioComparisonOptions,
    analyse=analyse,
    version=1,
    needs=("prediction",),
    score=score,
    instead=(
        "How alike two scenarios respond overall cannot be read off these correlations; the single "
        "differences "
        "above each have a test of their own."
    ),
)
