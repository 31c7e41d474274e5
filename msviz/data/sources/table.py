"""CSV, TSV or Parquet: one file, a folder or a glob, with the schema given or proposed."""

from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting

from msviz.data.importing.check import check, log_schema, needed
from msviz.data.importing.encode import encode
from msviz.data.importing.events import Events
from msviz.data.importing.propose import guess
from msviz.data.importing.read import find
from msviz.data.importing.signals import read_daily
from msviz.data.importing.source import Source
from msviz.data.importing.stale import refuse_existing
from msviz.dataset import Dataset
from msviz.errors import invalid
from msviz.schema import Schema


class TableOptions(BaseModel):
    """How a table is imported."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)

    schema_file: Path | None = Setting(
        None, alias="schema", description="YAML file that says what the columns are; proposed by default"
    )
    events: str | None = Setting(
        None, description="table of the users' behaviours, one a row: file, folder or glob; needs --schema"
    )
    signals: str | None = Setting(
        None, description="table of signals by local day, or by day and scenario; needs --schema"
    )
    allow_rejects: bool = Setting(
        False, description="go on although more than 1 % of the rows are unreadable"
    )
    overwrite: bool = Setting(False, description="replace the dataset at --out")


def import_log(
    source: str, out: Path, options: TableOptions, report: Callable[[str], None] = print
) -> Dataset:
    """Encode a table as a dataset; raise MsvizError when source, schema or rows do not allow it."""
    refuse_existing(out, options.overwrite)
    files = find(source)
    for name, path in (("events", options.events), ("signals", options.signals)):
        if path and options.schema_file is None:
            raise invalid(name, path, "wanted --schema with it: the schema says which columns are read")
    if options.schema_file is None:
        schema, notes = guess(files)
        for note in notes:
            report(note)
    else:
        schema = Schema.load(options.schema_file)
    events = find(options.events, "events") if options.events else None
    daily = read_daily(options.signals, schema) if options.signals else None
    by_day = daily.names if daily else ()
    check(schema, files.columns, events.columns if events else None, by_day)
    origin = {"kind": "table", "source": [path.name for path in files.files], "duplicates": 0}
    return encode(
        files.chunks(needed(log_schema(schema, events is not None, by_day))),
        schema,
        out,
        origin,
        report,
        allow_rejects=options.allow_rejects,
        overwrite=options.overwrite,
        events=Events.of(schema, events) if events else None,
        daily=daily,
    )


def propose(source: str) -> Schema:
    """Return a schema guessed from names and some rows, for the user to edit; raise MsvizError."""
    files = find(source)
    schema, _ = guess(files)
    if not schema.fields:
        raise invalid("source", source, "wanted: a table with columns")
    return schema


SOURCE = Source(options=TableOptions, import_log=import_log, propose=propose)
