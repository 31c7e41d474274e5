"""Pictures of several runs: a table of colour, a list with intervals, a curve over one setting."""

from dataclasses import replace

import findings as make
import numpy as np
import pytest

from msviz.errors import MsvizError
from msviz.figures.pictures.runs_compared import curves, grids
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
    return make.finding("runs_compared", data, coords)


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


def crossed(seeds: int = 1) -> Finding:
    """Two settings in all combinations but one, and a run that differs in a third."""
    finding = runs(6)
    data = finding.data
    rows = [["2", "on"], ["10", "on"], ["3", "on"], ["2", "off"], ["3", "off"], ["4", "off"]]
    third = ["a", "a", "a", "a", "a", "b"]
    settings = [[*row, other] for row, other in zip(rows, third, strict=True)]
    data = data.drop_vars("setting").drop_vars("settings")
    data = data.assign_coords(setting=["experts", "norm", "other"])
    data["settings"] = (("run", "setting"), settings)
    data["seeds"] = ("run", np.full(6, seeds))
    data["deviation"] = (data["value"].dims, np.full(data["value"].shape, 0.004 if seeds > 1 else np.nan))
    return replace(finding, data=data)


def test_a_grid_holds_two_settings_in_order_with_a_gap_where_no_run_stands() -> None:
    finding = crossed()
    value = finding.data["value"].sel(scope="Search", metric="auc").values
    assert grids(finding.data) == [("experts", "norm")]
    trace = finding.figure(view="grid", scope="Search").data[0]
    assert list(trace.y) == ["2", "3", "10"] and list(trace.x) == ["off", "on"]
    wanted = [[value[3], value[0]], [value[4], value[2]], [np.nan, value[1]]]
    np.testing.assert_allclose(np.asarray(trace.z), wanted, rtol=1e-6)
    assert trace.text[0][1] == f"{value[0]:.3f}" and trace.text[2][0] == ""
    shown = np.asarray(trace.customdata)[0, 1]
    np.testing.assert_allclose(shown, [value[0], value[0] - 0.01, value[0] + 0.01, 1], rtol=1e-6)
    assert "seeds" in trace.hovertemplate and "95 %" in trace.hovertemplate
    turned = finding.figure(view="grid", scope="Search", setting="norm").data[0]
    np.testing.assert_allclose(np.asarray(turned.z), np.array(wanted).T, rtol=1e-6)


@pytest.mark.parametrize("metric", ["logloss", "bias"])
def test_a_grid_is_darkest_where_the_metric_is_best(metric: str) -> None:
    finding = crossed()
    trace = finding.figure(view="grid", metric=metric).data[0]
    best = np.unravel_index(np.nanargmax(np.asarray(trace.z)), trace.z.shape)
    told = np.asarray(trace.customdata)[..., 0]
    assert abs(told[best]) == np.nanmin(np.abs(told)) and not trace.colorbar.showticklabels


def test_a_grid_that_no_runs_make_is_refused() -> None:
    with pytest.raises(MsvizError, match="no runs of one model differ in two settings"):
        runs().figure(view="grid")
    with pytest.raises(MsvizError, match="got 'other'; valid choices: experts and norm"):
        crossed().figure(view="grid", setting="other")


def test_bars_of_a_curve_are_the_deviation_where_every_point_has_several_seeds() -> None:
    figure = crossed(3).figure(view="curve", setting="experts")
    np.testing.assert_allclose(np.asarray(figure.data[0].error_y.array), 0.004, rtol=1e-4)
    assert "± deviation over seeds" in figure.layout.yaxis.title.text
    figure = crossed(1).figure(view="curve", setting="experts")
    np.testing.assert_allclose(np.asarray(figure.data[0].error_y.array), 0.01, rtol=1e-4)
    assert "seeds" not in figure.layout.yaxis.title.text


def test_a_long_table_shows_the_first_run_and_the_best() -> None:
    finding = runs(60)
    value = finding.data["value"].values[:, 0, 0]
    names = list(finding.figure().data[0].y)
    assert len(names) == 40 and names[0] == "run-0"
    order = [number for number in np.argsort(-value) if number]
    assert set(names[1:]) == {f"run-{number}" for number in order[:39]}


def test_with_and_without_stand_on_one_axis_in_every_scenario() -> None:
    finding = runs(4, 2)
    data = finding.data.assign(
        pair_with=("pair", np.array([0, 3])), pair_without=("pair", np.array([1, 2]))
    ).assign_coords(pair=["same, fcn: norm", "same, moe: norm"])
    figure = replace(finding, data=data).figure(view="pairs")
    value = finding.data["value"].values[..., 0]
    line, ring, dot = figure.data[3:]
    np.testing.assert_allclose(ring.x, value[2], rtol=1e-6)
    np.testing.assert_allclose(dot.x, value[3], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(line.x)[:2], [value[2, 0], value[3, 0]], rtol=1e-6)
    assert ring.marker.color == "#ffffff" and dot.marker.color == ring.marker.line.color
    assert dot.name == "same, moe: norm" and next(iter(figure.layout.yaxis.ticktext)) == "All scenarios"
    # Pairs of one scenario lie around its line: 0.1875 above it and below.
    np.testing.assert_allclose(ring.y, [0.1875, 1.1875, 2.1875])
    with pytest.raises(MsvizError, match="no two runs of one model differ in what is on or off"):
        replace(finding, data=data.isel(pair=[])).figure(view="pairs")


def test_a_setting_without_an_order_has_no_line() -> None:
    assert crossed().figure(view="curve", setting="norm").data[0].mode == "markers"
    assert crossed().figure(view="curve", setting="experts").data[0].mode == "lines+markers"
