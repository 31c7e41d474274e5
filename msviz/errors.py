"""The one exception a user is meant to read: a single line that says what to change."""

from collections.abc import Iterable


class MsvizError(Exception):
    """A mistake in the input, told in one line: the parameter, its value, the valid choices."""


def invalid(parameter: str, value: object, wanted: str) -> MsvizError:
    """Return the error 'parameter: got value; wanted', on one line of readable length."""
    text = repr(value)
    if len(text) > 120:
        text = text[:117] + "..."
    return MsvizError(" ".join(f"{parameter}: got {text}; {wanted}".split()))


def one_of(choices: Iterable[object]) -> str:
    """Return 'valid choices: a, b, c' for an error's last part."""
    return "valid choices: " + ", ".join(str(choice) for choice in choices)
