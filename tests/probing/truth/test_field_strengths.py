"""Strengths of fields added up by hand, and how a ranking of fields is scored."""

import numpy as np
import pytest

from msviz.probing.truth.fields import ALL, HISTORY, field_strengths, score_change, score_fields
from msviz.schema import Field, Schema

TRUTH = {
    "fields": {"Home": {"item": 0.3, "hour": 0.2}, "Search": {"item": 0.4}},
    "pairs": [{"fields": ["item", "age"], "strength": {"Home": 0.4}, "sign": {"Home": 1}}],
    "sub_scenarios": [{"scenario": "Search", "fields": ["age", "sex"], "on": "item", "strength": 0.3}],
    "behaviours": {"strength": {"Home": 1.2, "Search": 0.0}, "related_by": "item"},
    "noise_fields": ["seller"],
}
SCHEMA = Schema(
    fields=[
        Field(name="tab", role="scenario"),
        Field(name="item", title="Item"),
        Field(name="age", title="Age"),
        Field(name="sex", title="Sex"),
        Field(name="hour", title="Hour"),
        Field(name="seller", title="Seller"),
        Field(name="past", title="Past", role="behaviour", kind="sequence", of="item"),
    ]
)
TITLES = ["tab", "Item", "Age", "Sex", "Hour", "Seller", "Past", "All signals"]


def test_variances_of_all_parts_a_field_has_a_share_in_add_up() -> None:
    home = field_strengths(TRUTH, "Home")
    assert home["item"] == pytest.approx((0.09 + 0.16 + 1.44) ** 0.5)
    assert home == pytest.approx({"item": 1.3, "hour": 0.2, "age": 0.4, HISTORY: 1.2})
    assert field_strengths(TRUTH, "Search") == pytest.approx({"item": 0.5, "age": 0.3, "sex": 0.3})


def test_a_ranking_in_the_order_of_the_strengths_is_perfect_and_its_reverse_is_the_worst() -> None:
    # Item 1.3, age 0.4, sex 0, hour 0.2, seller 0, past 1.2; the first and the last cannot be scored.
    best = np.array([[9.0, 1.3, 0.4, 0.0, 0.2, 0.0, 1.2, 99.0]])
    found = {one.name: one for one in score_fields(best, ["Home"], TITLES, TRUTH, SCHEMA, "w", "has more w")}
    assert list(found) == ["Home", "Home, against pure noise", "Home, by strength"]
    assert found["Home"].value == 1 and found["Home"].high == 1 and found["Home"].low < 0.9
    assert found["Home, by strength"].value == pytest.approx(1)
    assert "4 fields against 2" in found["Home"].words
    worst = {one.name: one for one in score_fields(-best, ["Home"], TITLES, TRUTH, SCHEMA, "w", "has more w")}
    assert worst["Home"].value == 0
    assert worst["Home, by strength"].value == pytest.approx(-1)


def test_one_wrong_of_eight_comparisons_by_hand() -> None:
    # Four that matter (1, 2, 3, 5) against two that do not (4 and 0): 5 of 8 comparisons are right.
    values = np.array([[0, 5.0, 1, 4, 2, 0, 3, 0]])
    found = score_fields(values, ["Home"], TITLES, TRUTH, SCHEMA, "w", "has more w")[0]
    assert found.value == pytest.approx(5 / 8)
    assert found.low < 0.5 < found.high


def test_all_scenarios_ask_for_what_matters_in_any_and_unknown_ones_have_no_score() -> None:
    values = np.tile(np.arange(8.0), (3, 1))
    found = score_fields(values, [ALL, "Search", "Elsewhere"], TITLES, TRUTH, SCHEMA, "w", "has more w")
    assert {one.name.split(",")[0] for one in found} == {ALL, "Search"}
    whole = found[0]
    assert "5 fields against 1" in whole.words
    # Seller is the one that means nothing anywhere, so that the second comparison would be the same.
    assert f"{ALL}, against pure noise" not in {one.name for one in found}


def test_a_change_is_held_against_the_change_of_strengths() -> None:
    # From Home to Search: item -0.8, age -0.1, sex +0.3, hour -0.2, seller 0, past -1.2.
    change = np.array([0, -0.8, -0.1, 0.3, -0.2, 0, -1.2, 0])
    (found,) = score_change(change, "Home", "Search", TITLES, TRUTH, SCHEMA, "w")
    assert found.value == pytest.approx(1) and found.name == "Search against Home"
    (back,) = score_change(-change, "Home", "Search", TITLES, TRUTH, SCHEMA, "w")
    assert back.value == pytest.approx(-1)
    assert score_change(change, "Home", "Elsewhere", TITLES, TRUTH, SCHEMA, "w") == []


def test_nothing_to_rank_has_no_score() -> None:
    assert score_fields(np.ones((1, 2)), ["Home"], ["Item", "Age"], TRUTH, SCHEMA, "w", "more") == []
