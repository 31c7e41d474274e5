"""Columns on their way through an import: appended chunk by chunk, read back memory-mapped, then gone."""

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from msviz.data._dataset import Array, sweep


class Spill:
    """A hidden folder of growing columns beside the dataset; removed on exit, whatever happened."""

    def __init__(self, out: Path, kind: str = "spill") -> None:
        """Remove what killed imports of `out` left, and make the folder `.<out>.<kind>-<process>`."""
        sweep(out, kind)
        self.folder = out.with_name(f".{out.name}.{kind}-{os.getpid()}")
        self.folder.mkdir(parents=True)
        self._streams: dict[str, BinaryIO] = {}
        self._types: dict[str, np.dtype[np.generic]] = {}
        self._maps: dict[str, Array] = {}

    def append(self, name: str, values: Array) -> None:
        """Add values to a column; the first chunk decides its type."""
        if name not in self._streams:
            # Column names may hold any letter, file names may not.
            path = self.folder / f"{len(self._streams)}.bin"
            self._streams[name] = path.open("wb")
            self._types[name] = values.dtype
        self._streams[name].write(np.ascontiguousarray(values, self._types[name]).tobytes())

    def __getitem__(self, name: str) -> Array:
        """Return a whole column, memory-mapped."""
        if name not in self._maps:
            stream = self._streams[name]
            stream.flush()
            path, dtype = Path(stream.name), self._types[name]
            empty = path.stat().st_size == 0
            self._maps[name] = np.empty(0, dtype) if empty else np.memmap(path, dtype, "r")
        return self._maps[name]

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
        self._maps.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
