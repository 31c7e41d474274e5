"""Pictures of gates and of diversity, from two scenarios to very many."""

import findings as make
import numpy as np
import pytest

from msviz.finding import Finding


def gates(scenarios: int, units: int = 40) -> Finding:
    draw = np.random.default_rng(0)
    labels = make.names(make.PLACES, scenarios, "Scenario")
    axes = ("layer", "target", "source")
    mean = draw.normal(1, 0.1, (2, scenarios, scenarios))
    data = {
        "mean": (axes, mean),
        "low": (axes, mean - 0.01),
        "high": (axes, mean + 0.01),
        "significant": (axes, mean > 1),
        "usual": (("layer", "source"), mean.mean(1)),
        "holding": (("target", "source"), np.full((scenarios, scenarios), 30)),
        "rows": (("target",), np.arange(scenarios) + 10),
        "unit_mean": (("layer", "target", "unit"), draw.random((2, scenarios, units))),
        "apart": (("layer", "unit"), draw.random((2, units))),
    }
    coords = {
        "layer": ["1", "2"],
        "target": labels,
        "source": labels,
        "unit": [str(n + 1) for n in range(units)],
    }
    return make.finding("tailoring", data, coords)


@pytest.mark.parametrize("scenarios", [2, 5, 300])
def test_colours_are_differences_from_the_usual_and_numbers_the_gates(scenarios: int) -> None:
    finding = gates(scenarios)
    trace = finding.figure(layer="2").data[0]
    kept = slice(max(0, scenarios - 60), None) if scenarios > 60 else slice(None)
    here = finding.data.sel(layer="2").isel(target=kept)
    away = (here["mean"] - here["usual"]).transpose("target", "source").values
    np.testing.assert_allclose(np.asarray(trace.z)[:, 0], away[:, 0], rtol=1e-4, atol=1e-6)
    if scenarios < 20:
        sure = here["significant"].values
        for text, clear in zip(np.ravel(trace.text), sure.ravel(), strict=True):
            assert text.startswith("(") != clear
    units = finding.figure(view="units").data[0]
    assert len(units.y) == 24
    first = finding.data["apart"].sel(layer="1").values.argmax()
    assert units.y[0] == f"Unit {first + 1}"
    assert len(finding.figure().to_json()) < 150_000


@pytest.mark.parametrize("scenarios", [1, 5, 300])
def test_every_scenario_has_a_dot_for_each_who_with_its_interval(scenarios: int) -> None:
    draw = np.random.default_rng(0)
    labels = ["All scenarios", *make.names(make.PLACES, scenarios, "Scenario")]
    who = ["Clicked before", "one", "two", "Shown at random"]
    value = draw.uniform(1, 8, (len(labels), 4))
    axes = ("scenario", "who")
    data = {
        "value": (axes, value),
        "low": (axes, value - 0.5),
        "high": (axes, value + 0.25),
        "users": (("scenario",), np.arange(len(labels)) + 5),
    }
    finding = make.finding("category_diversity", data, {"scenario": labels, "who": who})
    finding.data.attrs["field"] = "Category"
    figure = finding.figure()
    kept = min(scenarios + 1, 30)
    assert [trace.name for trace in figure.data] == who
    assert len(figure.data[0].x) == kept and figure.layout.yaxis.ticktext[0] == "All scenarios"
    np.testing.assert_allclose(figure.data[1].x[0], value[0, 1], rtol=1e-6)
    np.testing.assert_allclose(figure.data[1].error_x.array, 0.25, rtol=1e-4)
    bars = finding.figure(view="bars").data
    assert [trace.type for trace in bars] == ["bar"] * 3 + ["scatter"] and bars[1].orientation == "h"
    np.testing.assert_allclose(bars[1].x, figure.data[1].x)
    np.testing.assert_allclose(bars[1].y, figure.data[1].y)
    np.testing.assert_allclose(bars[3].x[:3], value[0, 3], rtol=1e-6)
    assert ("30 of 301 scenarios" in figure.layout.xaxis.title.text.replace("<br>", " ")) == (
        scenarios == 300
    )
