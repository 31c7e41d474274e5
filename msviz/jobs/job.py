"""One job on disk: what was asked, where it is now, and what is left of it.

    FOLDER/job.json        what was asked, by whom and when; never changes
    FOLDER/place.json      its place in the queue
    FOLDER/process.json    the process of this attempt, and when it was born
    FOLDER/lost.json       the attempts whose process was killed, and how far each was
    FOLDER/cancel.json     that it shall end
    FOLDER/progress.json   share and words, written by the command (`progress.tell`)
    FOLDER/exit.json       how it ended; missing when the process was killed
    FOLDER/output.log      what it printed; errors.log what it complained about

A state is never stored: it follows from these files and from whether the process lives.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import Signals
from typing import Any, Literal

from msviz.errors import invalid
from msviz.jobs import files
from msviz.jobs.process import birth, send

Kind = Literal["training", "answer"]
State = Literal["queued", "running", "cancelling", "finished", "failed", "cancelled", "interrupted"]
ACTIVE: tuple[State, ...] = ("queued", "running", "cancelling")
GRACE = 4.0  # seconds to end in peace after a cancel
STARTING = 30.0  # seconds in which a process that was asked for may write its number down
STOPPED = 130  # the exit code of a command that was asked to end


@dataclass(frozen=True)
class Status:
    """Where a job is: its state, the share done (0 to 1) with words, and why it failed."""

    state: State
    share: float
    words: str
    error: str = ""
    lost: int = 0  # how often its process was killed and it went on
    ended: float = 0.0  # seconds since 1970, 0 while it has not


class Job:
    """A job as its folder tells it; make one with `Queue.submit`."""

    def __init__(self, folder: Path | str) -> None:
        """Read the folder; raise MsvizError when no job was written down there."""
        self.folder = Path(folder)
        request = files.read(self.folder / "job.json")
        if request is None:
            raise invalid("job", str(folder), "wanted: the folder of a job")
        self.kind: Kind = request["kind"]
        self.title: str = request["title"]
        self.who: str = request["who"]
        self.arguments: list[str] = request["arguments"]
        self.created: float = request["created"]  # seconds since 1970
        self.group: str = request["group"]
        self.result: Path | None = Path(request["result"]) if request["result"] else None

    @property
    def id(self) -> str:
        """Return the folder's name, by which a link speaks of the job."""
        return self.folder.name

    @property
    def place(self) -> float:
        """Return the place in the queue; lower ones come first."""
        content = files.read(self.folder / "place.json")
        return float(content["place"]) if content else self.created

    @property
    def alive(self) -> bool:
        """Tell whether the very process that was started still runs."""
        process = files.read(self.folder / "process.json")
        if process is None:
            return False
        if not process["pid"]:  # asked for, its number is not written down yet
            return bool(time.time() - process["at"] < STARTING)
        return bool(process["born"]) and birth(int(process["pid"])) == str(process["born"])

    @property
    def pid(self) -> int:
        """Return the number of the process, 0 where there is none."""
        return int((files.read(self.folder / "process.json") or {"pid": 0})["pid"])

    def status(self) -> Status:
        """Return where the job is now."""
        progress = files.read(self.folder / "progress.json") or {"share": 0.0, "words": ""}
        share, words = min(max(float(progress["share"]), 0.0), 1.0), str(progress["words"])
        lost = len(self.lost)
        started = (self.folder / "process.json").is_file()
        alive = started and self.alive
        ended = files.read(self.folder / "exit.json")  # after `alive`: a process writes it before it goes
        cancelled = files.read(self.folder / "cancel.json")
        if ended is not None:
            return self._ended(ended, bool(cancelled), share, words, lost)
        if alive:
            state: State = "cancelling" if cancelled else "running"
            return Status(state, share, words or "starting", lost=lost)
        if cancelled:
            # Killed while it took too long to end: what it left on disk is whole all the same.
            return Status("cancelled", share, words, "it was cancelled", lost, float(cancelled["at"]))
        if started:
            error = "its process was killed: by somebody, or because the machine ran out of memory"
            return Status("interrupted", share, words, error, lost + 1)
        waits = "goes on from its last checkpoint" if lost else "waiting"
        return Status("queued", share if lost else 0.0, waits, lost=lost)

    def _ended(self, ended: dict[str, Any], cancelled: bool, share: float, words: str, lost: int) -> Status:
        at = float(ended.get("at", 0.0))
        if ended["code"] == 0:
            return Status("finished", 1.0, words, "", lost, at)
        error = str(ended.get("line", "")).removeprefix("error: ").removeprefix("msviz: ")
        error = error or f"exit code {ended['code']}"
        if ended["code"] == STOPPED:
            return Status("cancelled" if cancelled else "interrupted", share, words, error, lost, at)
        return Status("failed", share, words, error, lost, at)

    def log(self, most: int = 20_000) -> str:
        """Return the last `most` characters of what it printed and complained about."""
        parts = []
        for name in ("output.log", "errors.log"):
            file = self.folder / name
            if file.is_file():
                parts.append(file.read_text("utf-8", "replace").strip())
        return "\n".join(part for part in parts if part)[-most:]

    def wait(self, timeout: float = 60.0) -> Status:
        """Return the status once no process works on the job, or after `timeout` seconds."""
        end, pause = time.monotonic() + timeout, threading.Event()
        while self.alive and time.monotonic() < end:
            pause.wait(0.02)
        return self.status()

    def signal(self, number: Signals) -> None:
        """Send a signal to the job's session, where its process lives."""
        self.signaller()(number)

    def signaller(self) -> Callable[[Signals], None]:
        """Return a function that sends signals to the process of this attempt, and to no later one."""
        process = files.read(self.folder / "process.json") or {"pid": 0, "born": ""}
        return partial(send, process["pid"], process["born"])

    @property
    def lost(self) -> list[float]:
        """Return how far each attempt was whose process was killed."""
        content = files.read(self.folder / "lost.json")
        return list(content["shares"]) if content else []
