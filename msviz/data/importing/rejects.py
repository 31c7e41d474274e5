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
        self.first: Reject | None = None  # of the table that is being read
        self._judged = 0  # rejects of tables read before
        self._partial = out.with_name(f".{out.name}.rejects-{os.getpid()}")

    def add(self, rejects: list[Reject]) -> None:
        """Append rejected rows, in the order of the log."""
        if not rejects:
            return
        self.first = self.first or rejects[0]
        if not self.count:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._partial.open("w", encoding="utf-8", newline="") as stream:
                csv.writer(stream, lineterminator="\n").writerow(Reject._fields)
        with self._partial.open("a", encoding="utf-8", newline="", errors="backslashreplace") as stream:
            csv.writer(stream, lineterminator="\n").writerows(rejects)
        self.count += len(rejects)

    def judge(self, rows: int, allow: bool, what: str = "source") -> None:
        """Raise MsvizError, with the file in its place, when more than 1 % of a table's `rows` were rejected.

        Rejects that an earlier table brought do not count; `allow` lets any number pass.
        """
        count, self._judged = self.count - self._judged, self.count
        first, self.first = self.first, None
        if first is not None and count > ALLOWED * rows and not allow:
            self.publish()
            share = f"{count:,} of {rows:,} rows ({count / rows:.1%}) cannot be read"
            where = f"the first is {first.file} line {first.line}: {first.reason}"
            raise MsvizError(
                f"{what}: {share}, more than 1 %; {where}; all are in {self.path.name}; "
                "mend them or pass --allow-rejects"
            )

    def publish(self) -> None:
        """Put the file in its place; without rejects, remove that of an earlier import of the same name."""
        self.path.unlink(missing_ok=True)
        if self.count:
            self._partial.replace(self.path)

    def discard(self) -> None:
        """Remove the unpublished file of an import that failed for another reason."""
        self._partial.unlink(missing_ok=True)
