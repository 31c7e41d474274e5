"""Rows that cannot be read: kept in a file beside the dataset, counted, and refused above one percent."""

import csv
import os
from pathlib import Path
from typing import NamedTuple

from msviz.errors import MsvizError

ALLOWED = 0.01  # share of the rows that may be rejected before the import stops


class Reject(NamedTuple):
    """One row that could not be read: where it stands, why, and what it held."""

    file: str
    line: int
    reason: str
    raw: str


class Rejects:
    """Collects rejected rows in `<out>.rejects.csv`, which appears whole or not at all."""

    def __init__(self, out: Path) -> None:
        """Prepare the file beside `out`; nothing is written before the first reject."""
        self.path = out.with_name(f"{out.name}.rejects.csv")
        self.count = 0
        self.first: Reject | None = None
        self._partial = out.with_name(f".{out.name}.rejects-{os.getpid()}")

    def add(self, rejects: list[Reject]) -> None:
        """Append rejected rows, in the order of the log."""
        if not rejects:
            return
        if self.first is None:
            self.first = rejects[0]
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._partial.open("w", encoding="utf-8", newline="") as stream:
                csv.writer(stream, lineterminator="\n").writerow(Reject._fields)
        with self._partial.open("a", encoding="utf-8", newline="", errors="backslashreplace") as stream:
            csv.writer(stream, lineterminator="\n").writerows(rejects)
        self.count += len(rejects)

    def close(self, rows: int, allow: bool) -> None:
        """Publish the file; raise MsvizError when more than 1 % of `rows` was rejected and not allowed."""
        self.path.unlink(missing_ok=True)  # of an earlier import of the same name
        if self.first is None:
            return
        self._partial.replace(self.path)
        if self.count > ALLOWED * rows and not allow:
            share = f"{self.count:,} of {rows:,} rows ({self.count / rows:.1%}) cannot be read"
            where = f"the first is {self.first.file} line {self.first.line}: {self.first.reason}"
            raise MsvizError(
                f"source: {share}, more than 1 %; {where}; all are in {self.path.name}; "
                "mend them or pass --allow-rejects"
            )

    def discard(self) -> None:
        """Remove the unpublished file of an import that failed for another reason."""
        self._partial.unlink(missing_ok=True)
