"""Columns on their way through an import: appended chunk by chunk, read back by windows, then gone."""

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from msviz.data.importing.stale import remove_stale
from msviz.dataset import Array


class Spill:
    """A hidden folder of growing columns beside the dataset; removed on exit, whatever happened."""

    def __init__(self, out: Path, kind: str = "spill") -> None:
        """Remove what killed imports of `out` left, and make the folder `.<out>.<kind>-<process>`."""
        remove_stale(out, kind)
        self.folder = out.with_name(f".{out.name}.{kind}-{os.getpid()}")
        self.folder.mkdir(parents=True)
        self._streams: dict[str, BinaryIO] = {}
        self._types: dict[str, np.dtype[np.generic]] = {}

    def append(self, name: str, values: Array) -> None:
        """Add values to a column; the first chunk decides its type."""
        if name not in self._streams:
            # Column names may hold any letter, file names may not.
            path = self.folder / f"{len(self._streams)}.bin"
            self._streams[name] = path.open("wb")
            self._types[name] = values.dtype
        self._streams[name].write(np.ascontiguousarray(values, self._types[name]).tobytes())

    def read(self, name: str, start: int, stop: int) -> Array:
        """Return values `start` to `stop` of a column; plain reads keep memory as small as the window."""
        stream, dtype = self._streams[name], self._types[name]
        stream.flush()
        path = Path(stream.name)
        return np.fromfile(path, dtype, max(stop - start, 0), offset=start * dtype.itemsize)

    def size(self, name: str) -> int:
        """Return how many values a column holds."""
        stream = self._streams[name]
        stream.flush()
        return Path(stream.name).stat().st_size // self._types[name].itemsize

    def __contains__(self, name: str) -> bool:
        """Return whether the column was ever written."""
        return name in self._streams

    def __enter__(self) -> "Spill":
        """Return the spill."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close and remove everything."""
        for stream in self._streams.values():
            stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)
