"""The picture of an experiment shows its finding's numbers at every size."""

from typing import Any

import findings as make
import numpy as np
import pytest

from msviz.errors import MsvizError
from msviz.figures.pictures import online_lift
from msviz.finding import Finding


def finding(scenarios: int = 4, days: int = 28, periods: int = 2, known: bool = True) -> Finding:
    random = np.random.default_rng(0)
    names = ["All scenarios", *make.names(make.PLACES, scenarios, "A scenario with a rather long name")]
    coords: dict[str, Any] = {
        "scenario": names,
        "metric": ["CTR", "Clicks per user"],
        "day": (np.datetime64("2025-05-01") + np.arange(days)).astype("datetime64[ns]"),
        "arm": ["control", "treatment"],
    }
    data: dict[str, Any] = {
        "impressions": (("scenario", "arm"), random.integers(100, 9_000, (scenarios + 1, 2))),
        "period_of": (("day",), np.array([f"Sale {i * periods // days}" for i in range(days)])),
    }
    shapes = {"": (), "day_": (days,)}
    if periods:
        coords["period"] = [f"Sale {i}" for i in range(periods)]
        shapes["period_"] = (periods,)
    for prefix, more in shapes.items():
        value = random.normal(0.02, 0.02, (scenarios + 1, 2, *more))
        dims = ("scenario", "metric", *([prefix[:-1]] if more else []))
        gap = 0.03 if known or prefix != "day_" else np.nan
        data |= {
            f"{prefix}lift": (dims, value),
            f"{prefix}low": (dims, value - gap),
            f"{prefix}high": (dims, value + gap),
            f"{prefix}significant": (dims, abs(value) > 0.03),
        }
    data["lift"][1][0, 1] = np.nan  # users of several scenarios cannot be counted together
    return make.finding("online_lift", data, coords)


@pytest.mark.parametrize("view", online_lift.VIEWS)
@pytest.mark.parametrize(("scenarios", "days", "periods"), [(1, 1, 1), (2, 28, 2), (300, 365, 9), (5, 30, 0)])
def test_it_holds_at_every_size(view: str, scenarios: int, days: int, periods: int) -> None:
    figure = finding(scenarios, days, periods).figure(view=view)
    assert len(figure.to_json()) < 1_000_000
    assert 110 <= figure.layout.height <= 2_200
    if scenarios == 300:
        assert "of 300 scenarios" in str(figure.to_json()).replace("<br>", " ")


def test_dots_are_filled_where_the_lift_is_sure_and_whiskers_reach_the_bounds() -> None:
    one = finding()
    figure = one.figure(metric="CTR")
    dots = figure.data[0]
    part = one.data.sel(metric="CTR")
    np.testing.assert_allclose(dots.x, part["lift"], rtol=1e-6)
    np.testing.assert_allclose(dots.x + dots.error_x.array, part["high"], rtol=1e-5)
    hollow = [colour == "#ffffff" for colour in dots.marker.color]
    assert hollow == [not yes for yes in part["significant"].values]
    assert len(one.figure(metric="Clicks per user").data[0].x) == 4, "no dot where there is no lift"


def test_days_have_a_panel_for_each_scenario_and_shaded_periods() -> None:
    one = finding()
    figure = one.figure(view="days", metric="CTR")
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert [line.name for line in lines] == list(one.data["scenario"].values)
    np.testing.assert_allclose(lines[2].y, one.data["day_lift"].sel(metric="CTR")[2], rtol=1e-5)
    # Of two equally long periods the first is the usual one; the other is shaded, from midday before.
    assert len(figure.layout.shapes) == 1
    assert figure.layout.shapes[0].x0.startswith("2025-05-14T12")
    alone = finding(known=False).figure(view="days", scenario="Search")
    assert len(alone.data) == 1 and "single days have no" in alone.layout.xaxis.title.text


def test_what_cannot_be_chosen_is_named() -> None:
    for choices in ({"metric": "AUC"}, {"view": "weeks"}, {"scenario": "Nowhere"}):
        with pytest.raises(MsvizError, match=r"valid choices"):
            finding().figure(**choices)
    assert 100 < len(online_lift.HOW_TO_READ) < 700
