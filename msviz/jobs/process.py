"""The process of a job: started in a session of its own, known by its number and when it was born."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NICE = 10  # the app and its users come first
PATIENCE = 0.5  # seconds for the process that forks jobs to answer


def start(folder: Path, arguments: Sequence[str], warm: Path | None = None, threads: int = 1) -> int:
    """Start `msviz ARGUMENTS` at low priority with its logs in `folder`; return the process id.

    `warm` is the socket of a process that forks jobs (msviz/cli/processes); where it does not answer at
    once, a process is started from scratch.
    """
    environment = {
        **os.environ,
        "MSVIZ_PROGRESS": str((folder / "progress.json").resolve()),
        "OMP_NUM_THREADS": str(threads),
    }
    with (folder / "output.log").open("ab") as output, (folder / "errors.log").open("ab") as errors:
        request = {"folder": str(folder.resolve()), "arguments": list(arguments), "cwd": str(Path.cwd())}
        pid = _fork(warm, {**request, "environment": environment}) if warm else None
        if pid is None:
            process = subprocess.Popen(
                [sys.executable, "-m", "msviz.cli.processes.job", str(folder.resolve()), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
            pid = process.pid
            # Somebody must collect the child when it ends, or it stays in the process table.
            threading.Thread(target=process.wait, daemon=True).start()
    return pid


def birth(pid: int) -> str:
    """Return when a process was born: this boot of the machine and clock ticks since; "" when it is gone.

    A number that was given again has another birth, and so has one from before a restart of the machine.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
    except OSError:
        return ""
    # The name of the program stands in brackets and may hold anything.
    fields = text.rsplit(")", 1)[1].split()
    return "" if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def send(pid: int, born: str, number: signal.Signals) -> None:
    """Send a signal to the session of the very process that was born then; nothing where it is gone."""
    if born and birth(pid) == born:
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return


def _fork(path: Path, request: dict[str, Any]) -> int | None:
    """Return the process id of a job that the warm process forked; None where it does not answer at once."""
    try:
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(PATIENCE)
            door.connect(str(path))
            answers = door.makefile()
            if answers.readline() != "ready\n":
                return None
            door.settimeout(None)  # from here on it is forking
            door.sendall(json.dumps(request).encode() + b"\n")
            return int(answers.readline())
    except (OSError, ValueError):
        return None
