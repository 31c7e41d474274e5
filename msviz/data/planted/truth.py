"""What a planted log knows of itself, counted while it is written: strengths and the best metrics."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from msviz.data.planted.click_probability import Response
from msviz.data.planted.draw import Array, stream
from msviz.data.planted.effects import DECOYS, DETERMINED, MIGRATION, OPPOSED, OPPOSED_SCENARIO, YOUNG, Effect
from msviz.data.planted.past_clicks import DECAY_DAYS
from msviz.data.planted.words import FAMILIES, FIRST_DAY, PROMOTIONS, VALUES
from msviz.dataset import SPLITS

CELLS = 2**23  # memory of the histograms behind the best reachable AUC, shared by all scenarios
COMPARED = 50  # scenarios whose responses are compared with each other


class Tally:
    """Sums over the rows written so far; its memory does not grow with rows."""

    def __init__(self, response: Response) -> None:
        """Start at zero rows."""
        self._response = response
        # A field may matter in two ways, always and on hot days: its strength is that of both together.
        groups = {effect.fields: number for number, effect in enumerate(reversed(response.effects))}
        self._groups = {fields: index for index, fields in enumerate(reversed(groups))}
        self._members = np.array([self._groups[effect.fields] for effect in response.effects])
        scenarios = response.shop.scenarios.count
        self._rows = np.zeros(scenarios)
        self._sums = np.zeros((len(self._groups) + 1, 2, scenarios))  # contribution and its square
        self._bins = int(np.clip(CELLS // (len(SPLITS) * 2 * scenarios), 64, 8192))
        self._seen = np.zeros((len(SPLITS), scenarios, 2, self._bins), np.int32)
        self._loss = np.zeros((len(SPLITS), scenarios))

    def add(self, split: Array, scenario: Array, parts: Sequence[Array], p: Array, label: Array) -> None:
        """Count n rows: split number, scenario number, contributions, click probability and label (n,)."""
        scenarios = len(self._rows)
        self._rows += np.bincount(scenario, minlength=scenarios)
        for group in range(len(self._sums)):
            members = np.flatnonzero(self._members == group)
            part = np.sum([parts[int(m)] for m in members], axis=0) if len(members) else parts[-1]
            self._sums[group, 0] += np.bincount(scenario, part, scenarios)
            self._sums[group, 1] += np.bincount(scenario, part**2, scenarios)
        index = np.minimum((p * self._bins).astype(np.int64), self._bins - 1)
        np.add.at(self._seen, (split, scenario, label, index), 1)
        lost = -np.log(np.where(label == 1, p, 1 - p))
        both = np.bincount(split * scenarios + scenario, lost, self._loss.size)
        self._loss += both.reshape(self._loss.shape)

    def truth(self, seed: int) -> dict[str, Any]:
        """Return the content of truth.json; scenarios without a row have no strengths."""
        response, names = self._response, self._response.shop.scenarios.names
        rows = np.maximum(self._rows, 1)
        mean = self._sums[:, 0] / rows
        spread = np.sqrt(np.maximum(self._sums[:, 1] / rows - mean**2, 0))
        pairs: list[dict[str, Any]] = []
        fields: dict[str, dict[str, float]] = {
            name: {} for name, count in zip(names, self._rows, strict=True) if count
        }
        groups: list[dict[str, Any]] = []
        for members, number in self._groups.items():
            effects = [effect for effect in response.effects if effect.fields == members]
            signed = {s: self._sign(effects, s) for s in range(len(names)) if self._rows[s]}
            signed = {s: sign for s, sign in signed.items() if sign}
            strengths = {names[s]: round(float(spread[number, s]), 6) for s in signed}
            if len(members) == 2 and strengths:
                sign = {names[s]: value for s, value in signed.items()}
                pairs.append({"fields": list(members), "strength": strengths, "sign": sign})
            elif len(members) == 3 and strengths:
                groups = [_opposed(strengths[names[OPPOSED_SCENARIO]])]
            elif len(members) == 1:
                for name, value in strengths.items():
                    fields[name][members[0]] = value
        used = {"scenario", "category"} | {name for pair in pairs for name in pair["fields"]}
        used |= {name for scenario in fields.values() for name in scenario}
        used |= {name for group in groups for name in (*group["fields"], group["on"])}
        migration = {names[s]: round(float(spread[-1, s]), 6) for s in np.flatnonzero(self._rows)}
        return {
            "seed": seed,
            "pairs": pairs,
            "decoys": [list(pair) for pair in DECOYS],
            "fields": fields,
            # The scenario itself says much: each has its own click rate.
            "noise_fields": [field.name for field in response.schema.features if field.name not in used],
            "determined": DETERMINED,
            "behaviours": _behaviours(response, migration),
            "time": _time(response),
            "sub_scenarios": groups,
            "sharing": _sharing(response, seed),
            "best": {split: self._best(number) for number, split in enumerate(SPLITS)},
        }

    def _sign(self, effects: list[Effect], scenario: int) -> int:
        strengths = [self._response.strength(effect, scenario) for effect in effects]
        return int(np.sign(max(strengths, key=abs)))

    def _best(self, split: int) -> dict[str, Any]:
        names = self._response.shop.scenarios.names
        scenarios = {
            name: _metrics(self._seen[split, number], self._loss[split, number])
            for number, name in enumerate(names)
        }
        overall = _metrics(self._seen[split].sum(0, dtype=np.int64), self._loss[split].sum())
        return {"overall": overall, "scenarios": scenarios}


def _behaviours(response: Response, strength: dict[str, float]) -> dict[str, Any]:
    """Return which scenario's past clicks matter where: weights by family, strength by scenario."""
    scenarios = response.shop.scenarios
    here = scenarios.families
    families = [kind.name for kind in FAMILIES[:here]]
    # Relatives migrate like the first of their family; only those that have rows are told.
    family = dict(zip(scenarios.names, scenarios.family.tolist(), strict=True))
    return {
        "rule": "strength × (Σ_source migration[target][source] × warmth[source]), centred and scaled; "
        "warmth = 1 - exp(-Σ exp(-age / decay)) over the history's clicks in the item's category",
        "related_by": "category",
        "scenarios": families,
        "family": {name: families[family[name]] for name in strength},
        "migration": MIGRATION[:here, :here].tolist(),
        "strength": strength,
        "decay_days": DECAY_DAYS,
    }


