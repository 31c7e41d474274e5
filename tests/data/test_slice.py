"""Slices of a log: what an expression means, row by row, and what cannot be read."""

import numpy as np
import pytest

from msviz.data import slices
from msviz.dataset import Dataset, Rows
from msviz.errors import MsvizError


@pytest.fixture(scope="module")
def part(tiny_world: Dataset) -> Rows:
    return tiny_world.split("test")


def names(part: Rows, column: str) -> np.ndarray:
    field = part.schema.field(column)
    return np.array([field.value_name(int(i)) for i in part.column(column)])


def scenario(part: Rows) -> np.ndarray:
    return np.array(part.schema.scenario_names)[part.scenario]


def day(part: Rows) -> np.ndarray:
    return np.array([str(np.datetime64(int(t), "s"))[:10] for t in part.time])


def test_an_expression_means_what_it_says(part: Rows) -> None:
    first = day(part)[0]
    wanted = {
        "scenario == 'Search'": scenario(part) == "Search",
        "scenario in ('Search', 'Home feed')": np.isin(scenario(part), ["Search", "Home feed"]),
        "scenario != 'Search' and clicked": (scenario(part) != "Search") & (part.label == 1),
        "not clicked == 1": part.label == 0,
        f"day == '{first}'": day(part) == first,
        f"day > '{first}' and hour < 12": (day(part) > first) & (part.time % 86_400 < 43_200),
        "gender == 'Women' or gender == 'Men'": np.isin(names(part, "gender"), ["Women", "Men"]),
        "gender not in ('Women',)": names(part, "gender") != "Women",
        "6 <= hour <= 9": (part.time // 3600 % 24 >= 6) & (part.time // 3600 % 24 <= 9),
        "history >= 5": part.history_spans[1] >= 5,
    }
    for text, truth in wanted.items():
        assert np.array_equal(slices.rows(part, text), np.flatnonzero(truth)), text
        assert 0 < truth.sum() < part.rows, text


def test_titles_stand_in_backticks(part: Rows) -> None:
    field = next(f for f in part.schema.features if f.title and " " in f.title)
    value = field.value_name(2)
    by_title = slices.rows(part, slices.one_value(field.label, [value]))
    assert np.array_equal(by_title, np.flatnonzero(part.column(field.name) == 2)) and len(by_title)
    assert slices.conditions(slices.one_value(field.label, [value]) + " and hour < 3") == [
        slices.one_value(field.label, [value]),
        "hour < 3",
    ]


def test_conditions_come_apart_and_together_again(part: Rows) -> None:
    text = "(scenario == 'Search' or scenario == 'Home feed') and hour < 12 and (not clicked)"
    parts = slices.conditions(text)
    assert parts == ["scenario == 'Search' or scenario == 'Home feed'", "hour < 12", "not clicked"]
    assert np.array_equal(slices.rows(part, slices.joined(parts)), slices.rows(part, text))
    assert slices.conditions(slices.joined(parts[:1])) == parts[:1] and slices.conditions("  ") == []


def test_a_slice_is_used_like_a_whole_split(part: Rows) -> None:
    kept = np.flatnonzero(scenario(part) == "Search")
    cut = slices.narrowed(part, "scenario == 'Search'")
    assert cut.rows == len(cut) == len(kept)
    inner = np.array([3, 0, 7])
    whole, some = part.batch(kept[inner], behaviours=True), cut.batch(inner, behaviours=True)
    for name in ("fields", "scenario", "label", "row", "time", "signals"):
        assert np.array_equal(getattr(whole, name), getattr(some, name)), name
    for name in ("ids", "scenario", "age", "mask"):
        assert np.array_equal(getattr(whole.histories, name), getattr(some.histories, name)), name
    assert np.array_equal(cut.signals(slice(2, 5)), part.signals(kept[2:5]))
    assert np.array_equal(cut.column("category"), part.column("category")[kept])
    assert np.array_equal(cut.probability, part.probability[kept])
    assert cut.only(np.array([1])).row.tolist() == [part.row[kept[1]]]


def test_chosen_rows_are_named_or_kept(tiny_world: Dataset, part: Rows) -> None:
    few = slices.keep_rows(tiny_world, part.row[[4, 2]])
    assert "row in" in few and np.array_equal(slices.rows(part, few), [2, 4])
    one = slices.keep_rows(tiny_world, part.row[[9]])
    assert np.array_equal(slices.rows(part, one), [9])
    many = slices.keep_rows(tiny_world, part.row[100:300])
    assert len(many) < 40 and np.array_equal(slices.rows(part, many), np.arange(100, 300))
    with pytest.raises(MsvizError, match="not kept on this machine"):
        slices.rows(part, 'chosen("0123456789ab")')
    with pytest.raises(MsvizError, match="none were chosen"):
        slices.keep_rows(tiny_world, np.zeros(0, int))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scenario = 'Search'", "slice"),
        ("scenario == 'Nowhere'", "'Nowhere'; valid choices: Home feed"),
        ("gender == 'Robots'", "slice: gender"),
        ("gender > 'Men'", "it has no order here"),
        ("colour == 'red'", "colour"),
        ("day >= 'soon'", "YYYY-MM-DD"),
        ("day", "a name compared with a value"),
        ("__import__('os').system('true')", "a name compared with a value"),
        ("hour < len('abc')", "wanted: a number"),
        ("hour in 3", "wanted: name in"),
        ("hour is 3", "valid comparisons"),
        ("row < 'noon'", "wanted: a number"),
        ("weekday < 3", "it has no order here"),
        ("chosen('../../secret')", "name of rows that were kept"),
        ("scenario == " + "(" * 500, "slice"),
        ("hour < 1 and " * 500 + "hour < 1", "at most"),
        ("lambda: 0", "slice"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(part: Rows, text: str, said: str) -> None:
    with pytest.raises(MsvizError, match=said) as error:
        slices.rows(part, text)
    assert "\n" not in str(error.value)
