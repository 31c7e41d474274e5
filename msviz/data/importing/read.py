"""Reads tables chunk by chunk: CSV, TSV (also gzipped) and Parquet; one file, a folder or a glob."""

import csv
import glob
import gzip
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
from pyarrow import parquet

from msviz.data.importing.rejects import Reject
from msviz.dataset import Array
from msviz.errors import MsvizError, invalid, one_of

TEXT = (".csv", ".tsv", ".txt")
SUFFIXES = (*TEXT, *(f"{suffix}.gz" for suffix in TEXT), ".parquet")
# What stands for "missing" in text; an empty cell does too.
MISSING_WORDS = ("", "NULL", "null", "NaN", "nan", "\\N")
BLOCK_BYTES = 1 << 23
BLOCK_ROWS = 1 << 17


@dataclass(frozen=True)
class Chunk:
    """Some consecutive rows of one file, as far as they could be split into columns."""

    table: pa.Table
    file: str
    line: Array  # (n,) int64, the row's line in its file (Parquet: its row), counted from 1
    place: Array  # (n,) int64, the row's position among all `records` of the chunk
    records: int  # rows of the chunk, rejected ones included
    rejects: list[Reject] = field(default_factory=list)


@dataclass(frozen=True)
class LogFiles:
    """The files of one table, in the order of their names, and the columns they share."""

    files: list[Path]
    columns: list[str]

    def chunks(self, columns: list[str], block: int = BLOCK_BYTES) -> Iterator[Callable[[], Chunk]]:
        """Yield one task per chunk, in order; tasks are independent and may run on threads."""
        for path in self.files:
            yield from _parquet(path, columns) if is_parquet(path) else _text(path, columns, block)


def find(source: str, what: str = "source") -> LogFiles:
    """Return the files behind a path, a folder or a glob; raise MsvizError for none or unlike columns.

    `what` is the name of the option in errors.
    """
    path = Path(source)
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if _readable(each) and each.is_file())
    else:
        files = [path] if path.is_file() else sorted(map(Path, glob.glob(source)))  # noqa: PTH207 - an absolute pattern too
        for each in files:
            if not _readable(each):
                raise invalid(what, each.name, one_of(SUFFIXES))
    if not files:
        raise invalid(what, source, f"no such table; wanted: a file, folder or glob of {', '.join(SUFFIXES)}")
    columns = _header(files[0])
    for each in files[1:]:
        lacking = [name for name in columns if name not in _header(each)]
        if lacking:
            raise invalid(
                f"source {each.name}: columns", _header(each), f"lacks {lacking[0]!r} of {files[0].name}"
            )
    return LogFiles(files, columns)


