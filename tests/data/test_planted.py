"""The planted world keeps its word: what truth.json says is what the rows hold."""

from pathlib import Path

import numpy as np
import pytest
from planted_rows import SPLITS, column, each, fitted, quiet, rows_of
from pydantic import ValidationError

from msviz.data.planted.click_probability import purify
from msviz.data.planted.plant import PlantOptions, plant
from msviz.dataset import Dataset, open_data
from msviz.errors import MsvizError
from msviz.schema import first_problem


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return plant(tmp_path_factory.mktemp("worlds") / "w", PlantOptions(rows=120_000, seed=3), quiet)


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """Mean rank of the clicked rows, ties averaged: an independent way to the same number."""
    _, inverse, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[inverse]
    positive = int(label.sum())
    return (rank[label == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(label) - positive))


def test_strengths_are_those_of_the_rows_and_decoys_do_nothing(world: Dataset):
    truth = world.truth
    assert truth is not None
    for name in ("Home feed", "Search", "Cart page"):
        true = {tuple(p["fields"]): p["strength"][name] for p in truth["pairs"] if name in p["strength"]}
        decoys = [("age_level", "occupation"), ("city_tier", "consumption_grade")]
        parts, rest, _ = fitted(world, world.schema.scenario(name), [*true, *decoys])
        for part, strength in zip(parts, [*true.values(), 0.0, 0.0], strict=True):
            # Items and users leave a residual of about 0.35, so a pair of 120 cells fits some noise.
            assert part.std() == pytest.approx(strength, abs=0.05)
        left = np.sqrt(sum(truth["fields"][name].get(f, 0) ** 2 for f in ("user_id", "item_id", "brand")))
        assert rest.std() == pytest.approx(left, rel=0.15)


def test_the_reversed_pair_is_the_same_table_with_the_other_sign(world: Dataset):
    truth = world.truth
    assert truth is not None
    signs = {tuple(p["fields"]): p["sign"] for p in truth["pairs"]}
    assert signs["age_level", "category"] == {"Home feed": 1, "Search": -1}
    cells = {}
    for name in signs["age_level", "category"]:
        pairs = [tuple(p["fields"]) for p in truth["pairs"] if name in p["strength"]]
        parts, _, _ = fitted(world, world.schema.scenario(name), pairs)
        mine = rows_of(world, world.schema.scenario(name))
        key = (column(world, "age_level").astype(int) * 100 + column(world, "category"))[mine]
        part = parts[pairs.index(("age_level", "category"))]
        cells[name] = np.bincount(key, part, 1000) / np.maximum(np.bincount(key, minlength=1000), 1)
    assert np.corrcoef(cells["Home feed"], cells["Search"])[0, 1] < -0.9


def test_decoys_go_together_in_the_log(world: Dataset):
    truth = world.truth
    assert truth is not None
    true = {frozenset(pair["fields"]) for pair in truth["pairs"]}

    def chi_square_over_degrees(a: np.ndarray, b: np.ndarray) -> float:
        seen = np.zeros((a.max() + 1, b.max() + 1))
        np.add.at(seen, (a, b), 1)
        seen = seen[seen.sum(1) > 0][:, seen.sum(0) > 0]
        wanted = np.outer(seen.sum(1), seen.sum(0)) / seen.sum()
        return float(((seen - wanted) ** 2 / wanted).sum() / ((seen.shape[0] - 1) * (seen.shape[1] - 1)))

    for a, b in truth["decoys"]:
        assert frozenset((a, b)) not in true
        assert chi_square_over_degrees(column(world, a), column(world, b)) > 10
    # Where nothing ties two fields, the statistic is 1 give or take a few hundredths.
    assert chi_square_over_degrees(column(world, "weekday"), column(world, "position")) < 2


def test_clicks_happen_as_often_as_their_probability_says(world: Dataset):
    p, label = each(world, "probability").astype(np.float64), each(world, "label")
    for rows in np.array_split(np.argsort(p), 20):
        error = np.sqrt((p[rows] * (1 - p[rows])).sum()) / len(rows)
        assert abs(label[rows].mean() - p[rows].mean()) < 4 * error


