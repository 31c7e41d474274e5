"""What a planted log knows of itself, counted while it is written: strengths and the best metrics."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from msviz.data._dataset import SPLITS, Array
from msviz.data._planted_response import DECOYS, DETERMINED, Response

CELLS = 2**23  # memory of the histograms behind the best reachable AUC, shared by all scenarios


class Tally:
    """Sums over the rows written so far; its memory does not grow with rows."""

    def __init__(self, response: Response) -> None:
        """Start at zero rows."""
        self._response = response
        scenarios, effects = response.shop.scenarios, len(response.effects)
        self._rows = np.zeros(scenarios)
        self._sums = np.zeros((effects, 2, scenarios))  # contribution and its square
        self._bins = int(np.clip(CELLS // (len(SPLITS) * 2 * scenarios), 64, 8192))
        self._seen = np.zeros((len(SPLITS), scenarios, 2, self._bins), np.int32)
        self._loss = np.zeros((len(SPLITS), scenarios))

    def add(self, split: Array, scenario: Array, parts: Sequence[Array], p: Array, label: Array) -> None:
        """Count n rows: split number, scenario number, contributions, click probability and label (n,)."""
        scenarios = len(self._rows)
        self._rows += np.bincount(scenario, minlength=scenarios)
        for number, part in enumerate(parts):
            self._sums[number, 0] += np.bincount(scenario, part, scenarios)
            self._sums[number, 1] += np.bincount(scenario, part**2, scenarios)
        place = np.minimum((p * self._bins).astype(np.int64), self._bins - 1)
        np.add.at(self._seen, (split, scenario, label, place), 1)
        lost = -np.log(np.where(label == 1, p, 1 - p))
        both = np.bincount(split * scenarios + scenario, lost, self._loss.size)
        self._loss += both.reshape(self._loss.shape)

    def truth(self, seed: int) -> dict[str, Any]:
        """Return the content of truth.json; scenarios without a row have no strengths."""
        response, names = self._response, self._response.shop.scenario_names
        rows = np.maximum(self._rows, 1)
        mean = self._sums[:, 0] / rows
        spread = np.sqrt(np.maximum(self._sums[:, 1] / rows - mean**2, 0))
        pairs: list[dict[str, Any]] = []
        fields: dict[str, dict[str, float]] = {
            name: {} for name, count in zip(names, self._rows, strict=True) if count
        }
        for number, effect in enumerate(response.effects):
            here = [s for s in range(len(names)) if self._rows[s] and response.strength(effect, s)]
            found = {names[s]: round(float(spread[number, s]), 6) for s in here}
            if len(effect.fields) == 2 and found:
                sign = {names[s]: 1 if response.strength(effect, s) > 0 else -1 for s in here}
                pairs.append({"fields": list(effect.fields), "strength": found, "sign": sign})
            elif len(effect.fields) == 1:
                for name, value in found.items():
                    fields[name][effect.fields[0]] = value
        # The scenario itself says much: each has its own click rate.
        used = {"scenario"} | {name for pair in pairs for name in pair["fields"]}
        used |= {name for scenario in fields.values() for name in scenario}
        return {
            "seed": seed,
            "pairs": pairs,
            "decoys": [list(pair) for pair in DECOYS],
            "fields": fields,
            "noise_fields": [field.name for field in response.schema.features if field.name not in used],
            "determined": DETERMINED,
            "best": {split: self._best(number) for number, split in enumerate(SPLITS)},
        }

    def _best(self, split: int) -> dict[str, Any]:
        names = self._response.shop.scenario_names
        scenarios = {
            name: _metrics(self._seen[split, number], self._loss[split, number])
            for number, name in enumerate(names)
        }
        overall = _metrics(self._seen[split].sum(0, dtype=np.int64), self._loss[split].sum())
        return {"overall": overall, "scenarios": scenarios}


def _metrics(seen: Array, loss: float) -> dict[str, float | None]:
    """Return AUC and logloss from counts by label and probability bin (2, bins); null where not defined."""
    negative, positive = seen.astype(np.float64)
    rows, clicks = negative.sum() + positive.sum(), positive.sum()
    if not rows:
        return {"auc": None, "logloss": None}
    # Within a bin rows count as ties; the bins are so fine that this moves the AUC by less than 1e-4.
    below = np.cumsum(negative) - negative / 2
    defined = 0 < clicks < rows
    auc = float((positive * below).sum() / (clicks * (rows - clicks))) if defined else None
    return {"auc": None if auc is None else round(auc, 6), "logloss": round(float(loss / rows), 6)}
