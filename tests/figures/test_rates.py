"""Click rates by day and period drawn with one scenario or 300, one day or a year."""

from typing import Any

import numpy as np
import pytest
from findings import ALL, finding

from msviz.errors import MsvizError
from msviz.figures.pictures import rates_over_time
from msviz.finding import Finding


def by_time(days: int = 61, scenarios: int = 5, promotions: int = 2) -> Finding:
    random = np.random.default_rng(days)
    rows = random.integers(0, 60, (days, scenarios))
    clicks = random.binomial(rows, 0.2)
    rows, clicks = (np.concatenate([one.sum(1, keepdims=True), one], 1) for one in (rows, clicks))
    promotion = np.full(days, "", dtype=object)
    for number in range(promotions):
        start = round((number + 0.5) * days / promotions)
        promotion[start : start + 3] = f"Sale {number + 1}"
    periods = ["All days"]
    if promotions:
        periods += ["Normal days", "All promotion days", *(f"Sale {n + 1}" for n in range(promotions))]
    with np.errstate(invalid="ignore"):
        rate = clicks / rows
    data: dict[str, Any] = {
        "rows": (("day", "scenario"), rows),
        "clicks": (("day", "scenario"), clicks),
        "rate": (("day", "scenario"), rate),
        "low": (("day", "scenario"), rate - 0.05),
        "high": (("day", "scenario"), rate + 0.05),
        "predicted": (("day", "scenario"), rate * 0.9),
        "phase": (("day",), np.where(promotion != "", "promotion", "normal")),
        "promotion": (("day",), promotion.astype(str)),
    }
    cells, shape = ("period", "scenario"), (len(periods), scenarios + 1)
    value = random.uniform(0.1, 0.3, shape)
    for name, values in {"rate": value, "low": value - 0.02, "high": value + 0.02}.items():
        data[f"period_{name}"] = (cells, values)
        data["auc" + ("" if name == "rate" else f"_{name}")] = (cells, values + 0.5)
    data["period_rows"] = (cells, random.integers(50, 900, shape))
    ranked = random.integers(50, 900, shape)
    ranked[-1] = 0
    data["auc_rows"] = (cells, ranked)
    names = [ALL, *(f"Scenario {number}" for number in range(scenarios))]
    days_ = [str(np.datetime64("2025-03-01") + day) for day in range(days)]
    return finding("rates_over_time", data, {"day": days_, "scenario": names, "period": periods})


@pytest.mark.parametrize("choices", [{}, {"view": "periods"}, {"view": "periods", "metric": "auc"}], ids=str)
@pytest.mark.parametrize("size", [(1, 1, 0), (61, 5, 2), (365, 300, 12)], ids=str)
def test_every_view_holds_at_every_size(choices: dict[str, str], size: tuple[int, int, int]) -> None:
    figure = rates_over_time.draw(by_time(*size), **choices)
    assert 100 < figure.layout.height < 1700
    assert len(figure.to_json()) < 1_000_000
    if size[1] == 300:
        assert "5 of 300 scenarios" in figure.layout.xaxis.title.text.replace("<br>", " ")


def test_lines_are_the_rates_and_the_scenario_keeps_its_colour() -> None:
    found = by_time()
    figure = rates_over_time.draw(
        found, scenario="Scenario 2", order=[f"Scenario {number}" for number in range(5)]
    )
    lines = [trace for trace in figure.data if trace.name == "Scenario 2"]
    solid = next(line for line in lines if line.line.dash == "solid")
    known = found.data["rows"].sel(scenario="Scenario 2").values > 0
    np.testing.assert_allclose(
        solid.customdata[:, 0], found.data["rate"].sel(scenario="Scenario 2").values[known], rtol=1e-6
    )
    assert solid.line.color == rates_over_time.theme.CATEGORICAL[2]
    assert {trace.name for trace in figure.data if trace.name} == {ALL, "Scenario 2"}


def test_intervals_of_weeks_are_of_their_rows() -> None:
    found = by_time(days=365)
    figure = rates_over_time.draw(found, scenario=ALL)
    line = next(trace for trace in figure.data if trace.name == ALL and trace.line.dash == "solid")
    week = found.data.isel(day=slice(0, 7), scenario=0)
    rows, clicks = int(week["rows"].sum()), int(week["clicks"].sum())
    rate, low, high, _, count = line.customdata[0]
    assert count == rows and rate == pytest.approx(clicks / rows)
    # Wilson's bounds are where the rate is 1.96 of their own standard errors away.
    for bound in (low, high):
        assert abs(rate - bound) == pytest.approx(1.96 * (bound * (1 - bound) / rows) ** 0.5, rel=1e-3)


def test_periods_without_held_out_rows_are_left_out_of_the_auc() -> None:
    figure = rates_over_time.draw(by_time(), view="periods", metric="auc")
    assert "Sale 2" not in figure.layout.yaxis.ticktext and "Sale 1" in figure.layout.yaxis.ticktext
    assert "Sale 2" in rates_over_time.draw(by_time(), view="periods").layout.yaxis.ticktext


@pytest.mark.parametrize("wrong", [{"view": "pie"}, {"metric": "F1"}, {"scenario": "Nowhere"}], ids=str)
def test_choices_that_do_not_exist_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(MsvizError, match=next(iter(wrong))):
        rates_over_time.draw(by_time(), **wrong)
