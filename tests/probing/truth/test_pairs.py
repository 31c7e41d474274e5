"""The ruler of planted worlds, on attention made by hand."""

import numpy as np
import pytest
import xarray as xr

from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.probing.truth import pair_ranking, share_of_best, true_pairs
from msviz.schema import Field, Schema

FIELDS = ["User", "Gender", "Item", "Category", "Brand", "Tab"]
SCHEMA = Schema(
    fields=[Field(name=t.lower(), title=t, role="scenario" if t == "Tab" else "context") for t in FIELDS]
)
TRUTH = {
    "pairs": [
        {"fields": ["gender", "category"], "strength": {"A": 0.5, "B": 0.4}, "sign": {"A": 1, "B": -1}},
        {"fields": ["user", "brand"], "strength": {"B": 0.3}, "sign": {"B": 1}},
    ],
    "decoys": [["category", "brand"]],
    "determined": {"user": ["gender"], "item": ["category"]},
}


def made(mean: np.ndarray, scenarios: list[str]) -> Finding:
    dims = ("scenario", "layer", "head", "query", "key")
    coords = {"scenario": scenarios, "layer": ["1"], "head": ["1"], "query": FIELDS, "key": FIELDS}
    data = xr.Dataset({"mean": (dims, mean[:, None, None])}, coords)
    return Finding("attention_by_scenario", "?", "", data)


def flat(scenarios: int) -> np.ndarray:
    return np.full((scenarios, 6, 6), 1 / 6)


def test_attention_on_the_true_pair_ranks_first_and_flat_attention_ranks_at_half():
    mean = flat(2)
    mean[0, 1, 3] = 0.5  # gender looks at category; category does not look back
    got = pair_ranking(made(mean, ["A", "B"]), TRUTH, SCHEMA)
    auc = got["auc"].sel(layer="1", head="1", against="all other pairs")
    assert auc.sel(scenario="A", view="mean of both directions") == 1
    assert auc.sel(scenario="A", view="stronger direction") == 1
    assert auc.sel(scenario="B", view="mean of both directions") == 0.5
    # Ten pairs without the scenario field; one is true in A, two in B.
    assert got["true"].sel(against="all other pairs").values.tolist() == [1, 2]
    assert got["other"].sel(against="all other pairs").values.tolist() == [9, 8]
    assert np.isnan(auc.sel(view="distance from all scenarios")).all(), "no 'All scenarios' to compare with"


def test_one_pair_above_the_true_one_costs_its_share():
    mean = flat(1)
    mean[0, 1, 3] = mean[0, 3, 1] = 0.4
    mean[0, 0, 3] = mean[0, 3, 0] = 0.5  # user × category: an alias of gender × category
    mean[0, 3, 4] = mean[0, 4, 3] = 0.6  # category × brand: a decoy
    auc = pair_ranking(made(mean, ["A"]), TRUTH, SCHEMA)["auc"]
    auc = auc.sel(scenario="A", layer="1", head="1", view="mean of both directions")
    assert auc.sel(against="all other pairs").item() == pytest.approx(7 / 9)
    # User × category, user × item and gender × item can stand for the true pair.
    assert auc.sel(against="without aliases").item() == pytest.approx(5 / 6)
    assert auc.sel(against="decoys").item() == 0


def test_low_attention_is_far_from_uniform_and_a_popular_key_is_discounted():
    mean = flat(1)
    mean[0, 1, 3] = mean[0, 3, 1] = 0.0
    ranked = pair_ranking(made(mean, ["A"]), TRUTH, SCHEMA)["auc"].sel(against="all other pairs")[0, 0, 0]
    assert ranked.sel(view="mean of both directions") == 0
    assert ranked.sel(view="distance from uniform") == 1
    mean = flat(1)
    mean[0, :, 2] = 0.9  # every field looks at the item, and gender a little more at category
    mean[0, 1, 3] = 0.3
    ranked = pair_ranking(made(mean, ["A"]), TRUTH, SCHEMA)["auc"].sel(against="all other pairs")[0, 0, 0]
    assert ranked.sel(view="mean of both directions") == pytest.approx(5 / 9)
    assert ranked.sel(view="above the key's average") == 1


