"""Every kind of bad input: one clear line, a rejects file, and nothing half-written."""

import csv
import gzip
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from msviz.data.importing.read import find
from msviz.data.sources import table
from msviz.dataset import Dataset, open_data
from msviz.errors import MsvizError

Load = Callable[..., Dataset]
HEAD = "click,tab,item,price,part\n"
GOOD = "1,a,x,1,train\n0,a,y,2,train\n"
COUNTED = """
fields:
  - {name: click, role: label}
  - {name: tab, role: scenario}
  - {name: price, role: cross, kind: numeric, unit: count}
split: {by: given, column: part}
"""
TIMED = """
fields:
  - {name: click, role: label}
  - {name: tab, role: scenario}
  - {name: price, role: time, unit: s}
split: {by: given, column: part}
"""


def rejects(tmp_path: Path) -> list[dict[str, str]]:
    with (tmp_path / "out.rejects.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def left_behind(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir() if path.name.startswith((".", "out")))


@pytest.mark.parametrize(
    "row, schema, reason",
    [
        (b"2,a,x,1,train", None, "click: got '2'; wanted 0 or 1"),
        (b"yes,a,x,1,train", None, "click: got 'yes'; wanted 0 or 1"),
        (b",a,x,1,train", None, "click: got nothing; wanted 0 or 1"),
        (b"1,a,x,cheap,train", None, "price: got 'cheap'; wanted a number"),
        (b"1,a,x,inf,train", None, "price: got inf; wanted a finite number"),
        (b"1,a,x,-3,train", COUNTED, "price: got -3; a count cannot be negative"),
        (b"1,a,x,1,holdout", None, "part: got 'holdout'; wanted train, valid or test"),
        (b"1,a,x,,train", TIMED, "price: the time is missing"),
        (b"1,a,x,1650000000000,train", TIMED, "wanted unit ms or us"),
        (b"1,a,\xff\xfe,1,train", None, "invalid UTF-8: invalid start byte at byte 5"),
        (b"1,a,x", None, "3 columns, wanted 5"),
        (b"1,a,x,1,train,extra", None, "6 columns, wanted 5"),
        (b'1,a,"x,1,train', None, "a quote is never closed"),
    ],
)
def test_an_unreadable_row_is_told_with_line_and_reason(
    row: bytes, schema: str | None, reason: str, load: Load, tmp_path: Path
) -> None:
    content = (HEAD + GOOD).encode() + row + b"\n" + GOOD.encode()
    given = {"schema": schema} if schema else {}
    with pytest.raises(MsvizError) as error:
        load(content, **given)
    assert "\n" not in str(error.value)
    assert "1 of 5 rows (20.0%)" in str(error.value)
    assert "--allow-rejects" in str(error.value)
    assert left_behind(tmp_path) == ["out.rejects.csv"]
    data = load(content, allow_rejects=True, **given)
    (found,) = rejects(tmp_path)
    assert (found["file"], found["line"]) == ("log.csv", "4")
    assert reason in found["reason"]
    assert found["raw"]
    assert data.rows["train"] == 4
    assert data.meta["origin"]["rejected"] == 1
    assert data.split("train").row.tolist() == [0, 1, 3, 4]  # rows keep their numbers
    assert "1 rows could not be read; see out.rejects.csv" in load.lines  # type: ignore[attr-defined]


def test_one_percent_of_rejects_is_let_through(load: Load, tmp_path: Path) -> None:
    assert load(HEAD + GOOD * 99 + "7,a,x,1,train\n" * 2).rows["train"] == 198
    assert len(rejects(tmp_path)) == 2
    with pytest.raises(MsvizError, match="3 of 201 rows"):
        load(HEAD + GOOD * 99 + "7,a,x,1,train\n" * 3, overwrite=True)


def test_a_clean_import_removes_the_rejects_of_the_last(load: Load, tmp_path: Path) -> None:
    with pytest.raises(MsvizError):
        load(HEAD + "7,a,x,1,train\n")
    load(HEAD + GOOD)
    assert left_behind(tmp_path) == ["out"]


def test_blank_lines_are_no_rows_but_count_as_lines(load: Load, tmp_path: Path) -> None:
    data = load(HEAD + "\n" + GOOD + "\n7,a,x,1,train\n", allow_rejects=True)
    assert data.rows["train"] == 2
    assert rejects(tmp_path)[0]["line"] == "6"


def test_invalid_utf8_in_parquet_bytes_is_rejected(load: Load, tmp_path: Path) -> None:
    content = pa.table(
        {
            "click": [1, 0, 1],
            "tab": pa.array([b"a", b"a", b"\xff"], pa.binary()),
            "item": ["x", "y", "z"],
            "price": [1.0, 2.0, 3.0],
            "part": ["train"] * 3,
        }
    )
    parquet.write_table(content, tmp_path / "log.parquet")
    data = load((tmp_path / "log.parquet").read_bytes(), name="log.parquet", allow_rejects=True)
    assert data.rows["train"] == 2
    assert rejects(tmp_path)[0]["reason"].startswith("tab: invalid UTF-8")


@pytest.mark.parametrize(
    "content, words",
    [
        ("", "an empty file"),
        (HEAD, "no rows"),
        ("click,tab,item,part\n1,a,x,train\n", "schema: column: got 'price'"),
        ("click,tab,tab,price,part\n1,a,x,1,train\n", "'tab'; this column stands there twice"),
        (HEAD + "1,a,x,1,test\n", "no row is left for training"),
    ],
)
def test_an_unusable_table_is_told_in_one_line(content: str, words: str, load: Load, tmp_path: Path) -> None:
    with pytest.raises(MsvizError) as error:
        load(content)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    "schema, words",
    [
        ("fields:\n  - {name: tab, role: scenario}\n", "'label'; no field has this role"),
        ("fields:\n  - {name: click, role: label}\n", "'scenario'; no field has this role"),
        ("fields:\n  - {name: click, role: label}\n  - {name: click, role: item}\n", "named twice"),
        ("fields:\n  - {name: click, rôle: label}\n", "schema.yaml"),
        ("fields: [", "schema.yaml is not readable"),
        (TIMED.replace("unit: s", "unit: fortnights"), "valid choices: s, ms, us, date"),
        (
            TIMED.replace("given, column: part", "time, valid_from: May, test_from: May"),
            "a day like 2022-05-06",
        ),
        (COUNTED.replace("given, column: part", "time"), "no field has role time"),
        (
            COUNTED.replace("split", "  - {name: item, role: behaviour, kind: sequence, of: nothing}\nsplit"),
            "item: of: got 'nothing'; valid choices: tab",
        ),
    ],
)
def test_a_wrong_schema_is_told_in_one_line(schema: str, words: str, load: Load, tmp_path: Path) -> None:
    with pytest.raises(MsvizError) as error:
        load(HEAD + GOOD, schema)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert left_behind(tmp_path) == []


