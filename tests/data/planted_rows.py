"""What the tests of the planted world share: its columns over all splits, and plain ways to the same numbers."""

import numpy as np

from msviz.data._dataset import Dataset
from msviz.data._planted_response import Response
from msviz.data._planted_shop import Shop
from msviz.data._planted_words import FIRST_DAY

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


def histories(data: Dataset, rows: slice = slice(None)) -> dict[str, np.ndarray]:
    """ids (n, 20, 2), scenario, age and mask (n, 20) of all rows, latest last."""
    parts: dict[str, list[np.ndarray]] = {"ids": [], "scenario": [], "age": [], "mask": []}
    for split in SPLITS:
        batch = data.split(split).batch(rows, behaviours=True)
        pad = 20 - batch.mask.shape[1]
        for name, tensor in zip(
            parts,
            (batch.behaviours, batch.behaviour_scenario, batch.behaviour_age, batch.mask),
            strict=True,
        ):
            width = [(0, 0), (pad, 0)] + [(0, 0)] * (tensor.ndim - 2)
            parts[name].append(np.pad(tensor.numpy(), width))
    return {name: np.concatenate(found) for name, found in parts.items()}


def warmth(data: Dataset) -> np.ndarray:
    """(n, scenarios): 1 - exp(-Σ exp(-age / decay)) over each row's clicks in the item's category."""
    assert data.truth is not None
    found = histories(data)
    related = found["mask"] & (found["ids"][:, :, 1] == column(data, "category")[:, None])
    fresh = np.exp(-found["age"] / (86_400 * data.truth["behaviours"]["decay_days"]))
    sources = range(1, len(data.schema.scenarios) + 1)
    total = [(fresh * (related & (found["scenario"] == source))).sum(1) for source in sources]
    return 1 - np.exp(-np.stack(total, axis=1))


def response_of(data: Dataset) -> Response:
    """The tables behind a world, drawn again."""
    origin = data.meta["origin"]
    shop = Shop(origin["seed"], origin["planted_rows"], origin["scenarios"], origin["fields"] or 21)
    return Response(shop, origin["seed"])


def one_hot(ids: np.ndarray) -> np.ndarray:
    return np.equal(ids[:, None], np.unique(ids)).astype(np.float64)
