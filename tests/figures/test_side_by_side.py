"""The comparison holds from two to six scenarios and from few to many lines."""

from typing import Any

import findings as make
import numpy as np
import pytest

from msviz.errors import MsvizError
from msviz.figures.pictures import scenario_comparison
from msviz.finding import Finding


def finding(scenarios: int = 4, lines: int = 12, long: bool = False) -> Finding:
    random = np.random.default_rng(0)
    value = random.uniform(0.1, 0.9, (lines, scenarios))
    value[1, 0] = np.nan
    value[2] = 0.5
    words = "A scenario with a name as long as a sentence" if long else "Scenario"
    data: dict[str, Any] = {
        "value": (("aspect", "scenario"), value),
        "low": (("aspect", "scenario"), value - 0.05),
        "high": (("aspect", "scenario"), value + 0.05),
        "usual": (("aspect",), np.where(np.arange(lines) % 2, 0.4, np.nan)),
        "group": (("aspect",), ["The log" if i < 3 else "Quality" for i in range(lines)]),
        "form": (("aspect",), ["count", "percent", "number"] * (lines // 3)),
    }
    coords = {
        "scenario": make.names(() if long else make.PLACES, scenarios, words),
        "aspect": [f"Aspect {i}" for i in range(lines)],
    }
    return make.finding("scenario_comparison", data, coords)


@pytest.mark.parametrize("scenarios", [2, 3, 6])
@pytest.mark.parametrize(("lines", "long"), [(3, False), (30, True)])
def test_it_holds_from_two_to_six(scenarios: int, lines: int, long: bool) -> None:
    figure = finding(scenarios, lines, long).figure()
    assert len(figure.to_json()) < 1_000_000
    assert figure.layout.height == pytest.approx(lines * 50, abs=160)
    assert tuple(figure.layout.xaxis.range) == (0, scenarios)
    for trace in figure.data:
        if trace.mode == "markers":
            x = np.asarray(trace.x)
            assert ((x >= 0) & (x <= scenarios))[np.isfinite(x)].all()


def test_a_line_has_one_scale_and_its_numbers_stand_in_their_columns() -> None:
    one = finding()
    figure = one.figure()
    dots = [trace for trace in figure.data if trace.name]
    line = 4
    inside = [float(np.asarray(trace.x)[line]) - column for column, trace in enumerate(dots)]
    value = one.data["value"].values[line]
    slope, start = np.polyfit(value, inside, 1)
    np.testing.assert_allclose(slope * value + start, inside, rtol=1e-4)
    assert np.argsort(inside).tolist() == np.argsort(value).tolist()
    assert all(0.1 < x < 0.9 for x in inside)
    text = [trace.text for trace in figure.data if trace.mode == "text"]
    assert text[0][1] == "–" and text[1][4] == f"{100 * value[1]:.1f} %"
    assert "95 %: " in dots[1].text[4]


def test_a_group_may_be_chosen() -> None:
    figure = finding().figure(group="Quality")
    assert len(figure.data[1].x) == 9
    with pytest.raises(MsvizError, match="group: got 'Gates'; valid choices: The log, Quality"):
        finding().figure(group="Gates")
    assert 100 < len(scenario_comparison.HOW_TO_READ) < 700
