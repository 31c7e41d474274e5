"""Histories of the planted world: whose they are, how far they reach, and what they make people click."""

from pathlib import Path

import numpy as np
import pytest
from planted_rows import SPLITS, column, each, fitted, histories, quiet, response_of

from msviz.data.planted.days import DAY
from msviz.data.planted.effects import MIGRATION_STRENGTH
from msviz.data.planted.past_clicks import START, PlantedClicks
from msviz.data.planted.plant import PlantOptions, plant
from msviz.data.planted.words import EDGES, LATEST
from msviz.dataset import Dataset
from msviz.schema import FIRST


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return plant(tmp_path_factory.mktemp("worlds") / "w", PlantOptions(rows=120_000, seed=3), quiet)


@pytest.fixture(scope="module")
def clicks(world: Dataset) -> PlantedClicks:
    return response_of(world).shop.clicks


def history_spans(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    found = [data.split(split).history_spans for split in SPLITS]
    return np.concatenate([start for start, _ in found]), np.concatenate([length for _, length in found])


def test_the_clicks_on_disk_are_sorted_by_user_and_time(world: Dataset, clicks: PlantedClicks):
    ids, scenario, time = world.split("test").events
    assert (np.asarray(ids[0]) == FIRST + clicks.item).all()
    assert (np.asarray(ids[1]) == FIRST + clicks.category).all()
    assert (np.asarray(scenario) == clicks.scenario + 1).all() and (np.asarray(time) == clicks.time).all()
    assert (np.diff(clicks.user) >= 0).all()
    assert (np.diff(clicks.time)[np.diff(clicks.user) == 0] >= 0).all()
    assert clicks.time.min() >= START and clicks.time.max() < START + 75 * DAY
    # An item has the category that it has in the log.
    known = dict(zip(column(world, "item_id").tolist(), column(world, "category").tolist(), strict=True))
    pairs = zip(np.asarray(ids[0]).tolist(), np.asarray(ids[1]).tolist(), strict=True)
    assert all(known.get(item, category) == category for item, category in pairs)


def test_a_history_is_the_users_latest_clicks_before_the_row(world: Dataset, clicks: PlantedClicks):
    start, length = history_spans(world)
    user, time, category = column(world, "user_id"), each(world, "time"), column(world, "category")
    bins = column(world, "category_clicks_7d")
    chosen = np.random.default_rng(0).choice(len(user), 400, replace=False)
    for row in chosen:
        before = np.flatnonzero((clicks.user == user[row] - FIRST) & (clicks.time < time[row]))
        wanted = before[-LATEST:]
        assert list(range(start[row], start[row] + length[row])) == wanted.tolist()
        week = before[clicks.time[before] >= time[row] - 7 * DAY]
        count = int((clicks.category[week] == category[row] - FIRST).sum())
        assert bins[row] == FIRST + np.searchsorted(EDGES["category_clicks_7d"], count)
    assert length.max() == LATEST == 20
    assert len(np.unique(bins)) == 6


def test_no_history_reaches_its_row_or_later(world: Dataset):
    found = histories(world)
    assert found["age"][found["mask"]].min() >= 1
    ages = np.where(found["mask"], found["age"], np.iinfo(np.int64).max)
    assert (np.diff(ages, axis=1) <= 0).all()  # latest last


def test_histories_are_as_long_and_as_related_as_a_shops(world: Dataset, clicks: PlantedClicks):
    _, length = history_spans(world)
    assert 7 < length.mean() < 12
    of_users = np.bincount(clicks.user, minlength=response_of(world).shop.people.count)
    assert 0.05 < (of_users == 0).mean() < 0.12
    assert np.percentile(of_users, 95) > 3 * np.median(of_users)
    found = histories(world)
    related = found["mask"] & (found["ids"][:, :, 1] == column(world, "category")[:, None])
    assert 0.35 < related.any(1).mean() < 0.60
    share = np.bincount(clicks.scenario) / len(clicks)
    assert share.min() > 0.02 and share.argmax() == 0


def test_who_joined_later_never_clicked_before(clicks: PlantedClicks, world: Dataset):
    joined = response_of(world).shop.people.joined
    assert (clicks.time // DAY - START // DAY - 14 >= joined[clicks.user]).all()


@pytest.mark.parametrize("target", ["Home feed", "Search", "Cart page"])
def test_past_clicks_count_as_the_matrix_says(world: Dataset, target: str):
    truth = world.truth
    assert truth is not None
    behaviours = truth["behaviours"]
    pairs = [tuple(pair["fields"]) for pair in truth["pairs"] if target in pair["strength"]]
    _, _, (related, unrelated) = fitted(world, world.schema.scenario(target), pairs)
    planted = np.array(behaviours["migration"][behaviours["scenarios"].index(target)])
    scale = related @ planted / (planted @ planted)
    assert scale > 0.5
    # Flash sale clicks are few, so what they count is known least.
    assert related[:4] / scale == pytest.approx(planted[:4], abs=0.12)
    assert related[4] / scale == pytest.approx(planted[4], abs=0.25)
    assert np.abs(unrelated / scale).max() < 0.12


def test_migration_has_its_strength_and_no_main_effect(world: Dataset):
    response, truth = response_of(world), world.truth
    assert truth is not None
    rng = np.random.default_rng(5)
    for family, name in enumerate(truth["behaviours"]["scenarios"]):
        rows = response.shop.of_family(rng, family, 20_000)
        part = response.contributions(rows)[-1]
        assert part.std() == pytest.approx(MIGRATION_STRENGTH[family], rel=0.05)
        # The smallest scenario has about a thousand rows, many of them of the same busy people.
        near = 0.15 if name == "Flash sale" else 0.06
        assert truth["behaviours"]["strength"][name] == pytest.approx(MIGRATION_STRENGTH[family], rel=near)
        for field in ("category", "category_clicks_7d", "shopping_depth"):
            ids = rows.fields[:, response.schema.index(field)]
            count = np.bincount(ids)
            mean = np.bincount(ids, part) / np.maximum(count, 1)
            assert np.sqrt((count * mean**2).sum() / count.sum()) < 0.06


def test_relatives_migrate_like_their_family(tmp_path: Path):
    data = plant(tmp_path / "w", PlantOptions(rows=10_000, scenarios=300), quiet)
    truth = data.truth
    assert truth is not None
    behaviours = truth["behaviours"]
    assert np.shape(behaviours["migration"]) == (5, 5)
    assert behaviours["family"]["Search 7"] == "Search"
    assert set(behaviours["family"]) == set(behaviours["strength"]) == set(truth["fields"])
    assert np.shape(truth["sharing"]["matrix"]) == (50, 50)
    few = plant(tmp_path / "few", PlantOptions(rows=10_000, scenarios=2), quiet).truth
    assert few is not None
    assert few["behaviours"]["scenarios"] == ["Home feed", "Search"]
    assert few["behaviours"]["migration"] == [[1.0, 0.4], [0.2, 1.0]]
