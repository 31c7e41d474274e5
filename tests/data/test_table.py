"""What a small table becomes, worked out by hand."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from msviz.data.importing.read import LogFiles
from msviz.data.sources import table
from msviz.dataset import Dataset, open_data
from msviz.errors import MsvizError

Load = Callable[..., Dataset]
LOG = """click,tab,item,price,part
1,a,x,10,train
0,a,x,20,train
1,b,y,30,train
0,a,z,40,train
1,b,x,,valid
0,c,new,25,test
0,a,,99,test
"""


def column(dataset: Dataset, split: str, name: str) -> list[int]:
    return dataset.split(split).column(name).tolist()


def test_vocabularies_are_learned_on_training_rows_only(load: Load) -> None:
    data = load(LOG)
    item = data.schema.field("item")
    # x twice; y and z once each, so in the order of their names. 'new' is in no training row.
    assert item.vocabulary == ["x", "y", "z"]
    assert column(data, "train", "item") == [2, 2, 3, 4]
    assert column(data, "valid", "item") == [2]
    assert column(data, "test", "item") == [0, 1]  # unknown, missing


def test_scenarios_are_those_of_training_the_largest_first(load: Load) -> None:
    data = load(LOG)
    assert data.schema.scenario_names == ["unseen combination", "Alpha", "b"]
    assert data.split("train").scenario.tolist() == [1, 1, 2, 1]
    assert data.split("test").scenario.tolist() == [0, 1]


def test_numbers_fall_into_quantile_bins_with_readable_names(load: Load) -> None:
    data = load(LOG)
    price = data.schema.field("price")
    # Training values 10, 20, 30, 40 in two bins: the second begins at the third value.
    assert price.edges == [30.0]
    assert price.vocabulary == ["< 30 s", "≥ 30 s"]
    assert column(data, "train", "price") == [2, 2, 3, 3]
    assert column(data, "valid", "price") == [1]
    assert column(data, "test", "price") == [2, 3]


def test_rows_keep_their_number_label_and_order(load: Load) -> None:
    data = load(LOG)
    assert data.rows == {"train": 4, "valid": 1, "test": 2}
    assert data.split("train").row.tolist() == [0, 1, 2, 3]
    assert data.split("test").row.tolist() == [5, 6]
    assert data.split("train").label.tolist() == [1, 0, 1, 0]
    assert data.meta["origin"]["source"] == ["log.csv"]


def test_rare_values_share_the_unknown_id(load: Load) -> None:
    schema = """
fields:
  - {name: click, role: label}
  - {name: tab, role: scenario}
  - {name: item, role: item, min_count: 2}
split: {by: given, column: part}
"""
    data = load(LOG, schema)
    assert data.schema.field("item").vocabulary == ["x"]
    assert column(data, "train", "item") == [2, 2, 0, 0]


def test_several_scenario_fields_make_a_combination_and_stay_fields(load: Load) -> None:
    schema = """
fields:
  - {name: click, role: label}
  - {name: tab, role: scenario}
  - {name: item, role: scenario}
split: {by: given, column: part}
"""
    data = load(LOG, schema)
    assert data.schema.scenario_names == ["unseen combination", "a · x", "a · z", "b · y"]
    assert [field.name for field in data.schema.features] == ["tab", "item"]
    assert data.split("train").scenario.tolist() == [1, 1, 3, 2]
    assert data.split("valid").scenario.tolist() == [0]  # b and x are known, b · x is not


def as_parquet(path: Path) -> None:
    lines = [line.split(",") for line in LOG.splitlines()]
    columns = {name: [row[i] or None for row in lines[1:]] for i, name in enumerate(lines[0])}
    content = pa.table(
        {
            "click": pa.array([int(v) for v in columns["click"]]),
            "tab": columns["tab"],
            "item": columns["item"],
            "price": pa.array([float(v) if v else None for v in columns["price"]]),
            "part": columns["part"],
        }
    )
    parquet.write_table(content, path)


@pytest.mark.parametrize("form", ["csv", "tsv", "csv.gz", "parquet", "folder", "glob", "crlf", "bom"])
def test_every_form_of_a_table_gives_the_same_dataset(form: str, load: Load, tmp_path: Path) -> None:
    wanted = load(LOG).fingerprint
    folder = tmp_path / "in"
    folder.mkdir()
    source = folder / "log.csv"
    if form == "tsv":
        source = folder / "log.tsv"
        source.write_text(LOG.replace(",", "\t"))
    elif form == "csv.gz":
        source = folder / "log.csv.gz"
        source.write_bytes(gzip.compress(LOG.encode()))
    elif form == "parquet":
        source = folder / "log.parquet"
        as_parquet(source)
    elif form in ("folder", "glob"):
        lines = LOG.splitlines(keepends=True)
        (folder / "1.csv").write_text("".join(lines[:4]))
        (folder / "2.csv").write_text("".join([lines[0], *lines[4:]]))
        source = folder if form == "folder" else folder / "*.csv"
    else:
        text = LOG.replace("\n", "\r\n") if form == "crlf" else "\ufeff" + LOG
        source.write_bytes(text.encode())
    options = table.TableOptions.model_validate({"schema": tmp_path / "schema.yaml"})
    data = table.import_log(str(source), tmp_path / "other", options, lambda line: None)
    assert data.fingerprint == wanted


def test_blocks_make_no_difference(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        f'{i % 2},{"ab"[i % 3 == 0]},"v{i % 7}, ""q""",{i},{"train" if i % 5 else "test"}' for i in range(200)
    ]
    log = "\n".join(["click,tab,item,price,part", *rows]) + "\n"
    whole = load(log)
    assert whole.schema.field("item").value_name(2) == 'v2, "q"'  # 24 training rows, v0 has 23
    monkeypatch.setattr("msviz.data.importing.learn.WINDOW", 13)
    original = LogFiles.chunks
    monkeypatch.setattr(LogFiles, "chunks", lambda self, columns: original(self, columns, 97))
    assert load(log, overwrite=True).fingerprint == whole.fingerprint


