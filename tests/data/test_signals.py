"""Signals by row, by local day, by day and scenario; what `describe` tells of them and of histories."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from msviz.cli import run
from msviz.data.describe import describe
from msviz.dataset import Dataset, open_data
from msviz.errors import MsvizError

Load = Callable[..., Dataset]
SCHEMA = """
fields:
  - {name: click, role: label}
  - {name: tab, role: scenario}
  - {name: gmv, role: signal, title: GMV, unit: CNY}
  - {name: users, role: signal}
  - {name: t, role: time, unit: date, utc_offset: 8}
split: {by: given, column: part}
"""
# At UTC+8 the day ends at 16:00 UTC.
LOG = (
    "click,tab,t,part\n"
    "1,a,2022-05-05 15:59:59,train\n"
    "0,b,2022-05-05 16:00:00,train\n"
    "1,a,2022-05-06 15:59:59,train\n"
    "0,,2022-05-06 16:00:00,test\n"
)
DAYS = "day,users,gmv,note\n2022-05-07,30,3.5,x\n2022-05-05,10,1.5,\n2022-05-06,20,2.5,\n2022-05-01,9,9,\n"
PLACES = (
    "date,tab,users,gmv\n2022-05-05,a,1,10\n2022-05-06,a,2,20\n2022-05-06,b,3,30\n2022-05-07,,4,40\n"
    "2022-05-06,z,9,90\n"
)


@pytest.fixture
def daily(load: Load, tmp_path: Path) -> Load:
    """Import LOG with signals given as text."""

    def run(signals: str = DAYS, schema: str = SCHEMA, log: str = LOG, **options: object) -> Dataset:
        (tmp_path / "days.csv").write_text(signals)
        return load(log, schema, signals=str(tmp_path / "days.csv"), **options)

    return run


def found(data: Dataset, split: str) -> list[list[float]]:
    rows: list[list[float]] = data.split(split).signals(slice(None)).tolist()
    return rows


def test_a_row_has_the_signals_of_its_local_day(daily: Load) -> None:
    data = daily()
    assert found(data, "train") == [[1.5, 10], [2.5, 20], [2.5, 20]]  # in the order of the schema
    assert found(data, "test") == [[3.5, 30]]
    logs = np.log1p([1.5, 2.5, 2.5])
    gmv = data.schema.field("gmv")
    assert (gmv.mean, gmv.deviation) == pytest.approx((logs.mean(), logs.std()))


def test_a_row_has_the_signals_of_its_day_and_scenario(daily: Load) -> None:
    data = daily(PLACES)
    assert found(data, "train") == [[10, 1], [30, 3], [20, 2]]
    assert found(data, "test") == [[40, 4]]  # a missing tab is a tab of its own
    with pytest.raises(MsvizError) as error:
        daily(PLACES.replace("2022-05-06,b,3,30\n", ""), overwrite=True)
    assert str(error.value) == (
        "signals days.csv: day: got '2022-05-06, tab b'; the log has rows of it, the table none; "
        "wanted one of every local day and scenario of the log"
    )


def test_a_table_of_parquet_with_dates_and_signals_that_stand_in_the_log(load: Load, tmp_path: Path) -> None:
    days = pa.array(np.array(["2022-05-05", "2022-05-06", "2022-05-07"], "datetime64[D]"))
    parquet.write_table(pa.table({"date": days, "users": [10, 20, 30]}), tmp_path / "days.parquet")
    rows = [f"{line},{place}" for place, line in enumerate(LOG.splitlines()[1:])]
    log = "\n".join(["click,tab,t,part,gmv", *rows]) + "\n"
    data = load(log, SCHEMA, signals=str(tmp_path / "days.parquet"))
    assert found(data, "train") == [[0, 10], [1, 20], [2, 20]]


def test_blocks_make_no_difference(daily: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = daily(PLACES).fingerprint
    for name in ("learn", "signals"):
        monkeypatch.setattr(f"msviz.data.importing.{name}.WINDOW", 1)
    assert daily(PLACES, overwrite=True).fingerprint == whole


@pytest.mark.parametrize("window", [1, 1 << 17])
def test_the_first_missing_day_is_named(window: int, daily: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msviz.data.importing.signals.WINDOW", window)
    log = LOG + "0,a,2022-05-03,train\n0,a,2022-05-02,train\n0,a,2023-01-01,train\n"
    with pytest.raises(MsvizError) as error:
        daily(log=log)
    assert str(error.value).startswith("signals days.csv: day: got '2022-05-02'; the log has rows of it")


def test_days_of_rejected_rows_are_not_wanted(daily: Load) -> None:
    assert len(found(daily(log=LOG + "7,a,2023-01-01,train\n", allow_rejects=True), "train")) == 3


@pytest.mark.parametrize(
    "signals, words",
    [
        (DAYS.replace("1.5", "-1.5"), "days.csv line 3: gmv: got -1.5; signals are read as log(1 + x)"),
        (DAYS.replace("1.5", "much"), "days.csv line 3: gmv: got 'much'; wanted a number"),
        (DAYS.replace("1.5", ""), "days.csv line 3: gmv: the signal is missing"),
        (DAYS.replace("1.5", "inf"), "days.csv line 3: gmv: got inf; wanted a finite number"),
        (DAYS.replace("1.5", "1e39"), "days.csv line 3: gmv: got 1e+39; signals are read"),
        (DAYS.replace("2022-05-05", "May"), "days.csv line 3: day: got 'May'; wanted a date"),
        (DAYS.replace("2022-05-05", ""), "days.csv line 3: day: the time is missing"),
        (DAYS + "2022-05-06,1,1,\n", "days.csv: day: got '2022-05-06'; it stands there twice"),
        (DAYS + "2022-05-08,1\n", "days.csv line 6: 2 columns, wanted 4"),
        (DAYS.replace("day,", "when,"), "wanted one column called date or day"),
        (DAYS.replace("note", "date"), "wanted one column called date or day"),
        (DAYS.replace("gmv", "g").replace("users", "u"), "wanted fields with role signal: gmv, users"),
        (DAYS.replace("gmv", "g"), "schema: column: got 'gmv'; the source does not have it"),
        ("day,users,gmv\n", "signals days.csv: got 'no rows'; wanted: rows below the header line"),
        (PLACES + "2022-05-06,b,3,30\n", "days.csv: day: got '2022-05-06, tab b'; it stands there twice"),
    ],
)
def test_bad_signals_are_told_in_one_line(signals: str, words: str, daily: Load, tmp_path: Path) -> None:
    with pytest.raises(MsvizError) as error:
        daily(signals)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob(".out*")) and not list(tmp_path.glob("out*"))


def test_signals_need_a_schema_with_signals_and_a_time(daily: Load, load: Load, tmp_path: Path) -> None:
    with pytest.raises(MsvizError, match=r"^signals: got 'days.csv'; wanted --schema with it"):
        load(LOG, None, signals="days.csv")
    with pytest.raises(MsvizError, match=r"^signals: got '.*nowhere'; no such table"):
        load(LOG, SCHEMA, signals=str(tmp_path / "nowhere"))
    with pytest.raises(MsvizError, match=r"needs a field with role time, whose local day"):
        daily(schema=SCHEMA.replace("role: time, unit: date, utc_offset: 8", "role: context"))
    none = SCHEMA.replace("role: signal", "role: context, kind: numeric")
    with pytest.raises(MsvizError, match=r"wanted fields with role signal: the schema has none"):
        daily(schema=none)


@pytest.mark.parametrize(
    "cell, reason",
    [
        ("-1", "gmv: got -1; signals are read as log(1 + x), so none is negative or beyond 32 bits"),
        ("1e39", "gmv: got 1e+39; signals are read as log(1 + x)"),
        ("", "gmv: the signal is missing"),
        ("much", "gmv: got 'much'; wanted a number"),
    ],
)
def test_a_row_whose_signal_cannot_be_used_is_rejected(cell: str, reason: str, load: Load) -> None:
    schema = """
