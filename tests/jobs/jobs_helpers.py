"""What tests of jobs share."""

import threading
from collections.abc import Callable


def until(wanted: Callable[[], object], seconds: float = 60.0) -> None:
    """Look until something holds; fail after so many seconds."""
    pause = threading.Event()
    for _ in range(int(seconds * 100)):
        if wanted():
            return
        pause.wait(0.01)
    raise AssertionError("it never came true")
