"""Pictures of field weights, of what losing a field costs and of flows, from 2 to 300 of everything."""

import findings as make
import numpy as np
import pytest

from msviz.errors import MsvizError
from msviz.figures import export, field_chart, theme
from msviz.finding import Finding

ALL = "All scenarios"


def weights(
    scenarios: int = 4, fields: int = 10, heads: int = 3, compared: bool = False, shares: bool = True
) -> Finding:
    each = make.shares((scenarios + 1, max(heads, 1), fields)) * (1 if shares else 4)
    weight = np.concatenate([each.mean(1, keepdims=True), each], 1) if heads else each
    cells = ("scenario", "head", "field")
    data = {
        "weight": (cells, weight.astype("f4")),
        "deviation": (cells, (weight / 5).astype("f4")),
        "entropy": (cells[:2], weight[..., 0]),
        "agreed": (("scenario", "field"), each.min(1)),
        "agreement": (("scenario",), np.full(scenarios + 1, 0.3)),
        "rows": (("scenario",), np.arange(1000, 1001 + scenarios)[::-1].copy()),
    }
    if compared:
        change = weight[2] - weight[1]
        two = ("head", "field")
        data |= {"difference": (two, change), "low": (two, change - 0.01), "high": (two, change + 0.01)}
        data["significant"] = (two, np.abs(change) > 0.01)
    names = make.names(make.PLACES, scenarios, "Scenario")
    coords = {
        "scenario": [ALL, *names],
        "head": ["mean of heads", *(str(h + 1) for h in range(heads))] if heads else ["gate"],
        "field": make.names(make.WORDS, fields, "Field"),
    }
    found = make.finding("feature_weights", data, coords)
    found.data.attrs.update(
        exact=0, shares=int(shares), tap="weights", a=names[0], b=names[min(1, len(names) - 1)]
    )
    return found


def permutation(scenarios: int = 4, fields: int = 10) -> Finding:
    random = np.random.default_rng(1)
    value = random.gamma(0.5, 0.02, (2, scenarios + 1, fields)) - 0.002
    cells = ("metric", "scenario", "field")
    data = {
        "value": (cells, value),
        "low": (cells, value - 0.005),
        "high": (cells, value + 0.005),
        "significant": (cells, value > 0.005),
        "rows": (("scenario",), np.arange(1000, 1001 + scenarios)[::-1].copy()),
    }
    coords = {
        "metric": ["logloss", "AUC"],
        "scenario": [ALL, *make.names(make.PLACES, scenarios, "Scenario")],
        "field": make.names(make.WORDS, fields, "Field"),
    }
    return make.finding("field_permutation", data, coords)


def sankey(scenarios: int = 4, values: int = 6) -> Finding:
    random = np.random.default_rng(2)
    rows = random.integers(0, 900, (scenarios, values, values + 1))
    rows[:, 0, 0] = 0
    clicks = random.binomial(rows, 0.1 + 0.4 * random.random((scenarios, values, 1)))
    rows, clicks = (np.concatenate([x.sum(0, keepdims=True), x]) for x in (rows, clicks))
    cells = ("scenario", "first", "second")
    coords = {
        "scenario": [ALL, *make.names(make.PLACES, scenarios, "Scenario")],
        "first": [f"group {i}" for i in range(values)],
        "second": [f"a rather long value {i}" for i in range(values + 1)],
    }
    found = make.finding("sankey", {"rows": (cells, rows), "clicks": (cells, clicks)}, coords)
    found.data.attrs.update(first_field="Age", second_field="Price band")
    return found


@pytest.mark.parametrize(("scenarios", "fields"), [(2, 2), (2, 300), (300, 3), (300, 300)])
def test_they_hold_at_every_size(scenarios: int, fields: int) -> None:
    found = weights(scenarios, fields, 8, compared=True)
    gate = weights(scenarios, fields, 0, shares=False)
    lost = permutation(scenarios, fields)
    drawn = [
        found.figure(),
        found.figure(view="scenarios"),
        found.figure(view="difference", head="2"),
        gate.figure(scenario=str(gate.data["scenario"].values[2])),
        gate.figure(view="scenarios"),
        lost.figure(),
        lost.figure(view="all", metric="AUC"),
    ]
    for figure in drawn:
        assert len(figure.to_json()) < 300_000
        assert 150 <= figure.layout.height <= 1800
        title = figure.layout.xaxis.title.text or ""
        if fields == 300:
            assert " of 300 fields" in title.replace("<br>", " ")
        export.dressed(figure, found)
    if scenarios == 300:
        assert f"{field_chart.SCENARIOS} of 301 scenarios" in drawn[1].layout.xaxis.title.text.replace(
            "<br>", " "
        )


@pytest.mark.parametrize(("scenarios", "values"), [(1, 2), (300, 50)])
def test_a_flow_holds_at_every_size(scenarios: int, values: int) -> None:
    found = sankey(scenarios, values)
    every = [str(name) for name in found.data["scenario"].values]
    for figure in (found.figure(), found.figure(scenarios=every[1:], width="click rate")):
        assert len(figure.to_json()) < 500_000 and figure.layout.height <= 1000
        assert figure.layout.template.layout.font.family == theme.FONT