def test_files_of_one_table_must_have_the_same_columns(load: Load, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("click,tab\n1,a\n")
    (tmp_path / "log.csv").write_text(HEAD + GOOD)
    with pytest.raises(MsvizError, match=r"more.csv: columns.*lacks 'item'"):
        find(str(tmp_path / "*.csv"))
    with pytest.raises(MsvizError, match="no such table"):
        find(str(tmp_path / "nowhere"))


def test_a_truncated_gzip_is_told_in_one_line(load: Load, tmp_path: Path) -> None:
    with pytest.raises(MsvizError, match="cannot be read"):
        load(gzip.compress((HEAD + GOOD * 500).encode())[:-12], name="log.csv.gz")
    assert left_behind(tmp_path) == []


def test_scenarios_without_clicks_or_with_one_row_are_warned_of(load: Load) -> None:
    load(HEAD + GOOD + "0,b,x,1,train\n0,b,x,1,train\n1,c,x,1,train\n1,d,x,1,valid\n")
    lines = load.lines  # type: ignore[attr-defined]
    assert "warning: scenario 'b' has no clicks in 2 rows: its AUC is not defined" in lines
    assert "warning: scenario 'c' has one row only: its AUC is not defined" in lines
    assert "warning: 1 rows are of scenarios that no training row shows" in lines
    assert "warning: no rows in split test" in lines


KILLED = """
import sys
from pathlib import Path
from msviz.data.importing import encode
from msviz.data.sources import table
class Slow:
    def __init__(self, *given): pass
    def write(self, *given):
        print("writing", flush=True)
        sys.stdin.read()
encode._Encoding = Slow
table.import_log(sys.argv[1], Path(sys.argv[2]), table.TableOptions(schema=sys.argv[3]), print)
"""


def test_a_killed_import_leaves_nothing_that_the_next_one_does_not_remove(load: Load, tmp_path: Path) -> None:
    load(HEAD + GOOD)
    kept = load(HEAD + GOOD, overwrite=True).fingerprint
    command = [sys.executable, "-c", KILLED, *(str(tmp_path / n) for n in ("log.csv", "new", "schema.yaml"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        hidden = [path.name for path in tmp_path.glob(".new.*")]
        process.send_signal(signal.SIGKILL)
    assert hidden == [f".new.spill-{process.pid}"]
    assert not (tmp_path / "new").exists()
    data = _import(tmp_path, "new")
    assert data.fingerprint == kept
    assert list(tmp_path.glob(".new.*")) == []


def _import(tmp_path: Path, name: str) -> Dataset:
    options = table.TableOptions.model_validate({"schema": tmp_path / "schema.yaml"})
    return table.import_log(str(tmp_path / "log.csv"), tmp_path / name, options, lambda line: None)


def test_an_import_that_fails_while_writing_keeps_the_old_dataset(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = load(HEAD + GOOD).fingerprint

    def full(*given: object, **named: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("msviz.data.importing.encode.DatasetWriter.append", full)
    with pytest.raises(OSError, match="no space"):
        load(HEAD + GOOD * 2, overwrite=True)
    assert open_data(tmp_path / "out").fingerprint == kept
    assert left_behind(tmp_path) == ["out"]