def test_split_by_days_uses_the_local_day(load: Load) -> None:
    log = "click,tab,t\n" + "".join(
        f"{i % 2},a,{stamp}\n"
        for i, stamp in enumerate(
            ["2022-05-05 15:59:59", "2022-05-05 16:00:00", "2022-05-06 15:59:59", "2022-05-06T16:00:00Z"]
        )
    )
    schema = """
fields:
  - {name: click, role: label}
  - {name: tab, role: scenario}
  - {name: t, role: time, unit: date, utc_offset: 8}
split: {by: time, valid_from: "2022-05-06", test_from: "2022-05-07"}
"""
    data = load(log, schema)
    # At UTC+8 the day begins at 16:00 UTC.
    assert data.rows == {"train": 1, "valid": 2, "test": 1}
    assert data.split("test").time[0] == datetime(2022, 5, 7, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("unit, scale", [("s", 1), ("ms", 1_000), ("us", 1_000_000)])
def test_split_by_time_shares_and_units(unit: str, scale: int, load: Load) -> None:
    rows = "".join(f"{i % 2},a,{(1_650_000_000 + i) * scale}\n" for i in range(20))
    schema = f"""
fields:
  - {{name: click, role: label}}
  - {{name: tab, role: scenario}}
  - {{name: t, role: time, unit: {unit}}}
split: {{by: time, test: 0.2, valid: 0.1}}
"""
    data = load("click,tab,t\n" + rows, schema)
    assert data.rows == {"train": 14, "valid": 2, "test": 4}
    assert data.split("test").time.tolist() == [1_650_000_016 + i for i in range(4)]


def test_a_random_split_repeats_for_its_seed_and_differs_for_another(load: Load) -> None:
    log = "click,tab\n" + "".join(f"{i % 2},a\n" for i in range(2_000))
    fields = "fields:\n  - {name: click, role: label}\n  - {name: tab, role: scenario}\n"
    schema = fields + "split: {by: random, seed: %d}\n"
    first, again, other = (load(log, schema % seed, overwrite=True) for seed in (1, 1, 2))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    # 2,000 draws of 0.2 and 0.1: four standard deviations are 72 and 54 rows.
    assert abs(first.rows["test"] - 400) < 72
    assert abs(first.rows["valid"] - 200) < 54


SEQUENCE = """
fields:
  - {name: click, role: label}
  - {name: tab, role: scenario}
  - {name: item, role: item}
  - {name: history, role: behaviour, kind: sequence, of: item, scenario: tabs, time: times, max: 2}
  - {name: t, role: time, unit: s}
split: {by: given, column: part}
"""


@pytest.mark.parametrize("form", ["pipes", "json"])
def test_histories_are_cut_before_the_impression_and_latest_last(form: str, load: Load) -> None:
    rows = [
        ("1", "a", "x", [], [], [], 1_000_000_100),
        ("0", "b", "y", ["x"], ["a"], [1_000_000_150], 1_000_000_200),
        # z at 290 is the latest, y at 300 is the impression's own time and would leak, x at 10 is too old.
        ("1", "a", "z", ["z", "y", "x", "q"], ["b", "a", "a", "?"], [290, 300, 10, 250], 300),
    ]
    text = "click\ttab\titem\thistory\ttabs\ttimes\tt\tpart\n"
    for click, tab, item, history, tabs, times, time in rows:
        lists = [history, tabs, times]
        cells = ["|".join(map(str, v)) if form == "pipes" else str(v).replace("'", '"') for v in lists]
        if form == "json":
            cells = ['"' + cell.replace('"', '""') + '"' for cell in cells]
        text += "\t".join([click, tab, item, *cells, str(time), "train"]) + "\n"
    data = load(text, SEQUENCE, name="log.tsv")
    ids = {word: 2 + i for i, word in enumerate(data.schema.field("item").vocabulary)}
    batch = data.split("train").batch(slice(0, 3), behaviours=True)
    assert batch.histories is not None
    assert batch.histories.mask.tolist() == [[False, False], [False, True], [True, True]]
    assert batch.histories.ids[:, :, 0].tolist() == [[0, 0], [0, ids["x"]], [0, ids["z"]]]  # q is unknown
    scenario = {name: i for i, name in enumerate(data.schema.scenario_names)}
    assert batch.histories.scenario.tolist() == [[0, 0], [0, scenario["a"]], [0, scenario["b"]]]
    assert batch.histories.age.tolist() == [[0, 0], [0, 50], [50, 10]]


def test_histories_from_parquet_lists(load: Load, tmp_path: Path) -> None:
    content = pa.table(
        {
            "click": [1, 0],
            "tab": ["a", "a"],
            "item": [5, 6],
            "history": pa.array([[5, 6, 5], None], pa.list_(pa.int64())),
            "part": ["train", "train"],
        }
    )
    parquet.write_table(content, tmp_path / "log.parquet")
    schema = SEQUENCE.replace("scenario: tabs, time: times, ", "").replace(
        "  - {name: t, role: time, unit: s}\n", ""
    )
    data = load((tmp_path / "log.parquet").read_bytes(), schema, name="log.parquet")
    batch = data.split("train").batch(np.array([0, 1]), behaviours=True)
    assert batch.histories is not None
    assert batch.histories.ids[:, :, 0].tolist() == [[3, 2], [0, 0]]
    assert batch.histories.mask.tolist() == [[True, True], [False, False]]


def test_signals_are_kept_as_numbers(load: Load) -> None:
    schema = """
fields:
  - {name: click, role: label}
  - {name: tab, role: scenario}
  - {name: gmv, role: signal}
split: {by: given, column: part}
"""
    data = load("click,tab,gmv,part\n1,a,0.5,train\n0,a,2,train\n", schema)
    batch = data.split("train").batch(slice(0, 2))
    assert batch.signals is not None
    assert batch.signals.tolist() == [[0.5], [2.0]]


def test_a_proposal_can_be_imported_as_it_is(load: Load, tmp_path: Path) -> None:
    log = "user_id,item_id,tab,price,ts,is_like,history,click\n" + "".join(
        f"{i % 9},{i % 5},{i % 3},{i / 8},{1_650_000_000 + i},{i % 2},1|2|3,{i % 2}\n" for i in range(60)
    )
    (tmp_path / "log.csv").write_text(log)
    proposal = table.propose(str(tmp_path / "log.csv"))
    roles = {field.name: (field.role, field.kind) for field in proposal.fields}
    assert roles == {
        "click": ("label", "categorical"),
        "ts": ("time", "categorical"),
        "tab": ("scenario", "categorical"),
        "user_id": ("user", "categorical"),
        "item_id": ("item", "categorical"),
        "price": ("context", "numeric"),
        "history": ("behaviour", "sequence"),
    }
    assert proposal.role("time").unit == "s"  # type: ignore[union-attr]
    data = load(log, proposal.to_yaml())
    assert data.rows == {"train": 42, "valid": 6, "test": 12}
    assumed = load(log, None, overwrite=True)
    assert assumed.fingerprint == data.fingerprint
    assert "left out: is_like is known only after the impression" in load.lines  # type: ignore[attr-defined]
    assert any(line.startswith("assumed: tab is the scenario") for line in load.lines)  # type: ignore[attr-defined]


def test_a_dataset_is_not_replaced_unless_asked(load: Load) -> None:
    load(LOG)
    with pytest.raises(MsvizError, match="--overwrite"):
        load(LOG)
    assert load(LOG.replace("x", "w"), overwrite=True).schema.field("item").vocabulary[0] == "w"


def test_too_many_scenario_combinations_are_refused(load: Load) -> None:
    names = [f"f{i}" for i in range(11)]
    schema = "fields:\n  - {name: click, role: label}\n" + "".join(
        f"  - {{name: {n}, role: scenario}}\n" for n in names
    )
    rows = "".join(f"{i % 2},{','.join([str(i)] * 11)}\n" for i in range(80))
    with pytest.raises(MsvizError, match="scenario fields"):
        load(f"click,{','.join(names)}\n{rows}", schema + "split: {by: random, test: 0, valid: 0}\n")


def test_opening_reads_no_rows(load: Load, tmp_path: Path) -> None:
    load(LOG)
    for file in (tmp_path / "out" / "train").glob("*.bin"):
        file.unlink()
    assert open_data(tmp_path / "out").rows["train"] == 4


def test_a_label_with_strange_values_is_still_the_label_and_its_rows_are_told(
    load: Load, tmp_path: Path
) -> None:
    log = "tab,click\n" + "".join(f"{i % 3},{i % 2}\n" for i in range(30)) + "1,2\n"
    (tmp_path / "log.csv").write_text(log)
    assert table.propose(str(tmp_path / "log.csv")).role("label").name == "click"  # type: ignore[union-attr]
    with pytest.raises(MsvizError, match="click: got '2'; wanted 0 or 1"):
        load(log, None)
