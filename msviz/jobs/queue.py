"""The queue: jobs wait in order, as many run as there is room for, and what was killed goes on.

Nobody owns it. `dispatch` looks at the folders under a lock, ends what was cancelled, puts what was killed
back in line and starts what comes next; whoever calls it, a page that submits or the engine that ticks, does
the same.
"""

import getpass
import os
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import get_args

from msviz.errors import MsvizError, invalid
from msviz.jobs import files
from msviz.jobs.job import ACTIVE, GRACE, Job, Kind, State
from msviz.jobs.process import birth
from msviz.jobs.process import start as start_process
from msviz.run_folder import CHECKPOINT, FRAMES, is_begun, is_run

KINDS: tuple[Kind, ...] = get_args(Kind)
ROOM: Mapping[Kind, str] = {"training": "MSVIZ_TRAININGS", "answer": "MSVIZ_ANSWERS"}
TRIES = 3  # attempts that may be killed one after the other without getting any further
KEPT = 500  # ended jobs that are remembered


class Queue:
    """All jobs of one folder, in the order in which they were asked for or put."""

    def __init__(self, folder: Path | str, warm: Path | None = None) -> None:
        """Name the folder, made when the first job comes; `warm`: socket of a process that forks jobs."""
        self.folder = Path(folder)
        self.warm = warm
        self._over: dict[str, int] = {}  # jobs that have ended, and when their folder last changed

    def submit(
        self,
        arguments: Sequence[str],
        *,
        kind: Kind,
        title: str,
        who: str = "",
        result: Path | None = None,
        group: str = "",
        key: str | None = None,
        start: bool = True,
    ) -> Job:
        """Write a job down: the command line `msviz ARGUMENTS`; it starts at once where there is room.

        Who submits many lets only the last of them `start`: a look at the whole queue is enough.
        With `key`, the folder is called so: asked for again, an active job is returned as it is and one that
        has ended is done again. Raises MsvizError where another job makes the same `result`.
        """
        name = key or f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        with self._alone():
            before = self.job(name)
            if before is not None and before.status().state in ACTIVE:
                return before
            if result is not None:
                self._refuse_taken(result.resolve(), name)
            self._write(name, list(arguments), kind, title, who or getpass.getuser(), result, group)
        if start:
            self.dispatch()
        return Job(self.folder / name)

    def _refuse_taken(self, result: Path, name: str) -> None:
        for job in self.jobs():
            if job.result == result and job.id != name and job.status().state in ACTIVE:
                raise invalid("out", result.name, f"a job that makes it is {job.status().state} already")

    def _write(
        self,
        name: str,
        arguments: list[str],
        kind: Kind,
        title: str,
        who: str,
        result: Path | None,
        group: str,
    ) -> None:
        request = {
            "arguments": arguments,
            "kind": kind,
            "title": title,
            "who": who,
            "created": time.time(),
            "result": str(result.resolve()) if result else "",
            "group": group,
        }
        folder = self.folder / name
        if (folder / "job.json").is_file():
            self._forget(folder, "lost.json", "progress.json", "place.json")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write(folder / "job.json", request)

    def jobs(self) -> list[Job]:
        """Return all jobs, by their place in the queue."""
        out = []
        for file in self.folder.glob("*/job.json"):
            with suppress(MsvizError):  # removed while we look
                out.append(Job(file.parent))
        return sorted(out, key=lambda job: (job.place, job.id))

    def job(self, id: str) -> Job | None:
        """Return the job of that name, or None; a name that is no plain one is none."""
        if not id or id != Path(id).name or not (self.folder / id / "job.json").is_file():
            return None
        return Job(self.folder / id)

    def cancel(self, job: Job, grace: float = GRACE) -> None:
        """Ask a job to end; returns at once. A process that has not ended after `grace` seconds is killed."""
        with self._alone():
            if job.status().state not in ("queued", "running"):
                return
            files.write(job.folder / "cancel.json", {"at": time.time()})
            send = job.signaller()
        send(signal.SIGTERM)
        timer = threading.Timer(grace, send, [signal.SIGKILL])
        timer.daemon = True
        timer.start()

    def resume(self, job: Job) -> None:
        """Put a job that has ended back in line; a training goes on from its last checkpoint."""
        with self._alone():
            if job.status().state in ACTIVE:
                raise invalid("job", job.id, f"it is {job.status().state} already")
            self._forget(job.folder, "lost.json")
            files.write(job.folder / "place.json", {"place": time.time()})
        self.dispatch()

    def move(self, job: Job, steps: int) -> None:
        """Move a waiting job so many places later in its line (negative: earlier)."""
        with self._alone():
            line = [
                other for other in self.jobs() if other.kind == job.kind and other.status().state == "queued"
            ]
            here = next((n for n, other in enumerate(line) if other.id == job.id), None)
            if here is None:
                raise invalid("job", job.id, "it does not wait")
            line.insert(max(here + steps, 0), line.pop(here))
            places = sorted(other.place for other in line)
            for other, position in zip(line, places, strict=True):
                files.write(other.folder / "place.json", {"place": position})

    def remove(self, job: Job, leftovers: bool = False) -> None:
        """Forget a job that waits or has ended; raise MsvizError while it runs.

        With `leftovers`, the checkpoint of a training that never became a run goes with it.
        """
        with self._alone():
            state = job.status().state
            if state in ("running", "cancelling"):
                raise invalid("job", job.id, f"it is {state}; cancel it first")
            result = job.result
            if leftovers and result is not None and not is_run(result):
                shutil.rmtree(result / CHECKPOINT, ignore_errors=True)
                shutil.rmtree(result / FRAMES, ignore_errors=True)
                with suppress(OSError):
                    result.rmdir()
            shutil.rmtree(job.folder, ignore_errors=True)

    def dispatch(self) -> bool:
        """Do what is due, as the top of this file says; return whether any job waits or runs."""
        with self._alone():
            states = {job: job.status().state for job in self._changed()}
            for job, state in states.items():
                if state == "cancelling":
                    self._hurry(job)
                elif state == "interrupted" and self._goes_on(job):
                    states[job] = "queued"
            for kind in KINDS:
                of_kind = {job: state for job, state in states.items() if job.kind == kind}
                free = room(kind) - sum(state in ("running", "cancelling") for state in of_kind.values())
                waiting = [job for job, state in of_kind.items() if state == "queued"]
                for job in waiting[: max(free, 0)]:
                    self._start(job)
            self._tidy(states)
        return any(state in ACTIVE for state in states.values())

    def _changed(self) -> Iterator[Job]:
        """Yield the jobs that may have something due: all but those seen ended, and not touched since."""
        for job in self.jobs():
            stamp = job.folder.stat().st_mtime_ns
            if self._over.get(job.id) != stamp:
                yield job

    def _tidy(self, states: Mapping[Job, State]) -> None:
        """Remember which jobs are over; forget the oldest where they are too many."""
        for job, state in states.items():
            if state not in ACTIVE and job.folder.is_dir():
                self._over[job.id] = job.folder.stat().st_mtime_ns
        if len(self._over) > KEPT:
            ended = sorted((self.folder / name / "job.json" for name in self._over), key=_age)
            for file in ended[: len(ended) - KEPT]:
                self._over.pop(file.parent.name)
                shutil.rmtree(file.parent, ignore_errors=True)

    def _hurry(self, job: Job) -> None:
        """Kill a job that was asked to end long enough ago; whoever asked may be gone by now."""
        cancelled = files.read(job.folder / "cancel.json")
        if cancelled and time.time() - cancelled["at"] > GRACE:
            job.signal(signal.SIGKILL)

    def _goes_on(self, job: Job) -> bool:
        """Put a killed training back in line where it was; not one that is killed at the same place again."""
        if job.kind != "training":
            return False
        shares = [*job.lost, job.status().share]
        if len(shares) >= TRIES and max(shares[-TRIES + 1 :]) <= shares[-TRIES]:
            return False
        self._forget(job.folder)
        files.write(job.folder / "lost.json", {"shares": shares})
        return True

    def _start(self, job: Job) -> None:
        """Start the process of a job whose turn it is."""
        arguments = list(job.arguments)
        if job.kind == "training" and job.result is not None and _started(job.result):
            arguments.append("--resume")
        # Before it has a number: whoever dies between the two lines must not have it started twice.
        files.write(job.folder / "process.json", {"pid": 0, "born": "", "at": time.time()})
        try:
            files.reserve(job.folder / "exit.reserved")
            pid = start_process(job.folder, arguments, self.warm)
        except OSError as error:
            line = f"it could not be started: {error.strerror}"
            files.write(job.folder / "exit.json", {"code": 1, "line": line, "at": time.time()})
            return
        files.write(job.folder / "process.json", {"pid": pid, "born": birth(pid), "at": time.time()})

    @staticmethod
    def _forget(folder: Path, *more: str) -> None:
        """Remove what an attempt left behind, so that the job waits again."""
        # The process last: without it and without an end, a job waits.
        for name in ("cancel.json", "exit.json", *more, "process.json"):
            (folder / name).unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with files.locked(self.folder / "queue.lock"):
            yield


def room(kind: Kind) -> int:
    """Return how many jobs of a kind run at a time: $MSVIZ_TRAININGS, $MSVIZ_ANSWERS, or 1.

    Raises MsvizError for what is no whole number from 1.
    """
    text = os.environ.get(ROOM[kind], "1")
    if not text.isdigit() or int(text) < 1:
        raise invalid(ROOM[kind], text, "wanted: a whole number from 1")
    return int(text)


def _started(out: Path) -> bool:
    """Tell whether a training began to write there."""
    return is_begun(out) or is_run(out)


def _age(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
