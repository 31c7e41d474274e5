"""Pictures show the numbers of their finding, at every size, and name what cannot be chosen."""

from collections.abc import Callable

import findings as make
import numpy as np
import plotly.graph_objects as go
import pytest

from msviz.errors import MsvizError
from msviz.figures import export, theme
from msviz.finding import Finding

EVERY: dict[str, Callable[[int, int], Finding]] = {
    "overview": lambda scenarios, fields: make.overview(scenarios),
    "overview by value": lambda scenarios, fields: make.overview(scenarios, max(fields, 2)),
    "performance": lambda scenarios, fields: make.performance(scenarios),
    "attention": lambda scenarios, fields: make.attention(min(scenarios, 6), fields, 1, 2),
    "difference": lambda scenarios, fields: make.difference(fields, 1, 2),
    "importance": lambda scenarios, fields: make.importance(scenarios, min(fields, 40), 1, 1),
    "instance": lambda scenarios, fields: make.instance(fields, 1, 2),
    "switch": lambda scenarios, fields: make.switch(scenarios, min(fields, 40), 1, 1),
    "impressions": lambda scenarios, fields: make.impressions(500, scenarios),
}


def size(figure: go.Figure) -> int:
    return len(figure.to_json())


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(("scenarios", "fields"), [(2, 2), (2, 300), (300, 3)])
def test_every_picture_holds_at_every_size(name: str, scenarios: int, fields: int) -> None:
    figure = EVERY[name](scenarios, fields).figure()
    assert size(figure) < 1_000_000
    assert 150 <= figure.layout.height <= 1800
    for trace in figure.data:
        if trace.type == "heatmap":
            assert np.asarray(trace.z).dtype == np.float32
            assert max(np.asarray(trace.z).shape) <= 300


@pytest.mark.parametrize("name", EVERY)
def test_every_picture_says_how_to_read_it_and_brings_its_own_template(name: str) -> None:
    import importlib

    finding = EVERY[name](4, 5)
    module = importlib.import_module(f"msviz.figures.pictures.{finding.picture}")
    assert 100 < len(module.HOW_TO_READ) < 700
    assert finding.figure().layout.template.layout.font.family == theme.FONT


@pytest.mark.parametrize("picture", ["attention", "difference", "instance"])
def test_all_heads_are_one_heatmap_with_gaps(picture: str) -> None:
    finding = {"attention": make.attention, "difference": make.difference, "instance": make.instance}[
        picture
    ]()
    choices = {"cells": "all"} if picture == "difference" else {}
    figure = finding.figure(view="grid", **choices)
    top = figure.data[-1]
    z = np.asarray(top.z)
    # 3 layers and 4 heads of 10 × 10 fields with one row or column between tiles.
    assert z.shape == (3 * 10 + 2, 4 * 10 + 3)
    assert np.isnan(z[10]).all() and np.isnan(z[:, 10]).all()
    name = {"attention": "mean", "difference": "difference", "instance": "attention"}[picture]
    whole = finding.data[name]
    whole = whole.sel(scenario="All scenarios") if "scenario" in whole.dims else whole
    second = whole.sel(layer="2", head="3").values * (100 if picture == "difference" else 1)
    np.testing.assert_allclose(z[11:21, 22:32], second, rtol=1e-5)
    assert top.x[22].startswith("Head 3: Category") and top.y[11].startswith("Layer 2: Category")


def test_attention_shows_the_chosen_scenario_layer_and_head() -> None:
    finding = make.attention()
    trace = finding.figure(scenario="Search", layer="2", head="3").data[0]
    wanted = finding.data["mean"].sel(scenario="Search", layer="2", head="3").values
    np.testing.assert_allclose(np.asarray(trace.z), wanted, rtol=1e-6)
    assert list(trace.x) == list(finding.data.key.values) == list(trace.y)
    # Search is scenario 2 of rows 100, 101, 102: the interval is 1.96 s / sqrt(102).
    half = 1.959964 * finding.data["deviation"].sel(scenario="Search", layer="2", head="3").values / 102**0.5
    np.testing.assert_allclose(np.asarray(trace.customdata)[:, :, 0], half, rtol=1e-5)


