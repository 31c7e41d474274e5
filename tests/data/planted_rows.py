"""What the tests of the planted world share: columns over all splits, and plain ways to the numbers."""

import math
from collections.abc import Iterable

import numpy as np

from msviz.data.planted.click_probability import Response
from msviz.data.planted.effects import MIGRATION, SPOKEN_FOR
from msviz.data.planted.past_clicks import DECAY_DAYS
from msviz.data.planted.shop import Shop
from msviz.data.planted.words import FIRST_DAY
from msviz.dataset import Dataset, Rows

SPLITS = ("train", "valid", "test")


def quiet(line: str) -> None:
    pass


def column(data: Dataset, name: str) -> np.ndarray:
    return np.concatenate([np.asarray(data.split(split).column(name)) for split in SPLITS])


def each(data: Dataset, name: str) -> np.ndarray:
    return np.concatenate([np.asarray(getattr(data.split(split), name)) for split in SPLITS])


def logit(data: Dataset) -> np.ndarray:
    p = each(data, "probability").astype(np.float64)
    return np.log(p / (1 - p))


def day(data: Dataset) -> np.ndarray:
    return each(data, "time") // 86_400 - FIRST_DAY


def hot_share(data: Dataset) -> np.ndarray:
    """The share of what is hot on each row's day."""
    assert data.truth is not None
    return np.array(data.truth["time"]["hot_share"])[day(data)]


def lift(data: Dataset) -> np.ndarray:
    assert data.truth is not None
    return np.array(data.truth["time"]["lift"])[day(data)]


