"""What is special about a scenario: real differences from all other rows, by how large they surely are.

Everything is a ratio to the rest of the log (1 is "as elsewhere"), so that values, fields and metrics can be
put into one order: by the end of the ratio's 95 % interval that lies nearer to 1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from msviz.dataset import Rows
from msviz.schema import Field, Schema
from msviz.statistics.comparison import adjust_p_values, normal_p
from msviz.statistics.intervals import Z, log_rate_variance

Array = np.ndarray[Any, Any]
LEVEL = 0.05
COMMON = 0.02  # a value is worth a word where at least so many of the rows have it, here or elsewhere
FEWEST = 10  # rows that must be expected on both sides for the test to hold
VALUES = 2_000  # values of a field that are looked at, the most frequent ones
CHUNK = 1_000_000
EACH = 3  # things of one kind that are told of a scenario
CLICKS = "click rate"
OF_LOG = ("value", CLICKS)  # kinds that speak of the log; all others speak of the model
NOTABLE = 0.05  # |log ratio| below which nobody needs to know


@dataclass(frozen=True)
class Special:
    """One thing about one scenario: a ratio to the other rows, its interval, p and q, and its words."""

    scenario: str
    kind: str
    what: str
    here: float
    elsewhere: float
    ratio: float
    low: float
    high: float
    p: float
    words: str
    q: float = float("nan")
    of: str = ""  # things of one kind that share this (values of one field) are told once

    @property
    def of_log(self) -> bool:
        """Tell whether this is about the log, not about the model."""
        return self.kind in OF_LOG

    @property
    def size(self) -> float:
        """Return |log ratio| at the end of the interval nearer to 1, 0 where the interval holds 1."""
        if not self.low > 0 or self.low <= 1 <= self.high:
            return 0.0
        return float(min(abs(np.log(self.low)), abs(np.log(self.high))))


def ranked(found: Iterable[Special]) -> dict[str, list[Special]]:
    """Return for each scenario what is surely special, the largest first; q is over all that was tested."""
    tested = list(found)
    q = adjust_p_values(np.array([special.p for special in tested], float)) if tested else np.empty(0)
    out: dict[str, list[Special]] = {}
    corrected = [replace(special, q=float(value)) for special, value in zip(tested, q, strict=True)]
    for special in sorted(corrected, key=lambda special: -special.size):
        chosen = out.setdefault(special.scenario, [])
        alike = [other for other in chosen if other.kind == special.kind]
        repeated = special.of and any(other.of == special.of for other in alike)
        if special.q <= LEVEL and special.size >= NOTABLE and len(alike) < EACH and not repeated:
            chosen.append(special)
    return out


def of_values(part: Rows, schema: Schema, chosen: Sequence[int], names: Sequence[str]) -> list[Special]:
    """Return how often each field's values turn up in the chosen scenarios, against all other rows.

    The ratio of two shares with its interval on the log scale (Katz 1978); rows count as independent.
    """
    out = []
    outside = {field.name for field in schema.scenario_fields}
    rows = np.bincount(part.scenario, minlength=len(schema.scenarios) + 1)
    for field in schema.features:
        if field.name in outside:
            continue
        counts, ids = _count(part, field, chosen)
        whole = counts[-1]
        for row, (number, name) in enumerate(zip(chosen, names, strict=True)):
            here, size = counts[row], int(rows[number])
            there, rest = whole - here, part.rows - size
            if size and rest:
                out += _values(field, ids, name, (here, size), (there, rest))
    return out


def _count(part: Rows, field: Field, chosen: Sequence[int]) -> tuple[Array, Array]:
    """Return rows (chosen + 1, V) of the most frequent values in each scenario and in all, and their ids."""
    column = part.column(field.name)
    row_of = np.full(int(part.scenario.max(initial=0)) + 1, len(chosen))
    for row, number in enumerate(chosen):
        if number < len(row_of):
            row_of[number] = row
    out = np.zeros((len(chosen) + 1) * field.size, np.int64)
    for start in range(0, part.rows, CHUNK):
        now = slice(start, start + CHUNK)
        out += np.bincount(row_of[part.scenario[now]] * field.size + column[now], minlength=len(out))
    counts = out.reshape(len(chosen) + 1, field.size)
    counts[-1] = counts.sum(0)
    ids = np.argsort(-counts[-1], kind="stable")[:VALUES]
    return counts[:, ids], ids


def _values(
    field: Field, ids: Array, scenario: str, here: tuple[Array, int], there: tuple[Array, int]
) -> list[Special]:
    (a, n), (b, m) = here, there
    shares = a / n, b / m
    usual = (a + b) / (n + m)
    keep = (np.maximum(*shares) >= COMMON) & (np.minimum(n, m) * usual >= FEWEST) & (a > 0) & (b > 0)
    keep &= np.minimum(n, m) * (1 - usual) >= FEWEST
    out = []
    for value_index in np.flatnonzero(keep):
        own, other = float(shares[0][value_index]), float(shares[1][value_index])
        log = np.log(own / other)
        error = np.sqrt(log_rate_variance(a[value_index], n) + log_rate_variance(b[value_index], m))
        # The test pools both sides, as no difference would have it; the interval does not.
        pooled = np.sqrt(usual[value_index] * (1 - usual[value_index]) * (1 / n + 1 / m))
        p = normal_p(own - other, pooled)
        value = field.value_name(int(ids[value_index]))
        ratio, low, high = (float(np.exp(log + step * error)) for step in (0, -Z, Z))
        out.append(
            Special(
                scenario, "value", f"{field.label}: {value}", own, other, ratio, low, high, float(p),
                f"{field.label} is {value} in {100 * own:.1f} % of its rows, {times(ratio, True)} elsewhere "
                f"({100 * other:.1f} %; 95 %: {low:.2f} to {high:.2f} times)", of=field.name,
            )
        )  # fmt: skip
    return out


def of_amount(
    scenario: str, kind: str, what: str, amount: tuple[float, float], error: tuple[float, float], words: str
) -> Special | None:
    """Return the ratio of two positive amounts, here and elsewhere, with their standard errors.

    The delta method on the logarithm; `words` may name {times}, {low} and {high}.
    """
    if not (min(amount) > 0 and np.isfinite([*amount, *error]).all()):
        return None
    log = float(np.log(amount[0] / amount[1]))
    spread = float(np.hypot(error[0] / amount[0], error[1] / amount[1]))
    low, high = np.exp(log - Z * spread), np.exp(log + Z * spread)
    p = normal_p(log, spread)
    ratio = float(np.exp(log))
    often = kind == CLICKS
    text = words.format(times=times(ratio, often), low=f"{low:.2f}", high=f"{high:.2f}")
    return Special(
        scenario, kind, what, amount[0], amount[1], ratio, float(low), float(high), float(p), text, of=what
    )  # fmt: skip


def times(ratio: float, often: bool = False) -> str:
    """Return '1.8 times as much as', or 'only 0.42 times as often as'."""
    digits = 1 if ratio >= 1.95 else 2
    return f"{'only ' * (ratio < 1)}{ratio:.{digits}f} times as {'often' if often else 'much'} as"