def _readable(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith((".", "_"))


def is_parquet(path: Path) -> bool:
    """Tell whether a file holds Parquet, by its name."""
    return path.name.lower().endswith(".parquet")


def _header(path: Path) -> list[str]:
    """Return the column names of a file; raise MsvizError when it is empty or names one twice."""
    try:
        if is_parquet(path):
            names = list(parquet.read_schema(path).names)
        else:
            with open_text(path) as stream:
                names = first_line(stream.readline())[0]
    except (OSError, EOFError, pa.ArrowException, UnicodeDecodeError) as error:
        raise MsvizError(f"source {path.name}: cannot be read: {' '.join(str(error).split())}") from error
    if not any(names):
        raise invalid(f"source {path.name}", "an empty file", "wanted: a header line and rows")
    for name in names:
        if names.count(name) > 1:
            raise invalid(f"source {path.name}: header", name, "this column stands there twice")
    return names


def open_text(path: Path) -> BinaryIO:
    """Open a file of text, unpacked where its name ends in .gz."""
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return path.open("rb")


def first_line(line: bytes) -> tuple[list[str], str]:
    """Return the names in a header line and the delimiter that parts it into most of them."""
    text = line.decode("utf-8-sig").strip("\r\n")
    delimiter = max(",\t;|", key=text.count)
    return [name.strip() for name in next(csv.reader([text], delimiter=delimiter), [])], delimiter


def _parquet(path: Path, columns: list[str]) -> Iterator[Callable[[], Chunk]]:
    try:
        first = 0
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(BLOCK_ROWS, columns=columns):
                table = pa.Table.from_batches([batch]).select(columns)
                index = np.arange(len(table))
                chunk = Chunk(table, path.name, first + 1 + index, index, len(table))
                first += len(table)
                yield partial(_same, chunk)
    except (OSError, pa.ArrowException) as error:
        raise MsvizError(f"source {path.name}: cannot be read: {' '.join(str(error).split())}") from error


def _same(chunk: Chunk) -> Chunk:
    return chunk


def _text(path: Path, columns: list[str], size: int) -> Iterator[Callable[[], Chunk]]:
    try:
        with open_text(path) as stream:
            names, delimiter = first_line(stream.readline())
            first = 2
            for block in _blocks(stream, size):
                yield partial(parse_lines, block, path.name, first, names, delimiter, columns)
                first += block.count(b"\n")
    except (OSError, EOFError) as error:
        raise MsvizError(f"source {path.name}: cannot be read: {error}") from error


def _blocks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the stream in pieces that end at a line's end outside quotes; the last has its newline added."""
    rest = b""
    while piece := stream.read(size):
        rest += piece
        cut = cut_lines(rest)
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
    if rest:
        yield rest if rest.endswith(b"\n") else rest + b"\n"


def cut_lines(block: bytes) -> int:
    """Return where the last whole record ends: after a newline with an even number of quotes before it."""
    if b'"' not in block:
        return block.rfind(b"\n") + 1
    letters = np.frombuffer(block, np.uint8)
    newlines, quotes = np.flatnonzero(letters == ord("\n")), np.flatnonzero(letters == ord('"'))
    if not len(newlines):
        return 0
    outside = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
    return int((outside if len(outside) else newlines)[-1]) + 1


def parse_lines(
    block: bytes, file: str, first: int, names: list[str], delimiter: str, columns: list[str]
) -> Chunk:
    """Return the columns of a block of text; ragged lines and invalid UTF-8 become rejects."""
    block, line, record, rejects = _clean(block, file, first, delimiter)
    ragged: list[int] = []

    def skip(row: arrow_csv.InvalidRow) -> str:
        ragged.append(row.number - 1)
        reason = f"{row.actual_columns} columns, wanted {row.expected_columns}"
        rejects.append(Reject(file, int(line[row.number - 1]), reason, row.text))
        return "skip"

    if not block:
        return Chunk(
            pa.table({name: pa.array([], pa.string()) for name in columns}),
            file,
            line,
            record,
            len(rejects),
            rejects,
        )
    try:
        table = arrow_csv.read_csv(
            io.BytesIO(block),
            arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
            arrow_csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=b'"' in block,
                ignore_empty_lines=False,
                invalid_row_handler=skip,
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                include_columns=columns,
                strings_can_be_null=True,
                null_values=list(MISSING_WORDS),
            ),
        )
    except pa.ArrowInvalid as error:
        raise MsvizError(f"source {file}: from line {first}: {' '.join(str(error).split())}") from error
    # A quoted line break makes fewer records than lines: the record's number then stands for its line.
    whole = np.delete(np.arange(table.num_rows + len(ragged)), ragged)
    records = int(record[-1]) + 1 if len(record) else 0
    return Chunk(
        table, file, line[whole], record[whole], max(records, len(rejects)), sorted(rejects, key=_line)
    )


def _line(reject: Reject) -> int:
    return reject.line


def _clean(block: bytes, file: str, first: int, delimiter: str) -> tuple[bytes, Array, Array, list[Reject]]:
    """Drop lines that are blank or no text; return the block, its lines' numbers and places, rejects."""
    blank = block.startswith((b"\n", b"\r\n")) or b"\n\n" in block or b"\n\r\n" in block
    open_quote = block.count(b'"') % 2 == 1
    try:
        block.decode("utf-8")
        if not blank and not open_quote:
            record = np.arange(block.count(b"\n"))
            return block, first + record, record, []
    except UnicodeDecodeError:
        pass
    # A quote that opens a cell and never closes would swallow the lines that follow.
    opens = re.compile(rb'(?:^|%b)"(?:[^"]|"")*$' % re.escape(delimiter.encode()))
    lines: list[bytes] = []
    where: list[tuple[int, int]] = []
    rejects: list[Reject] = []
    for number, text in enumerate(block.split(b"\n")[:-1], first):
        if not text.strip():
            continue
        reason = _not_utf8(text)
        if not reason and open_quote and opens.search(text):
            reason = "a quote is never closed"
        if reason:
            rejects.append(Reject(file, number, reason, text.decode("utf-8", "backslashreplace")))
            continue
        where.append((number, len(lines) + len(rejects)))
        lines.append(text + b"\n")
    line, record = np.array(where, np.int64).reshape(-1, 2).T
    return b"".join(lines), line, record, rejects


def _not_utf8(text: bytes) -> str:
    """Return why a line is not UTF-8, or nothing."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"invalid UTF-8: {error.reason} at byte {error.start + 1}"
    return ""
