"""Weights by day against plain NumPy over the same rows, however the pass is cut; groups by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor

from msviz.batch import Batch
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.probing.groups import Groups, crossed, days, groups, hours
from msviz.probing.over_time import WeightsByDay, quantiles
from msviz.probing.reducers import BatchRows

DAY = 86_400


def batch(rows: int, seed: int = 0) -> Batch:
    draw = np.random.default_rng(seed)
    return Batch(
        fields=torch.from_numpy(draw.integers(0, 3, (rows, 1))),
        scenario=torch.from_numpy(draw.integers(0, 3, rows)),
        label=torch.zeros(rows),
        row=torch.arange(rows),
        time=torch.from_numpy(draw.integers(10 * DAY, 14 * DAY, rows)),
        signals=torch.from_numpy(draw.random((rows, 2)).astype("f4")),
    )


def by_field() -> Groups:
    return Groups(("a", "b", "c"), lambda rows: rows.fields[:, 0])


def told(reducer: WeightsByDay, one: Batch, weights: Tensor, piece: int) -> None:
    reducer.begin(BatchRows(np.arange(len(one)), one))
    for start in range(0, len(one), piece):
        rows = slice(start, min(start + piece, len(one)))
        reducer.see("gate", None, weights[rows], rows)
    reducer.end()


def reducer(own: bool = False, bins: int = 10) -> WeightsByDay:
    return WeightsByDay("gate", days(10, 13), by_field(), 2, bins, own=own, signals=2)


def test_counts_moments_and_signals_are_those_of_plain_numpy() -> None:
    one = batch(500)
    weights = torch.softmax(torch.from_numpy(np.random.default_rng(1).normal(size=(500, 2))), 1).float()
    whole = reducer()
    told(whole, one, weights, piece=7)
    day, group = (one.time // DAY - 10).numpy(), one.fields[:, 0].numpy()
    mean, deviation = whole.moments()
    both, _ = whole.moments([0, 2])
    for d in range(4):
        np.testing.assert_allclose(whole.signals[d], one.signals[day == d].double().mean(0), rtol=1e-6)
        for g in range(3):
            here = weights.numpy()[(day == d) & (group == g)].astype(np.float64)
            assert whole.rows[d, g] == len(here)
            np.testing.assert_allclose(mean[d, :, g], here.mean(0), rtol=1e-9)
            np.testing.assert_allclose(deviation[d, :, g], here.std(0, ddof=1), rtol=1e-6)
            for e in range(2):
                np.testing.assert_array_equal(
                    whole.counts[d, g, e], np.bincount((here[:, e] * 10).astype(int), minlength=10)
                )
        rest = weights.numpy()[(day == d) & (group != 1)]
        np.testing.assert_allclose(both[d, :, 0], rest.mean(0), rtol=1e-6)


def test_two_halves_merged_are_one_pass() -> None:
    one, two = batch(300, 2), batch(200, 3)
    weights = torch.softmax(torch.randn(500, 2, generator=torch.Generator().manual_seed(0)), 1)
    whole, first, second = reducer(), reducer(), reducer()
    told(whole, one, weights[:300], 100)
    told(whole, two, weights[300:], 100)
    told(first, one, weights[:300], 50)
    told(second, two, weights[300:], 200)
    first.merge(second)
    np.testing.assert_array_equal(first.counts, whole.counts)
    np.testing.assert_allclose(first.moments()[1], whole.moments()[1])
    np.testing.assert_allclose(first.signals, whole.signals)
    with pytest.raises(MsvizError, match="different things"):
        first.merge(reducer(bins=5))


def test_of_scenarios_weights_a_row_takes_its_own_and_unseen_ones_take_none() -> None:
    one = batch(60)
    weights = torch.rand(60, 2, 2)
    found = reducer(own=True)
    told(found, one, weights, piece=11)
    scenario = one.scenario.numpy()
    assert found.left_out == (scenario == 0).sum() > 0
    own = weights.numpy()[np.arange(60), scenario - 1][scenario > 0]
    assert found.counts.sum() == 2 * len(own)
    np.testing.assert_array_equal(
        found.counts.sum((0, 1))[0], np.bincount((own[:, 0] * 10).astype(int), minlength=10)
    )


def test_quantiles_lie_inside_their_bin_and_follow_numpy() -> None:
    counts = np.array([[0, 4, 0, 4], [0, 0, 0, 0]])
    found = quantiles(counts, 0.0, 1.0, (0.25, 0.5, 0.75, 1.0))
    np.testing.assert_allclose(found[0], [0.375, 0.5, 0.875, 1.0])
    assert np.isnan(found[1]).all()
    values = np.random.default_rng(0).beta(2, 5, 100_000)
    fine = np.bincount((values * 1000).astype(int), minlength=1000)
    np.testing.assert_allclose(
        quantiles(fine, 0.0, 1.0, (0.05, 0.5, 0.95)), np.quantile(values, (0.05, 0.5, 0.95)), atol=1e-3
    )


def test_several_groupings_at_once_and_hours(log: Dataset) -> None:
    part = log.split("test")
    found = groups(part, ("scenario", "day"))
    rows = part.batch(slice(None))
    first = int(part.time.min()) // DAY
    expected = part.scenario * len(groups(part, "day")) + part.time // DAY - first
    np.testing.assert_array_equal(found.of(rows).numpy(), expected)
    assert found.names[int(expected[0])] == f"{part.schema.scenario_names[part.scenario[0]]} × 1971-01-01"
    np.testing.assert_array_equal(hours().of(rows).numpy(), part.time % DAY // 3600)
    # A log that has a field of that name means its own.
    assert groups(part, "hour").names[-1] == "pm"
    with pytest.raises(MsvizError, match="combinations"):
        crossed([hours()] * 6)
