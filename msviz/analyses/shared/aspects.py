"""What a question adds to the comparison of scenarios: rows of numbers, and where they surely differ.

An aspect reads the answer to its question and returns rows of numbers (one a scenario) and, where a
difference can be tested, what is special. A question names its aspect in `ComparedView`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from msviz.analyses.shared.attention import ALL, MEAN
from msviz.analyses.shared.special import CLICKS, FEWEST, Special, of_amount
from msviz.analyses.shared.words import percent
from msviz.finding import Finding
from msviz.statistics.intervals import Z, half_width, standard_error

Array = np.ndarray[Any, Any]
SHOWN = 5  # fields or experts of one aspect: those in which the scenarios differ most
ROWS = 30  # rows that both sides need before means are tested
PERCENT, NUMBER, COUNT = "percent", "number", "count"


@dataclass(frozen=True)
class Row:
    """One line of the comparison: a number with its interval for every scenario, and for all rows."""

    group: str
    name: str
    value: Array
    low: Array
    high: Array
    usual: float = float("nan")
    form: str = NUMBER


@dataclass(frozen=True)
class Aspect:
    """What an aspect says: its rows, what may be special, and how alike scenarios are, if it knows."""

    rows: list[Row]
    special: list[Special] = field(default_factory=list)
    likeness: xr.DataArray | None = None


def log_aspect(finding: Finding, names: Sequence[str]) -> Aspect:
    """Rows and click rates; click rates against all other rows."""
    data = finding.data
    here, whole = data.sel(scenario=list(names)), data.sel(scenario=ALL)
    rows, clicks = here["rows"].values.astype(float), here["clicks"].values.astype(float)
    nothing = np.full(len(names), np.nan)
    specials = []
    for name, n, k in zip(names, rows, clicks, strict=True):
        m, j = float(whole["rows"]) - n, float(whole["clicks"]) - k
        if not min(n, m) * min(k + j, n + m - k - j) >= FEWEST * (n + m):
            continue
        own, others = k / n, j / m
        error = (np.sqrt(own * (1 - own) / n), np.sqrt(others * (1 - others) / m))
        words = (
            f"{percent(own)} of its rows are clicked, {{times}} elsewhere ({percent(others)}; 95 %: {{low}} "
            "to {high} times)"
        )
        specials.append(of_amount(name, CLICKS, "Click rate", (own, others), error, words))
    return Aspect(
        [
            Row("The log", "Rows", rows, nothing, nothing, form=COUNT),
            Row(
                "The log", "Click rate", here["click_rate"].values, here["low"].values, here["high"].values,
                float(whole["click_rate"]), PERCENT,
            ),
        ],
        _real(specials),
    )  # fmt: skip


def quality_aspect(finding: Finding, names: Sequence[str]) -> Aspect:
    """AUC, logloss and bias; AUC above chance against the other scenarios, bias against none."""
    titles = {
        "auc": ("AUC", NUMBER),
        "logloss": ("Logloss", NUMBER),
        "bias": ("Bias of predictions", PERCENT),
    }
    rows, specials = [], []
    for metric, (title, form) in titles.items():
        part = finding.data.sel(metric=metric).reindex(scope=[*names, ALL])
        value, low, high = (part[key].values for key in ("value", "low", "high"))
        # The AUC of all rows also ranks rows of different scenarios: it is no measure for one of them.
        usual = float("nan") if metric == "auc" else float(value[-1])
        rows.append(Row("Quality", title, value[:-1], low[:-1], high[:-1], usual, form))
    every = finding.data.sel(metric="auc").sel(scope=finding.data["scope"].values != ALL)
    for name in names:
        if name not in every["scope"].values:
            continue
        rest = every.sel(scope=every["scope"].values != name).dropna("scope", subset=["value", "low"])
        here = every.sel(scope=name)
        if rest.sizes["scope"]:
            weight = rest["rows"].values / rest["rows"].values.sum()
            spread = standard_error(rest["low"], rest["high"])
            other = float(weight @ rest["value"].values)
            error = (float(standard_error(here["low"], here["high"])), float(np.sqrt(weight**2 @ spread**2)))
            words = (
                f"its rows are ranked {'better' if float(here['value']) > other else 'worse'}: AUC "
                f"{float(here['value']):.3f}, where the other scenarios have {other:.3f} on average (above "
                "chance, {low} to {high} times as much)"
            )
            gap = (float(here["value"]) - 0.5, other - 0.5)
            specials.append(of_amount(name, "AUC", "AUC", gap, error, words))
        bias = finding.data.sel(metric="bias", scope=name)
        off = float(standard_error(bias["low"], bias["high"]))
        side = "over" if float(bias["value"]) > 0 else "under"
        words = (
            f"clicks are {side}-predicted by {percent(abs(float(bias['value'])))} (95 %: {{low}} to {{high}} "
            "predicted for each that came)"
        )
        specials.append(of_amount(name, "bias", "Bias", (1 + float(bias["value"]), 1.0), (off, 0.0), words))
    return Aspect(rows, _real(specials))


def attention_aspect(finding: Finding, names: Sequence[str]) -> Aspect:
    """Attention that fields receive in the first layer's mean of heads, against all other rows."""
    data = finding.data.sel(layer="1", head=MEAN)
    mean, deviation = data["received_mean"], data["received_deviation"]
    rows = data["rows"].astype(float)
    words = (
        "attention to {what} is {times} elsewhere ({here} of all attention against {there}; "
        "95 %: {low} to {high} times)"
    )
    mean, deviation = mean.rename(key="field"), deviation.rename(key="field")
    return _fields("Attention received, layer 1, mean of heads", words, mean, deviation, rows, names)


