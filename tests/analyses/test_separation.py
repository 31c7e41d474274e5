"""How far apart groups lie: against numbers worked by hand and against plain loops."""

from itertools import combinations

import numpy as np
import pytest

from msviz.analyses.shared import separation as apart

EVERYBODY = np.ones((apart.DRAWS + 1, 4), np.float32)


def test_cosines_between_and_inside_groups_by_hand() -> None:
    # Two vectors along x, one along y, one along -y: inside x 1, inside y |-1|, between 0.
    vectors = np.array([[1, 0], [2, 0], [0, 1], [0, -3]], np.float32)
    group = np.array([0, 0, 1, 1])
    found = apart.cosines(vectors, group, 2, EVERYBODY)
    np.testing.assert_allclose(found.value, [[1, 0], [0, 1]], atol=1e-6)
    signed = apart.cosines(vectors, group, 2, EVERYBODY, absolute=False)
    np.testing.assert_allclose(signed.value, [[1, 0], [0, -1]], atol=1e-6)
    np.testing.assert_allclose(found.low, found.value, atol=1e-6)


def test_cosines_weigh_a_row_that_is_drawn_twice_like_two_rows() -> None:
    draw = np.random.default_rng(0)
    vectors, group = draw.normal(size=(9, 5)).astype(np.float32), np.arange(9) % 2
    weights = np.stack([np.ones(9), [2, 1, 0, 3, 1, 1, 0, 1, 0]]).astype(np.float32)
    found = apart.cosines(vectors, group, 2, weights).draws[0]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs: dict[tuple[int, int], list[float]] = {}
    many = np.repeat(np.arange(9), weights[1].astype(int))
    for i, j in combinations(range(len(many)), 2):
        a, b = many[i], many[j]
        if a != b:  # a vector is not compared with its own copy
            key = tuple(sorted((int(group[a]), int(group[b]))))
            pairs.setdefault(key, []).append(abs(float(unit[a] @ unit[b])))
    for (a, b), values in pairs.items():
        assert found[a, b] == pytest.approx(np.mean(values), abs=1e-5)


def test_entries_of_one_impression_are_compared_with_each_other() -> None:
    draw = np.random.default_rng(1)
    vectors = draw.normal(size=(6, 3, 4)).astype(np.float32)
    found = apart.entry_cosines(vectors, apart.resampled(6, 0)).value
    unit = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
    assert found[0, 2] == pytest.approx(np.mean([abs(u[0] @ u[2]) for u in unit]), abs=1e-5)
    inside = [abs(unit[i, 1] @ unit[j, 1]) for i, j in combinations(range(6), 2)]
    assert found[1, 1] == pytest.approx(np.mean(inside), abs=1e-5)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(40):
        draw = np.random.default_rng(seed)
        # Between two entries with independent directions in the plane, |cosine| is 2 / pi on average.
        vectors = draw.normal(size=(60, 2, 2)).astype(np.float32)
        found = apart.entry_cosines(vectors, apart.resampled(60, seed))
        held += bool(found.low[0, 1] <= 2 / np.pi <= found.high[0, 1])
    assert 33 <= held <= 40


def test_silhouette_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import silhouette_samples

    draw = np.random.default_rng(2)
    group = draw.integers(0, 3, 50)
    vectors = (draw.normal(size=(50, 6)) + np.eye(6)[group] * 2).astype(np.float32)
    found = apart.silhouette(vectors, group, 3, np.arange(50), apart.resampled(50, 0)).value
    wanted = silhouette_samples(vectors, group, metric="cosine")
    each = [wanted[group == g].mean() for g in range(3)]
    np.testing.assert_allclose(found[1:], each, atol=1e-4)
    assert found[0] == pytest.approx(np.mean(each), abs=1e-4)


def test_a_straight_rule_finds_what_is_there_and_nothing_in_noise() -> None:
    draw = np.random.default_rng(3)
    group, impression = np.tile(np.arange(4), 150), np.repeat(np.arange(150), 4)
    noise = draw.normal(size=(600, 8)).astype(np.float32)
    weights = apart.resampled(150, 0)
    blind = apart.probe(noise, group, 4, impression, weights, 0)
    assert blind.low[0] <= 0.25 <= blind.high[0]
    # Group 0 and group 1 are told apart by their place; the others are as they were.
    seen = noise + 20 * np.eye(8)[group] * (group < 2)[:, None]
    found = apart.probe(seen.astype(np.float32), group, 4, impression, weights, 0).value
    assert found[1] == found[2] == 1
    assert 0.35 < found[3] < 0.65 and 0.35 < found[4] < 0.65


def test_the_rule_is_that_of_scikit_learn() -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    draw = np.random.default_rng(4)
    group = draw.integers(0, 3, 300)
    vectors = draw.normal(size=(300, 5)) + 0.7 * np.eye(5)[group]
    asked = draw.normal(size=(200, 5))
    peer = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3).fit(vectors, group).predict(asked)
    assert (apart._discriminant(vectors, group, 3, asked) == peer).mean() > 0.97


def test_reaction_is_one_after_a_turn_and_near_zero_for_strangers() -> None:
    draw = np.random.default_rng(5)
    first = draw.normal(size=(400, 4))
    turn = np.linalg.qr(draw.normal(size=(4, 4)))[0]
    vectors = np.stack([first, 3 * first @ turn + 7, draw.normal(size=(400, 4))], 1).astype(np.float32)
    value, low, high = apart.reaction(vectors, 0)
    assert value[0, 1] == pytest.approx(1, abs=1e-4)
    assert value[0, 2] < 0.1
    assert low[0, 2] <= value[0, 2] <= high[0, 2]
    x, y = (vectors[:, entry] - vectors[:, entry].mean(0) for entry in (0, 2))
    wanted = np.linalg.norm(x.T @ y) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)
    assert value[0, 2] == pytest.approx(wanted, abs=1e-5)


def test_a_group_of_one_has_no_cosine_inside_it_and_no_rule() -> None:
    vectors, group = np.eye(4, dtype=np.float32), np.array([0, 0, 0, 1])
    weights = apart.resampled(4, 0)
    assert np.isnan(apart.cosines(vectors, group, 2, weights).value[1, 1])
    assert np.isnan(apart.probe(vectors, group, 2, np.arange(4), weights, 0).value[2])
    assert np.isfinite(apart.between(apart.cosines(vectors, group, 2, weights)).value)
