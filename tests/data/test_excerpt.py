"""What a schema is guessed from: rows from all over the files, however the log is sorted and stored."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from msviz.data.importing import excerpts
from msviz.data.importing.excerpts import BYTES, PIECES, excerpt
from msviz.data.importing.read import find
from msviz.data.sources import table
from msviz.errors import MsvizError
from msviz.schema import Schema

ROWS = 160_000
COLUMNS = ("click", "cate_id", "user_id", "item_id", "price", "history", "ts")


def log(rows: int = ROWS) -> pa.Table:
    """Return a log sorted by time and by cate_id: only its later half has clicks, prices and a past."""
    place = np.arange(rows)
    late = place >= rows // 2
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "click": np.where(late, rng.integers(0, 2, rows), 0),
            "cate_id": place * 8 // rows,
            "user_id": place // 20,
            "item_id": rng.integers(0, 900, rows),
            "price": pa.array(np.where(late, place / 8, 0).round(2), mask=~late),
            "history": np.where(late, "3|4|5", ""),
            "ts": 1_650_000_000 + place,
        }
    )


def text(rows: pa.Table) -> bytes:
    cells = [["" if cell is None else str(cell) for cell in rows[name].to_pylist()] for name in COLUMNS]
    return "\n".join([",".join(COLUMNS), *map(",".join, zip(*cells, strict=True))]).encode() + b"\n"


def store(folder: Path, kind: str, rows: pa.Table) -> Path:
    """Write the log as one file, or as four."""
    folder.mkdir()
    for number in range(4 if kind.startswith("four") else 1):
        part = rows.slice(number * ROWS // 4, ROWS // 4) if kind.startswith("four") else rows
        if kind.endswith("parquet"):
            parquet.write_table(part, folder / f"{number}.parquet", row_group_size=30_000)
        else:
            pack = gzip.compress if kind.endswith("gz") else bytes
            (folder / f"{number}.{'csv.gz' if kind.endswith('gz') else 'csv'}").write_bytes(pack(text(part)))
    return folder


@pytest.mark.parametrize("kind", ["csv", "gz", "parquet", "four csv", "four gz", "four parquet"])
def test_a_sorted_log_is_proposed_like_a_shuffled_one(tmp_path: Path, kind: str) -> None:
    rows = log()
    mixed = rows.take(np.random.default_rng(1).permutation(ROWS))
    found, wanted = (
        table.propose(str(store(tmp_path / name, kind, content)))
        for name, content in (("sorted", rows), ("mixed", mixed))
    )
    assert found == wanted
    assert {field.name: (field.role, field.kind) for field in found.fields} == {
        "click": ("label", "categorical"),
        "cate_id": ("scenario", "categorical"),
        "user_id": ("user", "categorical"),
        "item_id": ("item", "categorical"),
        "price": ("context", "numeric"),
        "history": ("behaviour", "sequence"),
        "ts": ("time", "categorical"),
    }
    shown = excerpt(find(str(tmp_path / "sorted")))
    assert {str(value) for value in shown["cate_id"].to_pylist()} == set("01234567")
    assert 10_000 < len(shown) <= 140_000


def test_of_a_large_file_little_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, original = [], excerpts._text

    def counting(path, stream, places):
        for block in original(path, stream, places):
            read.append(len(block))
            yield block

    monkeypatch.setattr(excerpts, "_text", counting)
    shown = excerpt(find(str(store(tmp_path / "log", "csv", log()))))
    assert len(read) == PIECES and max(read) <= BYTES
    place = np.array(shown["ts"].to_pylist(), np.int64) - 1_650_000_000
    assert (np.diff(place) > 0).all()  # no line twice, none in half
    assert place[0] < ROWS / 8 and place[-1] > ROWS * 7 / 8


def test_of_a_large_gzipped_file_a_part_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = store(tmp_path / "log", "gz", log())
    monkeypatch.setattr(excerpts, "UNPACKED", 3 << 20)  # of 6 MB; its buffer makes that a little more
    place = np.array(excerpt(find(str(folder)))["ts"].to_pylist(), np.int64) - 1_650_000_000
    assert ROWS * 0.3 < place.max() < ROWS * 0.9


def test_of_a_small_log_all_is_read(tmp_path: Path) -> None:
    for kind in ("csv", "gz", "parquet"):
        (tmp_path / kind).mkdir()
        for number in range(3):
            store(tmp_path / kind / str(number), kind, log(50))
        assert len(excerpt(find(str(tmp_path / kind)))) == 150


def test_pieces_that_begin_inside_quotes_do_no_harm(tmp_path: Path) -> None:
    words = "click,tab,title\n" + "".join(f'{i % 2},{i % 3},"two\nlines, {i}"\n' for i in range(60_000))
    (tmp_path / "log.csv").write_text(words)
    assert isinstance(table.propose(str(tmp_path / "log.csv")), Schema)


def test_lines_longer_than_a_piece_are_read_from_the_beginning(tmp_path: Path) -> None:
    long = "x" * BYTES
    (tmp_path / "log.csv").write_text("click,tab,title\n" + f"1,0,{long}\n0,1,{long}\n" * 20)
    assert len(excerpt(find(str(tmp_path / "log.csv")))) == 40


def test_files_with_other_types_are_one_table_as_far_as_they_go(tmp_path: Path) -> None:
    for number, values in enumerate(([1, 2], [0.5, None], ["a", "b"])):
        parquet.write_table(pa.table({"click": [0, 1], "x": values}), tmp_path / f"{number}.parquet")
    assert excerpt(find(str(tmp_path)))["x"].to_pylist() == [1, 2]
    (tmp_path / "2.parquet").unlink()
    assert excerpt(find(str(tmp_path)))["x"].to_pylist() == [1, 2, 0.5, None]


def test_a_broken_gzip_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(text(log(2_000)))[:-2_000])
    with pytest.raises(MsvizError, match=r"^source log.csv.gz: cannot be read: "):
        table.propose(str(tmp_path / "log.csv.gz"))