def test_heads_show_every_heads_weight_and_the_lowest_in_the_order_of_the_mean() -> None:
    found = weights()
    figure = found.figure(scenario="Search")
    here = found.data.sel(scenario="Search")
    order = np.argsort(-here["weight"].values[0], kind="stable")
    cells = np.asarray(figure.data[0].z)
    np.testing.assert_allclose(cells[:, :4], here["weight"].values.T[order], rtol=1e-6)
    np.testing.assert_allclose(cells[:, 4], here["weight"].values[1:].min(0)[order], rtol=1e-6)
    assert list(figure.data[0].x) == ["mean of heads", "head 1", "head 2", "head 3", "lowest of heads"]
    # The even share is the middle of the scale.
    assert figure.data[0].zmin + figure.data[0].zmax == pytest.approx(2 / 10)


def test_the_bar_has_three_numbers_inside_the_scale() -> None:
    trace = permutation().figure(view="all").data[0]
    low, middle, high = trace.colorbar.tickvals
    assert trace.zmin < low < middle == 0 < high < trace.zmax


def test_nearly_even_weights_look_pale() -> None:
    found = weights()
    found.data["weight"][:] = 0.1 + 0.001 * np.sign(found.data["weight"] - 0.1)
    found.data["agreed"][:] = 0.1
    trace = found.figure().data[0]
    assert trace.zmax - trace.zmin == pytest.approx(0.1)


def test_one_list_of_weights_is_bars_with_intervals() -> None:
    found = weights(heads=0, shares=False)
    bar = found.figure(scenario="Cart").data[0]
    here = found.data.sel(scenario="Cart", head="gate")
    order = np.argsort(-here["weight"].values, kind="stable")
    np.testing.assert_allclose(bar.x, here["weight"].values[order], rtol=1e-6)
    half = 1.959964 * here["deviation"].values[order] / float(here["rows"]) ** 0.5
    np.testing.assert_allclose(bar.error_x.array, half, rtol=1e-3, atol=1e-7)


def test_bounds_that_the_answer_tells_are_drawn_as_they_are() -> None:
    found = weights(heads=0, shares=False)
    weight = found.data["weight"]
    found.data["weight_low"], found.data["weight_high"] = weight * 0.8, weight * 1.3
    bar = found.figure(scenario="Cart").data[0]
    np.testing.assert_allclose(np.asarray(bar.customdata).T, [bar.x * 0.8, bar.x * 1.3], rtol=1e-5)
    told = found.figure(view="scenarios").data[0]
    np.testing.assert_allclose(np.asarray(told.customdata)[..., 0], np.asarray(told.z) * 0.25, rtol=1e-5)


def test_a_difference_is_coloured_by_its_sign_and_grey_where_it_may_be_chance() -> None:
    found = weights(compared=True)
    bar = found.figure(view="difference").data[0]
    change = dict(zip(found.data["field"].values, found.data["difference"].values[0], strict=True))
    for field, value, colour in zip(bar.y, bar.x, bar.marker.color, strict=True):
        assert value == pytest.approx(100 * change[field], rel=1e-4)
        sure = abs(change[field]) > 0.01
        assert colour == (theme.LINE if not sure else theme.DIVERGING[5 if value > 0 else 1])
    with pytest.raises(MsvizError, match="compares no two scenarios"):
        weights().figure(view="difference")


def test_costs_are_bars_from_the_highest_down_and_chance_is_empty_in_the_table() -> None:
    found = permutation()
    bar = found.figure(scenario="Search", metric="AUC").data[0]
    here = found.data.sel(scenario="Search", metric="AUC")
    np.testing.assert_allclose(bar.x, np.sort(here["value"].values)[::-1], rtol=1e-5)
    cells = np.asarray(found.figure(view="all").data[0].z)
    assert np.isnan(cells).sum() == (~found.data["significant"].sel(metric="logloss").values).sum()


@pytest.mark.parametrize("choice", [{"scenario": "No"}, {"view": "no"}, {"head": "9", "view": "scenarios"}])
def test_what_does_not_exist_is_refused(choice: dict[str, str]) -> None:
    with pytest.raises(MsvizError, match="valid choices"):
        weights().figure(**choice)


def test_a_flow_adds_up_and_carries_rates_with_wilsons_interval() -> None:
    found = sankey()
    trace = found.figure(scenarios=["Search", "Cart"]).data[0]
    here = found.data.sel(scenario=["Search", "Cart"])
    names = list(trace.node.customdata)
    assert names[:2] == ["Search", "Cart"]
    value = {
        (names[a], names[b]): (v, c)
        for a, b, v, c in zip(
            trace.link.source, trace.link.target, trace.link.value, trace.link.customdata, strict=True
        )
    }
    assert value["Search", "group 1"][0] == here["rows"].sel(scenario="Search", first="group 1").sum()
    both = here.sel(first="group 1", second="a rather long value 2").sum("scenario")
    width, told = value["group 1", "a rather long value 2"]
    assert width == both["rows"]
    assert told[2] == pytest.approx(float(both["clicks"] / both["rows"]))
    assert told[3] < told[2] < told[4]
    assert ("group 0", "a rather long value 0") not in value  # no rows, no band
    rates = found.figure(width="click rate").data[0].link
    np.testing.assert_allclose(rates.value, np.asarray(rates.customdata)[:, 2])
    with pytest.raises(MsvizError, match="width: got 'no'"):
        found.figure(width="no")
    with pytest.raises(MsvizError, match="scenario: got 'no'"):
        found.figure(scenarios=["no"])
