"""A layout while it moves: left beside a job's progress for whoever looks on."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
RARELY = 0.5  # seconds between two layouts
NAME = "layout.npy"


class Live:
    """Leave layouts beside the file that $MSVIZ_PROGRESS names, where a job runs; nowhere else."""

    def __init__(self) -> None:
        """Look where the job's progress goes."""
        progress = os.environ.get("MSVIZ_PROGRESS")
        self._path = Path(progress).with_name(NAME) if progress else None
        self._last = 0.0
        if self._path:
            self._path.unlink(missing_ok=True)  # of an earlier attempt

    def leave(self, layout: Array) -> None:
        """Write the layout (n, 2), whole or not at all, twice a second at most."""
        now = time.monotonic()
        if self._path is None or now - self._last < RARELY:
            return
        self._last = now
        partial = self._path.with_name(f".{NAME}.{os.getpid()}.partial")
        with partial.open("wb") as file:
            np.save(file, np.asarray(layout, np.float32))
        partial.replace(self._path)


def layout_in(folder: Path) -> Array | None:
    """Return the layout that a job in `folder` left last, or None."""
    try:
        layout: Array = np.load(folder / NAME)
    except (OSError, ValueError):
        return None
    return layout
