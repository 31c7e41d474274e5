"""The picture of the two controls: a mark a control in each row, and what the rows are of."""

import json

import numpy as np
import pytest
import xarray as xr

from msviz.errors import MsvizError
from msviz.figures.pictures import controls
from msviz.finding import Finding

ALL, MEAN = "All scenarios", "mean of heads"


def finding(scenarios: int = 3) -> Finding:
    names = [ALL, *(f"Scenario {number}" for number in range(scenarios))]
    axes = ("control", "scenario", "layer", "head")
    shape = (2, len(names), 2, 3)
    r = np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
    r[1, 0, 1, 0] = np.nan
    attrs = {
        "each": json.dumps(axes[1:]), "means": json.dumps({"scenario": ALL, "head": MEAN}),
        "other": "second", "same": 0.9, "much": 0.5,
    }  # fmt: skip
    data = xr.Dataset(
        {"r": (axes, r), "cells": (axes, np.full(shape, 441))},
        {
            "control": ["untrained", "another seed"],
            "scenario": names,
            "layer": ["1", "2"],
            "head": [MEAN, "1", "2"],
        },
        attrs,
    )
    return Finding("controls", "A question?", "Words.", data)


def test_layers_are_rows_and_means_are_drawn() -> None:
    one = finding()
    figure = one.figure()
    untrained, other = figure.data
    r = one.data["r"].sel(scenario=ALL, head=MEAN).values
    np.testing.assert_allclose(untrained.x, r[0], rtol=1e-6)
    assert list(untrained.y) == ["Layer 1", "Layer 2"] and np.isnan(other.x[1])
    assert other.name == "Another seed (second)" and untrained.marker.symbol != other.marker.symbol
    assert "mean of heads" in figure.layout.xaxis.title.text.replace("<br>", " ")
    assert sorted(shape.x0 for shape in figure.layout.shapes) == [0.5, 0.9]


def test_another_axis_and_other_entries_can_be_asked_for() -> None:
    one = finding()
    figure = one.figure(by="scenario", entries={"layer": "2", "head": "1", "unit": "7"})
    np.testing.assert_allclose(figure.data[0].x, one.data["r"].sel(layer="2", head="1").values[0], rtol=1e-6)
    with pytest.raises(MsvizError, match="by: got 'key'; valid choices: scenario, layer, head"):
        one.figure(by="key")


def test_very_many_entries_are_cut_and_it_is_said() -> None:
    figure = finding(300).figure(by="scenario")
    assert len(figure.data[0].x) == controls.LIMIT and figure.layout.height < 1000
    assert "30 of 301 scenarios" in figure.layout.xaxis.title.text.replace("<br>", " ")
    assert 100 < len(controls.HOW_TO_READ) < 700