def weights_aspect(finding: Finding, names: Sequence[str]) -> Aspect:
    """Weights that fields get, in the mean of heads, against all other rows."""
    data = finding.data.isel(head=0)
    words = "{what} gets {times} elsewhere in weight ({here} against {there}; 95 %: {low} to {high} times)"
    rows = data["rows"].astype(float)
    form = PERCENT if finding.data.attrs.get("shares") else NUMBER
    return _fields("Field weights", words, data["weight"], data["deviation"], rows, names, form)


def _fields(
    group: str,
    words: str,
    mean: xr.DataArray,
    deviation: xr.DataArray,
    rows: xr.DataArray,
    names: Sequence[str],
    form: str = PERCENT,
) -> Aspect:
    """Return the fields that differ most between the chosen scenarios, and each against all other rows."""
    present = [name for name in names if name in mean["scenario"].values]
    value = mean.reindex(scenario=list(names)).transpose("field", "scenario").values.astype(float)
    spread = deviation.reindex(scenario=list(names)).transpose("field", "scenario").values.astype(float)
    count = rows.reindex(scenario=list(names)).values
    whole, all_rows = mean.sel(scenario=ALL).values.astype(float), float(rows.sel(scenario=ALL))
    half = half_width(spread, count)
    titles = [str(name) for name in mean["field"].values]
    with np.errstate(invalid="ignore"):
        gap = np.nanmax(value, 1) - np.nanmin(value, 1) if present else np.zeros(len(titles))
    lines = [
        Row(group, titles[k], value[k], np.maximum(value[k] - half[k], 0), value[k] + half[k], whole[k], form)
        for k in np.argsort(-gap, kind="stable")[:SHOWN]
    ]
    square = deviation.sel(scenario=ALL).values.astype(float) ** 2
    specials = []
    for column, name in enumerate(names):
        n, m = count[column], all_rows - count[column]
        if not min(n, m) >= ROWS:
            continue
        there = (whole * all_rows - value[:, column] * n) / m
        # What the others vary by follows from what all and these vary by.
        power = all_rows * (square + whole**2) - n * (spread[:, column] ** 2 + value[:, column] ** 2)
        rest = np.sqrt(np.maximum(power / m - there**2, 0))
        for k, title in enumerate(titles):
            pair = (float(value[k, column]), float(there[k]))
            error = (float(spread[k, column] / np.sqrt(n)), float(rest[k] / np.sqrt(m)))
            amounts = [percent(amount) if form == PERCENT else f"{amount:.2f}" for amount in pair]
            text = words.replace("{what}", _escape(title))
            text = text.replace("{here}", amounts[0]).replace("{there}", amounts[1])
            specials.append(of_amount(name, group, title, pair, error, text))
    return Aspect(lines, _real(specials))


