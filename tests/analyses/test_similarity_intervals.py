"""The jackknives behind how alike scenarios are, held against rows without a block and other draws."""

from typing import Any

import numpy as np
import pytest
import torch

import msviz
from msviz.analyses.questions import scenario_similarity as asked
from msviz.analyses.shared.separation import reaction
from msviz.dataset import Dataset
from msviz.probing.study import Study
from msviz.run import Run

Array = np.ndarray[Any, Any]
BLOCKS = 10


def cosines(mean: Array) -> Array:
    unit = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    return unit @ unit.T


def rows_of_two(draw: np.random.Generator, count: int) -> Array:
    """Return rows (2, count, 3) of two scenarios whose means lie 60 degrees apart."""
    middle = np.array([[1.0, 0.0, 0.0], [0.5, 3**0.5 / 2, 0.0]])
    return middle[:, None] + draw.normal(size=(2, count, 3))


def bounds(values: Array) -> tuple[float, float, float]:
    """Return the cosine of the two scenarios with what the product's jackknife says of it."""
    block = np.arange(values.shape[1]) % BLOCKS
    sums = np.stack([values[:, block == k].sum(1) for k in range(BLOCKS)], 1)[None]
    rows = np.tile(np.bincount(block, minlength=BLOCKS), (2, 1))
    value = cosines(values.mean(1))[None, None]
    low, high = asked._jackknife(sums, rows, value, [asked.COSINE], 1, None)
    return float(value[0, 0, 0, 1]), float(low[0, 0, 0, 1]), float(high[0, 0, 0, 1])


def test_a_jackknife_leaves_out_one_block_of_rows_at_a_time() -> None:
    values = rows_of_two(np.random.default_rng(0), 200)
    block = np.arange(200) % BLOCKS
    without = np.array([cosines(values[:, block != k].mean(1))[0, 1] for k in range(BLOCKS)])
    error = np.sqrt(9 / 10 * ((without - without.mean()) ** 2).sum())
    value, low, high = bounds(values)
    assert (low, high) == pytest.approx((value - 1.959964 * error, value + 1.959964 * error))


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    # One number in each block: of a mean the variance is s² / n. It is seen through a cosine that moves as
    # the number does: (1, h) with (1, 1) near h = 0, where the slope is 1 / √2.
    values = 1e-3 * np.array([1.0, 4.0, 2.0, 7.0])
    sums = np.stack([np.stack([np.ones(4), values], 1), np.ones((4, 2))])[None]
    mean = np.stack([[1.0, values.mean()], [1.0, 1.0]])
    low, high = asked._jackknife(sums, np.ones((2, 4)), cosines(mean)[None, None], [asked.COSINE], 1, None)
    half = (high - low)[0, 0, 0, 1] / 2
    assert half == pytest.approx(1.959964 * values.std(ddof=1) / 4**0.5 / 2**0.5, rel=0.01)


def test_intervals_are_as_wide_as_other_draws_lie_apart() -> None:
    draw = np.random.default_rng(1)
    found = np.array([bounds(rows_of_two(draw, 200)) for _ in range(300)])
    wanted = 1.959964 * found[:, 0].std(ddof=1)
    assert np.mean(found[:, 2] - found[:, 1]) / 2 == pytest.approx(wanted, rel=0.15)
    covered = (found[:, 1] < 0.5) & (found[:, 2] > 0.5)
    assert 0.88 < covered.mean() < 0.99


@pytest.fixture(scope="module")
def found(satrans: Run) -> "msviz.Finding":
    return msviz.analyse("scenario_similarity", satrans, keep=False, tap="attention", rows=150)


def drawn_again(statistic: Any, rows: int) -> Array:
    """Return the deviation of a statistic of row numbers over 300 bootstrap draws."""
    draw = np.random.default_rng(0)
    return np.std([statistic(draw.integers(0, rows, rows)) for _ in range(300)], axis=0, ddof=1)


def ratio(found: Any, measure: str, wanted: Array) -> float:
    """Return how much wider the finding's intervals are than wanted, over all pairs of scenarios."""
    here = found.data.sel(measure=measure, part="everything")
    apart = np.triu_indices(len(wanted), 1)
    return float(np.median((here["high"] - here["low"]).values[apart] / (2 * 1.959964 * wanted[apart])))


