"""The scores of daily weights on series whose answer is known."""

import numpy as np
import pytest

from msviz.probing.truth import mixture

DAYS = [str(np.datetime64("2025-03-01") + day) for day in range(61)]
HOT = np.full(61, 0.1)
HOT[10:15], HOT[29:37], HOT[54:58] = 0.9, 0.5, 0.7
TIME = {
    "days": DAYS,
    "hot_share": HOT.tolist(),
    "phase": ["normal" if share == 0.1 else "during_first" for share in HOT],
    "promotions": [
        {"name": "Spring sale", "start": DAYS[10], "end": DAYS[14]},
        {"name": "Brand week", "start": DAYS[29], "end": DAYS[36]},
    ],
}
SPLIT = ["train"] * 48 + ["valid"] * 4 + ["test"] * 9


def weights(
    delay: int = 0, size: float = 0.2, noise: float = 0.005
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Return three experts: one falls with what is hot, `delay` days late; one rises; one stands still."""
    draw = np.random.default_rng(0)
    late = np.r_[np.full(delay, 0.1), HOT[: 61 - delay]]
    first = 0.5 - size * late + noise * draw.normal(size=61)
    return np.stack([first, 0.8 - first, np.full(61, 0.2)], 1)


def scored(mean: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> dict[str, mixture.Score]:
    return {one.name: one for one in mixture.scores(DAYS, mean, ["A", "B", "C"], SPLIT, TIME)}


def test_a_gate_that_follows_at_once_is_found_and_beats_chance() -> None:
    found = scored(weights())
    whole = found[mixture.OVERALL]
    assert whole.value > 0.98 and whole.low > 0.9 and 0 < whole.chance < 0.6
    assert "on the same day" in whole.words
    assert found[mixture.UNSEEN].value > 0.95 and found[mixture.UNSEEN].chance == 0
    assert found["Spring sale"].value == 0 and found["Spring sale"].measure == "days"


def test_a_late_gate_is_late_by_as_many_days() -> None:
    found = scored(weights(delay=3))
    assert "3 days after it" in found[mixture.OVERALL].words
    assert (found["Spring sale"].value, found["Brand week"].value) == (3, 3)
    assert "3 days after its start" in found["Brand week"].words
    mean = weights(delay=3)
    assert mixture.cross_lag(-mean[:, 0], HOT) == 3
    assert mixture.cross_lag(np.roll(HOT, -2), HOT) == -2


def test_a_gate_that_knows_nothing_is_told_so() -> None:
    draw = np.random.default_rng(4)
    first = 0.4 + np.convolve(draw.normal(size=67), np.ones(7) / 7, "valid") * 0.05
    found = scored(np.stack([first, 0.7 - first, np.full(61, 0.3)], 1))
    whole = found[mixture.OVERALL]
    # Memory alone makes the best expert correlate: chance says how much, and the value is no better.
    assert whole.chance > 0.1 and whole.value < whole.chance + 0.25
    assert np.isnan(found["Spring sale"].value) and "stays within" in found["Spring sale"].words


def test_the_choice_of_an_expert_does_not_flatter_held_out_days() -> None:
    mean = weights()
    mean[48:] = mean[48:][:, [1, 0, 2]]  # what the first expert learned is turned round after training
    assert scored(mean)[mixture.UNSEEN].value < -0.9


def test_correlations_by_hand() -> None:
    np.testing.assert_allclose(
        mixture.correlations(np.array([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]]), np.array([1.0, 2.0, 3.0])),
        [np.corrcoef([1, 2, 4], [1, 2, 3])[0, 1], 0.0],
    )


@pytest.mark.parametrize("days", [3, 13])
def test_too_few_days_give_no_score(days: int) -> None:
    assert mixture.scores(DAYS[:days], weights()[:days], ["A", "B", "C"], SPLIT[:days], TIME) == []
