"""The order in which training takes rows: no test tells it from a full shuffle, however the log lies."""

import json
import tracemalloc
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from msviz.data import loader
from msviz.data.describe import describe
from msviz.data.importing import shuffle
from msviz.data.importing.shuffle import Shuffle
from msviz.data.importing.write import DatasetWriter
from msviz.data.loader import BlockOrder, batches, row_order
from msviz.data.regroup import regroup
from msviz.data.sources import table
from msviz.dataset import SPLITS, Dataset, Rows, open_data
from msviz.errors import MsvizError
from msviz.schema import Field, Schema
from msviz.training.loop import Training
from msviz.training.rows import used

ROWS, DAY, DAYS, BATCH = 24_007, 86_400, 30, 256
SHARES = (0.5, 0.25, 0.12, 0.09, 0.04)  # of the scenarios
SORTED = ("time", "scenario", "user", "label")
SCHEMA = Schema(
    fields=[
        Field(name="click", role="label"),
        Field(name="tab", role="scenario", vocabulary=list("abcde")),
        Field(name="user", role="user", vocabulary=[str(value) for value in range(300)]),
        Field(name="history", role="behaviour", kind="sequence", of="user"),
        Field(name="gmv", role="signal"),
        Field(name="traffic", role="signal"),
        Field(name="time", role="time"),
    ],
    scenarios=[[2], [3], [4], [5], [6]],
)


