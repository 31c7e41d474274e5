"""What of two runs, or of a finding's scenarios, can be put side by side; nothing here needs Streamlit."""

from collections.abc import Sequence

import numpy as np

from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run
from msviz.schema import Field


def scenarios_by_size(finding: Finding) -> list[str]:
    """Return the single scenarios of a finding, the largest first."""
    data = finding.data
    order = np.argsort(-data["rows"].values, kind="stable")
    return [str(name) for name in data["scenario"].values[order] if name != ALL]


def same_scenarios(run: Run, other: Run) -> bool:
    """Tell whether the same columns are the scenario to two runs."""
    return run.card.scenario_fields == other.card.scenario_fields


def same_data(run: Run, others: Sequence[Run]) -> list[Run]:
    """Return those of the others that were trained on the data that a run was trained on."""
    return [other for other in others if other.card.data.fingerprint == run.card.data.fingerprint]


def comparable_parts(finding: Finding, measure: str) -> list[str]:
    """Return the parts of a model by which a measure compares scenarios: those in which it is defined."""
    values = finding.data["value"].sel(measure=measure)
    return [str(part) for part in finding.data["part"].values if values.sel(part=part).notnull().any()]


def glanceable_fields(fields: Sequence[Field], fewest: int, most: int) -> list[Field]:
    """Return the fields whose values can be taken in at a glance: a few of them, and not the scenario."""
    return [field for field in fields if fewest <= field.size <= most and field.role != "scenario"]


def describe_ranges(finding: Finding) -> str:
    """Return which scenarios have the highest and lowest click rate and AUC, with intervals."""
    sentences = []
    for aspect, form in (("Click rate", ".1%"), ("AUC", ".3f")):
        values = finding.data[["value", "low", "high"]].sel(aspect=aspect).dropna("scenario")
        if values.sizes["scenario"] > 1:
            order = np.argsort(values["value"].values)
            lowest, highest = (values.isel(scenario=int(index)) for index in order[[0, -1]])
            ends = [
                f"{float(end['value']):{form}} in {end['scenario'].item()} "
                f"(95 %: {float(end['low']):{form}}–{float(end['high']):{form}})"
                for end in (lowest, highest)
            ]
            sentences.append(f"{aspect} runs from {ends[0]} to {ends[1]}.")
    return " ".join(sentences) or finding.takeaway