def test_the_scale_does_not_move_when_the_scenario_changes() -> None:
    finding = make.attention()
    ends = {finding.figure(scenario=name).data[0].zmax for name in ("All scenarios", "Search", "Cart")}
    assert len(ends) == 1


def test_the_fields_that_matter_most_stay_and_the_cut_is_said() -> None:
    finding = make.attention(2, 300, 1, 1)
    figure = finding.figure()
    received = finding.data["mean"].mean(("scenario", "layer", "head", "query")).values
    best = str(finding.data.key.values[int(received.argmax())])
    assert len(figure.data[0].x) == 60 and best in figure.data[0].x
    assert "60 of 300 fields" in figure.layout.xaxis.title.text.replace("<br>", " ")
    assert "240 more" in figure.layout.xaxis.title.text.replace("<br>", " ")


def test_differences_that_could_be_chance_are_grey() -> None:
    finding = make.difference()
    under, top = finding.figure(layer="1", head="2").data
    cell = finding.data.sel(layer="1", head="2")
    significant = cell["significant"].values
    assert 0 < significant.sum() < significant.size
    assert np.array_equal(np.isfinite(top.z), significant)
    assert np.array_equal(np.isfinite(under.z), ~significant)
    np.testing.assert_allclose(
        np.asarray(top.z)[significant], 100 * cell["difference"].values[significant], 1e-5
    )
    assert {colour for _, colour in under.colorscale} == {theme.QUIET}
    assert top.zmin == -top.zmax, "the scale diverges around zero"
    everything = finding.figure(layer="1", head="2", cells="all").data[1]
    assert np.isfinite(np.asarray(everything.z)).all()


def test_the_two_that_differ_stand_side_by_side_on_one_scale() -> None:
    finding = make.difference()
    figure = finding.figure(view="pair", layer="2", head="1")
    first, second = figure.data
    for trace, side in ((first, "share_a"), (second, "share_b")):
        wanted = finding.data[side].sel(layer="2", head="1").values
        np.testing.assert_allclose(np.asarray(trace.z), wanted, rtol=1e-6)
    assert (first.zmin, first.zmax) == (second.zmin, second.zmax) and first.colorscale == second.colorscale
    assert first.showscale and not second.showscale and second.xaxis == "x2"
    assert [one.text for one in figure.layout.annotations] == ["<b>Home feed</b>", "<b>Search</b>"]
    thumbnail = export.small(figure)
    assert [one.text for one in thumbnail.layout.annotations] == ["<b>Home feed</b>", "<b>Search</b>"]
    assert max(np.asarray(t.z).shape for t in make.difference(300).figure(view="pair").data) == (60, 60)


def test_no_significant_difference_is_all_grey() -> None:
    finding = make.difference()
    finding.data["significant"][:] = False
    under, top = finding.figure().data
    assert np.isnan(np.asarray(top.z)).all() and np.isfinite(np.asarray(under.z)).all()


def test_performance_has_a_dot_per_scenario_and_words_where_there_is_none() -> None:
    finding = make.performance(4)
    figure = finding.figure(metric="auc")
    dots, best = figure.data
    wanted = finding.data["value"].sel(metric="auc").values
    np.testing.assert_allclose(np.asarray(dots.x), wanted, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(dots.error_x.array)[:-1], 0.02, rtol=1e-4)
    assert "best reachable" in best.name
    assert [note.text for note in figure.layout.annotations] == ["not defined: one class only"]


def test_performance_beside_a_second_run_aligns_scenarios_by_name() -> None:
    first, second = make.performance(4, planted=False), make.performance(4, seed=1, planted=False)
    turned = second.data.isel(scope=[3, 1, 0])
    from dataclasses import replace

    figure = first.figure(metric="logloss", other=replace(second, data=turned))
    values = second.data["value"].sel(metric="logloss").values
    np.testing.assert_allclose(np.asarray(figure.data[1].x)[[0, 1, 3]], values[[0, 1, 3]], rtol=1e-6)
    assert np.isnan(np.asarray(figure.data[1].x)[[2, 4]]).all()


