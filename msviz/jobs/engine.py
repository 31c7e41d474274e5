"""Where the engine of a folder of jobs is: started where none runs, found where one does."""

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from msviz.errors import MsvizError
from msviz.jobs import files

LOCK = "engine.lock"  # held by the engine while it lives


def ensure(folder: Path) -> None:
    """Start the engine of a folder of jobs for this process, where none runs."""
    if running(folder):
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "engine.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "msviz.cli.processes.engine", str(folder.resolve()), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    # Somebody must collect the child when it ends, or it stays in the process table.
    threading.Thread(target=process.wait, daemon=True).start()


def running(folder: Path) -> bool:
    """Tell whether an engine serves a folder of jobs."""
    return files.held(folder / LOCK)


def socket_of(folder: Path) -> Path:
    """Return the socket of the process that forks jobs for a folder.

    A socket's path may have some 100 characters, so it does not lie in the folder itself. Raises MsvizError
    where others could answer in its place.
    """
    directory = Path(tempfile.gettempdir()) / f"msviz-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    stat = directory.stat()
    if stat.st_uid != os.getuid() or stat.st_mode & 0o077:
        raise MsvizError(f"jobs: {directory} belongs to somebody else or is open to others; remove it")
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return directory / f"{name}.socket"
