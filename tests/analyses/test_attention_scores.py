"""Attention held against a planted truth: the scores that pages show are those of the ruler."""

from dataclasses import replace

import numpy as np
import pytest

import msviz
from msviz.analyses import attention_by_scenario, attention_importance
from msviz.data._dataset import Dataset
from msviz.probing.truth import pair_ranking
from msviz.run import Run


def test_pairs_are_scored_in_layer_1_and_over_the_layers(satrans: Run, tiny_world: Dataset) -> None:
    finding = msviz.analyse("attention_by_scenario", satrans)
    truth, schema = tiny_world.truth, tiny_world.schema
    assert truth is not None
    scores = {one.name: one for one in attention_by_scenario.score(finding, truth, schema)}
    ranked = pair_ranking(finding, truth, schema).sel(
        layer="1", head="mean of heads", view="mean of both directions", against="all other pairs"
    )
    for name in ("All scenarios", "Search"):
        one = ranked.sel(scenario=name)
        assert scores[name].value == pytest.approx(float(one["auc"]))
        assert (scores[name].low, scores[name].high) == (float(one["low"]), float(one["high"]))
    # Attention on exactly the planted pairs, in layer 2 alone: seen over the layers, not in layer 1.
    planted = finding.data.copy(deep=True)
    planted["mean"][:] = 0.01
    for pair in truth["pairs"]:
        a, b = (schema.field(name).label for name in pair["fields"])
        for name in pair["strength"]:
            planted["mean"].loc[{"scenario": name, "layer": "2", "query": a, "key": b}] = 0.5
    scores = {
        one.name: one for one in attention_by_scenario.score(replace(finding, data=planted), truth, schema)
    }
    assert scores["Search"].value == 0.5
    assert scores["Search, averaged over the layers"].value == 1
    assert "In Search, attention averaged over the layers" in scores["Search, averaged over the layers"].words


def test_fields_are_scored_by_what_they_receive(satrans: Run, tiny_world: Dataset) -> None:
    finding = msviz.analyse("attention_importance", satrans)
    truth = tiny_world.truth
    assert truth is not None
    noise = {tiny_world.schema.field(name).label for name in truth["noise_fields"]}
    told = finding.data.copy(deep=True)
    fields = told["key"].values.astype(str)
    told["value"][:] = np.where(np.isin(fields, list(noise)), 0.0, 0.1)
    scores = {
        one.name: one.value
        for one in attention_importance.score(replace(finding, data=told), truth, tiny_world.schema)
    }
    assert scores["All scenarios"] == 1
    assert set(tiny_world.schema.scenario_names[1:]) <= set(scores)


def test_the_words_on_what_changes_most_are_of_the_extreme_scenarios(satrans: Run) -> None:
    finding = msviz.analyse("attention_importance", satrans)
    here = finding.data.sel(layer="1", head="mean of heads").isel(scenario=slice(1, None))
    change = here["value"].max("scenario") - here["value"].min("scenario")
    field = str(change["key"].values[change.values.argmax()])
    one = here["value"].sel(key=field)
    low, high = (str(one["scenario"].values[i]) for i in (one.values.argmin(), one.values.argmax()))
    words = finding.takeaways[attention_importance.CHANGE]
    assert (
        f"{field} ({100 * float(one.min()):.1f} % in {low}, {100 * float(one.max()):.1f} % in {high}: "
        in words
    )
