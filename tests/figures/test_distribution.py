"""The picture of users' click rates holds from one group to many."""

import findings as make
import numpy as np
import pytest

from msviz.figures import theme
from msviz.figures.pictures import rate_distribution
from msviz.finding import Finding


def rates(groups: list[str], by: str = "period") -> Finding:
    draw = np.random.default_rng(0)
    share = draw.dirichlet(np.ones(11), len(groups))
    axes, one = ("group", "rate"), ("group",)
    data = {
        "share": (axes, share),
        "low": (axes, share * 0.9),
        "high": (axes, share * 1.1),
        "chance": (axes, share[::-1]),
        "users": (one, np.arange(len(groups)) + 1_000),
        "mean": (one, np.linspace(0.2, 0.4, len(groups))),
    }
    made = make.finding("rate_distribution", data, {"group": groups, "rate": np.arange(11) / 10})
    made.data.attrs.update(by=by, draws=10)
    return made


def test_every_group_is_a_curve_in_its_colour_with_its_average() -> None:
    finding = rates(["Normal days", "Promotion days"])
    figure = finding.figure()
    assert [trace.name for trace in figure.data] == ["Normal days (1,000)", "Promotion days (1,001)"]
    assert [trace.line.color for trace in figure.data] == list(theme.CATEGORICAL[:2])
    np.testing.assert_allclose(figure.data[1].y, finding.data["share"][1], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(figure.data[1].customdata)[:, 0], finding.data["low"][1], rtol=1e-6)
    assert [shape.x0 for shape in figure.layout.shapes] == [0.2, 0.4]
    assert figure.layout.xaxis.title.text.startswith("Click rate of a user, of 10 impressions")
    assert 100 < len(rate_distribution.HOW_TO_READ) < 700


@pytest.mark.parametrize("count", [1, 6])
def test_scenarios_keep_their_colours(count: int) -> None:
    names = make.names(make.PLACES, count, "Scenario")
    figure = rates(names, "scenario").figure(order=["unseen combination", *names])
    assert [trace.line.color for trace in figure.data] == theme.colours(names, ["unseen combination", *names])
    assert len(figure.to_json()) < 100_000
