from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest

from msviz.data.importing.write import DatasetWriter
from msviz.data.loader import batches, steps
from msviz.dataset import Rows
from msviz.errors import MsvizError
from msviz.schema import Field, Schema

ROWS = 103


@pytest.fixture
def part(tmp_path: Path) -> Rows:
    values = [str(value) for value in range(300)]
    schema = Schema(
        fields=[
            Field(name="click", role="label"),
            Field(name="tab", role="scenario", vocabulary=["a"]),
            Field(name="item", role="item", vocabulary=values),
        ],
        scenarios=[[2]],
    )
    row = np.arange(ROWS)
    with DatasetWriter(tmp_path / "data", schema) as writer:
        writer.append(
            "train", np.stack([np.full(ROWS, 2), 2 + row], axis=1), np.ones(ROWS), row % 2, row * 60, row
        )
        return writer.commit({"kind": "table"}).split("train")


def rows(part: Rows, **options: int | None) -> list[list[int]]:
    return [batch.row.tolist() for batch in batches(part, 8, **options)]  # type: ignore[arg-type]


def test_in_order_without_a_seed(part: Rows) -> None:
    assert list(chain(*rows(part))) == list(range(ROWS))
    assert [len(batch) for batch in rows(part)] == [8] * 12 + [7]
    assert steps(ROWS, 8) == 13


def test_a_shuffled_epoch_holds_every_row_once(part: Rows) -> None:
    order = rows(part, seed=3)
    assert sorted(chain(*order)) == list(range(ROWS))
    assert {len(batch) for batch in order} == {7, 8}  # 13 batches, none much smaller than the others
    assert len(order) == 13


def test_fields_travel_with_their_rows(part: Rows) -> None:
    for batch in batches(part, 8, seed=1):
        assert batch.fields[:, 1].tolist() == [2 + row for row in batch.row.tolist()]
        assert batch.label.tolist() == [row % 2 for row in batch.row.tolist()]


def test_rows_lie_anywhere_in_an_epoch(part: Rows) -> None:
    order = list(chain(*rows(part, seed=5)))
    far = sum(abs(a - b) > 20 for a, b in pairwise(order))
    assert far > 0.5 * ROWS  # of two rows drawn at random, (83 / 103)² lie that far apart


def test_seed_and_epoch_fix_the_order(part: Rows) -> None:
    assert rows(part, seed=3, epoch=2) == rows(part, seed=3, epoch=2)
    assert rows(part, seed=3, epoch=2) != rows(part, seed=3, epoch=3)
    assert rows(part, seed=3) != rows(part, seed=4)


@pytest.mark.parametrize("start", [0, 1, 5, 12, 13])
@pytest.mark.parametrize("seed", [None, 7])
def test_start_skips_whole_batches(part: Rows, start: int, seed: int | None) -> None:
    assert rows(part, seed=seed, start=start) == rows(part, seed=seed)[start:]


def test_start_reads_nothing_of_what_it_skips(part: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = Rows.batch
    monkeypatch.setattr(
        Rows, "batch", lambda self, chosen, behaviours: read.append(1) or original(self, chosen, behaviours)
    )
    assert len(rows(part, seed=7, start=11)) == 2
    assert len(read) == 2


def test_a_batch_size_of_zero_is_refused(part: Rows) -> None:
    with pytest.raises(MsvizError, match="batch_size: got 0"):
        next(batches(part, 0))