def write(path: Path, by: str = "time", rows: int = ROWS, chunks: int = 3, held: int = 0) -> Dataset:
    """Write a log sorted by a column; clicks, scenarios and signals change from day to day.

    The last `held` rows are the test split.
    """
    rng = np.random.default_rng(7)
    time = np.sort(rng.integers(0, DAYS * DAY, rows))
    day = time // DAY
    late = rng.random(rows) < day / DAYS / 2
    scenario = np.where(late, rng.integers(0, 5, rows), rng.choice(5, rows, p=SHARES))
    label = rng.random(rows) < 0.1 + 0.05 * scenario + 0.01 * day
    columns = {"time": time, "scenario": scenario, "user": rng.integers(0, 300, rows), "label": label}
    order = np.argsort(columns[by], kind="stable")
    time, scenario, user, label = (columns[name][order] for name in ("time", "scenario", "user", "label"))
    signals = np.stack([time // DAY, time // DAY % 7], 1)
    start, length = rng.integers(0, 900, rows), rng.integers(0, 9, rows)
    with DatasetWriter(path, SCHEMA, overwrite=True) as writer:
        writer.add_events(2 + rng.integers(0, 300, (1_000, 1)), rng.integers(0, 6, 1_000), None)
        for split, numbers in (("train", np.arange(rows - held)), ("test", np.arange(rows - held, rows))):
            for chosen in np.array_split(numbers, chunks):
                writer.append(
                    split,
                    2 + np.stack([scenario, user], 1)[chosen],
                    1 + scenario[chosen],
                    label[chosen],
                    time[chosen],
                    chosen,
                    signals=signals[chosen],
                    history=(start[chosen], length[chosen]),
                    probability=chosen / rows,
                )
        return writer.commit({})


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every train split a large one: of several buckets, and of several blocks an epoch."""
    monkeypatch.setattr("msviz.data.importing.write.SHUFFLE_FROM", 1)
    monkeypatch.setattr(shuffle, "BYTES", 16_384)
    monkeypatch.setattr(loader, "BLOCK", 2_048)


def surprises(part: Rows, orders: list[list[np.ndarray]]) -> dict[str, float]:
    """Return p-values of an epoch's groups of rows against a full shuffle, corrected for their number.

    For each of scenario shares, click rate, mean day and mean place in the log: the least p-value of any one
    group (Bonferroni), and that of all groups together, which also tells groups that are too even.
    """
    whole = part.rows
    numbers = {
        "click rate": np.asarray(part.label, np.float64),
        "mean day": np.asarray(part.time // DAY, np.float64),
        "place": np.asarray(part.row, np.float64),
    }
    scenario = np.asarray(part.scenario)
    shares = np.bincount(scenario, minlength=6)[1:] / whole
    found: dict[str, float] = {}
    for which, groups in enumerate(orders):
        size = np.array([len(group) for group in groups])
        left = (whole - size) / (whole - 1)  # drawn without putting back
        seen = np.stack([np.bincount(scenario[group], minlength=6)[1:] for group in groups])
        expected = size[:, None] * shares
        chi = ((seen - expected) ** 2 / expected).sum(1) / left
        found[f"scenarios {which}"] = stats.chi2.sf(chi, 4).min() * len(groups)
        squares = {"scenarios": chi.sum() / 4}
        for name, values in numbers.items():
            mean = np.array([values[group].mean() for group in groups])
            z = (mean - values.mean()) / (values.std() * np.sqrt(left / size))
            found[f"{name} {which}"] = 2 * stats.norm.sf(np.abs(z)).min() * len(groups)
            squares[name] = (z**2).sum()
        for name, total in squares.items():
            deviation = np.sqrt(2 * len(groups) / (4 if name == "scenarios" else 1))
            found[f"{name} {which}, all"] = 2 * stats.norm.sf(abs(total - len(groups)) / deviation)
    return found


def taken(part: Rows, seed: int, epoch: int = 0) -> Iterator[np.ndarray]:
    """Yield the positions in the split of each batch's rows."""
    place = np.argsort(part.row)
    for batch in batches(part, BATCH, seed=seed, epoch=epoch):
        yield place[np.searchsorted(part.row, batch.row.numpy(), sorter=place)]


def groups_of(order: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Return an epoch's batches, and the rows of its first and its last tenth."""
    tenth = len(order) // 10
    return [order, [np.concatenate(order[:tenth]), np.concatenate(order[-tenth:])]]


@pytest.mark.parametrize("by", SORTED)
@pytest.mark.parametrize("large", [False, True])
def test_batches_are_those_of_a_full_shuffle(
    tmp_path: Path, by: str, large: bool, request: pytest.FixtureRequest
) -> None:
    if large:
        request.getfixturevalue("on_disk")
    part = write(tmp_path / "log", by).split("train")
    assert part.shuffled == large
    for epoch in (0, 1):
        order = list(taken(part, seed=3, epoch=epoch))
        assert np.array_equal(np.sort(np.concatenate(order)), np.arange(ROWS))
        found = surprises(part, groups_of(order))
        # Seeds are fixed, so this passes always or never; it is 1 in 1,000 for the whole table.
        assert min(found.values()) * len(found) > 1e-3, found


@pytest.mark.parametrize("by", SORTED)
def test_the_same_tests_tell_shuffled_blocks_of_a_sorted_log(tmp_path: Path, by: str) -> None:
    part = write(tmp_path / "log", by).split("train")
    blocks = BlockOrder(ROWS, 3, 0)
    blocks._edges = np.linspace(0, ROWS, 13).astype(np.int64)
    blocks._order = np.random.default_rng(3).permutation(12)
    blocks._starts = np.append(0, np.cumsum(np.diff(blocks._edges)[blocks._order]))
    order = [blocks.between(start, min(start + BATCH, ROWS)) for start in range(0, ROWS, BATCH)]
    assert min(surprises(part, groups_of(order)).values()) < 1e-12


@pytest.mark.parametrize("by", SORTED)
def test_any_stretch_of_a_shuffled_split_is_a_fair_sample(tmp_path: Path, on_disk: None, by: str) -> None:
    part = write(tmp_path / "log", by).split("train")
    order = np.array_split(np.arange(ROWS), 100)
    found = surprises(part, groups_of(order))
    assert min(found.values()) * len(found) > 1e-3, found


@pytest.mark.parametrize("by", ["time", "user"])
def test_rows_keep_their_history_and_signals(tmp_path: Path, on_disk: None, by: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("msviz.data.importing.write.SHUFFLE_FROM", ROWS + 1)
        plain = write(tmp_path / "plain", by, 6_000, held=1_000)
    moved = write(tmp_path / "moved", by, 6_000, held=1_000)
    part = moved.split("train")
    assert not np.array_equal(part.row, np.sort(part.row))
    # Rows of thirty days in a row share their signals; those of a user hardly do, so that each keeps its own.
    sizes = {file.name: file.stat().st_size for file in part.folder.glob("signals.*")}
    few = {"signals.index.bin": 4 * 5_000, "signals.value.bin": 8 * len(np.unique(part.time // DAY))}
    assert sizes == (few if by == "time" else {"signals.value.bin": 8 * 5_000})
    before = plain.split("train").batch(slice(0, 5_000), behaviours=True)
    after = part.batch(np.argsort(part.row), behaviours=True)
    for one, other in ((before, after), (before.histories, after.histories)):
        for name, values in vars(one).items():
            assert name == "histories" or torch.equal(values, getattr(other, name)), name
    np.testing.assert_array_equal(part.probability, (part.row / 6_000).astype(np.float32))
    np.testing.assert_array_equal(part.signals(slice(5, 9)), part.signals(np.arange(5, 9)))
    for file in sorted((plain.path / "test").iterdir()):
        assert (moved.path / "test" / file.name).read_bytes() == file.read_bytes(), file.name
    assert {**describe(plain), "name": "", "fingerprint": ""} == {
        **describe(moved), "name": "", "fingerprint": ""
    }  # fmt: skip


def test_the_dataset_says_what_is_shuffled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = write(tmp_path / "log")
    assert "shuffled" not in small.meta and small.shuffled == ()
    monkeypatch.setattr("msviz.data.importing.write.SHUFFLE_FROM", ROWS + 1)
    assert write(tmp_path / "log").fingerprint == small.fingerprint
    monkeypatch.setattr("msviz.data.importing.write.SHUFFLE_FROM", ROWS)
    large = write(tmp_path / "log")
    assert json.loads((large.path / "dataset.json").read_text())["shuffled"] == ["train"]
    assert [large.split(name).shuffled for name in SPLITS] == [True, False, False]
    assert large.fingerprint != small.fingerprint  # the order of its rows decides what training gives
    other = write(tmp_path / "other", chunks=7)  # how rows came to the writer decides nothing
    for file in sorted((large.path / "train").iterdir()):
        assert (other.path / "train" / file.name).read_bytes() == file.read_bytes(), file.name
    file = large.path / "dataset.json"
    file.write_text(file.read_text().replace('"shuffled"', '"other"'))
    assert open_data(large.path).shuffled == ()


def test_an_import_of_a_large_log_says_that_it_is_shuffled(tmp_path: Path, on_disk: None) -> None:
    rows = "".join(f"{i % 2},{i % 3},{i},{1_650_000_000 + i}\n" for i in range(2_000))
    (tmp_path / "log.csv").write_text("click,tab,item_id,ts\n" + rows)
    told: list[str] = []
    data = table.import_log(str(tmp_path / "log.csv"), tmp_path / "out", table.TableOptions(), told.append)
    assert any(line.startswith("rows of train lie in random order") for line in told)
    part = data.split("train")
    assert part.shuffled and abs(np.corrcoef(part.time, np.arange(len(part)))[0, 1]) < 4 / np.sqrt(len(part))
    np.testing.assert_array_equal(part.time - part.row, np.full(len(part), 1_650_000_000))


def test_a_shuffle_that_fails_leaves_nothing(
    tmp_path: Path, on_disk: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, moved = Shuffle.move, []

    def full(self: Shuffle, path: Path, width: int) -> object:
        moved.append(path.name)
        if len(moved) == 3:
            raise OSError("no space left on device")
        return original(self, path, width)

    monkeypatch.setattr(Shuffle, "move", full)
    with pytest.raises(OSError, match="no space"):
        write(tmp_path / "log", rows=3_000)
    assert len(moved) == 3 and not list(tmp_path.iterdir())


def test_files_are_shuffled_at_constant_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shuffle, "BYTES", 1 << 16)
    rows = 500_000
    file = tmp_path / "column.bin"
    np.arange(rows).tofile(file)
    tracemalloc.start()
    Shuffle(rows, 8).move(file, 8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * rows / 4
    assert np.array_equal(np.sort(np.fromfile(file, np.int64)), np.arange(rows))


@pytest.mark.parametrize("start", [0, 1, 7, 8, 60, 93, 94])
def test_a_shuffled_split_goes_on_from_any_batch(tmp_path: Path, on_disk: None, start: int) -> None:
    part = write(tmp_path / "log").split("train")
    whole = [batch.row.tolist() for batch in batches(part, BATCH, seed=3, epoch=2)]
    assert len(whole) == 94
    rest = [batch.row.tolist() for batch in batches(part, BATCH, seed=3, epoch=2, start=start)]
    assert rest == whole[start:]
    assert whole != [batch.row.tolist() for batch in batches(part, BATCH, seed=3, epoch=1)]


class Numbers:
    """A split of any size whose batches are the positions asked for."""

    def __init__(self, rows: int, shuffled: bool) -> None:
        self.rows, self.shuffled = rows, shuffled

    def batch(self, chosen: np.ndarray, behaviours: bool) -> np.ndarray:
        return chosen


@pytest.mark.parametrize("rows", [1, 1023, 1024, 1025, 2049, 1024 * 149 + 53, 131_072 * 2 + 1])
@pytest.mark.parametrize("shuffled", [False, True])
def test_no_batch_is_much_smaller_than_another(rows: int, shuffled: bool) -> None:
    fed = list(batches(Numbers(rows, shuffled), 1024, seed=1))  # type: ignore[arg-type]
    sizes = [len(chosen) for chosen in fed]
    assert max(sizes) <= 1024 and min(sizes) > max(sizes) / 2 and max(sizes) - min(sizes) <= 1
    assert sorted(chain(*(chosen.tolist() for chosen in fed))) == list(range(rows))


def test_batches_may_be_larger_than_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "BLOCK", 100)
    fed = list(batches(Numbers(1_234, True), 512, seed=1))  # type: ignore[arg-type]
    assert [len(chosen) for chosen in fed] == [411, 411, 412]
    assert sorted(np.concatenate(fed).tolist()) == list(range(1_234))


def test_only_the_blocks_at_hand_are_drawn() -> None:
    rows = 1_000_000_000
    tracemalloc.start()
    order = BlockOrder(rows, seed=1, epoch=0)
    first, last = order.between(0, 1024), order.between(rows - 1024, rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000  # all rows would be four billion bytes
    for some in (first, last):
        assert some.max() - some.min() < loader.BLOCK
    drawn = []
    original = order._block
    order._block = lambda place: drawn.append(place) or original(place)  # type: ignore[method-assign]
    order.between(5 * loader.BLOCK, 5 * loader.BLOCK + 10)
    assert len(drawn) == 1


def test_a_choice_of_rows_is_shuffled_as_long_as_it_keeps_their_order(tmp_path: Path, on_disk: None) -> None:
    data = write(tmp_path / "log", rows=3_000)
    part = data.split("train")
    assert part.only(np.array([3, 70, 2_900])).shuffled
    assert part.only(np.array([], np.int64)).shuffled
    assert not part.only(np.array([70, 3])).shuffled
    assert not part.only(np.array([3, 3])).shuffled
    assert part.only(np.array([3, 70, 90])).only(np.array([0, 2])).shuffled
    assert used(data, Training(train_share=0.3, train_where="hour < 12")).train.shuffled
    assert regroup(data, ["user"]).split("train").shuffled
    assert not data.split("test").only(np.array([], np.int64)).shuffled


def test_of_rows_in_the_logs_order_all_are_shuffled(tmp_path: Path) -> None:
    part = write(tmp_path / "log", rows=3_000).split("train").only(np.arange(0, 3_000, 3))
    fed = np.concatenate([batch.row.numpy() for batch in batches(part, 64, seed=4)])
    np.testing.assert_array_equal(fed, 3 * row_order(1_000, 4, 0))


def test_a_file_of_signals_that_is_missing_is_told(tmp_path: Path, on_disk: None) -> None:
    part = write(tmp_path / "log", rows=3_000).split("train")
    (part.folder / "signals.value.bin").unlink()
    with pytest.raises(MsvizError, match=r"^dataset file train/signals.value.bin: got 'no file'"):
        part.signals(slice(0, 1))
