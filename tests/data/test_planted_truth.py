"""Time, groups and sharing of the planted world, measured on its rows."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from planted_rows import (
    SPLITS,
    column,
    day,
    each,
    histories,
    hot_share,
    lift,
    literal_logits,
    logit,
    quiet,
    response_of,
)

from msviz.data.planted.click_probability import Response, purify
from msviz.data.planted.days import LEAD, phases, signals_of
from msviz.data.planted.effects import OPPOSED
from msviz.data.planted.plant import PlantOptions, plant
from msviz.data.planted.scenarios import PlantedScenarios
from msviz.data.planted.words import SIGNALS, TEST_DAY
from msviz.dataset import Dataset
from msviz.schema import FIRST


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return plant(tmp_path_factory.mktemp("worlds") / "w", PlantOptions(rows=120_000, seed=3), quiet)


@pytest.fixture(scope="module")
def response(world: Dataset) -> Response:
    return response_of(world)


def test_a_logit_is_the_sum_of_its_cells(world: Dataset, response: Response):
    rng = np.random.default_rng(0)
    for split in SPLITS:
        part = world.split(split)
        p = np.asarray(part.probability, np.float64)
        for row in rng.choice(len(part), 60, replace=False):
            scenario = int(part.scenario[row]) - 1
            (wanted,) = literal_logits(response, part, int(row), [scenario])
            # Probabilities are kept as float32, whose logits have about six digits.
            assert np.log(p[row] / (1 - p[row])) == pytest.approx(wanted, abs=1e-4)


def test_many_scenarios_sum_up_the_same_way(tmp_path: Path):
    data = plant(tmp_path / "w", PlantOptions(rows=10_000, scenarios=12, seed=2), quiet)
    response, part = response_of(data), data.split("train")
    assert part.probability is not None
    for row in np.flatnonzero(np.asarray(part.scenario) > 5)[:40]:
        (wanted,) = literal_logits(response, part, int(row), [int(part.scenario[row]) - 1])
        p = float(part.probability[row])
        assert np.log(p / (1 - p)) == pytest.approx(wanted, abs=1e-4)


def test_phases_surround_each_promotion():
    names, strength = phases()
    assert names[8:18] == [
        *("before", "before", "during_first", "during_middle", "during_middle", "during_middle"),
        *("during_last", "after", "after", "after"),
    ]
    assert names[7] == names[18] == "normal" and strength[8:18].tolist() == [1.0] * 10
    assert set(names[:48]) == set(names) and set(names[TEST_DAY:]) == set(names) - {"normal"}


def test_promotions_raise_traffic_and_move_the_scenarios(world: Dataset):
    truth = world.truth
    assert truth is not None
    time = truth["time"]
    assert time["days"][0] == "2025-03-01" and len(time["days"]) == len(time["hot_share"]) == 61
    assert [p["name"] for p in time["promotions"]] == ["Spring sale", "Brand week", "Anniversary sale"]
    assert time["promotions"][2]["start"] == "2025-04-24" and time["promotions"][2]["end"] == "2025-04-27"
    phase = np.array(time["phase"])
    inside = np.char.startswith(phase, "during")
    rows = np.bincount(day(world), minlength=61)
    assert rows[inside].mean() > 1.4 * rows[phase == "normal"].mean()
    during = inside[day(world)]
    flash = each(world, "scenario") == world.schema.scenario("Flash sale")
    assert flash[during].mean() > 1.5 * flash[~during].mean()
    clicks = each(world, "label")
    assert 0 < clicks[during].mean() - clicks[~during].mean() < 0.04
    hot = np.array(time["hot_share"])
    assert hot[phase == "normal"].mean() == pytest.approx(0.1, abs=0.02)
    assert hot.max() == pytest.approx(0.85, abs=0.05)
    assert hot[:48].max() > hot[TEST_DAY:].max() > 0.6


def test_the_mixture_of_each_day_can_be_read_off_the_rows(world: Dataset, response: Response):
    family = each(world, "scenario") - 1
    shares = {"always": np.zeros(len(family)), "taste": np.zeros(len(family)), "hot": np.zeros(len(family))}
    for table, effect in zip(response.tables, response.effects, strict=True):
        ids = [column(world, name) for name in effect.fields]
        shares[effect.pattern] += table[(family, *ids)]
    rest = logit(world) - lift(world) - shares["always"] - response.intercept[family]
    truth = world.truth
    assert truth is not None
    for number, planted in enumerate(truth["time"]["hot_share"]):
        mine = day(world) == number
        # Migration stays in the residual; it goes together with neither pattern.
        design = np.stack([shares["taste"][mine], shares["hot"][mine], np.ones(mine.sum())], 1)
        taste, hot, _ = np.linalg.lstsq(design, rest[mine], rcond=None)[0]
        assert hot == pytest.approx(planted, abs=0.08)
        assert taste == pytest.approx(1 - planted, abs=0.12)
    assert set(map(tuple, truth["time"]["taste"])) == {
        *(("gender", "category"), ("consumption_grade", "price_band"), ("age_level", "category"))
    }


def test_people_click_what_is_hot_while_a_promotion_runs(world: Dataset, response: Response):
    family, label = each(world, "scenario") - 1, each(world, "label")
    score = np.zeros(len(family))
    for table, effect in zip(response.tables, response.effects, strict=True):
        if effect.pattern == "hot":
            score += table[(family, *[column(world, name) for name in effect.fields])]
    share = hot_share(world)
    slopes = [np.polyfit(score[mine], label[mine], 1)[0] for mine in (share < 0.15, share > 0.6)]
    assert slopes[1] > 3 * slopes[0] > 0


def test_two_groups_inside_search_want_opposite_prices(world: Dataset, response: Response):
    truth = world.truth
    assert truth is not None
    (planted,) = truth["sub_scenarios"]
    assert planted["scenario"] == "Search" and planted["on"] == "price_band"
    a, b = planted["fields"]
    vocabulary = {name: world.schema.field(name).vocabulary for name in (a, b)}
    slopes: dict[str, list[float]] = {"Search": [], "Home feed": []}
    ids = {name: column(world, name).astype(int) for name in (a, b, "price_band")}
    target = logit(world) - lift(world)
    for name, found in slopes.items():
        for group in planted["groups"]:
            cells = [vocabulary[a].index(x) * 100 + vocabulary[b].index(y) for x, y in group]
            mine = (each(world, "scenario") == world.schema.scenario(name)) & (ids["price_band"] >= FIRST)
            mine &= np.isin((ids[a] - FIRST) * 100 + ids[b] - FIRST, cells)
            mine &= (ids[a] >= FIRST) & (ids[b] >= FIRST)
            found.append(float(np.polyfit(ids["price_band"][mine], target[mine], 1)[0]))
    # Both groups shun the dear on hot days; beyond that one likes it and the other does not.
    assert slopes["Search"][0] > 0.15 and slopes["Search"][1] < -0.15
    assert abs(slopes["Home feed"][0] - slopes["Home feed"][1]) < 0.1
    assert sorted(len(group) for group in planted["groups"]) == [6, 6]


def test_no_two_of_the_three_fields_say_what_the_groups_do(world: Dataset, response: Response):
    number = response.effects.index(OPPOSED)
    part = response.tables[number][(1, *[column(world, name) for name in OPPOSED.fields])]
    mine = each(world, "scenario") == world.schema.scenario("Search")
    ids, part = [column(world, name)[mine].astype(int) for name in OPPOSED.fields], part[mine]
    assert part.std() == pytest.approx(0.45, abs=0.02)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        key = ids[one] * 100 + ids[other]
        count = np.maximum(np.bincount(key), 1)
        mean = np.bincount(key, part) / count
        assert np.sqrt((count * mean**2).sum() / count.sum()) < 0.06


def test_sharing_is_the_correlation_of_the_responses(world: Dataset, response: Response):
    truth = world.truth
    assert truth is not None
    matrix = np.array(truth["sharing"]["matrix"])
    assert truth["sharing"]["scenarios"] == world.schema.scenario_names[1:]
    assert (matrix == matrix.T).all() and (np.diag(matrix) == 1).all()
    # The response of all days is asked for, so rows of all splits are.
    rng, found = np.random.default_rng(1), []
    for split, count in (("train", 760), ("valid", 70), ("test", 170)):
        part = world.split(split)
        rows = rng.choice(len(part), count, replace=False)
        found += [literal_logits(response, part, int(row), range(5)) for row in rows]
    assert np.corrcoef(np.array(found).T) == pytest.approx(matrix, abs=0.08)
    assert matrix[2, 4] > matrix[1, 3] + 0.2


def test_signals_are_those_of_a_day_and_never_negative(world: Dataset):
    fields = world.schema.signals
    assert [field.label for field in fields] == [title for _, title, _ in SIGNALS]
    signals = np.concatenate([world.split(split).signals(slice(None)) for split in SPLITS])
    assert signals.shape == (120_000, 12) and np.isfinite(signals).all() and (signals > 0).all()
    days = day(world)
    first = np.searchsorted(days, np.arange(61))
    assert (signals == signals[first][days]).all() and len(np.unique(signals[first], axis=0)) == 61
    train = np.log1p(signals[days < 48].astype(np.float64))
    assert [field.mean for field in fields] == pytest.approx(train.mean(0), rel=1e-4)
    truth = world.truth
    assert truth is not None
    by_name = dict(zip([name for name, *_ in SIGNALS], signals[first].T, strict=True))
    assert np.corrcoef(np.log(by_name["promotion_traffic_today"]), truth["time"]["hot_share"])[0, 1] > 0.9
    # Yesterday's users show the sale one day late.
    users, inside = by_name["active_users_1d"], np.char.startswith(truth["time"]["phase"], "during")
    assert users[1:][inside[:-1]].mean() > 1.2 * users[1:][~inside[:-1]].mean()


def test_signals_by_hand():
    users, sales, traffic = np.arange(1.0, 9.0), np.full(8, 4.0), np.array([1.0] * 7 + [3.0])
    assert signals_of(users, sales, traffic)[0].tolist() == pytest.approx(
        [7, 6, 4, 4, 4, 4, 3, 1, 1, 7 / 4, 1, 3]
    )


def test_signals_do_not_know_the_future():
    rng = np.random.default_rng(2)
    series = np.exp(rng.standard_normal((3, 30)))
    before = signals_of(*series)
    for today in range(LEAD, 29):
        later = series.copy()
        later[:2, today:] *= 2  # users and sales of today are not known yet,
        later[2, today + 1 :] *= 2  # planned traffic is
        after = signals_of(*later)
        known = today - LEAD + 1
        assert (after[:known] == before[:known]).all()
        assert (after[known] != before[known]).any()


def test_scenarios_are_drawn_by_their_shares():
    scenarios = PlantedScenarios(12)
    share = np.array([[0.5, 0.2, 0.1, 0.1, 0.1]])
    rng = np.random.default_rng(3)
    family = scenarios.draw_family(share, np.zeros(200_000, int), rng.random(200_000))
    found = np.bincount(scenarios.inside(family, rng.random(200_000)), minlength=12) / 200_000
    copies = [divmod(number, 5) for number in range(12)]
    wanted = np.array([share[0, family] / (copy + 1) ** 1.1 for copy, family in copies])
    assert found == pytest.approx(wanted / wanted.sum(), abs=0.004)
    assert scenarios.names[10] == "Home feed 3"


def test_purify_of_three_fields_keeps_what_only_the_three_say():
    rng = np.random.default_rng(4)
    pairs = rng.normal(size=(2, 3, 1)) + rng.normal(size=(2, 1, 4)) + rng.normal(size=(1, 3, 4))
    weight = rng.uniform(0.5, 2, (2, 3, 4))
    assert purify(pairs, weight) == pytest.approx(np.zeros((2, 3, 4)), abs=1e-5)
    sign = np.array([1.0, -1.0])
    alone = sign[:, None, None] * sign[:, None] * sign
    assert purify(alone + pairs[:, :2, :2], np.ones((2, 2, 2))) == pytest.approx(
        alone * (1 + (alone * pairs[:, :2, :2]).mean())
    )


def test_memory_does_not_grow_with_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # The bound on people and goods is reached at once, chunks are small.
    monkeypatch.setattr("msviz.data.planted.shop.MOST_USERS", 2_000)
    monkeypatch.setattr("msviz.data.planted.shop.MOST_ITEMS", 1_000)
    monkeypatch.setattr("msviz.data.planted.plant.CHUNK_CELLS", 2**18)
    peaks = []
    for rows in (50_000, 150_000):
        tracemalloc.start()
        plant(tmp_path / "w", PlantOptions(rows=rows, overwrite=True), quiet)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]


def test_padded_histories_are_left_padded(world: Dataset):
    mask = histories(world, np.arange(500))["mask"]
    assert (np.diff(mask.astype(int), axis=1) >= 0).all() and not mask.all()
