"""What can be put side by side: scenarios by size, parts with a measure, fields for a glance."""

import numpy as np
import xarray as xr

from app.comparable import comparable_parts, describe_ranges, glanceable_fields, scenarios_by_size
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.schema import Field


def finding(data: xr.Dataset) -> Finding:
    return Finding("scenario_comparison", "Which?", "The takeaway.", data)


def test_scenarios_stand_by_size_without_all_of_them() -> None:
    data = xr.Dataset({"rows": ("scenario", [60, 10, 30, 20])}, {"scenario": [ALL, "Cart", "Search", "Feed"]})
    assert scenarios_by_size(finding(data)) == ["Search", "Feed", "Cart"]


def test_parts_in_which_no_two_scenarios_can_be_compared_are_left_out() -> None:
    value = np.full((2, 3, 2, 2), np.nan)
    value[0] = 0.5  # answers: every part
    value[1, 1, 0, 1] = 0.25  # CKA: the second part alone
    data = xr.Dataset(
        {"value": (("measure", "part", "first", "second"), value)},
        {"measure": ["answers", "CKA"], "part": ["everything", "position 1", "position 2"]},
    )
    assert comparable_parts(finding(data), "answers") == ["everything", "position 1", "position 2"]
    assert comparable_parts(finding(data), "CKA") == ["position 1"]


def test_fields_of_a_few_values_can_be_taken_in_at_a_glance() -> None:
    sizes = {"gender": 2, "age": 6, "city": 40, "tab": 5}
    fields = [
        Field(
            name=name, role="scenario" if name == "tab" else "context", vocabulary=list(map(str, range(size)))
        )
        for name, size in sizes.items()
    ]
    # Two ids stand for what is unknown and what is missing.
    assert [field.name for field in glanceable_fields(fields, 4, 8)] == ["gender", "age"]
    assert [field.name for field in glanceable_fields(fields, 5, 42)] == ["age", "city"]


def test_the_range_of_click_rate_and_auc_is_told_with_its_ends() -> None:
    value = np.array([[0.1, 0.3, 0.2], [0.7, np.nan, np.nan]])
    data = xr.Dataset(
        {"value": (("aspect", "scenario"), value), "low": (("aspect", "scenario"), value - 0.01),
         "high": (("aspect", "scenario"), value + 0.01)},
        {"aspect": ["Click rate", "AUC"], "scenario": ["Feed", "Search", "Cart"]},
    )  # fmt: skip
    assert describe_ranges(finding(data)) == (
        "Click rate runs from 10.0% in Feed (95 %: 9.0%–11.0%) to 30.0% in Search (95 %: 29.0%–31.0%)."
    )
    assert describe_ranges(finding(data.isel(scenario=[0]))) == "The takeaway."
