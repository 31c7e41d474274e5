"""The one exception a user is meant to read: a single line that says what to change."""

from collections.abc import Iterable


class MsvizError(Exception):
    """A mistake in the input, told in one line: the parameter, its value, the valid choices."""


def invalid(parameter: str, value: object, wanted: str) -> MsvizError:
    """Return the error 'parameter: got value; wanted', on one line of readable length."""
    shown = repr(value)
    if len(shown) > 120:
        shown = shown[:117] + "..."
    return MsvizError(" ".join(f"{parameter}: got {shown}; {wanted}".split()))


def one_of(choices: Iterable[object]) -> str:
    """Return 'valid choices: a, b, c' for an error's last part."""
    return "valid choices: " + ", ".join(str(choice) for choice in choices)
