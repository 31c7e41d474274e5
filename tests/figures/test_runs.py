"""Pictures of several runs: a table of colour, a list with intervals, a curve over one setting."""

import findings as make
import numpy as np
import pytest

from msviz.errors import MsvizError
from msviz.figures.runs import curves
from msviz.finding import Finding


def runs(count: int = 4, scopes: int = 5, tested: bool = True) -> Finding:
    draw = np.random.default_rng(0)
    value = draw.uniform(0.6, 0.8, (count, scopes + 1, 4))
    dims = ("run", "scope", "metric")
    apart = value - value[:1]
    data = {
        "value": (dims, value),
        "low": (dims, value - 0.01),
        "high": (dims, value + 0.01),
        "difference": (dims, apart),
        "rows": (("scope",), np.arange(scopes + 1)[::-1] + 5),
        "model": (("run",), ["same"] * count),
        "seeds": (("run",), np.ones(count)),
        "changes": (("run",), [f"same, experts {i}" for i in range(count)]),
        "settings": (("run", "setting"), [[str(10 - i), "on"] for i in range(count)]),
    }
    if tested:
        data |= {"difference_low": (dims, apart - 0.02), "difference_high": (dims, apart + 0.02)}
        data |= {"significant": (dims, np.abs(apart) > 0.05)}
    coords = {
        "run": [f"run-{i}" for i in range(count)],
        "scope": ["All scenarios", *make.names(make.PLACES, scopes, "Scenario")],
        "metric": ["auc", "logloss", "gauc", "bias"],
        "setting": ["experts", "norm"],
    }
    return make.finding("runs_compared", "runs", data, coords)


@pytest.mark.parametrize(("count", "scopes"), [(1, 2), (4, 5), (60, 300)])
@pytest.mark.parametrize("view", ["table", "list"])
def test_it_holds_at_every_size(count: int, scopes: int, view: str) -> None:
    figure = runs(count, scopes).figure(view=view)
    assert len(figure.to_json()) < 500_000 and figure.layout.height <= 1800
    if count == 60:
        assert "40 of 60 runs" in figure.layout.xaxis.title.text.replace("<br>", " ")


def test_the_table_is_blue_where_a_run_is_better_and_marks_what_is_beyond_chance() -> None:
    finding = runs()
    value = finding.data["value"].values
    for number, metric, sign in ((0, "auc", 1), (1, "logloss", -1)):
        trace = finding.figure(metric=metric).data[0]
        wanted = sign * (value - value[:1])[..., number]
        np.testing.assert_allclose(np.asarray(trace.z), wanted, atol=1e-6)
        assert trace.zmin == -trace.zmax
        assert trace.colorscale[-1][1] == "#134b86"
        marks = np.array([["•" in cell for cell in row] for row in trace.text])
        np.testing.assert_array_equal(marks, finding.data["significant"].values[..., number])
        assert trace.text[1][2].startswith(f"{value[1, 2, number]:.3f}")
    bias = finding.figure(metric="bias").data[0]
    closer = np.abs(value[:1, :, 3]) - np.abs(value[..., 3])
    np.testing.assert_allclose(np.asarray(bias.z), closer, atol=1e-6)
    assert "•" not in str(runs(tested=False).figure().data[0].text)


def test_the_list_has_the_best_on_top() -> None:
    finding = runs()
    value = finding.data["value"].sel(scope="Search", metric="logloss").values
    trace = finding.figure(view="list", metric="logloss", scope="Search").data[0]
    np.testing.assert_allclose(np.asarray(trace.x), np.sort(value), rtol=1e-6)
    assert trace.y[0] == f"run-{value.argmin()}"


def test_a_curve_runs_over_the_one_setting_that_changes_in_the_order_of_numbers() -> None:
    finding = runs()
    assert curves(finding.data) == ["experts"]
    trace = finding.figure(view="curve").data[0]
    assert list(trace.x) == ["7", "8", "9", "10"]
    wanted = finding.data["value"].sel(scope="All scenarios", metric="auc").values[::-1]
    np.testing.assert_allclose(np.asarray(trace.y), wanted, rtol=1e-6)
    with pytest.raises(MsvizError, match="setting: got 'norm'; valid choices: experts"):
        finding.figure(view="curve", setting="norm")
    with pytest.raises(MsvizError, match="no two runs of one model"):
        runs(1).figure(view="curve")
