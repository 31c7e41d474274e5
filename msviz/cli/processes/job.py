"""The process of a background job: `python -m msviz.cli.processes.job FOLDER ARGUMENTS`."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from msviz.cli import outcome
from msviz.jobs import process, progress


def main() -> int:
    """Run the command at low priority and leave in the folder how it ended."""
    os.nice(process.NICE)
    return work(Path(sys.argv[1]), sys.argv[2:])


def work(folder: Path, arguments: list[str]) -> int:
    """Run a command line of msviz and leave in the folder how it ended."""
    code, line = outcome(arguments)
    # On a full disk the logs cannot be written; what matters has its own place.
    with suppress(OSError):
        print(line, end="\n" if line else "", file=sys.stderr, flush=True)
        sys.stdout.flush()
    progress.leave(folder, code, line)
    return code


if __name__ == "__main__":
    sys.exit(main())
