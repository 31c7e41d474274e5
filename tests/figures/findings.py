"""Findings with the layouts that the analyses write, of any size, with numbers a test can recompute."""

from typing import Any

import numpy as np
import xarray as xr

from msviz.finding import Finding, Provenance

ALL = "All scenarios"
WORDS = (
    "Category", "Price", "Query match", "User age", "City tier", "Position", "Time of day", "Brand",
    "Device", "Seller rating", "Discount", "Item popularity in the last seven days", "Gender",
)  # fmt: skip
PLACES = ("Home feed", "Search", "Cart", "Flash sale", "Following")


def names(words: tuple[str, ...], count: int, kind: str) -> list[str]:
    return [words[i] if i < len(words) else f"{kind} {i + 1}" for i in range(count)]


def finding(analysis: str, data: dict[str, Any], coords: dict[str, Any]) -> Finding:
    rows = int(np.sum(data["rows"][1])) if "rows" in data else 4_000
    return Finding(
        analysis=analysis,
        question=f"A question for {analysis}?",
        takeaway="In Search, Category attends most to Query match: 31 % (± 0.4, 8,112 rows).",
        data=xr.Dataset(data, coords),
        provenance=Provenance("demo-satrans", "r", "demo", "f", "test", rows, {}, 1.2, "0.1.0"),
    )


def overview(scenarios: int = 4, values: int = 0, seed: int = 0) -> Finding:
    random = np.random.default_rng(seed)
    coords: dict[str, Any] = {"scenario": [ALL, *names(PLACES, scenarios, "Scenario")]}
    shape: tuple[int, ...] = (scenarios,)
    dims: tuple[str, ...] = ("scenario",)
    if values:
        coords["value"] = [f"value {i}" for i in range(values)]
        shape, dims = (scenarios, values), ("scenario", "value")
    rows = random.integers(50, 5_000, shape)
    clicks = (rows * random.uniform(0.02, 0.3, shape)).astype(int)
    rows, clicks = (np.concatenate([x.sum(0, keepdims=True), x]) for x in (rows, clicks))
    rate = clicks / rows
    half = 1.96 * np.sqrt(rate * (1 - rate) / rows)
    data = {"rows": rows, "clicks": clicks, "click_rate": rate, "low": rate - half, "high": rate + half}
    return finding("data_overview", {k: (dims, v) for k, v in data.items()}, coords)


def performance(scenarios: int = 4, seed: int = 0, planted: bool = True) -> Finding:
    random = np.random.default_rng(seed)
    metrics = ["auc", "logloss", "gauc", "bias"]
    value = np.stack([random.uniform(0.6, 0.8, scenarios + 1) for _ in metrics], 1)
    value[:, 1], value[:, 3] = value[:, 1] - 0.4, random.normal(0, 0.1, scenarios + 1)
    why = np.full(value.shape, "", dtype=object)
    value[-1, 0], why[-1, 0] = np.nan, "not defined: one class only"
    dims = ("scope", "metric")
    data: dict[str, Any] = {
        "value": (dims, value),
        "low": (dims, value - 0.02),
        "high": (dims, value + 0.02),
        "why": (dims, why.astype(str)),
        "rows": (("scope",), random.integers(100, 9_000, scenarios + 1)),
        "clicks": (("scope",), random.integers(10, 90, scenarios + 1)),
    }
    if planted:
        best = np.full(value.shape, np.nan)
        best[:, 0] = 0.83
        data["best"] = (dims, best)
    return finding(
        "performance", data,
        {"scope": [ALL, *names(PLACES, scenarios, "Scenario")], "metric": metrics},
    )  # fmt: skip


def shares(shape: tuple[int, ...], seed: int = 0) -> np.ndarray[Any, Any]:
    """Positive numbers that sum to one over the last axis."""
    raw = np.random.default_rng(seed).gamma(0.6, 1, shape)
    return raw / raw.sum(-1, keepdims=True)


def cells(layers: int, heads: int, fields: int) -> dict[str, Any]:
    words = names(WORDS, fields, "Field")
    return {
        "layer": [str(i + 1) for i in range(layers)],
        "head": ["mean of heads", *(str(i + 1) for i in range(heads))],
        "query": words,
        "key": words,
    }