def test_overview_bars_and_rates() -> None:
    finding = make.overview(4)
    bars, dots = finding.figure().data
    part = finding.data.isel(scenario=slice(1, None))
    np.testing.assert_allclose(np.asarray(bars.x), part["rows"].values)
    np.testing.assert_allclose(np.asarray(dots.x), part["click_rate"].values, rtol=1e-6)
    low = np.asarray(dots.x) - np.asarray(dots.error_x.arrayminus)
    np.testing.assert_allclose(low, part["low"].values, rtol=1e-5)


def test_importance_is_sorted_and_compares_with_all_scenarios() -> None:
    finding = make.importance()
    bars, all_of_them = finding.figure(scenario="Cart", layer="1", head="1").data
    cell = finding.data.sel(layer="1", head="1")
    np.testing.assert_allclose(
        np.asarray(bars.x), np.sort(cell["value"].sel(scenario="Cart").values)[::-1], 1e-6
    )
    expected = cell["value"].sel(scenario="All scenarios", key=list(bars.y)).values
    np.testing.assert_allclose(np.asarray(all_of_them.x), expected, rtol=1e-6)


def test_switch_marks_where_the_impression_happened() -> None:
    figure = make.switch(4).figure()
    assert list(figure.data[0].marker.opacity) == [np.float32(0.45), 1, np.float32(0.45), np.float32(0.45)]
    assert figure.layout.yaxis.ticktext[1] == "Search (actual)"
    many = make.switch(300, 5, 1, 1).figure()
    assert "Search" in many.data[0].y, "the impression's own scenario stays when others are cut"


def test_impressions_count_everyone_once() -> None:
    finding = make.impressions(1000)
    for scenario in (None, "Search"):
        for trace in finding.figure(scenario=scenario).data:
            assert np.asarray(trace.y).sum() == pytest.approx(1)


def test_scenarios_keep_their_colours_whichever_are_shown() -> None:
    order = ["unseen combination", "A", "B", "C"]
    assert theme.colours(["C", "A"], order) == [theme.CATEGORICAL[2], theme.CATEGORICAL[0]]
    assert theme.colours(["All scenarios", "B"], order)[1] == theme.CATEGORICAL[1]


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"scenario": "Nope"}, r"scenario: got 'Nope'; valid choices: All scenarios, Home feed"),
        ({"layer": "9"}, r"layer: got '9'; valid choices: 1, 2, 3"),
        ({"head": "9"}, r"head: got '9'; valid choices: mean of heads, 1"),
        ({"view": "3d"}, r"view: got '3d'; valid choices: one, grid"),
    ],
)
def test_a_choice_that_does_not_exist_is_named(choices: dict[str, str], words: str) -> None:
    with pytest.raises(MsvizError, match=words):
        make.attention().figure(**choices)


def test_long_names_are_cut_on_the_axis_and_whole_in_the_hover_box() -> None:
    trace = make.attention(2, 12).figure()
    long = "Item popularity in the last seven days"
    assert long in trace.data[0].x
    assert "Item popularity i…" in trace.layout.xaxis.ticktext


def test_attention_without_a_preference_looks_even() -> None:
    finding = make.attention(2, 20)
    finding.data["mean"][:] = 0.05 + np.random.default_rng(0).normal(0, 1e-7, finding.data["mean"].shape)
    trace = finding.figure().data[0]
    # An even share is 1/20: half way up the scale, and its noise stays invisible.
    assert trace.zmin == 0 and trace.zmax == pytest.approx(0.1)


def test_a_scale_of_small_shares_tells_its_ticks_apart() -> None:
    from msviz.figures.choices import title
    from msviz.figures.heat import heat

    def ticks(top: float) -> str:
        words = {"bar": "", "x_title": "", "y_title": "", "hover": ""}
        drawn = heat(np.eye(2), ["a", "b"], ["a", "b"], span=(0, top), **words)
        return str(drawn.data[0].colorbar.tickformat)

    assert (ticks(0.03), ticks(0.3)) == (".1%", ".0%")
    assert title("", "60 of 300 fields") == "60 of 300 fields"
