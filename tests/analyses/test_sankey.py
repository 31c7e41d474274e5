"""Rows and clicks by two fields against NumPy, and the test for groups inside against tables by hand."""

import numpy as np
import pytest
import xarray as xr

from msviz.analyses.questions.sankey import score, woolf
from msviz.analyses.run import analyse
from msviz.dataset import SPLITS, Dataset
from msviz.errors import MsvizError
from msviz.finding import Finding, Provenance

ALL = "All scenarios"


def test_every_combination_is_counted_in_every_scenario(tiny_world: Dataset) -> None:
    finding = analyse("sankey", None, tiny_world, keep=False, fields="gender,price_band")
    parts = [tiny_world.split(name) for name in SPLITS]
    scenario, label = (np.concatenate([getattr(p, n) for p in parts]) for n in ("scenario", "label"))
    one, other = (np.concatenate([p.column(n) for p in parts]) for n in ("gender", "price_band"))
    fields = [tiny_world.schema.field(name) for name in ("gender", "price_band")]
    data = finding.data
    assert int(data["rows"].sel(scenario=ALL).sum()) == len(label) == finding.provenance.rows
    for k, name in enumerate(tiny_world.schema.scenario_names[1:], 1):
        for a in np.unique(one):
            for b in np.unique(other):
                mine = (scenario == k) & (one == a) & (other == b)
                here = data.sel(
                    scenario=name, first=fields[0].value_name(int(a)), second=fields[1].value_name(int(b))
                )
                assert int(here["rows"]) == mine.sum() and int(here["clicks"]) == label[mine].sum()
                if mine.any():
                    assert here["low"] - 1e-9 <= here["click_rate"] <= here["high"] + 1e-9
    # Ages and prices keep their own order; what is missing comes last.
    assert data["second"].values[0] == "under 10" and data["first"].values[-1] == "missing"


def test_rare_values_share_one_place(tiny_world: Dataset) -> None:
    data = analyse("sankey", None, tiny_world, keep=False, fields="user_id,item_id", top=3).data
    assert data.sizes["first"] == data.sizes["second"] == 4
    assert str(data["first"].values[-1]).endswith(" other values")
    assert int(data["rows"].sel(scenario=ALL).sum()) == 20_000
    top = data["rows"].sel(scenario=ALL).isel(first=slice(0, 3)).sum("second")
    count = sum(np.bincount(tiny_world.split(n).column("user_id"), minlength=9_000) for n in SPLITS)
    assert sorted(top.values) == sorted(np.sort(count)[-3:])


def test_a_slice_and_a_split_narrow_it(tiny_world: Dataset) -> None:
    given = {"fields": "gender,price_band", "split": "test", "slice": 'gender == "Women"'}
    data = analyse("sankey", None, tiny_world, keep=False, **given).data
    part = tiny_world.split("test")
    women = tiny_world.schema.field("gender").vocabulary.index("Women") + 2
    assert data["first"].values.tolist() == ["Women"]
    assert int(data["rows"].sel(scenario=ALL).sum()) == (part.column("gender") == women).sum()


@pytest.mark.parametrize("fields", ["gender", "gender,gender", "gender,nothing", "scenario,gender"])
def test_what_are_not_two_fields_is_refused(fields: str, tiny_world: Dataset) -> None:
    with pytest.raises(MsvizError, match=r"sankey fields: got .*two different ones"):
        analyse("sankey", None, tiny_world, keep=False, fields=fields)


def test_a_title_may_hold_a_comma_and_fields_of_few_values_are_the_default(tiny_world: Dataset) -> None:
    title = tiny_world.schema.field("category_clicks_7d").label
    assert "," in title
    found = analyse("sankey", None, tiny_world, keep=False, fields=f"{title},Gender").data
    assert found.attrs["first_field"] == title and found.attrs["second_field"] == "Gender"
    default = analyse("sankey", None, tiny_world, keep=False).data
    assert default.attrs["first_field"] == "Gender"


def test_additive_logits_have_no_groups_inside_and_opposed_ones_have() -> None:
    rows = np.full((3, 4), 4_000)
    logit = np.array([-1.0, 0, 0.5])[:, None] + np.array([0, 0.4, 0.8, -0.5])[None]
    additive = np.rint(rows / (1 + np.exp(-logit))).astype(int)
    assert woolf(additive, rows) > 0.99
    logit[2] -= np.array([0, 0.3, 0, 0])
    assert woolf(np.rint(rows / (1 + np.exp(-logit))).astype(int), rows) < 1e-6
    assert np.isnan(woolf(additive[:1], rows[:1]))
    assert np.isnan(woolf(additive, np.full((3, 4), 10)))


def test_the_test_for_groups_inside_is_rarely_wrong_where_there_are_none() -> None:
    random = np.random.default_rng(5)
    rows = np.full((3, 5), 300)
    rate = 1 / (1 + np.exp(-(np.array([-1.5, -1, 0])[:, None] + np.linspace(0, 1, 5)[None])))
    p = np.array([woolf(random.binomial(rows, rate), rows) for _ in range(400)])
    assert 0.02 < (p <= 0.05).mean() < 0.085


def test_the_takeaway_names_the_combinations_that_are_surely_apart(tiny_world: Dataset) -> None:
    finding = analyse("sankey", None, tiny_world, keep=False, fields="gender,category")
    words = finding.takeaways["Search"]
    assert words.startswith("In Search, ") and "most surely apart are Gender " in words
    here = finding.data.sel(scenario="Search")
    rates = here["click_rate"].where(here["rows"] >= 30).values
    told = [float(part.split(" %")[0]) for part in words.split("(")[1:3]]
    assert told[0] > told[1]
    assert all(np.isclose(100 * rates, value, atol=0.06).any() for value in told)


def test_the_verdict_on_groups_inside_is_held_against_the_planted_pairs(tiny_world: Dataset) -> None:
    truth = tiny_world.truth
    assert truth is not None
    names = tiny_world.schema.scenario_names[1:]
    # Age and category act together in Home feed and in Search; this view missed one and invented one.
    q = np.array([np.nan, 0.001, 0.5, 0.01, 0.9, np.nan])
    data = xr.Dataset({"q": (("scenario",), q)}, {"scenario": [ALL, *names]})
    data.attrs.update(first_field="Age", second_field="Category")
    finding = Finding("sankey", "", "", data)
    (found,) = score(finding, truth, tiny_world.schema)
    assert found.value == 0.5 and "In 2 of 4 scenarios" in found.words
    sliced = Finding("sankey", "", "", data, Provenance(parameters={"slice": "hour < 3"}))
    assert score(sliced, truth, tiny_world.schema) == []
    data.attrs["first_field"] = "User"
    assert score(finding, truth, tiny_world.schema) == []
