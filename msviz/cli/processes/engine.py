"""The engine keeps the queue of jobs moving: `python -m msviz.cli.processes.engine FOLDER OWNER`.

It outlives the app: a queue that was filled in the evening is empty in the morning, whatever became of the
page. One engine serves a folder; it ends when process OWNER is gone and nothing waits or runs. It starts the
process that forks jobs (warm.py), and does nothing that the next engine, or a page, could not take up.
"""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from msviz.errors import MsvizError
from msviz.jobs import Queue, process
from msviz.jobs.engine import LOCK, socket_of

TICK = 0.3  # seconds between two looks at the queue


def main() -> int:
    """Keep the queue of a folder moving until nobody needs it."""
    folder, owner = Path(sys.argv[1]), int(sys.argv[2])
    with (folder / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return 0  # another one serves this folder
        stopping = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopping.set())
        # The forking process dies with this one, which it watches; the jobs themselves go on.
        warm = None if os.environ.get("MSVIZ_WARM") == "off" else _warm(folder)
        try:
            serve(folder, owner, stopping, warm)
        finally:
            if warm is not None:
                warm.terminate()
    return 0


def serve(folder: Path, owner: int, asked: threading.Event, warm: "subprocess.Popen[bytes] | None") -> None:
    """Tick until asked to end, or until the owner is gone and the queue is empty."""
    born = process.birth(owner)
    queue = Queue(folder, socket_of(folder) if warm is not None else None)
    while not asked.wait(TICK):
        if not folder.is_dir():
            return
        try:
            busy = queue.dispatch()
        except (OSError, MsvizError) as error:  # a full disk, say: it may be over soon
            print(error, file=sys.stderr)
            busy = True
        if not busy and (not born or process.birth(owner) != born):
            return


def _warm(folder: Path) -> "subprocess.Popen[bytes]":
    """Start the process that forks jobs."""
    path = socket_of(folder)
    path.unlink(missing_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "msviz.cli.processes.warm", str(path), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


if __name__ == "__main__":
    sys.exit(main())
