"""What KuaiRand's platform could know of a day before it starts: who came, what was shown and clicked."""

from typing import NamedTuple

import numpy as np

from msviz.data.importing.signals import Daily
from msviz.data.kuairand.tables import Tables
from msviz.dataset import Array
from msviz.schema import Field


class Series(NamedTuple):
    """A daily figure: its title, its unit and how the log tells it (SQL)."""

    title: str
    unit: str
    measure: str


SERIES = {
    "active_users": Series("Active users", "users", "count(DISTINCT user_id)"),
    "impressions": Series("Impressions", "impressions", "count(*)"),
    "clicks": Series("Clicks", "clicks", "sum(is_click)"),
}
WINDOWS = {1: "last day", 3: "3 days", 7: "7 days"}


def signal_fields() -> list[Field]:
    """Return the signals: of each series the daily mean of 1, 3 and 7 days, and the last day over 7 days."""
    fields = []
    for name, (title, unit, _) in SERIES.items():
        for days, words in WINDOWS.items():
            fields.append(_field(f"{name}_{days}d", f"{title}, {words}", unit))
        fields.append(_field(f"{name}_change", f"{title}, last day to 7 days", "ratio"))
    return fields


def _field(name: str, title: str, unit: str) -> Field:
    return Field(name=name, role="signal", kind="numeric", title=title, unit=unit)


def daily_signals(tables: Tables, names: list[str]) -> Daily:
    """Return the chosen signals of every local day of the log, in any tab, from the days before it alone."""
    table = tables.by_day([series.measure for series in SERIES.values()])
    days = table[:, 0].astype(np.int64)
    by_name = dict(zip([field.name for field in signal_fields()], before(days, table[:, 1:]).T, strict=True))
    values = np.stack([by_name[name] for name in names], axis=1)
    return Daily("signals of the log", names, days, values, [], [()] * len(days))


def before(days: Array, values: Array) -> Array:
    """Return the signals (n, 4 K) of days (n,) with figures (n, K): of each, 3 means and the change.

    A mean is over those days of its window that the log holds, 0 where it holds none; the change is the
    day before over the mean of 7 days, 1 where either is not known.
    """
    by_day = dict(zip(days.tolist(), values, strict=True))
    lines = []
    for today in days.tolist():
        means = {}
        for window in WINDOWS:
            held = [by_day[day] for day in range(today - window, today) if day in by_day]
            means[window] = np.mean(held, axis=0) if held else np.zeros(values.shape[1])
        comparable = (today - 1 in by_day) & (means[7] > 0)
        change = np.divide(means[1], means[7], out=np.ones(values.shape[1]), where=comparable)
        lines.append(np.stack([*means.values(), change], axis=1).ravel())
    return np.array(lines)
