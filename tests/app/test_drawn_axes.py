"""Which cells a picture draws, so that its controls are of the same ones."""

from typing import Any

import pytest
import xarray as xr

from app.drawn_axes import drawn_axes, has_controls, own_options
from msviz.figures.pictures.gates_over_time import ALL_EXPERTS
from msviz.finding import Finding, Provenance


def finding(analysis: str, parameters: dict[str, Any] | None = None, *axes: str) -> Finding:
    data = xr.Dataset({"value": (axes, [0.0])} if axes else {})
    return Finding(analysis, "?", "", data, Provenance(parameters=parameters or {}))


@pytest.mark.parametrize(
    ("analysis", "choices", "chosen", "whole"),
    [
        (
            "attention_by_scenario", {"scenario": "Search", "layer": "1", "head": "2"},
            {"scenario": "Search", "layer": "1", "head": "2"}, set(),
        ),
        (
            "attention_by_scenario", {"scenario": "Search", "view": "grid"},
            {"scenario": "Search"}, {"layer", "head"},
        ),
        ("feature_weights", {"view": "scenarios", "head": "1"}, {"head": "1"}, {"scenario"}),
        ("gates_over_time", {"group": "Search", "expert": ALL_EXPERTS}, {"group": "Search"}, {"expert"}),
        ("gates_over_time", {"group": "Search", "expert": "2"}, {"group": "Search", "expert": "2"}, set()),
        (
            "migration", {"scenario": "Cart", "view": "share"},
            {"scenario": "Cart", "target": "Cart", "view": "share"}, set(),
        ),
        ("behaviour_attention", {"part": "2"}, {"part": "2", "layer": "2", "expert": "2"}, {"head"}),
    ],
)  # fmt: skip
def test_an_axis_is_drawn_whole_or_at_one_entry(
    analysis: str, choices: dict[str, Any], chosen: dict[str, str], whole: set[str]
) -> None:
    assert drawn_axes(finding(analysis), choices) == (chosen, whole)


def test_past_clicks_that_look_at_one_another_are_drawn_head_by_head() -> None:
    assert drawn_axes(finding("behaviour_attention", None, "other"), {})[1] == set()


@pytest.mark.parametrize(
    ("analysis", "view", "expected"),
    [
        ("attention_by_scenario", None, True),
        ("scenario_switch", "attention", True),
        ("scenario_switch", None, False),
        ("behaviour_attention", "worth", False),
        ("behaviour_attention", "heads", True),
        ("attention_difference", "pair", False),
        ("performance", None, False),
    ],
)
def test_pictures_of_a_models_inside_have_controls(analysis: str, view: str | None, expected: bool) -> None:
    assert has_controls(finding(analysis), {"view": view}) is expected


def test_options_are_the_questions_own_that_are_not_left_at_nothing() -> None:
    parameters = {"fields": "a,b", "slice": "hour < 12", "seed": 3}
    assert own_options(finding("sankey", parameters)) == {"fields": "a,b"}
    assert own_options(finding("sankey", {"fields": ""})) == {}