def test_answers_have_the_intervals_of_a_bootstrap(satrans: Run, found: Any) -> None:
    study = Study.open(satrans)
    rows = study.sample(int(found.data.attrs["asked"]))
    odds = []
    for number in range(1, 6):
        batch = study.part.batch(rows)
        fields = batch.fields.clone()
        fields[:, study.schema.scenario_columns] = torch.tensor(study.schema.scenarios[number - 1])
        moved = batch.replace(fields=fields, scenario=torch.full_like(batch.scenario, number))
        with torch.inference_mode():
            odds.append(study.net(moved).numpy())
    wanted = drawn_again(lambda some: np.corrcoef(np.array(odds)[:, some]), len(rows))
    # Ten blocks tell a deviation to about a quarter; a wrong factor is three times off.
    assert 0.6 < ratio(found, "answers", wanted) < 1.6


def test_what_varies_by_row_has_the_intervals_of_a_bootstrap(satrans: Run, found: Any) -> None:
    study = Study.open(satrans)
    rows = asked._some(study, np.arange(1, 6), 150)
    scenario = np.array(study.part.scenario)[rows]
    seen = study.trace(rows).seen["attention"].values.double().flatten(1).numpy()
    mine = [seen[scenario == number] for number in range(1, 6)]
    draw = np.random.default_rng(0)

    def again() -> Array:
        return cosines(np.array([one[draw.integers(0, len(one), len(one))].mean(0) for one in mine]))

    wanted = np.std([again() for _ in range(200)], axis=0, ddof=1)
    assert 0.5 < ratio(found, "cosine", wanted) < 1.7


def test_each_pair_of_matrices_is_multiplied_once() -> None:
    products = 0

    class Counted(np.ndarray):  # type: ignore[type-arg]
        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **more: Any) -> Any:
            nonlocal products
            products += ufunc is np.matmul
            plain = [np.asarray(one) if isinstance(one, Counted) else one for one in inputs]
            if "out" in more:
                more["out"] = tuple(np.asarray(one) for one in more["out"])
            out = getattr(ufunc, method)(*plain, **more)
            return out.view(Counted) if isinstance(out, np.ndarray) else out

    matrices = np.random.default_rng(0).normal(size=(4, 2, 3, 3))
    found = np.asarray(asked._alike(matrices.view(Counted)))
    assert products == 4 + 1, "one product for each scenario with all, and one of each with itself"

    def alike(a: Array, b: Array) -> float:
        return float(np.linalg.norm(a @ b.T) ** 2 / np.linalg.norm(a @ a.T) / np.linalg.norm(b @ b.T))

    wanted = [
        [
            np.mean([alike(a, b) for a, b in zip(*pair, strict=True)])
            for pair in ((one, two) for two in matrices)
        ]
        for one in matrices
    ]
    np.testing.assert_allclose(found, wanted)


def test_reactions_have_the_bounds_of_a_jackknife_over_ten_parts() -> None:
    draw = np.random.default_rng(0)
    first = draw.normal(size=(200, 3))
    vectors = np.stack([first, first + draw.normal(size=(200, 3))], 1).astype(np.float32)

    def cka(values: Array) -> float:
        x, y = (values[:, entry] - values[:, entry].mean(0) for entry in (0, 1))
        return float(np.linalg.norm(x.T @ y) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y))

    part = np.random.default_rng(4).permutation(200) % 10
    without = np.array([cka(vectors[part != p].astype(float)) for p in range(10)])
    half = 1.959964 * np.sqrt(9 / 10 * ((without - without.mean()) ** 2).sum())
    value, low, high = (one[0, 1] for one in reaction(vectors, 4))
    assert (value, low, high) == pytest.approx((cka(vectors), value - half, value + half), rel=1e-4)


def test_the_largest_scenarios_are_compared(satrans: Run, tiny_world: Dataset) -> None:
    count = np.bincount(tiny_world.split("test").scenario, minlength=6)[1:]
    kept = msviz.analyse("scenario_similarity", satrans, keep=False, most=2, rows=20).data["scenario"].values
    names = np.array(tiny_world.schema.scenario_names[1:])
    assert set(kept) == set(names[np.argsort(count)[-2:]])