def attention(
    scenarios: int = 4, fields: int = 10, layers: int = 3, heads: int = 4, seed: int = 0
) -> Finding:
    mean = shares((scenarios + 1, layers, heads, fields, fields), seed)
    mean = np.concatenate([mean.mean(2, keepdims=True), mean], 2)
    dims = ("scenario", "layer", "head", "query", "key")
    received = mean.mean(3)
    data = {
        "mean": (dims, mean.astype("f4")),
        "deviation": (dims, (mean / 3).astype("f4")),
        "rows": (("scenario",), np.arange(100, 101 + scenarios)),
        "received_mean": (("scenario", "layer", "head", "key"), received),
        "received_deviation": (("scenario", "layer", "head", "key"), received / 4),
    }
    coords = cells(layers, heads, fields) | {"scenario": [ALL, *names(PLACES, scenarios, "Scenario")]}
    return finding("attention_by_scenario", data, coords)


def difference(fields: int = 10, layers: int = 3, heads: int = 4, seed: int = 0) -> Finding:
    first, second = (shares((layers, heads + 1, fields, fields), seed + i) for i in (0, 1))
    delta = second - first
    dims = ("layer", "head", "query", "key")
    arrays = {
        "share_a": first,
        "share_b": second,
        "difference": delta,
        "low": delta - 0.05,
        "high": delta + 0.05,
        "p": np.where(abs(delta) > 0.05, 0.001, 0.4),
        "q": np.where(abs(delta) > 0.05, 0.01, 0.6),
        "significant": abs(delta) > 0.05,
    }
    made = finding(
        "attention_difference",
        {k: (dims, v) for k, v in arrays.items()},
        cells(layers, heads, fields),
    )
    made.data.attrs.update(a="Home feed", b="Search")
    return made


def importance(scenarios: int = 4, fields: int = 10, layers: int = 3, heads: int = 4) -> Finding:
    whole = attention(scenarios, fields, layers, heads).data
    value = whole["received_mean"].values
    dims = ("scenario", "layer", "head", "key")
    coords = {name: whole[name].values for name in dims}
    data = {"value": (dims, value), "low": (dims, value - 0.01), "high": (dims, value + 0.01)}
    return finding("attention_importance", data, coords)


def instance(fields: int = 10, layers: int = 3, heads: int = 4) -> Finding:
    coords = cells(layers, heads, fields)
    coords["field"] = coords["query"]
    data = {
        "attention": (("layer", "head", "query", "key"), shares((layers, heads + 1, fields, fields))),
        "value": (("field",), [f"a value {i}" for i in range(fields)]),
        "prediction": ((), 0.123),
        "label": ((), 1.0),
    }
    return finding("attention_instance", data, coords)


def switch(scenarios: int = 4, fields: int = 10, layers: int = 3, heads: int = 4) -> Finding:
    coords = cells(layers, heads, fields) | {"scenario": names(PLACES, scenarios, "Scenario")}
    data = {
        "prediction": (("scenario",), np.linspace(0.05, 0.2, scenarios)),
        "actual": (("scenario",), np.arange(scenarios) == 1),
        "attention": (
            ("scenario", "layer", "head", "query", "key"),
            shares((scenarios, layers, heads + 1, fields, fields)),
        ),
    }
    return finding("scenario_switch", data, coords)


def impressions(rows: int = 2_000, scenarios: int = 4, seed: int = 0) -> Finding:
    random = np.random.default_rng(seed)
    prediction = random.beta(2, 12, rows)
    label = random.random(rows) < prediction
    data = {
        "row": (("impression",), np.arange(rows) * 3),
        "prediction": (("impression",), prediction.astype("f4")),
        "label": (("impression",), label.astype("f4")),
        "error": (("impression",), abs(label - prediction).astype("f4")),
        "scenario": (("impression",), random.choice(names(PLACES, scenarios, "Scenario"), rows)),
        "value": (("impression", "field"), random.integers(0, 9, (rows, 5)).astype("i4")),
    }
    return finding("impressions", data, {"field": names(WORDS, 5, "Field")})
