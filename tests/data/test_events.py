"""Histories from a table of events: joined by user, cut at the impression's own second, kept once."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from msviz.dataset import SPLITS, Dataset
from msviz.errors import MsvizError

Load = Callable[..., Dataset]
SCHEMA = """
fields:
  - {name: click, role: label}
  - {name: tab, role: scenario}
  - {name: user, role: user}
  - {name: item, role: item}
  - {name: brand, role: item}
  - {name: history, role: behaviour, kind: sequence, of: item, sides: {brand: brand},
     scenario: page, time: at, max: 2}
  - {name: t, role: time, unit: s, utc_offset: 8}
split: {by: given, column: part}
"""
LOG = (
    "click,tab,user,item,brand,t,part\n"
    "1,a,u1,x,n,1000,train\n"
    "0,b,u2,y,m,1000,train\n"
    "1,a,u1,y,m,2000,train\n"
    "1,a,,x,n,2000,train\n"
    "0,b,u1,x,m,3000,test\n"
)
# In no order; u3 is not in the log; an item that training never shows is unknown.
EVENTS = (
    "at,user,page,item,brand,extra\n"
    "2999,u1,b,q,n,0\n"
    "1000,u1,a,x,n,0\n"
    "500,u2,,y,,0\n"
    "900,u1,b,y,m,0\n"
    "3000,u1,a,y,m,0\n"
    "800,u1,c,x,n,0\n"
    "100,u1,a,x,n,0\n"
    "999,u3,a,x,n,0\n"
    "1500,,a,x,n,0\n"
    "1500,u1,a,,n,0\n"
)


@pytest.fixture
def joined(load: Load, tmp_path: Path) -> Load:
    """Import LOG with events given as text; the same words as `load`."""

    def run(events: str = EVENTS, schema: str = SCHEMA, log: str = LOG, **options: object) -> Dataset:
        (tmp_path / "events.csv").write_text(events)
        return load(log, schema, events=str(tmp_path / "events.csv"), **options)

    return run


def histories(data: Dataset, split: str) -> list[list[tuple[int, ...]]]:
    """Return each row's behaviours: (item, brand, scenario, age)."""
    past = data.split(split).batch(slice(None), behaviours=True).histories
    assert past is not None
    found = []
    for ids, scenario, age, mask in zip(past.ids, past.scenario, past.age, past.mask, strict=True):
        rows = zip(ids[mask].tolist(), scenario[mask].tolist(), age[mask].tolist(), strict=True)
        found.append([(*pair, place, old) for pair, place, old in rows])
    return found


def test_a_row_has_its_users_latest_events_before_its_own_second(joined: Load) -> None:
    data = joined()
    assert data.schema.field("item").vocabulary == ["x", "y"]
    assert data.schema.field("brand").vocabulary == ["m", "n"]
    assert data.schema.scenario_names == ["unseen combination", "a", "b"]
    x, y, m, n = 2, 3, 2, 3
    assert histories(data, "train") == [
        # u1 at 1000: the event at 1000 would leak; of 100, 800 and 900 the latest two. Page c is unseen.
        [(x, n, 0, 200), (y, m, 2, 100)],
        [(y, 1, 0, 500)],  # neither brand (missing: 1) nor page are told
        [(y, m, 2, 1100), (x, n, 1, 1000)],  # the one at 1500 names no item
        [],  # a row without user
    ]
    assert histories(data, "test") == [[(x, n, 1, 2000), (0, n, 2, 1)]]  # q is unknown, 3000 is now


@pytest.mark.parametrize("second", [1000, 1001, 5000])
def test_nothing_of_the_same_second_or_later_is_in_a_history(second: int, joined: Load) -> None:
    past = joined()
    later = joined(EVENTS + f"{second},u1,a,y,n,0\n{second},u2,a,y,n,0\n", overwrite=True)
    assert histories(later, "train")[:2] == histories(past, "train")[:2]


