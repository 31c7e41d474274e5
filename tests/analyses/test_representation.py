"""Vectors of impressions: whose they are, what they are, and how they follow a planted world."""

from dataclasses import replace

import numpy as np
import pytest

from msviz.analyses.questions.representation import compared, score
from msviz.analyses.run import analyse, why_not
from msviz.analyses.shared.distinguish import distinguishing, in_words
from msviz.analyses.shared.vectors import KeptVectors, drawn, main_directions, taps, ways
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.probing.study import Study
from msviz.probing.truth.sharing import mantel, sharing_score
from msviz.run import Run


def test_small_scenarios_have_their_part_of_the_sample(satrans: Run, tiny_world: Dataset) -> None:
    study = Study.open(satrans, tiny_world)
    found = drawn(study, 500)
    assert len(found) == 500 and (np.diff(found) > 0).all()
    count = np.bincount(np.asarray(study.part.scenario)[found], minlength=6)
    everywhere = np.bincount(study.part.scenario, minlength=6)
    assert count[0] == 0
    assert (count[1:] >= np.minimum(50, everywhere[1:])).all()
    np.testing.assert_array_equal(found, drawn(study, 500))
    assert len(drawn(study, 10**9)) == (np.asarray(study.part.scenario) > 0).sum()


def test_vectors_are_those_that_the_tap_showed(optmsm: Run, tiny_world: Dataset) -> None:
    finding = analyse("representation", optmsm, tiny_world, rows=60)
    study = Study.open(optmsm, tiny_world)
    positions = np.array([study.position(int(row)) for row in finding.data["row"].values])
    trace = study.trace(positions)
    shown = trace.seen["representation"].values.numpy()
    np.testing.assert_allclose(finding.data["vector"].values, shown, atol=1e-5)
    np.testing.assert_allclose(finding.data["prediction"].values, trace.prediction.numpy(), atol=1e-5)
    own = analyse("representation", optmsm, tiny_world, rows=60, entries="own").data
    scenario = np.asarray(study.part.scenario)[positions]
    np.testing.assert_allclose(own["vector"].values[:, 0], shown[np.arange(60), scenario - 1], atol=1e-5)
    assert list(own["row"].values) == list(finding.data["row"].values)


def test_halves_merge_into_the_whole(optmsm: Run, tiny_world: Dataset) -> None:
    study = Study.open(optmsm, tiny_world)
    positions = drawn(study, 40)
    whole, first, second = (
        KeptVectors("representation", part, [0, 2]) for part in (positions, positions[::2], positions[1::2])
    )
    for part in (whole, first, second):
        study.stream([part], part.positions)
    first.merge(second)
    np.testing.assert_allclose(first.values, whole.values, atol=1e-6)
    np.testing.assert_array_equal(first.positions, whole.positions)


def test_scenario_vectors_without_anything_else_say_so(satrans: Run, tiny_world: Dataset) -> None:
    finding = analyse("representation", satrans, tiny_world, rows=300)
    assert finding.data.attrs["distinct"] == 5
    assert "the same for all impressions of a scenario" in finding.takeaway
    assert float(finding.data["number"].sel(measure="probe")) == 1


def test_what_is_not_shown_is_refused(optmsm: Run, autoint: Run, tiny_world: Dataset) -> None:
    with pytest.raises(MsvizError, match="valid choices: representation"):
        analyse("representation", optmsm, tiny_world, tap="attention")
    with pytest.raises(MsvizError, match="valid choices: each, own"):
        analyse("representation", optmsm, tiny_world, entries="joined")
    assert "autoint shows no" in why_not("representation", autoint)


def test_taps_that_tell_scenarios_apart_come_first() -> None:
    axes = {
        "scale_1": ("unit",),
        "explicit": ("unit",),
        "implicit": ("head", "unit"),
        "representation": ("scenario", "unit"),
        "tailoring": ("layer", "behaviour", "unit"),
        "gate": ("expert",),
    }
    assert taps(axes) == ["representation", "implicit", "explicit", "scale_1"]
    assert ways(("expert", "unit"))[0] == "each" and ways(("unit",)) == ["joined"]