fields:
  - {name: click, role: label}
  - {name: tab, role: scenario}
  - {name: gmv, role: signal}
split: {by: given, column: part}
"""
    log = f"click,tab,gmv,part\n1,a,0,train\n0,a,{cell},train\n0,b,2,train\n"
    with pytest.raises(MsvizError) as error:
        load(log, schema)
    assert f"log.csv line 3: {reason}" in str(error.value)
    assert found(load(log, schema, allow_rejects=True), "train") == [[0], [2]]


def test_describe_tells_histories_and_signals(load: Load, tmp_path: Path) -> None:
    schema = SCHEMA.replace(
        "split",
        "  - {name: item, role: item}\n"
        "  - {name: history, title: Past, role: behaviour, kind: sequence, of: item, sides: {tab: tabs}}\n"
        "split",
    )
    cells = ["x,,", "x,x|y,a|b", "y,x,a", "y,x|x|x,a|b|a"]
    lines = [f"{line},{cell}" for line, cell in zip(LOG.splitlines()[1:], cells, strict=True)]
    (tmp_path / "days.csv").write_text(DAYS)
    data = load(
        "\n".join(["click,tab,t,part,item,history,tabs", *lines]) + "\n",
        schema,
        signals=str(tmp_path / "days.csv"),
    )
    told = describe(data)
    assert told["history"] == {
        "name": "history", "title": "Past", "of": "item", "sides": ["tab"],
        "events": 6, "longest": 3, "share": 3 / 4, "mean_length": 2.0,
    }  # fmt: skip
    gmv, users = told["signals"]
    assert gmv == {"name": "gmv", "title": "GMV", "unit": "CNY", "least": 1.5, "mean": 2.5, "most": 3.5}
    assert (users["least"], users["mean"], users["most"]) == (10, 20, 30)


def test_describe_of_a_log_without_either(load: Load) -> None:
    told = describe(load("click,tab,item,price,part\n1,a,x,1,train\n0,a,y,2,train\n"))
    assert (told["history"], told["signals"]) == (None, [])


def test_the_command_line_takes_events_and_signals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "import", "table", "--help"]) == 0
    help_text = capsys.readouterr().out
    assert "--events" in help_text and "--signals" in help_text
    assert run(["data", "import", "kuairand", "--help"]) == 0
    assert "--no-signals" in capsys.readouterr().out
    sequence = "  - {name: history, role: behaviour, kind: sequence, of: tab, time: at}\n"
    (tmp_path / "schema.yaml").write_text(
        SCHEMA.replace("split", f"{sequence}  - {{name: u, role: user}}\nsplit")
    )
    lines = [f"{line},u1" for line in LOG.splitlines()[1:]]
    (tmp_path / "log.csv").write_text("\n".join(["click,tab,t,part,u", *lines]) + "\n")
    (tmp_path / "days.csv").write_text(DAYS)
    (tmp_path / "events.csv").write_text("u,at,tab\nu1,2022-05-05 15:59:58,b\nu1,2022-05-05 15:59:59,a\n")
    given = {"schema": "schema.yaml", "events": "events.csv", "signals": "days.csv", "out": "out"}
    options = [part for name, file in given.items() for part in (f"--{name}", str(tmp_path / file))]
    assert run(["data", "import", "table", str(tmp_path / "log.csv"), *options]) == 0
    assert "2 of 2 events are of the log's users" in capsys.readouterr().out
    batch = open_data(tmp_path / "out").split("train").batch(slice(None), behaviours=True)
    assert batch.histories is not None and batch.signals is not None
    assert batch.histories.age.tolist() == [[0, 1], [2, 1], [86_401, 86_400]]
    assert batch.signals[0].tolist() == [1.5, 10]
    assert (
        run(
            [
                "data",
                "import",
                "table",
                str(tmp_path / "log.csv"),
                "--out",
                str(tmp_path / "x"),
                "--events",
                "e",
            ]
        )
        == 2
    )
    assert capsys.readouterr().err == (
        "error: events: got 'e'; wanted --schema with it: the schema says which columns are read\n"
    )
