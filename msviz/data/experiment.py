"""Reads the log of an online experiment: impressions and clicks by day, scenario and arm.

One table (CSV, TSV, Parquet; text also gzipped) with the columns date, scenario, arm, impressions, clicks
and, where they are known, users, purchases, amount; `period` names stretches of days (a promotion; "A/A"
while all arms ran the same). With a column `user` or `bucket`, a line is one of these units within its arm.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from msviz.data.importing.read import find, first_line, open_text
from msviz.dataset import Array
from msviz.errors import MsvizError, invalid, one_of

KEYS = ("date", "scenario", "arm")
COUNTS = ("impressions", "clicks")
MORE = ("users", "purchases", "amount")
UNITS = ("bucket", "user")
MOST = 20_000_000  # lines that are held in memory; a longer log is summed to buckets first
SAME = "A/A"  # the period in which every arm ran the same


@dataclass(frozen=True)
class Experiment:
    """A log's lines as numbers: places among days, scenarios, arms and units, and what was counted."""

    name: str
    digest: str
    days: Array  # (D,) datetime64[D], rising
    scenarios: list[str]
    arms: list[str]
    units: int  # users or buckets of both arms; 0 where lines are sums over all of them
    unit: str  # what a unit is called: "user", "bucket" or ""
    place: dict[str, Array]  # day, scenario, arm, unit: (n,) int64
    value: dict[str, Array]  # impressions, clicks, ...: (n,) float64
    period: list[str]  # (D,) the name of each day's period, "" for none

    @property
    def lines(self) -> int:
        """Return the number of lines."""
        return len(self.place["day"])


def digest(path: Path | str) -> str:
    """Return the SHA-256 of the file; raise MsvizError when it cannot be read."""
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise invalid("log", str(path), "no such file; wanted: a CSV, TSV or Parquet table") from error


def suits(path: Path) -> bool:
    """Tell, from its header alone, whether a file is the log of an experiment."""
    try:
        columns = {name.strip().lower() for name in find(str(path), "log").columns}
    except MsvizError:
        return False
    return {*KEYS, *COUNTS} <= columns


def truth(path: Path | str) -> dict[str, Any] | None:
    """Return what was planted into a simulated log, which lies beside it as NAME.truth.json, or None."""
    file = Path(path)
    beside = file.with_name(f"{file.name.split('.')[0]}.truth.json")
    if not beside.is_file():
        return None
    planted: dict[str, Any] = json.loads(beside.read_text("utf-8"))
    # The truth of another log of the same name would be worse than none.
    return planted if planted.get("log_sha256") == digest(file) else None


def read(path: Path | str) -> Experiment:
    """Return the experiment; raise MsvizError for a missing column, a bad cell or a line given twice."""
    path = Path(path)
    table = _table(path)
    text = {key: _named(table, key) for key in KEYS}
    unit = next((name for name in UNITS if name in table), "")
    days, day = np.unique(_days(text["date"]), return_inverse=True)
    scenarios, scenario = _encode(text["scenario"])
    arms, arm = _encode(text["arm"])
    if len(arms) < 2:
        raise invalid("log: column arm", arms[0], "an experiment needs two arms")
    units, which = _encode(_named(table, unit)) if unit else ([], np.zeros(len(table), np.int64))
    axes = {"day": day, "scenario": scenario, "arm": arm, "unit": which}
    _once(axes, text, unit)
    value = {name: _numbers(table, name) for name in (*COUNTS, *MORE) if name in table}
    for less, more in (("clicks", "impressions"), ("users", "impressions")):
        if less in value:
            _at_most(value[less], value[more], less, more)
    period = _periods(table, day, days)
    name = path.name.split(".")[0]
    return Experiment(
        name, digest(path), days, scenarios, arms, len(units), unit, axes, value, period
    )  # fmt: skip


def _table(path: Path) -> pd.DataFrame:
    """Return the columns that are known, lower-case, as text (Parquet: as they are)."""
    if not path.is_file():
        raise invalid("log", str(path), "no such file; wanted: a CSV, TSV or Parquet table")
    source = find(str(path), "log")
    columns = {name.strip().lower(): name for name in reversed(source.columns)}
    for name in (*KEYS, *COUNTS):
        if name not in columns:
            raise invalid("log: columns", ", ".join(source.columns), f"lacks {name!r}; wanted: {_wanted()}")
    wanted = {columns[n]: n for n in (*KEYS, *COUNTS, *MORE, *UNITS, "period") if n in columns}
    try:
        if path.name.lower().endswith(".parquet"):
            table = pd.read_parquet(path, columns=list(wanted))
        else:
            with open_text(path) as stream:
                separator = first_line(stream.readline())[1]
            table = pd.read_csv(
                path,
                sep=separator,
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
                usecols=lambda name: name.strip() in wanted,
                nrows=MOST + 1,
            )
    except (ValueError, OSError, pa.ArrowException) as error:
        raise MsvizError(f"log {path.name}: cannot be read: {' '.join(str(error).split())[:200]}") from error
    table = table.rename(columns=lambda name: wanted[name.strip()])
    if table.empty:
        raise invalid(f"log {path.name}", "no lines", "wanted: a line for each day, scenario and arm")
    if len(table) > MOST:
        raise invalid(f"log {path.name}", f"more than {MOST:,} lines", "sum users to buckets first")
    return table


