"""The process of a background job: `python -m msviz.cli._job FOLDER ARGUMENTS`."""

import os
import sys
from pathlib import Path

from msviz.cli import run
from msviz.training import jobs


def main() -> int:
    """Run the command at low priority and leave its exit code in the folder."""
    os.nice(jobs.NICE)
    return work(Path(sys.argv[1]), sys.argv[2:])


def work(folder: Path, arguments: list[str]) -> int:
    """Run a command line of msviz and leave its exit code in the folder."""
    code = run(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    jobs.leave(folder, code)
    return code


if __name__ == "__main__":
    sys.exit(main())
