"""KuaiRand (Pure, 1K, 27K): the official tables, joined, with users' earlier clicks and daily figures."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting

from msviz.data.importing.check import check
from msviz.data.importing.encode import encode
from msviz.data.importing.events import Events
from msviz.data.importing.read import Chunk
from msviz.data.importing.rejects import Rejects
from msviz.data.importing.signals import Daily
from msviz.data.importing.source import Source
from msviz.data.importing.spill import Spill
from msviz.data.importing.split import day
from msviz.data.importing.stale import refuse_existing
from msviz.data.kuairand.schema import propose_schema
from msviz.data.kuairand.signals import daily_signals, signal_fields
from msviz.data.kuairand.tables import UTC_OFFSET, ClickTables, Tables
from msviz.dataset import Dataset
from msviz.errors import MsvizError, invalid, one_of
from msviz.schema import Schema, Split

TABS = range(15)


class KuairandOptions(BaseModel):
    """How KuaiRand is imported."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)

    tabs: str | None = Setting(None, description="tabs to keep, as in 1,0,4,6,2; all by default")
    label: Literal["is_click", "long_view"] = Setting("is_click", description="what counts as a click")
    history: int = Setting(50, ge=0, le=1000, description="latest earlier clicks kept per row; 0 for none")
    signals: bool = Setting(True, description="daily figures of the log, each known before its day")
    train_from: str | None = Setting(None, description="first day (YYYY-MM-DD) kept; before it, only history")
    valid_from: str | None = Setting(
        None, description="first day (YYYY-MM-DD) of validation; shares by default"
    )
    test_from: str | None = Setting(None, description="first day (YYYY-MM-DD) of test")
    random_log: bool = Setting(False, description="also read log_random_*: videos shown at random")
    schema_file: Path | None = Setting(None, alias="schema", description="YAML file that replaces the fields")
    allow_rejects: bool = Setting(
        False, description="go on although more than 1 % of the rows are unreadable"
    )
    overwrite: bool = Setting(False, description="replace the dataset at --out")


def import_log(
    source: str, out: Path, options: KuairandOptions, report: Callable[[str], None] = print
) -> Dataset:
    """Encode the KuaiRand tables in folder `source`; raise MsvizError when one is missing or unreadable."""
    refuse_existing(out, options.overwrite)
    tabs = _tabs(options.tabs)
    rejects = Rejects(out)
    try:
        with Spill(out, "stage") as stage:
            source_tables = Tables(Path(source), stage.folder, rejects, options.random_log)
            with closing(source_tables) as tables:
                if tables.duplicates:
                    report(f"{tables.duplicates:,} of {tables.staged:,} rows are exact duplicates: dropped")
                for note in tables.notes:
                    report(note)
                schema = _schema(options, tables)
                daily, clicks = _daily(options, schema, tables), _clicks(options, schema, tables)
                by_day = daily.names if daily else ()
                check(schema, tables.columns, clicks.columns if clicks else None, by_day)
                origin = {"kind": "kuairand", "source": tables.files, "duplicates": tables.duplicates}
                return encode(
                    _tasks(tables, tabs, options),
                    schema,
                    out,
                    origin,
                    report,
                    allow_rejects=options.allow_rejects,
                    overwrite=options.overwrite,
                    rejects=rejects,
                    staged=tables.staged,
                    events=Events.of(schema, clicks) if clicks else None,
                    daily=daily,
                )
    except duckdb.Error as error:
        raise MsvizError(f"source {source}: cannot be joined: {' '.join(str(error).split())}") from error
    finally:
        rejects.discard()


def _tabs(text: str | None) -> list[int]:
    """Return the chosen tabs; raise MsvizError for one that KuaiRand does not have."""
    if text is None:
        return list(TABS)
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) in TABS for part in parts):
        raise invalid("tabs", text, one_of(TABS) + ", separated by commas")
    return [int(part) for part in parts]


def _schema(options: KuairandOptions, tables: Tables) -> Schema:
    if options.schema_file is not None:
        if options.valid_from or options.test_from:
            raise invalid("valid_from", options.valid_from, "the schema file says how rows are split")
        if "history" in options.model_fields_set:
            raise invalid("history", options.history, "the schema file says it: max of its sequence, or none")
        return Schema.load(options.schema_file)
    if (options.valid_from is None) != (options.test_from is None):
        raise invalid("valid_from", options.valid_from, "valid_from and test_from come together, or neither")
    split = Split(by="time", valid_from=options.valid_from, test_from=options.test_from)
    return propose_schema(tables.columns, options.label, options.history, options.signals, split)


def _daily(options: KuairandOptions, schema: Schema, tables: Tables) -> Daily | None:
    """Return those signals of the schema that the log tells by day."""
    own = {field.name for field in signal_fields()}
    names = [field.name for field in schema.signals if field.name in own]
    return daily_signals(tables, names) if options.signals and names else None


def _clicks(options: KuairandOptions, schema: Schema, tables: Tables) -> ClickTables | None:
    return tables.clicks() if options.history and schema.sequences else None


def _tasks(tables: Tables, tabs: list[int], options: KuairandOptions) -> Iterator[Callable[[], Chunk]]:
    """Yield the joined rows chunk by chunk, in the order of time."""
    first = (day("train_from", options.train_from) - UTC_OFFSET * 3600) * 1000 if options.train_from else 0
    for batch in tables.joined(tabs, first):
        table = pa.Table.from_batches([batch])
        row = table["row"].to_numpy()
        # `place` is the row's number in the log, so that it survives the sorting and the choice of tabs.
        yield partial(Chunk, table.drop_columns(["row"]), "log", row + 1, row, 0)


SOURCE = Source(options=KuairandOptions, import_log=import_log)
