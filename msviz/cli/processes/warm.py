"""A process that has imported what jobs need and forks them.

`python -m msviz.cli.processes.warm SOCKET OWNER` starts it.

Starting Python, torch and umap-learn takes several seconds, more than most jobs; a fork takes milliseconds.
It answers one request at a time on a Unix socket that only its user can reach, and ends with process OWNER.
"""

import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from msviz.jobs import process

GLANCE = 2.0  # seconds between two looks at whether the owner is still there


def main() -> int:
    """Get ready, then fork a job for every request until the owner is gone."""
    path, owner = Path(sys.argv[1]), int(sys.argv[2])
    os.nice(process.NICE)
    # Children are nobody's to wait for; they leave their exit code in their folder.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    born = process.birth(owner)
    get_ready()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        inode = path.stat().st_ino
        try:
            path.chmod(0o600)
            door.listen()
            door.settimeout(GLANCE)
            serve(door, owner, born)
        finally:
            # A successor may listen there by now.
            if path.exists() and path.stat().st_ino == inode:
                path.unlink()
    return 0


def get_ready() -> None:
    """Import what jobs import, and let umap-learn compile; no thread may be left, or forks could hang."""
    import numpy as np
    import torch

    from msviz.analyses.shared import project
    from msviz.registry import MODELS, QUESTIONS

    torch.set_num_threads(1)
    for registry in (QUESTIONS, MODELS):
        for name in registry.names():
            registry.module(name)
    project.umap(np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32), 0)


def serve(door: socket.socket, owner: int, born: str) -> None:
    """Fork a job for every request until the owner is gone."""
    while born and process.birth(owner) == born:
        try:
            asker, _ = door.accept()
        except TimeoutError:
            continue
        with asker:
            asker.settimeout(GLANCE)
            try:
                # An asker that lost patience has gone, and starts the job itself.
                asker.sendall(b"ready\n")
                request = json.loads(asker.makefile().readline() or "null")
            except (OSError, ValueError):
                continue
            if request is None:
                continue
            pid = os.fork()
            if pid == 0:
                door.close()
                asker.close()
                _become(request)
            asker.sendall(f"{pid}\n".encode())


def _become(request: dict[str, Any]) -> NoReturn:
    """Be the job: a session, a folder, an environment and logs of its own; never return."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.chdir(str(request["cwd"]))
        os.environ.clear()
        os.environ.update(request["environment"])
        folder = Path(str(request["folder"]))
        for number, name in ((0, os.devnull), (1, folder / "output.log"), (2, folder / "errors.log")):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
            opened = os.open(name, flags, 0o600)
            os.dup2(opened, number)
            os.close(opened)
        from msviz.cli.processes.job import work

        code = work(folder, [str(part) for part in request["arguments"]])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
