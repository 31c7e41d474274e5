"""Groups inside a scenario: made by hand, absent by hand, and planted."""

import numpy as np
import pytest

from msviz.analyses.questions.sub_scenarios import score
from msviz.analyses.run import analyse
from msviz.analyses.shared.groups_inside import answers
from msviz.dataset import SPLITS, Dataset
from msviz.errors import MsvizError

GIVEN = {"fields": "gender,age_level", "on": "price_band"}


def two_halves(rate: np.ndarray, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    n = np.full((2, *rate.shape), rows)
    return n, random.binomial(n, rate)


def test_groups_that_answer_in_opposite_ways_are_found_and_measured() -> None:
    # Values 2 and 3 are worth +10 points to the first two groups and -10 to the last two; a group may
    # click more on the whole, and a value be better for all.
    taste = np.outer([1, 1, -1, -1], [-0.05, -0.05, 0.05, 0.05])
    rate = 0.3 + taste + np.array([0, 0.1, 0, 0.1])[:, None] + np.array([0, 0.05, 0, 0.05])[None]
    found = answers(*two_halves(rate, 3_000, seed=0))
    assert found.more.tolist() == [-1, -1, 1, 1]
    np.testing.assert_allclose(found.answer, [0.1, 0.1, -0.1, -0.1], atol=0.04)
    assert (found.low < [0.1, 0.1, -0.1, -0.1]).all() and (found.high > [0.1, 0.1, -0.1, -0.1]).all()
    assert found.p < 1e-20


def test_where_all_answer_alike_groups_are_rarely_found() -> None:
    rate = 0.3 + np.zeros((6, 1)) + np.array([0, 0.02, -0.05, 0.1])[None]
    p = np.array([answers(*two_halves(rate, 200, seed)).p for seed in range(300)])
    # The half that chooses the values has no say in what is measured, so the test keeps its level.
    assert 0.02 < (p <= 0.05).mean() < 0.09


def test_values_and_groups_without_rows_say_nothing() -> None:
    rows, clicks = two_halves(np.full((3, 3), 0.4), 500, seed=1)
    rows[:, :, 1] = clicks[:, :, 1] = 0
    rows[:, 2] = clicks[:, 2] = 0
    found = answers(rows, clicks)
    assert found.more[1] == 0 and set(found.more) == {-1, 0, 1}
    assert np.isnan(found.answer[2]) and np.isfinite(found.answer[:2]).all()
    assert np.isnan(answers(rows[:, 2:], clicks[:, 2:]).p)


def test_the_planted_groups_are_found_where_they_are(tiny_world: Dataset) -> None:
    truth = tiny_world.truth
    assert truth is not None
    finding = analyse("sub_scenarios", None, tiny_world, keep=False, **GIVEN)
    data = finding.data
    assert float(data["q"].sel(scenario="Search")) < 0.001
    assert finding.takeaway.startswith("In Search, groups by Gender and Age answer to Price band")
    (found,) = score(finding, truth, tiny_world.schema)
    assert found.name == "Search" and found.value > 0.85 and found.low > 0.5
    # The other way round is the same question.
    turned = analyse(
        "sub_scenarios", None, tiny_world, keep=False, fields="age_level,gender", on="price_band"
    )
    assert score(turned, truth, tiny_world.schema)[0].value == pytest.approx(found.value)
    other = analyse("sub_scenarios", None, tiny_world, keep=False, fields="gender,city_tier", on="device")
    assert score(other, truth, tiny_world.schema) == []


def test_all_rows_are_counted_and_intervals_are_of_one_half(tiny_world: Dataset) -> None:
    data = analyse("sub_scenarios", None, tiny_world, keep=False, **GIVEN).data
    assert int(data["rows"].sel(scenario="All scenarios").sum()) == 20_000
    parts = [tiny_world.split(name) for name in SPLITS]
    here = data.sel(scenario="Search", first="Women", second="25–34")
    scenario, gender, age = (
        np.concatenate([np.asarray(one) for one in each])
        for each in (
            [p.scenario for p in parts],
            [p.column("gender") for p in parts],
            [p.column("age_level") for p in parts],
        )
    )
    schema = tiny_world.schema
    women = schema.field("gender").vocabulary.index("Women") + 2
    young = schema.field("age_level").vocabulary.index("25–34") + 2
    assert int(here["rows"]) == ((scenario == 2) & (gender == women) & (age == young)).sum()
    # Of about half of n rows, split in two sides, the interval is not narrower than 4 sd / sqrt(n / 2).
    rate = float(here["clicks"] / here["rows"])
    least = 2 * 1.96 * 2 * (rate * (1 - rate) / (float(here["rows"]) / 2)) ** 0.5
    assert 0.8 * least < float(here["high"] - here["low"]) < 2 * least


@pytest.mark.parametrize("on", ["gender", "scenario", "nothing"])
def test_a_third_field_that_will_not_do_is_refused(on: str, tiny_world: Dataset) -> None:
    with pytest.raises(MsvizError, match=f"sub_scenarios on: got '{on}'"):
        analyse("sub_scenarios", None, tiny_world, keep=False, fields="gender,age_level", on=on)


def test_the_picture_shows_the_surest_scenario_in_points(tiny_world: Dataset) -> None:
    finding = analyse("sub_scenarios", None, tiny_world, keep=False, **GIVEN)
    trace = finding.figure().data[0]
    wanted = 100 * finding.data["answer"].sel(scenario="Search").values
    np.testing.assert_allclose(np.asarray(trace.z), wanted, rtol=1e-5)
    assert trace.zmin == -trace.zmax
    with pytest.raises(MsvizError, match="scenario"):
        finding.figure(scenario="Nowhere")
