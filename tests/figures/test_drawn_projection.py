"""Pictures of representations: one trace a group, nothing lost, also at the extremes."""

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

from msviz.errors import MsvizError
from msviz.figures import density, theme
from msviz.figures.pictures import projection, projection_agreement, representation
from msviz.finding import Finding, Provenance


def layout(points: int = 300, scenarios: int = 4, entries: int = 1, method: str = "pca") -> Finding:
    draw = np.random.default_rng(0)
    impressions = points // entries
    names = [f"Scenario {number}" for number in range(scenarios)]
    data = xr.Dataset(
        {
            "layout": (("point", "axis"), draw.normal(size=(points, 2)).astype(np.float32)),
            "of": (("point",), np.repeat(np.arange(impressions), entries).astype(np.int32)),
            "entry": (("point",), np.tile(np.arange(entries), impressions).astype(np.int32)),
            "row": (("impression",), np.arange(impressions) * 10),
            "scenario": (("impression",), np.array(names)[np.arange(impressions) % scenarios]),
            "label": (("impression",), (np.arange(impressions) % 5 == 0).astype(np.uint8)),
            "prediction": (("impression",), draw.random(impressions).astype(np.float32)),
            "value": (("impression", "field"), draw.integers(0, 40, (impressions, 2)).astype(np.int32)),
            "explained": (("axis",), np.array([0.5, 0.2]) if method == "pca" else np.full(2, np.nan)),
        },
        {"axis": ["x", "y"], "field": ["Age", "City"], "name": [f"Part {n}" for n in range(entries)]},
        {"tap": "t", "kind": "scenario" if entries == 1 else "expert", "method": method},
    )
    return Finding("projection", "Alike?", "Words.", data, Provenance("r", rows=impressions))


def held(figure: Any) -> "np.ndarray[Any, Any]":
    return np.sort(np.concatenate([trace.customdata for trace in figure.data]))


def test_every_point_is_drawn_once_in_the_colour_of_its_scenario() -> None:
    finding = layout()
    order = finding.data["scenario"].values[:4].tolist()
    figure = finding.figure(order=["unseen combination", *order])
    np.testing.assert_array_equal(held(figure), np.arange(300))
    assert [trace.name for trace in figure.data] == [f"{name} (75)" for name in order]
    assert [trace.marker.color for trace in figure.data] == theme.colours(order)
    trace = figure.data[1]
    np.testing.assert_array_equal(trace.x, finding.data["layout"].values[trace.customdata, 0])
    assert figure.layout.xaxis.title.text == "First direction (50% of the variance)"
    assert layout(method="umap").figure().layout.xaxis.title.text == ""


def test_what_a_vector_is_of_comes_first_where_there_are_several() -> None:
    figure = layout(300, 4, 3).figure()
    assert [trace.name for trace in figure.data] == ["Part 0 (100)", "Part 1 (100)", "Part 2 (100)"]


@pytest.mark.parametrize("colour", [*projection.COLOURS, "Age"])
def test_any_colour_draws_all_points(colour: str) -> None:
    figure = layout().figure(colour=colour)
    np.testing.assert_array_equal(held(figure), np.arange(300))


@pytest.mark.parametrize("scenarios", [1, 2, 300])
def test_few_and_many_groups(scenarios: int) -> None:
    figure = layout(900, scenarios).figure()
    assert len(figure.data) == min(scenarios, 8)
    np.testing.assert_array_equal(held(figure), np.arange(900))
    if scenarios == 300:
        assert figure.data[0].name.startswith("others") and figure.data[0].marker.color == theme.FAINT


def test_only_chosen_rows_are_drawn() -> None:
    figure = layout(300, 4, 3).figure(rows=[0, 50])
    np.testing.assert_array_equal(held(figure), [0, 1, 2, 15, 16, 17])


def test_a_colour_that_does_not_exist_is_refused() -> None:
    with pytest.raises(MsvizError, match="Predicted click probability, Age, City"):
        layout().figure(colour="Weather")


def test_very_many_points_are_counted_and_weigh_little() -> None:
    figure = layout(projection.DENSE + 2, 4).figure()
    assert figure.data[0].type == "heatmap" and figure.data[0].z.dtype == np.uint8
    assert len(figure.to_json()) < 300_000
    assert "(100,002 in all)" in figure.data[0].colorbar.title.text


def test_a_raster_counts_every_point_and_a_stretch_its_own() -> None:
    points = np.random.default_rng(1).normal(size=(5_000, 2)).astype(np.float32)
    count, x_edge, _ = density.raster(points)
    assert count.sum() == 5_000 and x_edge[0] == points[:, 0].min()
    inside = ((points > -1) & (points < 1)).all(1).sum()
    count, _, y_edge = density.raster(points, (-1, 1), (-1, 1))
    assert count.sum() == inside and (y_edge[0], y_edge[-1]) == (-1, 1)
    wanted = np.histogram2d(points[:, 1], points[:, 0], bins=[y_edge, y_edge])[0]
    assert np.abs(count - wanted).sum() <= 4  # rounding on an edge
    assert density.raster(np.zeros((3, 2), np.float32))[0].sum() == 3