def test_events_are_kept_once_and_only_where_a_history_holds_them(joined: Load) -> None:
    data = joined()
    # Of u1 those at 800, 900, 1000 and 2999, of u2 one; 100 is too old, 3000 too new, u3 not in the log.
    # A behaviour is two ids of a byte, a scenario of one and a time of eight.
    assert sum(path.stat().st_size for path in (data.path / "events").iterdir()) == 5 * (1 + 1 + 1 + 8)
    rows = [f"1,a,u1,x,n,{4000 + number},train\n" for number in range(500)]
    longer = joined(log=LOG + "".join(rows), overwrite=True)
    # 500 rows of the same history add one event, that at 3000, which they can see.
    assert sum(path.stat().st_size for path in (longer.path / "events").iterdir()) == 6 * 11
    # (Brand n is the more frequent one now and so has the lower id.)
    assert histories(longer, "train")[-1] == [(0, 2, 2, 1500), (3, 3, 1, 1499)]


def test_lists_in_the_log_and_a_table_of_events_say_the_same(load: Load, tmp_path: Path) -> None:
    """A log of 400 rows, with its histories as lists worked out row by row, and with a table of events."""
    rng = np.random.default_rng(0)
    events = [(int(rng.integers(1, 300)), f"u{rng.integers(6)}", f"i{rng.integers(9)}") for _ in range(250)]
    lists, plain = ["click,tab,user,item,t,history,at\n"], ["click,tab,user,item,t\n"]
    for _ in range(400):
        time, user = int(rng.integers(1, 300)), f"u{rng.integers(6)}"
        row = f"{rng.integers(2)},{'ab'[rng.integers(2)]},{user},i{rng.integers(9)},{time}"
        past = sorted((event for event in events if event[1] == user and event[0] < time), key=lambda e: e[0])
        held = ["|".join(str(event[place]) for event in past[-3:]) for place in (2, 0)]
        lists.append(",".join([row, *held]) + "\n")
        plain.append(row + "\n")
    schema = """
fields:
  - {name: click, role: label}
  - {name: tab, role: scenario}
  - {name: user, role: user}
  - {name: item, role: item}
  - {name: history, role: behaviour, kind: sequence, of: item, time: at, max: 3}
  - {name: t, role: time, unit: s}
"""
    listed = load("".join(lists), schema)
    wanted = {split: histories(listed, split) for split in SPLITS}
    unrolled = sum(path.stat().st_size for path in (listed.path / "events").iterdir())
    lines = ["at,user,history", *(f"{at},{user},{item}" for at, user, item in events)]
    (tmp_path / "events.csv").write_text("\n".join(lines) + "\n")
    data = load("".join(plain), schema, events=str(tmp_path / "events.csv"), overwrite=True)
    assert {split: histories(data, split) for split in SPLITS} == wanted
    assert sum(map(len, wanted["train"])) > 500
    assert sum(path.stat().st_size for path in (data.path / "events").iterdir()) <= 250 * 10 < unrolled