def test_the_scenario_that_differs_from_all_is_seen_and_order_of_axes_does_not_matter():
    mean = flat(3)
    mean[:, 0, 2] = 0.8
    mean[2, 1, 3] = 0.3
    finding = made(mean, ["All scenarios", "A", "B"])
    turned = Finding("attention_by_scenario", "?", "", finding.data.transpose("key", ...))
    got = pair_ranking(turned, TRUTH, SCHEMA)
    assert got.equals(pair_ranking(finding, TRUTH, SCHEMA))
    apart = got["auc"].sel(view="distance from all scenarios", against="all other pairs").squeeze()
    assert np.isnan(apart.sel(scenario="All scenarios"))
    # In B gender × category stands out (wins 8 of 8), user × brand ties with the rest (4 of 8).
    assert apart.sel(scenario="B") == pytest.approx(0.75)


def test_pairs_of_a_scenario_and_of_any():
    assert true_pairs(TRUTH, "A") == {frozenset(("gender", "category"))}
    assert len(true_pairs(TRUTH, None)) == 2
    assert true_pairs(TRUTH, "elsewhere") == set()


def test_share_of_best():
    assert share_of_best(0.65, 0.8) == pytest.approx(0.5)
    assert share_of_best(None, 0.8) is None and share_of_best(0.6, None) is None
    assert share_of_best(0.6, 0.5) is None


def test_a_finding_of_another_kind_or_log_is_refused(tiny_world: Dataset):
    other = Finding("performance", "?", "", xr.Dataset({"value": ("scope", [1.0])}))
    with pytest.raises(MsvizError, match="attention_by_scenario"):
        pair_ranking(other, TRUTH, SCHEMA)
    with pytest.raises(MsvizError, match="field: got 'Tab'"):
        pair_ranking(made(flat(1), ["A"]), TRUTH, tiny_world.schema)


def test_the_planted_truth_itself_ranks_perfectly(tiny_world: Dataset):
    truth, schema = tiny_world.truth, tiny_world.schema
    assert truth is not None
    titles = [field.label for field in schema.features]
    names = schema.scenario_names[1:]
    mean = np.full((len(names), 1, 1, len(titles), len(titles)), 0.01)
    for pair in truth["pairs"]:
        a, b = (schema.index(name) for name in pair["fields"])
        for name, strength in pair["strength"].items():
            mean[names.index(name), 0, 0, a, b] += strength
    dims = ("scenario", "layer", "head", "query", "key")
    coords = {"scenario": names, "layer": ["1"], "head": ["1"], "query": titles, "key": titles}
    finding = Finding("attention_by_scenario", "?", "", xr.Dataset({"mean": (dims, mean)}, coords))
    got = pair_ranking(finding, truth, schema)["auc"].sel(view="mean of both directions")
    assert (got == 1).all()


def test_pairs_inside_a_planted_group_are_neither_true_nor_to_be_outranked():
    group = {"scenario": "A", "fields": ["user", "gender"], "on": "brand"}
    mean = flat(2)
    mean[:, 1, 3] = 0.4
    mean[:, 0, 1] = mean[:, 0, 4] = 0.9  # user × gender and user × brand, both inside the group
    got = pair_ranking(made(mean, ["A", "B"]), TRUTH | {"sub_scenarios": [group]}, SCHEMA)
    ranked = got["auc"].sel(layer="1", head="1", view="mean of both directions", against="all other pairs")
    assert ranked.sel(scenario="A") == 1
    # In A 10 pairs less 1 true and the 3 of the group; in B the group is not planted.
    assert got["other"].sel(against="all other pairs").values.tolist() == [6, 8]
    assert got["true"].sel(against="all other pairs").values.tolist() == [1, 2]