def test_a_lasso_names_each_point_once() -> None:
    points = [{"customdata": [4]}, {"customdata": 2}, {"customdata": [4]}, {"x": 1}]
    assert projection.selected({"points": points}).tolist() == [2, 4]
    assert projection.selected({}).tolist() == []


def apart(groups: int, run: str = "one", reaction: bool = True) -> Finding:
    draw = np.random.default_rng(2)
    value = draw.random((groups, groups)).astype(np.float32)
    names = [f"Scenario {number}" for number in range(groups)]
    both, inside = ("group", "other"), ("measure", "group")
    data: dict[str, Any] = dict.fromkeys(("cosine", "cosine_low", "cosine_high", "signed"), (both, value))
    if reaction:
        data |= dict.fromkeys(("reaction", "reaction_low", "reaction_high"), (both, 1 - value))
    for name in ("by_group", "by_group_low", "by_group_high"):
        data[name] = (inside, draw.random((3, groups)))
    for name in ("number", "low", "high"):
        data[name] = (("measure",), np.array([0.1, -0.2, 0.9]))
    data["chance"] = (("measure",), np.array([np.nan, 0, 1 / groups]))
    coords = {"group": names, "other": names, "measure": list(representation.MEASURES)}
    found = xr.Dataset(data, coords, {"kind": "scenario"})
    return Finding("representation", "Apart?", "Words.", found, Provenance(run, rows=9))


@pytest.mark.parametrize("groups", [2, 5, 300])
def test_matrices_of_few_and_many(groups: int) -> None:
    finding = apart(groups)
    figure = finding.figure(matrix="reaction")
    np.testing.assert_array_equal(figure.data[0].z, finding.data["reaction"].values)
    assert (figure.data[0].texttemplate is not None) == (groups <= 25)
    assert len(figure.to_json()) < 1_000_000


@pytest.mark.parametrize("measure", list(representation.MEASURES))
def test_numbers_have_their_intervals_and_a_second_run_its_own_place(measure: str) -> None:
    finding = apart(4)
    figure = finding.figure(view="numbers", measure=measure, other=apart(3, "two"))
    first, second = figure.data
    values = finding.data.sel(measure=measure)
    np.testing.assert_allclose(first.x, [values["number"], *values["by_group"]], rtol=1e-6)
    assert np.isnan(second.x[-1]), "the second run has no fourth scenario"
    assert (first.name, second.name) == ("one", "two")
    assert json.loads(figure.to_json())["layout"]["showlegend"] is True


def test_a_matrix_that_was_not_made_is_refused() -> None:
    with pytest.raises(MsvizError, match="valid choices: cosine"):
        apart(3, reaction=False).figure(matrix="reaction")


def test_two_starts_stand_side_by_side_in_the_same_colours() -> None:
    layouts = np.random.default_rng(0).normal(size=(2, 50, 2)).astype(np.float32)
    data = xr.Dataset(
        {"layout": (("start", "point", "axis"), layouts)}, {"start": [0, 1], "axis": ["x", "y"]}
    )
    one, other = projection_agreement.draw(
        Finding("projection_agreement", "Does it come out again?", "Yes.", data, Provenance())
    ).data
    assert np.array_equal(one.marker.color, other.marker.color)
    assert (
        one.marker.color[layouts[0, :, 0].argmin()] == 0 and one.marker.color[layouts[0, :, 0].argmax()] == 1
    )
    assert np.array_equal(other.x, layouts[1, :, 0])


def test_two_runs_stand_side_by_side_on_the_same_axes() -> None:
    finding = layout(300, 4, 3)
    draw = np.random.default_rng(1)
    data = finding.data.assign(
        other_layout=(("other_point", "axis"), draw.normal(0, 3, (200, 2)).astype(np.float32)),
        other_of=(("other_point",), np.repeat(np.arange(100), 2).astype(np.int32)),
        other_entry=(("other_point",), np.tile(np.arange(2), 100).astype(np.int32)),
    ).assign_coords(other_name=["Part 0", "Part 1"])
    data.attrs |= {"run": "with", "other": "without"}
    finding = Finding("projection", "Alike?", "Words.", data, Provenance("r", rows=100))
    figure = finding.figure()
    assert [(trace.name, trace.xaxis) for trace in figure.data] == [
        ("Part 0 (100)", "x"), ("Part 1 (100)", "x"), ("Part 2 (100)", "x"),
        ("Part 0 (100)", "x2"), ("Part 1 (100)", "x2"),
    ]  # fmt: skip
    assert figure.layout.xaxis.range == figure.layout.xaxis2.range
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range
    assert [bool(trace.showlegend) for trace in figure.data] == [True] * 3 + [False] * 2
    second = figure.data[4]
    np.testing.assert_array_equal(second.x, data["other_layout"].values[second.customdata, 0])
    assert [one.text for one in figure.layout.annotations] == ["<b>with</b>", "<b>without</b>"]
    some = finding.figure(rows=[0, 10])
    assert [len(trace.x) for trace in some.data] == [2] * 5
    for colour in [*projection.COLOURS, "Age"]:
        drawn = finding.figure(colour=colour)
        assert sum(len(trace.x) for trace in drawn.data) == 500