def gates_aspect(finding: Finding, names: Sequence[str]) -> Aspect:
    """The mean weight of every expert, with days as the units."""
    data = finding.data
    part = data.reindex(group=list(names))
    rows = part["rows"].transpose("group", "day").values[:, :, None].astype(float)
    daily = part["mean"].transpose("group", "day", "expert").values.astype(float)
    rows = np.where(np.isfinite(daily), np.nan_to_num(rows), 0.0)
    total = rows.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (rows * np.nan_to_num(daily)).sum(1) / total
        days = (rows > 0).sum(1)
        # A ratio of sums over days: days with more rows count more, in the mean and in its error.
        off = (rows * (np.nan_to_num(daily) - mean[:, None])) ** 2
        error = np.sqrt(days / np.maximum(days - 1, 1) * off.sum(1)) / total
    half = np.where(days > 2, Z * error, np.nan)
    lines = [
        Row(
            "Weights of experts", str(expert), mean[:, k], np.maximum(mean[:, k] - half[:, k], 0),
            np.minimum(mean[:, k] + half[:, k], 1), form=PERCENT,
        )
        for k, expert in enumerate(data["expert"].values[:SHOWN])
    ]  # fmt: skip
    return Aspect(lines)


def similarity_aspect(finding: Finding, names: Sequence[str]) -> Aspect:
    """How much the answers to the same rows go together when they are put into two scenarios."""
    data = finding.data.sel(measure="answers", part="everything")
    data = data.reindex(scenario=list(names), other=list(names))
    lines = []
    for row, name in enumerate(names):
        value, low, high = (
            np.array(data[key].sel(other=name).values, float) for key in ("value", "low", "high")
        )
        value[row] = low[row] = high[row] = np.nan
        lines.append(Row("Answers to the same rows, correlation", f"with {name}", value, low, high))
    return Aspect(lines, likeness=data["value"])


def migration_aspect(finding: Finding, names: Sequence[str]) -> Aspect:
    """How much attention impressions pay to past clicks of the chosen scenarios, beyond their share."""
    data = finding.data.reindex(target=list(names))
    group = "Attention to past clicks, times an even share"
    lines, specials = [], []
    for source in names:
        if source not in data["source"].values:
            continue
        attention = data.sel(source=source)
        value, low, high = (
            np.array(attention[key].values, float) for key in ("lift", "lift_low", "lift_high")
        )
        lines.append(Row(group, f"to clicks in {source}", value, low, high))
        for target, name in enumerate(names):
            if not float(attention["holding"].values[target]) >= ROWS:
                continue
            words = (
                f"past clicks in {_escape(source)} get {value[target]:.2f} times the attention of an even "
                "share (95 %: {low} to {high})"
            )
            error = (float(standard_error(low[target], high[target])), 0.0)
            specials.append(of_amount(name, group, source, (value[target], 1.0), error, words))
    return Aspect(lines, _real(specials))


def _escape(name: str) -> str:
    """Return a name from data so that filling in a sentence leaves it as it is."""
    return name.replace("{", "{{").replace("}", "}}")


def _real(specials: Sequence[Special | None]) -> list[Special]:
    return [special for special in specials if special is not None]
