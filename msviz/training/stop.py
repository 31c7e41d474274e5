"""Ctrl-C and SIGTERM end a training cleanly: the wish is remembered and obeyed between two steps.

No torch here: the command line installs the handler before torch's slow import.
"""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from msviz.errors import MsvizError


class Interrupted(MsvizError):  # noqa: N818 -- it is no fault
    """Training ended because it was asked to; the message says how to go on."""


class Stop:
    """Remembers SIGINT and SIGTERM while it is entered; a second signal ends the process at once."""

    requested = False

    def __enter__(self) -> "Stop":
        """Take over the two signals; in a thread other than the main one, only `requested` counts."""
        self._before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
