"""The encoded form: histories that share events, signals kept where they change, their statistics."""

import math
from pathlib import Path

import numpy as np
import pytest

from msviz.data.importing.write import DatasetWriter, RunningMoments
from msviz.dataset import Dataset, open_data
from msviz.errors import MsvizError
from msviz.schema import Field, Schema

DAY = 86_400
SCHEMA = Schema(
    fields=[
        Field(name="click", role="label"),
        Field(name="tab", role="scenario", vocabulary=["a", "b"]),
        Field(name="item", role="item", vocabulary=[str(value) for value in range(300)]),
        Field(name="brand", role="item", vocabulary=["x", "y"]),
        Field(
            name="history",
            role="behaviour",
            kind="sequence",
            of="item",
            sides={"brand": "history_brand"},
            scenario="history_tab",
            time="history_time",
        ),
        Field(name="gmv", role="signal"),
        Field(name="traffic", role="signal"),
        Field(name="time", role="time"),
    ],
    scenarios=[[2], [3]],
)
# Four events: item, brand, scenario, time. The rows' histories overlap: 0-1, none, 0-2, 2-3.
EVENTS = np.array([[2, 3], [301, 2], [7, 3], [0, 0]])
PLACES, MOMENTS = np.array([1, 0, 2, 1]), np.array([100, 200, 300, 400])
START, LENGTH = np.array([0, 4, 0, 2]), np.array([2, 0, 3, 2])
SIGNALS = np.array([[1.0, 0.0], [1.0, 0.0], [math.e**2 - 1, 0.0], [1.0, 5.0]], np.float32)


def write(path: Path, schema: Schema = SCHEMA, chunks: int = 1, timed: bool = True) -> Dataset:
    """Write four rows, three of them in train, in one or several chunks."""
    fields = np.array([[2, 2, 2], [3, 3, 3], [2, 301, 2], [3, 5, 3]])
    with DatasetWriter(path, schema) as writer:
        first = writer.add_events(EVENTS[:2], PLACES[:2], MOMENTS[:2] if timed else None)
        assert (first, writer.add_events(EVENTS[2:], PLACES[2:], MOMENTS[2:] if timed else None)) == (0, 2)
        for part in np.array_split(np.arange(4), chunks):
            for split, chosen in (("train", part[part < 3]), ("test", part[part == 3])):
                writer.append(
                    split,
                    fields[chosen],
                    fields[chosen, 0] - 1,
                    np.ones(len(chosen)),
                    np.full(len(chosen), 1000),
                    chosen,
                    signals=SIGNALS[chosen],
                    history=(START[chosen], LENGTH[chosen]),
                )
        return writer.commit({})


@pytest.mark.parametrize("chunks", [1, 2, 4])
def test_histories_overlap_and_are_padded_in_front(tmp_path: Path, chunks: int) -> None:
    batch = write(tmp_path / "data", chunks=chunks).split("train").batch(slice(0, 3), behaviours=True)
    assert batch.histories is not None
    assert batch.histories.mask.int().tolist() == [[0, 1, 1], [0, 0, 0], [1, 1, 1]]
    assert batch.histories.ids[0].tolist() == [[0, 0], [2, 3], [301, 2]]
    assert batch.histories.ids[2].tolist() == [[2, 3], [301, 2], [7, 3]]
    assert batch.histories.scenario.tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 2]]
    assert batch.histories.age.tolist() == [[0, 900, 800], [0, 0, 0], [900, 800, 700]]


def test_rows_in_any_order_and_of_another_split(tmp_path: Path) -> None:
    data = write(tmp_path / "data")
    batch = data.split("train").batch(np.array([2, 0]), behaviours=True)
    assert batch.histories is not None and batch.histories.mask.int().tolist() == [[1, 1, 1], [0, 1, 1]]
    other = data.split("test").batch(np.array([0]), behaviours=True)
    assert other.histories is not None and other.histories.ids.tolist() == [[[7, 3], [0, 0]]]
    nobody = data.split("train").batch(np.array([1]), behaviours=True)
    assert nobody.histories is not None and nobody.histories.mask.tolist() == [[False]]


def test_without_times_ages_are_0(tmp_path: Path) -> None:
    batch = write(tmp_path / "data", timed=False).split("train").batch(slice(0, 3), behaviours=True)
    assert batch.histories is not None and not batch.histories.age.any()


def test_events_are_kept_once(tmp_path: Path) -> None:
    data = write(tmp_path / "data")
    # Four events: an item of two bytes, a brand, a scenario, and a time of eight.
    assert sum(path.stat().st_size for path in (data.path / "events").iterdir()) == 4 * (2 + 1 + 1 + 8)


@pytest.mark.parametrize("chunks", [1, 2, 4])
def test_signals_are_kept_where_they_change(tmp_path: Path, chunks: int) -> None:
    data = write(tmp_path / "data", chunks=chunks)
    part = data.split("train")
    np.testing.assert_array_equal(part.signals(slice(0, 3)), SIGNALS[:3])
    np.testing.assert_array_equal(part.signals(np.array([2, 0])), SIGNALS[[2, 0]])
    np.testing.assert_array_equal(data.split("test").signals(slice(None)), SIGNALS[3:])
    assert (data.path / "train" / "signals.start.bin").stat().st_size == 8 * 2


@pytest.mark.parametrize("chunks", [1, 2, 4])
def test_the_schema_remembers_mean_and_deviation_of_training_rows(tmp_path: Path, chunks: int) -> None:
    gmv, traffic = write(tmp_path / "data", chunks=chunks).schema.signals
    # log(1 + x) is log 2, log 2 and 2 in training; the test row's does not count.
    low = math.log(2)
    mean = (2 * low + 2) / 3
    assert gmv.mean == pytest.approx(mean)
    assert gmv.deviation == pytest.approx(math.sqrt((2 * (low - mean) ** 2 + (2 - mean) ** 2) / 3))
    assert (traffic.mean, traffic.deviation) == (0.0, 1.0)  # it never varies in training


def test_moments_of_large_numbers_lose_no_digits() -> None:
    values = 1e9 + np.arange(10.0)[:, None]
    moments = RunningMoments(1)
    for part in (values[:1], values[1:4], values[4:]):
        moments.add(part)
    ((mean, deviation),) = moments.found()
    assert mean == 1e9 + 4.5
    assert deviation == pytest.approx(math.sqrt(8.25), rel=1e-9)


def test_a_file_cut_short_is_told(tmp_path: Path) -> None:
    data = write(tmp_path / "data")
    file = data.path / "events" / "ids.1.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(MsvizError, match=r"^dataset file events/ids.1.bin: got 3; wanted 4 bytes$"):
        data.split("train").batch(slice(0, 1), behaviours=True)


def test_an_older_dataset_is_refused_in_one_line(tmp_path: Path) -> None:
    data = write(tmp_path / "data")
    file = data.path / "dataset.json"
    file.write_text(file.read_text().replace('"version": 2', '"version": 1'))
    with pytest.raises(MsvizError, match="data data: version: got 1; "):
        open_data(data.path)


@pytest.mark.parametrize("signals", [None, np.array([[-1.0, 0.0]]), np.array([[math.nan, 0.0]])])
def test_signals_that_have_no_logarithm_are_a_mistake_of_the_importer(
    tmp_path: Path, signals: object
) -> None:
    with DatasetWriter(tmp_path / "data", SCHEMA) as writer, pytest.raises(ValueError, match="not negative"):
        none = np.zeros(1, np.int64)
        writer.append(
            "train", np.array([[2, 2, 2]]), none, none, none, none, signals=signals, history=(none, none)
        )