def test_main_directions_keep_angles() -> None:
    draw = np.random.default_rng(0)
    vectors = (draw.normal(size=(40, 3)) @ draw.normal(size=(3, 500))).astype(np.float32)
    basis, share = main_directions(vectors)
    assert share == pytest.approx(1, abs=1e-4) and basis.shape[1] == 3
    np.testing.assert_allclose(
        (vectors @ basis) @ (vectors @ basis).T, vectors @ vectors.T, rtol=1e-3, atol=1e-2
    )


def test_the_score_follows_the_planted_sharing(optmsm: Run, tiny_world: Dataset) -> None:
    finding = analyse("representation", optmsm, tiny_world, rows=200)
    truth = tiny_world.truth
    assert truth is not None
    scores = score(finding, truth, tiny_world.schema)
    assert [one.name for one in scores] == ["Cosines", "Reactions"]
    assert all(one.low <= one.value <= one.high and one.chance == 0 for one in scores)
    # A finding that holds the truth itself scores 1, its opposite -1.
    names, matrix = truth["sharing"]["scenarios"], np.array(truth["sharing"]["matrix"])
    best, worst = (sharing_score(names, part, truth, "Matrix")[0] for part in (matrix, -matrix))
    assert best.value == pytest.approx(1) and worst.value == pytest.approx(-1)
    assert "follow how alike" in best.words and "do not show" in worst.words
    turned = matrix[::-1, ::-1]
    assert sharing_score(names[::-1], turned, truth, "Matrix")[0].value == pytest.approx(1)
    assert sharing_score(names[:3], matrix[:3, :3], truth, "Matrix") == []


def test_the_permutation_test_counts_all_orders() -> None:
    # A chain 0-1-2-3: of 24 orders only the chain and its mirror image give the same ranks.
    place = np.arange(4.0)
    near = -np.abs(place[:, None] - place)
    value, p = mantel(near, near)
    assert value == pytest.approx(1) and p == pytest.approx(2 / 24)
    assert np.isnan(mantel(np.ones((4, 4)), near)[0])
    many = np.random.default_rng(0).normal(size=(9, 9))
    value, p = mantel(many + many.T, many + many.T)
    assert value == pytest.approx(1) and p < 0.01


def test_what_distinguishes_a_choice_by_hand(optmsm: Run, tiny_world: Dataset) -> None:
    from scipy.stats import fisher_exact

    finding = analyse("projection", optmsm, tiny_world, rows=400, points=2_000)
    field = next(f for f in tiny_world.schema.features if 4 <= f.size <= 16 and f.role == "user")
    ids = finding.data["value"].sel(field=field.label).values
    value = np.bincount(ids).argmax()
    mine = np.flatnonzero(ids == value)
    table = distinguishing(finding, mine[: len(mine) // 2], tiny_world.schema)
    first = table.iloc[0]
    assert (first["field"], first["value"]) == (field.label, field.value_name(int(value)))
    inside, rest = len(mine) // 2, len(ids) - len(mine) // 2
    assert first["chosen"] == 1 and first["others"] == pytest.approx((len(mine) - inside) / rest)
    exact = fisher_exact([[inside, 0], [len(mine) - inside, len(ids) - len(mine)]], "greater").pvalue
    assert first["p"] == pytest.approx(min(1, 2 * exact), rel=1e-6)
    assert f"{field.label} is {field.value_name(int(value))} for 100 %" in in_words(table, inside, len(ids))
    random = np.random.default_rng(0).permutation(len(ids))[:100]
    nothing = distinguishing(finding, random, tiny_world.schema)
    assert (nothing["q"] <= 0.05).sum() <= 1


def test_two_models_are_compared_with_intervals(optmsm: Run, tiny_world: Dataset) -> None:
    finding = analyse("representation", optmsm, tiny_world, rows=200)
    same = compared(finding, finding)
    assert same.count("no clear difference") == 3 and "mean |cosine| +0.00" in same
    moved = finding.data.copy(deep=True)
    moved["number"][0], moved["low"][0], moved["high"][0] = 0.2, 0.17, 0.23
    other = finding.data.copy(deep=True)
    other["number"][0], other["low"][0], other["high"][0] = 0.5, 0.46, 0.54
    words = compared(replace(finding, data=moved), replace(finding, data=other))
    # Half-widths 0.03 and 0.04 make one of 0.05.
    assert "mean |cosine| -0.30 (95 %: -0.35 to -0.25);" in words
