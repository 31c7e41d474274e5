"""What a command says of itself while it runs as a job: how far it is, and how it ended."""

import os
import time
from contextlib import suppress
from pathlib import Path

from msviz.jobs import files

RARELY = 0.3  # seconds between two progress files
_told = 0.0


def tell(share: float, words: str) -> None:
    """Write the share done (0 to 1) and words to the file named by $MSVIZ_PROGRESS, a few times a second."""
    global _told  # noqa: PLW0603
    path = os.environ.get("MSVIZ_PROGRESS")
    now = time.monotonic()
    if path and (share >= 1 or now - _told > RARELY):
        _told = now
        # Nobody's work ends because the disk has no room for words about it.
        with suppress(OSError):
            files.write_quickly(Path(path), {"share": share, "words": words})


def leave(folder: Path, code: int, line: str = "") -> None:
    """Write how a job ended, its exit code and its last line: the last thing its process does."""
    content = {"code": code, "line": line[:2000], "at": time.time()}
    files.write_reserved(folder / "exit.reserved", folder / "exit.json", content)