def _time(response: Response) -> dict[str, Any]:
    """Return the days, their phases and how far each moves from own taste to what is hot."""
    calendar = response.shop.calendar

    def patterned(pattern: str) -> list[list[str]]:
        return [list(effect.fields) for effect in response.effects if effect.pattern == pattern]

    return {
        "rule": "logit = ... + lift + (1 - hot_share) × taste + hot_share × hot",
        "days": [_date(day) for day in range(len(calendar.phase))],
        "phase": calendar.phase,
        "hot_share": np.round(calendar.hot_share, 6).tolist(),
        "lift": np.round(calendar.lift, 6).tolist(),
        "promotions": [
            {
                "name": promotion.name,
                "start": _date(promotion.start),
                "end": _date(promotion.start + promotion.days - 1),
                "strength": promotion.strength,
            }
            for promotion in PROMOTIONS
        ],
        "taste": patterned("taste"),
        "hot": patterned("hot"),
    }


def _opposed(strength: float) -> dict[str, Any]:
    """Return the two groups inside a scenario that respond in opposite ways."""
    first, second, on = OPPOSED.fields
    groups: list[list[list[str]]] = [[], []]
    for a, value in enumerate(VALUES[first]):
        for b, other in enumerate(VALUES[second]):
            groups[int((a == 0) != (b < YOUNG))].append([value, other])
    return {
        "scenario": FAMILIES[OPPOSED_SCENARIO].name,
        "fields": [first, second],
        "on": on,
        "strength": strength,
        # Who answers to more of `on` with more clicks, and who with fewer.
        "groups": groups,
    }


def _sharing(response: Response, seed: int) -> dict[str, Any]:
    """Return the correlation of the scenarios' responses to the same rows (logit less intercept)."""
    shop = response.shop
    rng = stream(seed, 2**64 - 3)
    rows = shop.at(rng, shop.calendar.moment(rng.random(response.sample_size)))
    responses = []
    for number in range(min(COMPARED, shop.scenarios.count)):
        scenario = np.full(len(rows.scenario), number)
        there = replace(rows, scenario=scenario, family=shop.scenarios.family[scenario])
        logit = response.logit(response.contributions(there), there)
        responses.append(logit - response.intercept[number])
    matrix = np.round(np.corrcoef(responses), 4)
    np.fill_diagonal(matrix, 1.0)
    return {"scenarios": shop.scenarios.names[: len(responses)], "matrix": matrix.tolist()}


def _date(day: int) -> str:
    return str(np.datetime64(FIRST_DAY + day, "D"))


def _metrics(counts: Array, loss: float) -> dict[str, float | None]:
    """Return AUC and logloss from counts by label and probability bin (2, bins); null where not defined."""
    negative, positive = counts.astype(np.float64)
    rows, clicks = negative.sum() + positive.sum(), positive.sum()
    if not rows:
        return {"auc": None, "logloss": None}
    # Within a bin rows count as ties; the bins are so fine that this moves the AUC by less than 1e-4.
    below = np.cumsum(negative) - negative / 2
    defined = 0 < clicks < rows
    auc = float((positive * below).sum() / (clicks * (rows - clicks))) if defined else None
    return {"auc": None if auc is None else round(auc, 6), "logloss": round(float(loss / rows), 6)}
