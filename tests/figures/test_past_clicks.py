"""Pictures of past clicks and of migration, from one click and two scenarios to very many."""

import findings as make
import numpy as np
import pytest

from msviz.errors import MsvizError
from msviz.finding import Finding


def history(clicks: int, heads: int = 4, part: str | None = "expert", square: bool = False) -> Finding:
    draw = np.random.default_rng(0)
    names = ["1"] if heads == 1 else ["mean of heads", *map(str, range(1, heads + 1))]
    dims = ((part,) if part else ()) + ("head", "behaviour") + (("other",) if square else ())
    numbers = [str(number + 1) for number in range(clicks)]
    coords = {"head": names, "behaviour": numbers, "field": ["Item", "Category"]}
    coords |= {part: ["1", "2"]} if part else {}
    coords |= {"other": numbers} if square else {}
    shares = draw.random([len(coords[dim]) for dim in dims])
    data = {
        "attention": (dims, shares / shares.sum(-1, keepdims=True)),
        "value": (("behaviour", "field"), np.array([["an item", "A category with a long name"]] * clicks)),
        "scenario": (("behaviour",), np.array(["Search"] * clicks)),
        "age": (("behaviour",), np.arange(clicks)[::-1] * 50_000),
        "related": (("behaviour",), np.arange(clicks) % 2 == 0),
        "change": (("behaviour",), draw.normal(size=clicks)),
    }
    return make.finding("behaviour_attention", data, coords)


@pytest.mark.parametrize("clicks", [1, 20, 1_000])
def test_clicks_stand_oldest_first_and_only_the_latest_are_drawn(clicks: int) -> None:
    finding = history(clicks)
    figure = finding.figure(part="2")
    kept = min(clicks, 60)
    wanted = finding.data["attention"].sel(expert="2").values.T[-kept:]
    np.testing.assert_allclose(figure.data[0].z, wanted, rtol=1e-6)
    assert figure.layout.yaxis.autorange == "reversed"
    assert figure.layout.yaxis.ticktext[-1].startswith("● ") == ((clicks - 1) % 2 == 0)
    assert figure.layout.yaxis.ticktext[-1].endswith("now")
    assert ("the latest 60 of 1000" in figure.layout.xaxis.title.text.replace("<br>", " ")) == (
        clicks == 1_000
    )
    assert len(figure.to_json()) < 60_000


def test_one_head_is_a_list_of_bars_and_worth_is_signed() -> None:
    figure = history(5, heads=1, part=None).figure()
    assert figure.data[0].type == "bar" and figure.data[0].x.sum() == pytest.approx(1)
    finding = history(5)
    bars = finding.figure(view="worth").data[0]
    np.testing.assert_allclose(bars.x, finding.data["change"].values, rtol=1e-6)
    for value, colour in zip(bars.x, bars.marker.color, strict=True):
        assert colour == ("#d55e00" if value >= 0 else "#0072b2")


def test_clicks_that_look_at_one_another_are_a_square_of_one_head() -> None:
    finding = history(7, square=True, part="layer")
    figure = finding.figure(part="1", head="3")
    np.testing.assert_allclose(
        figure.data[0].z, finding.data["attention"].sel(layer="1", head="3"), rtol=1e-6
    )
    with pytest.raises(MsvizError, match="head: got '9'"):
        finding.figure(head="9")
    with pytest.raises(MsvizError, match="layer: got '3'"):
        finding.figure(part="3")


def matrix(scenarios: int, method: str = "attention") -> Finding:
    draw = np.random.default_rng(0)
    labels = make.names(make.PLACES, scenarios, "Scenario")
    axes = ("target", "source")
    shape = (scenarios, scenarios + 1)
    even = draw.random(shape)
    even /= even.sum(1, keepdims=True)
    lift = draw.uniform(0.5, 2, shape)
    arrays = {"difference": draw.normal(0, 0.1, shape)}
    if method == "attention":
        arrays = {"mass": even * lift, "even": even, "lift": lift, "difference": even * lift - even}
        arrays |= {"mass_low": arrays["mass"] - 0.01, "mass_high": arrays["mass"] + 0.01}
        arrays |= {"lift_low": lift - 0.1, "lift_high": lift + 0.1}
    arrays |= {"low": arrays["difference"] - 0.1, "high": arrays["difference"] + 0.1}
    arrays |= {"significant": draw.random(shape) < 0.5, "holding": draw.integers(0, 900, shape)}
    data = {name: (axes, value) for name, value in arrays.items()}
    data["rows"] = (("target",), np.arange(scenarios) + 10)
    return make.finding("migration", data, {"target": labels, "source": [*labels, "Other scenarios"]})


@pytest.mark.parametrize("scenarios", [2, 5, 300])
@pytest.mark.parametrize("view", ["beyond even", "share", "change"])
def test_cells_are_the_findings_and_the_largest_scenarios_are_kept(scenarios: int, view: str) -> None:
    finding = matrix(scenarios, "removal" if view == "change" else "attention")
    figure = finding.figure(view=view)
    trace = figure.data[0]
    name, less = {"share": ("mass", 0), "beyond even": ("lift", 1), "change": ("difference", 0)}[view]
    value = finding.data[name].values - less
    value = np.where(finding.data["holding"].values > 0, value, np.nan)
    z = np.asarray(trace.z)
    if scenarios < 120:
        np.testing.assert_allclose(z, value, rtol=1e-5)
        clear = finding.data["significant"].values
        for text, sure, known in zip(
            np.ravel(trace.text), clear.ravel(), np.isfinite(value.ravel()), strict=True
        ):
            assert (text == "") != known and (not known or text.startswith("(") != sure)
    else:
        assert z.shape == (120, 120)
        assert "120 of 300 scenarios" in figure.layout.xaxis.title.text.replace("<br>", " ")
    assert view == "share" or trace.zmin == -trace.zmax
    assert len(figure.to_json()) < 300_000


def test_one_target_shows_every_source_with_its_interval() -> None:
    finding = matrix(5)
    here = finding.data.sel(target="Search")
    figure = finding.figure(view="share", scenario="Search")
    for trace, source in zip(figure.data, here["source"].values, strict=False):
        assert trace.x[0] == pytest.approx(float(here["mass"].sel(source=source)), rel=1e-5)
        assert trace.error_x.array[0] == pytest.approx(0.01, rel=1e-3)
    np.testing.assert_allclose(figure.data[-1].x, here["even"], rtol=1e-5)
    assert len(matrix(300).figure(scenario="Search").data) == 40


def test_choices_that_do_not_exist_are_refused() -> None:
    with pytest.raises(MsvizError, match="view: got 'share'; valid choices: change"):
        matrix(3, "removal").figure(view="share")
    with pytest.raises(MsvizError, match="scenario: got 'Moon'"):
        matrix(3).figure(scenario="Moon")
    with pytest.raises(MsvizError, match="view: got 'pie'"):
        history(3).figure(view="pie")


def test_two_pictures_share_a_scale_and_what_a_log_does_not_tell_is_left_out() -> None:
    trace = matrix(5).figure(view="beyond even", top=3.0).data[0]
    assert (trace.zmin, trace.zmax) == (-3.0, 3.0)
    assert history(4).figure(top=0.8).data[0].zmax == 0.8
    assert list(history(4).figure(view="worth", top=2.0).layout.xaxis.range) == [-2.0, 2.0]
    finding = history(2)
    finding.data["scenario"][:] = ""
    finding.data["age"][:] = -1
    assert list(finding.figure().layout.yaxis.ticktext) == ["● A category w…", "A category w…"]
