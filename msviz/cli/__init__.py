"""The command line: `msviz COMMAND`; whatever goes wrong is one line that says what to change."""

import errno
import os
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Sequence
from types import FrameType

from typer import Abort
from typer.exceptions import TyperException

from msviz.errors import MsvizError

STOPPED = 130  # the exit code of a command that was asked to end
WRONG = 2  # of one that was given something it cannot use
BROKEN = 1  # of one that met a mistake of ours
# What torch says where an allocation fails, on a CPU and on a GPU.
OUT_OF_MEMORY = re.compile("can't allocate memory|out of memory|not enough memory")


def main() -> None:
    """Run the command line of this process and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; every error is one line on standard error.

    0 done, 2 something given cannot be used, 130 ended by Ctrl-C or SIGTERM, 1 anything unforeseen.
    With `--debug` anywhere among the arguments, errors come with their traceback.
    """
    code, line = outcome(arguments)
    if line:
        print(line, file=sys.stderr)
    return code


def outcome(arguments: Sequence[str]) -> tuple[int, str]:
    """Run one command line; return its exit code and the one line that tells how it failed, "" for none."""
    debug = "--debug" in arguments
    words = [argument for argument in arguments if argument != "--debug"] or ["--help"]
    main_thread = threading.current_thread() is threading.main_thread()
    # What is half done is cleaned up on SIGTERM as it is on Ctrl-C.
    before = signal.signal(signal.SIGTERM, _end) if main_thread else None
    try:
        from msviz.cli import commands

        with warnings.catch_warnings():
            if not debug:
                warnings.simplefilter("ignore")
            code = commands.app(words, prog_name="msviz", standalone_mode=False)
        return (code if isinstance(code, int) else 0), ""
    except BaseException as error:
        if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
            # The reader (head, less) has seen enough; nothing may be written on the way out either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0, ""
        if debug:
            traceback.print_exc()
        line, code = told(error, words)
        return code, " ".join(line.split())
    finally:
        if main_thread:
            signal.signal(signal.SIGTERM, before)


def told(error: BaseException, given: Sequence[str]) -> tuple[str, int]:
    """Return the line that tells a user about an error, and the exit code."""
    if isinstance(error, MsvizError):
        stopped = type(error).__name__ == "Interrupted"
        return (f"msviz: {error}", STOPPED) if stopped else (f"error: {error}", WRONG)
    if isinstance(error, TyperException):
        return f"error: {_usage(error, given)}", WRONG
    if isinstance(error, KeyboardInterrupt | Abort):
        return "msviz: stopped; nothing half-written was left behind", STOPPED
    if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error)):
        return "error: not enough memory: take a smaller batch_size or model, or a larger machine", WRONG
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        what = error.filename or "disk"
        return f"error: {what}: no space is left on its disk: free some and try again", WRONG
    if isinstance(error, OSError) and error.strerror:
        return f"error: {error.filename or 'file'}: {error.strerror}", WRONG
    return f"error: unexpected {type(error).__name__}: {error}; run with --debug", BROKEN


def _usage(error: TyperException, words: Sequence[str]) -> str:
    """Return a usage error with the value and the valid choices where the library leaves them out."""
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    command = context.command
    if message.startswith("No such option"):
        options = sorted({name for parameter in command.params for name in parameter.opts if "-" in name})
        return f"{message}; valid choices: {', '.join([*options, '--help', '--debug'])}"
    if message.startswith(("No such command", "Missing command")):
        return f"{message}; valid choices: {', '.join(command.list_commands(context))}"
    for option in getattr(getattr(error, "param", None), "opts", ()):
        if message.startswith("Invalid value"):
            message = f"{option}: got {_option_value(option, words)!r}; {message.split(': ', 1)[1]}"
    return f"{message}; see '{context.command_path} --help'"


def _option_value(option: str, words: Sequence[str]) -> str:
    """Return the value that an option was given on the command line, as --option value or --option=value."""
    for position, argument in enumerate(words):
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
        if argument == option:
            return words[position + 1]
    return ""


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
