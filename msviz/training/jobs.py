"""Run one `msviz` command line outside the app's process, and tell how far it is.

    FOLDER/job.json       the command line, the process id and when that process started
    FOLDER/progress.json  share and words, written by the command (`tell`)
    FOLDER/exit.json      the exit code; missing when the process was killed
    FOLDER/output.log     what it printed; errors.log what it complained about

The folder holds all the truth: a job outlives the page, the session and the server that started it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from msviz.errors import refuse

NICE = 10  # the app and its users come first
PATIENCE = 0.5  # seconds for the process that forks jobs to answer
RARELY = 0.3  # seconds between two progress files
_told = 0.0

State = Literal["running", "finished", "failed", "interrupted"]


@dataclass(frozen=True)
class Status:
    """Where a job is: its state, the share done (0 to 1) with words, and why it failed."""

    state: State
    share: float
    words: str
    error: str = ""


class Job:
    """A job on disk; make one with `start`, or from the folder of one that was started."""

    def __init__(self, folder: Path | str) -> None:
        """Read the folder; raise MsvizError when no job was started there."""
        self.folder = Path(folder)
        content = _read(self.folder / "job.json")
        if content is None:
            raise refuse("job", str(folder), "wanted: the folder of a started job")
        self.arguments: list[str] = content["arguments"]
        self.pid: int = content["pid"]
        self.started: int = content["started"]  # clock ticks since boot: a reused pid has another

    def status(self) -> Status:
        """Return where the job is now."""
        progress = _read(self.folder / "progress.json") or {"share": 0.0, "words": "starting"}
        share, words = float(progress["share"]), str(progress["words"])
        alive = self.alive
        ended = _read(self.folder / "exit.json")  # after `alive`: a process writes it before it goes
        if ended is None:
            if alive:
                return Status("running", share, words)
            return Status("interrupted", share, words, "the process was killed")
        if ended["code"] == 0:
            return Status("finished", 1.0, words)
        lines = (self.folder / "errors.log").read_text("utf-8", "replace").strip().splitlines()
        error = lines[-1] if lines else f"exit code {ended['code']}"
        return Status("interrupted" if ended["code"] == 130 else "failed", share, words, error)

    @property
    def alive(self) -> bool:
        """Tell whether the very process that was started still runs."""
        return birth(self.pid) == self.started

    def cancel(self, grace: float = 10.0) -> None:
        """Ask the job's session to end, and kill it after `grace` seconds; returns at once."""
        self._signal(signal.SIGTERM)
        timer = threading.Timer(grace, self._signal, [signal.SIGKILL])
        timer.daemon = True
        timer.start()

    def wait(self, timeout: float = 60.0) -> Status:
        """Return the status once the job runs no more, or after `timeout` seconds."""
        end = time.monotonic() + timeout
        while self.alive and time.monotonic() < end:
            time.sleep(0.02)
        return self.status()

    def _signal(self, number: signal.Signals) -> None:
        if self.alive:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return


def start(folder: Path | str, arguments: Sequence[str], threads: int = 1, warm: Path | None = None) -> Job:
    """Start `msviz ARGUMENTS` in its own session at low priority; raise MsvizError while one runs there.

    `warm` is the socket of a process that forks jobs (msviz/cli/_warm.py); where it does not answer at
    once, a process is started from scratch.
    """
    folder = Path(folder)
    if (folder / "job.json").is_file() and Job(folder).alive:
        raise refuse("job", str(folder), "it is running already")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("job.json", "exit.json", "progress.json"):
        (folder / name).unlink(missing_ok=True)
    environment = {
        **os.environ,
        "MSVIZ_PROGRESS": str((folder / "progress.json").resolve()),
        "OMP_NUM_THREADS": str(threads),
    }
    with (folder / "output.log").open("wb") as output, (folder / "errors.log").open("wb") as errors:
        asked = {"folder": str(folder.resolve()), "arguments": list(arguments), "cwd": str(Path.cwd())}
        pid = _forked(warm, {**asked, "environment": environment}) if warm else None
        if pid is None:
            process = subprocess.Popen(
                [sys.executable, "-m", "msviz.cli._job", str(folder.resolve()), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
            pid = process.pid
            # Somebody must collect the child when it ends, or it stays in the process table.
            threading.Thread(target=process.wait, daemon=True).start()
    _write(folder / "job.json", {"arguments": list(arguments), "pid": pid, "started": birth(pid) or 0})
    return Job(folder)


def warm_up(path: Path) -> None:
    """Start the process that forks jobs for this one, which listens at `path` once it is ready."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "msviz.cli._warm", str(path), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    threading.Thread(target=process.wait, daemon=True).start()


def _forked(path: Path, asked: dict[str, Any]) -> int | None:
    """Return the process id of a job that the warm process forked; None where it does not answer at once."""
    try:
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(PATIENCE)
            door.connect(str(path))
            answers = door.makefile()
            if answers.readline() != "ready\n":
                return None
            door.settimeout(None)  # from here on it is forking
            door.sendall(json.dumps(asked).encode() + b"\n")
            return int(answers.readline())
    except (OSError, ValueError):
        return None


def tell(share: float, words: str) -> None:
    """Write the share done (0 to 1) and words to the file named by $MSVIZ_PROGRESS, a few times a second."""
    global _told  # noqa: PLW0603
    path = os.environ.get("MSVIZ_PROGRESS")
    now = time.monotonic()
    if path and (share >= 1 or now - _told > RARELY):
        _told = now
        _write(Path(path), {"share": share, "words": words})


def leave(folder: Path, code: int) -> None:
    """Write the exit code of a job, the last thing its process does."""
    _write(folder / "exit.json", {"code": code})


def birth(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return None
    # The name of the program stands in brackets and may hold anything.
    fields = text.rsplit(")", 1)[1].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    return content


def _write(path: Path, content: dict[str, Any]) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(content, ensure_ascii=False) + "\n", "utf-8")
    partial.replace(path)
