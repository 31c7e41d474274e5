"""What an encoded log holds, in numbers that fit a screen: rows, clicks, histories, signals; no features."""

from typing import Any

import numpy as np

from msviz.dataset import SPLITS, Dataset

CHUNK = 4_000_000  # rows looked at together
WIDE = 1 << 18  # rows whose signals are looked at together


def describe(dataset: Dataset) -> dict[str, Any]:
    """Return name, rows per split, click rates overall and per scenario, fields and origin, as JSON holds it.

    Scenario 0, the unseen combination, stands only where it has rows; a click rate without rows is None.
    `history` is None and `signals` are empty where the log has none.
    """
    schema = dataset.schema
    rows = np.zeros(len(schema.scenario_names), np.int64)
    clicks = np.zeros_like(rows)
    for split in SPLITS:
        part = dataset.split(split)
        for start in range(0, part.rows, CHUNK):
            chosen = slice(start, start + CHUNK)
            scenario, label = part.scenario[chosen], part.label[chosen]
            rows += np.bincount(scenario, minlength=len(rows))
            clicks += np.bincount(scenario[label > 0], minlength=len(rows))
    features = {field.name for field in schema.features}
    return {
        "name": dataset.name,
        "rows": dataset.rows,
        "click_rate": _rate(int(clicks.sum()), int(rows.sum())),
        "scenarios": [
            {
                "name": name,
                "rows": int(rows[index]),
                "clicks": int(clicks[index]),
                "click_rate": _rate(int(clicks[index]), int(rows[index])),
            }
            for index, name in enumerate(schema.scenario_names)
            if index or rows[0]
        ],
        "fields": [
            {
                "name": field.name,
                "title": field.label,
                "role": field.role,
                "kind": field.kind,
                "size": field.size if field.name in features else None,
                "specific": field.specific,
            }
            for field in schema.fields
        ],
        "history": _history(dataset),
        "signals": _signals(dataset),
        "fingerprint": dataset.fingerprint,
        "origin": dataset.meta.get("origin"),
    }


def _history(dataset: Dataset) -> dict[str, Any] | None:
    """Return what rows know of the past: the share that has a history, and the mean length of those."""
    if not dataset.schema.sequences:
        return None
    sequence = dataset.schema.sequences[0]
    lengths = [dataset.split(split).history_spans[1] for split in SPLITS]
    rows, held = sum(map(len, lengths)), sum(int(np.count_nonzero(length)) for length in lengths)
    total = sum(int(length.sum(dtype=np.int64)) for length in lengths)
    return {
        "name": sequence.name,
        "title": sequence.label,
        "of": sequence.of,
        "sides": list(sequence.sides),
        "longest": max((int(length.max(initial=0)) for length in lengths), default=0),
        "events": len(dataset.split(SPLITS[0]).events[1]),
        "share": _rate(held, rows),
        "mean_length": _rate(total, held),
    }


def _signals(dataset: Dataset) -> list[dict[str, Any]]:
    """Return each signal's range and mean over all rows, None where there are none."""
    fields = dataset.schema.signals
    if not fields:
        return []
    least, most = np.full(len(fields), np.inf), np.full(len(fields), -np.inf)
    total, rows = np.zeros(len(fields)), 0
    for split in SPLITS:
        part = dataset.split(split)
        for start in range(0, part.rows, WIDE):
            values = part.signals(slice(start, start + WIDE))
            least, most = np.minimum(least, values.min(0)), np.maximum(most, values.max(0))
            total += values.sum(0, dtype=np.float64)
            rows += len(values)
    return [
        {
            "name": field.name,
            "title": field.label,
            "unit": field.unit,
            "least": float(least[k]) if rows else None,
            "mean": float(total[k]) / rows if rows else None,
            "most": float(most[k]) if rows else None,
        }
        for k, field in enumerate(fields)
    ]


def _rate(clicks: int, rows: int) -> float | None:
    return clicks / rows if rows else None