def test_best_metrics_are_those_of_the_true_probability(world: Dataset):
    truth = world.truth
    assert truth is not None
    for split in SPLITS:
        part = world.split(split)
        p, label = np.asarray(part.probability, np.float64), np.asarray(part.label)
        loss = -np.log(np.where(label == 1, p, 1 - p))
        best = truth["best"][split]
        assert best["overall"]["auc"] == pytest.approx(auc(label, p), abs=1e-4)
        assert best["overall"]["logloss"] == pytest.approx(loss.mean(), abs=1e-6)
        for number, name in enumerate(world.schema.scenario_names[1:], 1):
            mine = part.scenario == number
            # In a scenario of few rows already one pair that falls into one bin is seen.
            pairs = label[mine].sum() * (1.0 - label[mine]).sum()
            near = max(2e-4, 1 / pairs)
            assert best["scenarios"][name]["auc"] == pytest.approx(auc(label[mine], p[mine]), abs=near)
            assert best["scenarios"][name]["logloss"] == pytest.approx(loss[mine].mean(), abs=1e-6)
    assert 0.75 < truth["best"]["test"]["overall"]["auc"] < 0.82


def test_it_looks_like_the_log_of_a_shop(world: Dataset):
    schema = world.schema
    assert schema.scenario_names[1:] == ["Home feed", "Search", "Cart page", "Live stream", "Flash sale"]
    assert [f.name for f in schema.features if f.specific] == [
        *("scenario", "entry", "scenario_position", "item_scenario_clicks")
    ]
    share = np.bincount(each(world, "scenario"), minlength=6)[1:] / 120_000
    assert share.max() > 0.5 and 0.003 < share.min() < 0.01
    time, row = each(world, "time"), each(world, "row")
    assert (np.diff(time) >= 0).all() and (row == np.arange(120_000)).all()
    days = time // 86_400
    assert len(np.unique(days)) == 61
    moment = time.astype("datetime64[s]")
    assert (column(world, "hour") - 2 == (time % 86_400) // 3600).all()
    weekday = schema.field("weekday")
    assert weekday.value_name(int(column(world, "weekday")[0])) == moment[0].item().strftime("%A")
    first = {split: str(np.datetime64(int(world.split(split).time[0]), "s"))[:10] for split in SPLITS}
    assert first["valid"] == schema.split.valid_from and first["test"] == schema.split.test_from
    for name, low, high in (("gender", 0.03, 0.09), ("device", 0.01, 0.02), ("brand", 0.005, 0.15)):
        assert low < (column(world, name) == 1).mean() < high, name
    assert 0 < (column(world, "seller") == 0).mean() < 0.2
    # Popularity is skewed, and the test days hold items that training never saw.
    seen = np.sort(np.bincount(column(world, "item_id")))[::-1]
    assert seen[: len(seen) // 100].sum() > 0.2 * seen.sum()
    new = ~np.isin(world.split("test").column("item_id"), world.split("train").column("item_id"))
    assert 0 < new.mean() < 0.2
    for field in schema.features:
        ids = column(world, field.name)
        assert ids.min() >= 0 and ids.max() < field.size, field.name


def test_an_item_has_one_category_and_a_user_one_age(world: Dataset):
    truth = world.truth
    assert truth is not None
    for owner, fields in truth["determined"].items():
        for name in fields:
            both = np.unique(np.stack([column(world, owner), column(world, name)]), axis=1)
            assert len(np.unique(both[0])) == both.shape[1], name


def test_same_seed_same_bytes_and_another_seed_another_world(tmp_path: Path, tiny_world: Dataset):
    again = plant(tmp_path / "again", PlantOptions(rows=20_000, seed=1), quiet)
    sister = plant(tmp_path / "sister", PlantOptions(rows=20_000, seed=2), quiet)
    assert again.fingerprint == tiny_world.fingerprint != sister.fingerprint
    assert again.truth == tiny_world.truth
    mine, hers = tiny_world.split("train"), sister.split("train")
    assert (np.asarray(mine.fields(slice(0, 500))) != np.asarray(hers.fields(slice(0, 500)))).any(
        1
    ).mean() > 0.99


@pytest.mark.parametrize("scenarios", [2, 300])
def test_few_and_many_scenarios(tmp_path: Path, scenarios: int):
    data = plant(tmp_path / "w", PlantOptions(rows=10_000, scenarios=scenarios), quiet)
    assert sum(data.rows.values()) == 10_000 and min(data.rows.values()) > 0
    names = data.schema.scenario_names[1:]
    assert len(set(names)) == scenarios
    truth = data.truth
    assert truth is not None
    if scenarios == 300:
        assert names[5:7] == ["Home feed 2", "Search 2"] and names[-1] == "Flash sale 60"
    else:
        assert names == ["Home feed", "Search"]
        assert not any(set(pair["strength"]) - set(names) for pair in truth["pairs"])
    empty = set(names) - set(truth["fields"])
    here = {names[number - 1] for number in np.unique(each(data, "scenario"))}
    assert empty == set(names) - here
    # Where no test row or one class only stands, the best AUC is null and never NaN.
    assert all(
        value["auc"] is None or 0 <= value["auc"] <= 1
        for value in truth["best"]["test"]["scenarios"].values()
    )


def test_a_wider_log_holds_mostly_noise(tmp_path: Path):
    data = plant(tmp_path / "w", PlantOptions(rows=10_000, fields=41), quiet)
    truth = data.truth
    assert truth is not None and len(data.schema.features) == 41
    noise = [name for name in truth["noise_fields"] if name.startswith("extra_")]
    paired = [pair["fields"] for pair in truth["pairs"] if pair["fields"][1].startswith("extra_")]
    assert len(noise) == 9 and len(paired) == 5
    assert "extra_1" in truth["fields"]["Home feed"]


def test_the_origin_says_that_it_is_simulated(tiny_world: Dataset):
    origin = tiny_world.meta["origin"]
    assert origin["simulated"] is True and origin["kind"] == "planted" and origin["seed"] == 1
    assert origin["planted_rows"] == sum(tiny_world.rows.values()) == 20_000


@pytest.mark.parametrize(
    "bad", [{"rows": 9_999}, {"rows": 10**9}, {"scenarios": 1}, {"seed": -1}, {"fields": 20}, {"row": 5}]
)
def test_bad_options_are_one_clear_line(bad: dict[str, int]):
    with pytest.raises(ValidationError) as caught:
        PlantOptions(**bad)  # type: ignore[arg-type]
    line = first_problem(caught.value)
    assert next(iter(bad)) in line and str(next(iter(bad.values()))) in line and "\n" not in line


def test_an_existing_folder_stays_unless_overwritten(tmp_path: Path):
    (tmp_path / "w").mkdir()
    with pytest.raises(MsvizError, match="overwrite"):
        plant(tmp_path / "w", PlantOptions(rows=10_000), quiet)
    plant(tmp_path / "w", PlantOptions(rows=10_000, overwrite=True), quiet)
    assert open_data(tmp_path / "w").rows["train"] > 0


def test_purify_leaves_the_interaction_alone():
    weight = np.array([[4.0, 1.0], [2.0, 3.0]])
    alone = np.array([[1.0], [5.0]]) + np.array([[2.0, -3.0]])
    assert purify(alone, weight) == pytest.approx(np.zeros((2, 2)), abs=1e-4)
    pure = purify(np.array([[1.0, 0.0], [0.0, 0.0]]), weight)
    # A 2 x 2 interaction has one free number: c / weight with the signs of the diagonal.
    assert (weight * pure).sum(0) == pytest.approx([0, 0], abs=1e-4)
    assert (weight * pure).sum(1) == pytest.approx([0, 0], abs=1e-4)
    assert pure[0, 0] - pure[0, 1] - pure[1, 0] + pure[1, 1] == pytest.approx(1)
