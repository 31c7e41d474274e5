"""Rows from all over a table, at a cost that its size does not decide: what a schema is guessed from.

Logs lie in order of time, scenario or user, so the first rows may show one scenario, no click or no history.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from msviz.data.importing.read import LogFiles, cut_lines, first_line, is_parquet, open_text, parse_lines
from msviz.data.sample import scattered
from msviz.errors import MsvizError

PIECES = 16  # of all files together
BYTES = 1 << 16  # of a piece of text
ROWS = 1 << 13  # of a piece of Parquet
UNPACKED = 1 << 29  # bytes of gzipped text that are unpacked at most, about: two seconds


def excerpt(source: LogFiles) -> pa.Table:
    """Return rows of all columns from places all over the files, in their order; the whole of a small table.

    Raises MsvizError for a file that cannot be read.
    """
    tables = [
        table for path, places in _places(source.files) for table in _file(path, places, source.columns)
    ]
    if not any(map(len, tables)):  # lines longer than a piece
        tables = [task().table for task, _ in zip(source.chunks(source.columns), range(1), strict=False)]
    if not tables:
        return pa.table({name: pa.array([], pa.string()) for name in source.columns})
    try:
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except pa.ArrowException:  # files that hold a column as another type
        alike = [table for table in tables if table.schema == tables[0].schema]
        return pa.concat_tables(alike).combine_chunks()


def _places(files: list[Path]) -> Iterator[tuple[Path, list[float]]]:
    """Yield the files that pieces are taken from, with where these lie in it: shares of its bytes, rising."""
    ends = np.cumsum([path.stat().st_size for path in files])
    chosen = scattered(int(ends[-1]), PIECES, 0)
    of = np.searchsorted(ends, chosen, side="right")
    for number in np.unique(of).tolist():
        size = files[number].stat().st_size
        yield files[number], ((chosen[of == number] - (ends[number] - size)) / size).tolist()


def _file(path: Path, places: list[float], columns: list[str]) -> Iterator[pa.Table]:
    try:
        if is_parquet(path):
            yield from _rows(path, places, columns)
            return
        with open_text(path) as stream:
            names, delimiter = first_line(stream.readline())
            for block in (
                _read_packed(path, stream, places) if path.suffix == ".gz" else _text(path, stream, places)
            ):
                try:
                    yield parse_lines(block, path.name, 2, names, delimiter, columns).table
                except MsvizError:
                    continue  # a piece may begin inside of quotes; the import itself tells what is wrong
    except (OSError, EOFError, pa.ArrowException) as error:
        raise MsvizError(f"source {path.name}: cannot be read: {' '.join(str(error).split())}") from error


def _rows(path: Path, places: list[float], columns: list[str]) -> Iterator[pa.Table]:
    """Yield ROWS rows at each place of a Parquet file; of its groups of rows only those that hold them."""
    with parquet.ParquetFile(path) as file:
        total = file.metadata.num_rows
        if total <= ROWS * len(places):
            yield file.read(columns=columns).select(columns)
            return
        sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        ends = np.cumsum(sizes)
        for share in places:
            row = int(share * total)
            group = int(np.searchsorted(ends, row, side="right"))
            first = max(0, min(row - int(ends[group] - sizes[group]), sizes[group] - ROWS))
            for batch in file.iter_batches(ROWS, row_groups=[group], columns=columns):
                if first < len(batch):
                    yield pa.Table.from_batches([batch.slice(first)]).select(columns)
                    break
                first -= len(batch)


def _text(path: Path, stream: BinaryIO, places: list[float]) -> Iterator[bytes]:
    """Yield whole lines at each place of a text file, which stands behind its header."""
    header, size = stream.tell(), path.stat().st_size
    if size <= BYTES * len(places):
        yield _ended(stream.read())
        return
    for share in places:
        # The line that the place falls into is left out; the header's own end is the end of one.
        stream.seek(max(header - 1, min(int(share * size), size - BYTES)))
        yield _lines(stream.read(BYTES))


def _read_packed(path: Path, stream: BinaryIO, places: list[float]) -> Iterator[bytes]:
    """Yield whole lines at each place of a gzipped file, of as much of it as is unpacked."""
    start = stream.read(BYTES * len(places))
    if len(start) < BYTES * len(places):
        yield _ended(start)
        return
    raw, size = stream.fileobj, path.stat().st_size  # type: ignore[attr-defined]
    begun, most = raw.tell(), UNPACKED * len(places) // PIECES
    within = min(size, most * begun // len(start))
    for share in places:
        if share * within < begun:
            at = int(share * within / begun * (len(start) - BYTES))
            yield _lines(start[at : at + BYTES])
            continue
        while raw.tell() < share * within and stream.read(BYTES):
            pass
        yield _lines(stream.read(BYTES))


def _lines(piece: bytes) -> bytes:
    """Return the whole lines of a piece that begins and ends anywhere."""
    begun = piece[piece.find(b"\n") + 1 :] if b"\n" in piece else b""
    return begun[: cut_lines(begun)]


def _ended(rest: bytes) -> bytes:
    return rest if not rest or rest.endswith(b"\n") else rest + b"\n"
