"""The app as a process that tests start, kill and stop."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TextIO

import pytest

from msviz.jobs import Queue

ROOT = Path(__file__).parents[2]


class Server:
    """The app as a user starts it, on a free port; `said` is what it printed."""

    def __init__(self, models: Path, data: Path, jobs: Path, warm: bool = True) -> None:
        self.jobs = jobs
        self.environment = {
            **os.environ,
            "MSVIZ_MODELS": str(models),
            "MSVIZ_DATA": str(data),
            "MSVIZ_JOBS": str(jobs),
            "MSVIZ_WARM": "on" if warm else "off",
        }
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "streamlit", "run", "app/main.py"),
                *(f"--server.port={self.port}", "--server.address=127.0.0.1", "--server.headless=true"),
            ],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if "URL" in line:
                break
        else:
            pytest.fail("the app did not start:\n" + "".join(self.said))
        # Whoever leaves a pipe unread stops the writer some day.
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.reader.start()

    def kill(self) -> None:
        """Let it die as in a crash."""
        self.process.kill()
        self._collect()

    def stop(self) -> None:
        """End it, and whatever it left running."""
        self.process.terminate()
        self._collect()
        queue = Queue(self.jobs)
        for job in queue.jobs():
            queue.cancel(job, grace=0)  # what is only killed goes on
            job.wait()
        assert "Traceback" not in "".join(self.said), "".join(self.said)

    def _read(self, stream: TextIO) -> None:
        self.said.extend(stream)

    def _collect(self) -> None:
        self.process.wait(timeout=20)
        self.reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