def test_blocks_make_no_difference(joined: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = joined()
    monkeypatch.setattr("msviz.data.importing.learn.WINDOW", 2)
    monkeypatch.setattr("msviz.data.importing.events.BLOCK", 2)
    assert joined(overwrite=True).fingerprint == whole.fingerprint


def test_equal_times_keep_the_order_of_the_table(joined: Load) -> None:
    head = "at,user,page,item,brand\n"
    one, two = "900,u1,a,x,n\n", "900,u1,b,y,m\n"
    assert histories(joined(head + one + two), "train")[0] == [(2, 3, 1, 100), (3, 2, 2, 100)]
    assert histories(joined(head + two + one, overwrite=True), "train")[0] == [(3, 2, 2, 100), (2, 3, 1, 100)]


def test_events_from_parquet_and_under_a_column_of_their_own(load: Load, tmp_path: Path) -> None:
    content = {"user": ["u1", "u2"], "at": [900, 900], "history": ["y", "x"], "page": ["a", "b"]}
    parquet.write_table(
        pa.table(content | {"brand": ["m", None], "item": ["?", "?"]}), tmp_path / "e.parquet"
    )
    data = load(LOG, SCHEMA, events=str(tmp_path / "e.parquet"))
    # A column called like the sequence comes before one called like its items' field.
    assert histories(data, "train")[:2] == [[(3, 2, 1, 100)], [(2, 1, 2, 100)]]


def test_unreadable_events_are_rejects_with_a_file_and_a_line_of_their_own(
    joined: Load, tmp_path: Path
) -> None:
    bad = EVENTS + "noon,u1,a,x,n,0\n1,2\n,u1,a,x,n,0\n"
    with pytest.raises(MsvizError) as error:
        joined(bad)
    assert str(error.value).startswith(
        "events: 3 of 13 rows (23.1%) cannot be read, more than 1 %; the first"
    )
    assert "events.csv line 12: at: got 'noon'; wanted a number" in str(error.value)
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.rejects.csv"]
    data = joined(bad, log=LOG + "7,a,u1,x,n,1000,train\n", allow_rejects=True)
    assert len(histories(data, "train")) == 4
    with (tmp_path / "out.rejects.csv").open(encoding="utf-8", newline="") as stream:
        told = [(row["file"], row["line"]) for row in csv.DictReader(stream)]
    assert told == [("log.csv", "7"), *(("events.csv", str(line)) for line in (12, 13, 14))]
    origin = data.meta["origin"]
    assert origin["rejected"] == 1
    assert origin["events"] == {"source": ["events.csv"], "rows": 13, "read": 7, "rejected": 3}


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("time: at, ", "", "history: time: got None; wanted the events' time; valid choices: at, user, page"),
        ("time: at, ", "time: moment, ", "column: got 'moment'; the events do not have it"),
        ("{brand: brand}", "{brand: maker}", "column: got 'maker'; the events do not have it"),
        ("scenario: page", "scenario: place", "column: got 'place'; the events do not have it"),
        ("scenario: page", "scenario: user", "column: got 'user'; it is read twice from the events"),
        ("name: user, role: user", "name: user, role: context", "events: got 'no user'; the log needs a cat"),
        (
            "name: t, role: time, unit: s, utc_offset: 8",
            "name: t, kind: numeric",
            "needs a field with role time",
        ),
        (
            "{name: user, role: user}",
            "{name: part, role: user}",
            "column: got 'part'; the events do not have",
        ),
        (
            "  - {name: history, role: behaviour, kind: sequence, of: item, sides: {brand: brand},\n"
            "     scenario: page, time: at, max: 2}\n",
            "",
            "events: got 'no sequence'; the schema needs a field of role behaviour, kind sequence",
        ),
    ],
)
def test_what_cannot_be_joined_is_told_in_one_line(
    old: str, new: str, words: str, joined: Load, tmp_path: Path
) -> None:
    assert old in SCHEMA
    with pytest.raises(MsvizError) as error:
        joined(schema=SCHEMA.replace(old, new))
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob(".out*")) and not list(tmp_path.glob("out*"))


def test_rows_far_before_and_far_after_all_events(joined: Load) -> None:
    log = LOG + "1,a,u2,x,n,-9000000000,train\n1,a,u2,x,n,99000000000,train\n"
    found = histories(joined(log=log), "train")
    assert found[4] == []
    assert [age for *_, age in found[5]] == [99_000_000_000 - 500]


def test_no_events_and_no_schema(joined: Load, load: Load, tmp_path: Path) -> None:
    with pytest.raises(MsvizError, match=r"^events: got 'no rows'; wanted: rows below the header line$"):
        joined(EVENTS.splitlines()[0] + "\n")
    with pytest.raises(MsvizError, match=r"^events: got '.*nowhere.csv'; no such table"):
        load(LOG, SCHEMA, events=str(tmp_path / "nowhere.csv"))
    with pytest.raises(MsvizError, match=r"^events: got 'e.csv'; wanted --schema with it"):
        load(LOG, None, events="e.csv")
    data = joined("at,user,page,item,brand\n5,u3,a,x,n\n")
    assert histories(data, "train") == [[], [], [], []]
    assert "warning: no event is of a user of the log, so no row has a history" in load.lines  # type: ignore[attr-defined]
