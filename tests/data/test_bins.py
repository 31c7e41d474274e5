import numpy as np
import pytest

from msviz.data.importing.bins import edges, names, number


def test_quantiles_of_an_even_spread() -> None:
    values = np.arange(100.0)
    inner = edges(values, 4)
    assert inner == [25.0, 50.0, 75.0]
    assert names(inner, "s", values) == ["< 25 s", "25–50 s", "50–75 s", "≥ 75 s"]
    assert np.bincount(np.searchsorted(inner, values, side="right")).tolist() == [25, 25, 25, 25]


def test_a_frequent_value_has_a_bin_of_its_own() -> None:
    values = np.array([0.0] * 80 + list(range(1, 21)))
    inner = edges(values, 5)
    assert inner[0] == 1.0
    assert names(inner, "count", values)[0] == "0"
    assert (np.searchsorted(inner, values, side="right") == 0).sum() == 80


def test_few_values_are_named_one_by_one() -> None:
    values = np.array([1.0, 2.0, 2.0, 3.0, 7.0])
    inner = edges(values, 16)
    assert inner == [2.0, 3.0, 7.0]
    assert names(inner, None, values) == ["< 2", "2", "3–7", "≥ 7"]


@pytest.mark.parametrize("value, name", [(4.0, "4 s"), (0.25, "0.25 s")])
def test_a_constant_has_one_bin(value: float, name: str) -> None:
    values = np.full(9, value)
    assert edges(values, 8) == []
    assert names([], "s", values) == [name]


def test_no_training_value_at_all() -> None:
    assert edges(np.empty(0), 8) == []
    assert names([], "s", np.empty(0)) == ["any value"]


def test_edges_are_round_where_no_row_minds() -> None:
    rng = np.random.default_rng(0)
    values = rng.exponential(31.41592, 10_000)
    inner = edges(values, 4)
    assert [len(number(edge).replace(".", "").lstrip("0")) <= 3 for edge in inner] == [True] * 3
    share = np.bincount(np.searchsorted(inner, values, side="right")) / len(values)
    assert np.abs(share - 0.25).max() < 0.02


def test_close_values_stay_apart() -> None:
    values = np.repeat([1000.0, 1001.0, 1002.0], 10)
    assert edges(values, 8) == [1001.0, 1002.0]


@pytest.mark.parametrize(
    "value, name", [(1_234_567.0, "1,234,567"), (0.05, "0.05"), (-3.0, "-3"), (0.0000125, "0.0000125")]
)
def test_numbers_read_as_people_write_them(value: float, name: str) -> None:
    assert number(value) == name