def histories(data: Dataset, rows: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """ids (n, 20, 2), scenario, age and mask (n, 20) of rows given by ascending number; latest last."""
    parts: dict[str, list[np.ndarray]] = {"ids": [], "scenario": [], "age": [], "mask": []}
    rows = np.arange(sum(data.rows.values())) if rows is None else rows
    first = 0
    for split in SPLITS:
        mine = rows[(rows >= first) & (rows < first + data.rows[split])] - first
        first += data.rows[split]
        found = data.split(split).batch(mine, behaviours=True).histories
        for name, so_far in parts.items():
            tensor = getattr(found, name)
            pad = [(0, 0), (20 - tensor.shape[1], 0)] + [(0, 0)] * (tensor.ndim - 2)
            so_far.append(np.pad(tensor.numpy(), pad))
    return {name: np.concatenate(found) for name, found in parts.items()}


def warmth(data: Dataset, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 - exp(-Σ exp(-age / decay)) of clicks in the item's category, and of others: (n, scenarios) each."""
    assert data.truth is not None
    found = histories(data, rows)
    same = found["ids"][:, :, 1] == column(data, "category")[rows, None]
    fresh = np.exp(-found["age"] / (86_400 * data.truth["behaviours"]["decay_days"])) * found["mask"]

    def sums(chosen: np.ndarray) -> np.ndarray:
        sources = range(1, len(data.schema.scenarios) + 1)
        total = [(fresh * (chosen & (found["scenario"] == source))).sum(1) for source in sources]
        return 1 - np.exp(-np.stack(total, axis=1))

    return sums(same), sums(~same)


def response_of(data: Dataset) -> Response:
    """The tables behind a world, drawn again."""
    origin = data.meta["origin"]
    shop = Shop(origin["seed"], origin["planted_rows"], origin["scenarios"], origin["fields"] or 21)
    return Response(shop, origin["seed"])


def one_hot(ids: np.ndarray) -> np.ndarray:
    return np.equal(ids[:, None], np.unique(ids)).astype(np.float64)


def rows_of(data: Dataset, scenario: int) -> np.ndarray:
    """Up to 40,000 rows of a scenario, spread over the log: more would only take longer."""
    mine = np.flatnonzero(each(data, "scenario") == scenario)
    return mine[np.linspace(0, len(mine) - 1, min(len(mine), 40_000)).astype(int)]


def fitted(
    data: Dataset, scenario: int, pairs: list[tuple[str, str]]
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Explain the true logits of one scenario by least squares.

    Returns each pair's part, the residual, and what a related and an unrelated click of each source
    counts (2, scenarios). Users, items and brands have too many values for columns: their part stays in
    the residual.
    """
    truth = data.truth
    assert truth is not None
    mine = rows_of(data, scenario)
    target = (logit(data) - lift(data))[mine]
    hot = hot_share(data)[mine, None]
    names = [f.name for f in data.schema.features if f.name not in ("user_id", "item_id", "brand", "seller")]
    ids = {name: column(data, name)[mine].astype(np.int64) for name in names}
    mixed = {tuple(fields): 1 - hot for fields in truth["time"]["taste"]}
    blocks = [one_hot(ids[a] * 1000 + ids[b]) * mixed.get((a, b), 1.0) for a, b in pairs]
    others = [one_hot(ids[name]) for name in names]
    others += [one_hot(ids[name]) * hot for (name,) in truth["time"]["hot"]]
    clicks = np.hstack(warmth(data, mine))
    for group in truth["sub_scenarios"]:
        a, b, c = (ids[name] for name in (*group["fields"], group["on"]))
        others.append(one_hot((a * 100 + b) * 100 + c))
    design = np.hstack([clicks, *others, *blocks])
    # Ridge: the columns are redundant by nature, the fitted parts are made pure below.
    gram = design.T @ design + 1e-3 * np.eye(design.shape[1])
    weights = np.linalg.solve(gram, design.T @ target)
    parts, start = [], clicks.shape[1] + sum(block.shape[1] for block in others)
    for (a, b), block in zip(pairs, blocks, strict=True):
        raw = block @ weights[start : start + block.shape[1]]
        start += block.shape[1]
        mix = mixed.get((a, b), 1.0)
        both = np.hstack([one_hot(ids[a]) * mix, one_hot(ids[b]) * mix])
        parts.append(raw - both @ np.linalg.lstsq(both, raw, rcond=None)[0])
    return parts, target - design @ weights, weights[: clicks.shape[1]].reshape(2, -1)


def literal_logits(response: Response, part: Rows, row: int, scenarios: Iterable[int]) -> list[float]:
    """The logits of one row as if shown in each of these scenario numbers, looked up cell by cell."""
    batch = part.batch(slice(row, row + 1), behaviours=True)
    value = dict(zip([f.name for f in part.schema.features], batch.fields[0].tolist(), strict=True))
    today = int(batch.time[0]) // 86_400 - FIRST_DAY
    calendar = response.shop.calendar
    hot = calendar.hot_share[today]
    mix = {"always": 1.0, "taste": 1 - hot, "hot": hot}
    fresh = [0.0] * 5
    histories = batch.histories
    assert histories is not None
    for position in range(histories.mask.shape[1]):
        if histories.mask[0, position] and histories.ids[0, position, 1] == value["category"]:
            source = (int(histories.scenario[0, position]) - 1) % 5
            fresh[source] += math.exp(-int(histories.age[0, position]) / (DECAY_DAYS * 86_400))
    found = []
    for scenario in scenarios:
        family = scenario % 5
        total = response.intercept[scenario] + calendar.lift[today]
        for number, effect in enumerate(response.effects):
            cell = tuple(value[name] for name in effect.fields)
            weight = mix[effect.pattern] * response.scale[number, scenario]
            total += response.tables[number][(family, *cell)] * weight
        raw = sum(MIGRATION[family][source] * (1 - math.exp(-fresh[source])) for source in range(5))
        spoken, scale = response.centres[family]
        centre = sum(table[value[name]] for table, name in zip(spoken, SPOKEN_FOR, strict=True))
        found.append(float(total + response.scale[-1, scenario] * scale * (raw - centre)))
    return found