def _wanted() -> str:
    return ", ".join((*KEYS, *COUNTS)) + "; optional " + ", ".join((*MORE, *UNITS, "period"))


def _named(table: pd.DataFrame, column: str) -> "pd.Series[str]":
    """Return a column as text without empty cells."""
    values = table[column].astype("string").fillna("").astype(str).str.strip()
    _refuse_first(values == "", column, values, "the cell is empty")
    return values


def _days(text: "pd.Series[str]") -> Array:
    days = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=True)
    _refuse_first(days.isna(), "date", text, "wanted: a day like 2025-03-01")
    return days.dt.tz_localize(None).to_numpy().astype("datetime64[D]")


def _encode(text: "pd.Series[str]") -> tuple[list[str], Array]:
    codes, names = pd.factorize(text, sort=True)
    return [str(name) for name in names], codes.astype(np.int64)


def _numbers(table: pd.DataFrame, column: str) -> Array:
    raw = table[column]
    if raw.dtype == object or isinstance(raw.dtype, pd.StringDtype):
        raw = raw.str.strip()
    numbers = pd.to_numeric(raw, errors="coerce")
    bad = numbers.isna() | ~np.isfinite(numbers.to_numpy(np.float64, na_value=np.nan))
    _refuse_first(bad, column, raw, "wanted: a number")
    _refuse_first(numbers < 0, column, raw, "it must not be negative")
    return np.asarray(numbers.to_numpy(), np.float64)


def _at_most(less: Array, more: Array, name: str, other: str) -> None:
    bad = np.flatnonzero(less > more)
    if len(bad):
        line = int(bad[0])
        raise invalid(
            f"log line {line + 2}: {name}", f"{less[line]:g}", f"more than the {more[line]:g} {other}"
        )


def _refuse_first(bad: Any, column: str, raw: Any, wanted: str) -> None:
    """Raise MsvizError for the first bad cell; the header is line 1."""
    lines = np.flatnonzero(np.asarray(bad))
    if len(lines):
        first = int(lines[0])
        also = f" ({len(lines):,} such lines)" if len(lines) > 1 else ""
        raise invalid(f"log line {first + 2}: {column}", str(raw.iloc[first]), wanted + also)


def _once(axes: dict[str, Array], text: dict[str, Any], unit: str) -> None:
    """Raise MsvizError where day, scenario, arm and unit stand there twice."""
    again = pd.DataFrame(axes).duplicated()
    if again.any():
        first = int(np.flatnonzero(again)[0])
        what = ", ".join(str(text[key].iloc[first]) for key in KEYS)
        keys = ", ".join([*KEYS, unit] if unit else KEYS)
        raise invalid(f"log line {first + 2}", what, f"these {keys} stand there twice")


def _periods(table: pd.DataFrame, day: Array, days: Array) -> list[str]:
    """Return the name of each day's period; raise MsvizError where a day has two."""
    if "period" not in table:
        return [""] * len(days)
    names = table["period"].astype("string").fillna("").astype(str).str.strip()
    periods = pd.DataFrame({"day": day, "period": names}).drop_duplicates()
    twice = periods["day"].duplicated()
    if twice.any():
        which = int(periods["day"][twice].iloc[0])
        both = periods["period"][periods["day"] == which].tolist()
        raise invalid(f"log: period of {days[which]}", ", ".join(both), "a day lies in one period")
    return [str(name) for name in periods.sort_values("day")["period"]]


def arm(given: str | None, experiment: Experiment, option: str, taken: str | None = None) -> str:
    """Return the arm that an option names, or the one that names itself; raise MsvizError otherwise."""
    arms = [name for name in experiment.arms if name != taken]
    if given is not None:
        if given not in arms:
            raise invalid(option, given, one_of(arms))
        return given
    own = own_name(option, arms)
    if own is not None:
        return own
    if taken is not None and len(arms) == 1:
        return arms[0]
    raise invalid(option, None, f"the log does not tell which arm it is; {one_of(arms)}")


def own_name(option: str, arms: list[str]) -> str | None:
    """Return the one arm that calls itself "control" (or "treatment"), None where none or several do."""
    named = [name for name in arms if name.lower() in _NAMES[option]]
    return named[0] if len(named) == 1 else None


_NAMES = {
    "control": ("control", "base", "baseline", "a", "0", "off", "c"),
    "treatment": ("treatment", "test", "b", "1", "on", "t", "experiment"),
}
