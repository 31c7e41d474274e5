"""Behaviours with side fields from list columns, worked out by hand."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from msviz.data.sources import table
from msviz.dataset import Dataset
from msviz.errors import MsvizError

Load = Callable[..., Dataset]
SCHEMA = """
fields:
  - {name: click, role: label}
  - {name: tab, role: scenario}
  - {name: item, role: item}
  - {name: brand, role: item, min_count: 2}
  - {name: price, role: item, kind: numeric}
  - {name: history, role: behaviour, kind: sequence, of: item, sides: {brand: brands}, time: times, max: 2}
  - {name: t, role: time, unit: s}
split: {by: given, column: part}
"""
HEAD = "click,tab,item,brand,price,history,brands,times,t,part\n"
LOG = (
    HEAD + "1,a,x,nike,1,,,,100,train\n"
    "0,a,y,nike,2,x,nike,150,200,train\n"
    # Four behaviours out of order: y of 250 and x of 290 are the latest two before 300.
    "1,a,x,puma,3,y|x|z|x,|new|puma|nike,250|290|300|10,300,train\n"
    "1,a,new,late,4,y|new|x,nike|late|puma,250|290|120,400,test\n"
)


def ids(data: Dataset, split: str) -> list[list[list[int]]]:
    """Return each row's behaviours without the padding: (rows, length, F)."""
    batch = data.split(split).batch(slice(None), behaviours=True)
    assert batch.histories is not None
    return [row[kept].tolist() for row, kept in zip(batch.histories.ids, batch.histories.mask, strict=True)]


def test_sides_have_the_ids_of_their_feature(load: Load) -> None:
    data = load(LOG, SCHEMA)
    assert data.schema.field("item").vocabulary == ["x", "y"]
    assert data.schema.field("brand").vocabulary == ["nike"]  # puma is once in training: rare
    # Sides go with their items: sorted, cut, the latest two. '' is missing (1), a rare brand unknown (0).
    assert ids(data, "train") == [[], [[2, 2]], [[3, 1], [2, 0]]]
    # 'new' and 'late' stand in the test row only: no vocabulary was learned from it.
    assert ids(data, "test") == [[[3, 2], [0, 0]]]


def test_sides_from_parquet_lists_give_the_same_dataset(load: Load, tmp_path: Path) -> None:
    wanted = load(LOG, SCHEMA).fingerprint
    names, *rows = [line.split(",") for line in LOG.splitlines()]
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    lists = {name: [c.split("|") if c else None for c in columns.pop(name)] for name in ("history", "brands")}
    lists["brands"] = [cells and [cell or None for cell in cells] for cells in lists["brands"]]
    times = [[int(time) for time in cell.split("|") if time] for cell in columns.pop("times")]
    parquet.write_table(pa.table(columns | lists | {"times": times}), tmp_path / "log.parquet")
    options = table.TableOptions.model_validate({"schema": tmp_path / "schema.yaml"})
    data = table.import_log(str(tmp_path / "log.parquet"), tmp_path / "other", options, lambda line: None)
    assert data.fingerprint == wanted


def test_a_row_whose_sides_are_of_another_length_is_rejected(load: Load, tmp_path: Path) -> None:
    bad = "1,a,x,nike,1,x|y,nike,250|260,400,train\n"
    with pytest.raises(MsvizError, match=r"line 6: brands: got 1 entries; the sequence has 2;"):
        load(LOG + bad, SCHEMA)
    data = load(LOG + bad, SCHEMA, allow_rejects=True)
    assert ids(data, "train") == [[], [[2, 2]], [[3, 1], [2, 0]]]
    assert data.meta["origin"]["rejected"] == 1


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("{brand: brands}", "{colour: brands}", "history: sides: got 'colour'; wanted categorical features"),
        ("{brand: brands}", "{price: brands}", "choices: tab, brand"),
        ("{brand: brands}", "{item: brands}", "sides: got 'item'"),
        ("{brand: brands}", "{brand: colours}", "column: got 'colours'; the source does not have it"),
        ("{brand: brands}", "{brand: times}", "column: got 'times'; the sequence names this column twice"),
        ("max: 2", "max: 65536", "history: max: got 65536; 65,535 at most"),
    ],
)
def test_a_side_that_cannot_be_read_is_told_in_one_line(
    old: str, new: str, words: str, load: Load, tmp_path: Path
) -> None:
    with pytest.raises(MsvizError) as error:
        load(LOG, SCHEMA.replace(old, new))
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_blocks_make_no_difference(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        f"{i % 2},a,i{i % 7},b{i % 3},{i},i{i % 5}|i{i % 3},b{i % 4}|,{9 + i % 9}|{9 + i},{12 + i},train\n"
        for i in range(150)
    ]
    whole = load(HEAD + "".join(rows), SCHEMA).fingerprint
    monkeypatch.setattr("msviz.data.importing.learn.WINDOW", 13)
    monkeypatch.setattr("msviz.data.importing.read.BLOCK_BYTES", 97)
    assert load(HEAD + "".join(rows), SCHEMA, overwrite=True).fingerprint == whole


def test_a_proposal_knows_sides_by_name_and_length(tmp_path: Path) -> None:
    head = "click,tab,user_id,item_id,category,brand,history_category,history,brand_list,other,ts\n"
    rows = "".join(
        f"{i % 2},{i % 3},{i % 9},{i % 5},{i % 4},b{i % 2},1|2,7|8,x|y|z,5|6,{1_650_000_000 + i}\n"
        for i in range(40)
    )
    (tmp_path / "log.csv").write_text(head + rows)
    (sequence,) = table.propose(str(tmp_path / "log.csv")).sequences
    assert (sequence.name, sequence.of) == ("history", "item_id")
    # brand_list is named after a feature, but its lists are longer; nothing is called 'other'.
    assert sequence.sides == {"category": "history_category"}


def test_a_proposal_takes_signals_only_by_their_name(load: Load, tmp_path: Path) -> None:
    head = "click,tab,signal_gmv,gmv_1d,active_users,signal_bad,signal_gone\n"
    rows = "".join(f"{i % 2},{i % 3},{i / 2},{i / 3},{i * 10},{i - 5},{i or ''}\n" for i in range(40))
    (tmp_path / "log.csv").write_text(head + rows)
    proposal = table.propose(str(tmp_path / "log.csv"))
    assert [field.name for field in proposal.signals] == ["signal_gmv"]
    assert {"gmv_1d", "active_users", "signal_bad", "signal_gone"} < {f.name for f in proposal.features}
    data = load(head + rows, proposal.to_yaml())
    assert data.split("train").signals(slice(None))[:, 0].tolist() == [
        row / 2 for row in data.split("train").row.tolist()
    ]
