"""What a command shows while it works: lines, a bar where somebody watches, the job's progress file."""

import sys
import time
from types import TracebackType

from msviz.jobs.progress import tell

SELDOM = 10.0  # seconds between two plain lines of progress


class Terminal:
    """Use as a context manager; `report` takes lines, `progress` a share from 0 to 1 and words.

    On a terminal a bar moves; elsewhere progress is a plain line every ten seconds, or nothing where
    `quiet` keeps standard output for the answer.
    """

    def __init__(self, quiet: bool = False) -> None:
        """Find out whether somebody watches."""
        self.quiet = quiet
        self._bar = None
        self._last = time.monotonic()
        if sys.stdout.isatty() and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

            columns = (BarColumn(30), TaskProgressColumn(), TextColumn("{task.description}", markup=False))
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)

    def __enter__(self) -> "Terminal":
        """Show the bar."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def report(self, line: str) -> None:
        """Print a line that stays."""
        if self.quiet:
            return
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, flush=True)

    def progress(self, share: float, words: str) -> None:
        """Show how far the work is."""
        tell(share, words)
        if self._bar is not None:
            if not self._bar.task_ids:
                self._bar.add_task(words, total=1.0)
            self._bar.update(self._bar.task_ids[0], completed=share, description=words)
        elif time.monotonic() - self._last > SELDOM:
            self._last = time.monotonic()
            self.report(f"{share:4.0%}  {words}")
