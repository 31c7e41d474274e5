"""The picture of scenarios that are treated alike, from 2 to 300."""

import findings as make
import numpy as np
import pytest

from msviz.errors import MsvizError
from msviz.finding import Finding


def similarity(scenarios: int, low: float = 0.2) -> Finding:
    draw = np.random.default_rng(0).uniform(low, 1, (1, 1, scenarios, scenarios))
    value = (draw + draw.swapaxes(2, 3)) / 2
    labels = make.names(make.PLACES, scenarios, "Scenario")
    axes = ("measure", "part", "scenario", "other")
    data = {
        "value": (axes, value),
        "low": (axes, value - 0.01),
        "high": (axes, value + 0.01),
        "leaf": (axes[:3], np.arange(scenarios)[::-1][None, None]),
        "rows": (("scenario",), np.arange(scenarios) + 10),
    }
    coords = {"measure": ["answers"], "part": ["everything"], "scenario": labels, "other": labels}
    return make.finding("scenario_similarity", data, coords)


@pytest.mark.parametrize("scenarios", [2, 5, 300])
def test_scenarios_stand_in_the_trees_order_and_the_largest_are_kept(scenarios: int) -> None:
    finding = similarity(scenarios)
    figure = finding.figure()
    trace = figure.data[0]
    labels = [str(name) for name in finding.data["scenario"].values][::-1][:120]
    assert list(trace.y) == list(trace.x) == labels
    z = np.asarray(trace.z)
    assert np.isnan(np.diag(z)).all()
    wanted = finding.data["value"].values[0, 0][::-1, ::-1][:120, :120]
    apart = ~np.eye(len(z), dtype=bool)
    np.testing.assert_allclose(z[apart], wanted[apart], rtol=1e-6)
    assert ("120 of 300 scenarios" in str(figure.layout.xaxis.title.text)) == (scenarios == 300)
    assert len(figure.to_json()) < 700_000


def test_opposites_get_a_scale_around_zero_and_close_ones_enough_digits() -> None:
    trace = similarity(4, low=-1).figure().data[0]
    assert trace.zmin == -trace.zmax
    close = similarity(4, low=0.9995).figure().data[0]
    assert ".5f" in close.texttemplate or ".4f" in close.texttemplate
    assert close.zmin > 0.99


def test_a_measure_that_is_not_there_is_refused() -> None:
    with pytest.raises(MsvizError, match="measure: got 'CKA'; valid choices: answers"):
        similarity(3).figure(measure="CKA")
