"""Attention held against a planted truth: the scores that pages show are those of the ruler."""

from dataclasses import replace

import numpy as np
import pytest

import msviz
from msviz.analyses.questions import (
    attention_by_scenario,
    attention_difference,
    attention_importance,
    attention_instance,
    performance,
)
from msviz.dataset import Dataset
from msviz.probing.truth import changed_pairs, pair_ranking
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


def test_a_difference_is_scored_by_the_pairs_whose_effect_changes(satrans: Run, tiny_world: Dataset) -> None:
    truth, schema = tiny_world.truth, tiny_world.schema
    assert truth is not None
    finding = msviz.analyse("attention_difference", satrans, a="Home feed", b="Search")
    # By hand: reversed in Search, only in the Home feed, only in Search.
    changed = [("age_level", "category"), ("entry", "price_band"), ("position", "device")]
    assert changed_pairs(truth, "Home feed", "Search") == {frozenset(pair) for pair in changed}
    told = finding.data.copy(deep=True)
    told["difference"][:] = 0.0
    for pair in changed:
        a, b = (schema.field(name).label for name in pair)
        told["difference"].loc[{"layer": "1", "head": "mean of heads", "query": a, "key": b}] = -0.2
    (one,) = attention_difference.score(replace(finding, data=told), truth, schema)
    assert one.value == 1 and one.name == "Search against Home feed" and "3 pairs" in one.words
    other = told.assign_attrs(a="run one (Search)", b="run two (Search)")
    assert attention_difference.score(replace(finding, data=other), truth, schema) == []


def test_one_impression_is_scored_in_its_own_scenario(satrans: Run, tiny_world: Dataset) -> None:
    truth, schema = tiny_world.truth, tiny_world.schema
    assert truth is not None
    part = tiny_world.split("test")
    row = int(part.row[np.flatnonzero(part.scenario == schema.scenario_names.index("Live stream"))[0]])
    finding = msviz.analyse("attention_instance", satrans, row=row)
    told = finding.data.copy(deep=True)
    told["attention"][:] = 0.01
    for pair in (("category", "hour"), ("city_tier", "device")):  # two of the four of the Live stream
        a, b = (schema.field(name).label for name in pair)
        told["attention"].loc[{"query": a, "key": b}] = 0.4
    (one,) = attention_instance.score(replace(finding, data=told), truth, schema)
    assert one.name == "Live stream" and one.value == pytest.approx(0.75)


def test_performance_is_scored_as_a_share_of_what_can_be_known(satrans: Run, tiny_world: Dataset) -> None:
    finding = msviz.analyse("performance", satrans)
    data = finding.data.sel(scope="Search", metric="auc")
    assert tiny_world.truth is not None
    scores = {one.name: one for one in performance.score(finding, tiny_world.truth, tiny_world.schema)}
    wanted = (float(data["value"]) - 0.5) / (float(data["best"]) - 0.5)
    assert scores["Search"].value == pytest.approx(wanted) and scores["Search"].low < wanted
