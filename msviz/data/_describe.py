"""What an encoded log holds, in numbers that fit a screen; reads labels and scenarios only."""

from typing import Any

import numpy as np

from msviz.data._dataset import SPLITS, Dataset

CHUNK = 4_000_000  # rows looked at together


def describe(dataset: Dataset) -> dict[str, Any]:
    """Return name, rows per split, click rates overall and per scenario, fields and origin, as JSON holds it.

    Scenario 0, the unseen combination, stands only where it has rows; a click rate without rows is None.
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
        "fingerprint": dataset.fingerprint,
        "origin": dataset.meta.get("origin"),
    }


def _rate(clicks: int, rows: int) -> float | None:
    return clicks / rows if rows else None
