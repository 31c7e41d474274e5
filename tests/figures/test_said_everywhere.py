"""Every picture on a real finding: each hover text can be filled in at each point, no scale cuts it short."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from reading import hover, kind_of_scale

from msviz import registry
from msviz.figures import density
from msviz.figures.picture import load_picture

# Pictures that say nothing of single points: of a density a square's count is its shade.
SILENT = ("projection_agreement", "density")
Choices = list[dict[str, Any]]
HEADS: Choices = [{}, {"layer": "2", "head": "1"}, {"view": "grid"}]
SCENARIOS: Choices = [{}, {"scenario": "Search"}]
METRICS = ("auc", "logloss", "gauc", "bias")
DEMO = Path(__file__).parents[2] / "data" / "demo-experiment.csv"
SHELF = "@autoint-8-1,@autoint-8-2,@optmsm,@optmsm-free"
FEW: dict[str, Any] = {"users": 20, "candidates": 40, "top": 6}


def each(name: str, *values: object, **more: object) -> Choices:
    """Return one choice for each value of a parameter."""
    return [{name: value, **more} for value in values]


# Picture: question, run, options ("@name": a run's path, "@": a row with past clicks), what is drawn of it.
PICTURES: dict[str, list[tuple[str, str | None, dict[str, Any], Choices]]] = {
    "projection_agreement": [("projection_agreement", "optmsm", {"points": 60, "method": "tsne"}, [{}])],
    "attention_by_scenario": [("attention_by_scenario", "satrans", {}, [*HEADS, {"scenario": "Cart page"}])],
    "behaviour_attention": [
        ("behaviour_attention", "same", {"row": "@"}, [{}, {"view": "worth"}, {"part": "2"}]),
        ("behaviour_attention", "sainet", {"row": "@"}, [{}, {"view": "worth"}]),
        ("behaviour_attention", "sainet", {"row": "@", "tap": "self_attention"}, [{}]),
    ],
    "controls": [
        (
            "controls",
            "satrans",
            {"question": "attention_by_scenario", "rows": 300, "options": "", "other": "@satrans-seed-1"},
            each("by", "layer", "scenario", "head"),
        ),
    ],
    "model_cost": [
        (
            "model_cost",
            "autoint-4-1",
            {"runs": SHELF, "rows": 300},
            each("view", "predicting", "test set", "training", "training time", "memory", "parameters")
            + each("view", "with and without", "growth"),
        ),
    ],
    "density": [("projection", "optmsm", {"points": 400}, [{}])],
    "attention_difference": [
        ("attention_difference", "satrans", {}, [*HEADS, {"cells": "all"}, {"view": "pair"}])
    ],
    "rate_distribution": [
        ("rate_distribution", None, {"draws": 4, "by": by}, [{}]) for by in ("period", "scenario")
    ],
    "category_diversity": [("category_diversity", "satrans", FEW, each("view", "dots", "bars"))],
    "gates_over_time": [
        ("gates_over_time", "same", {}, each("view", "histogram", "bands", "ridgelines", "signals")),
    ],
    "sub_scenarios": [
        ("sub_scenarios", None, {"fields": "gender,city_tier", "on": "price_band"}, SCENARIOS),
    ],
    "attention_importance": [("attention_importance", "satrans", {}, [*SCENARIOS, {"view": "change"}])],
    "impressions": [("impressions", "satrans", {"sample": 2_000}, SCENARIOS)],
    "attention_instance": [("attention_instance", "satrans", {"row": "@"}, HEADS)],
    "online_lift": [
        (
            "online_lift",
            None,
            {"log": str(DEMO)},
            [one for view in ("scenarios", "days", "periods")
             for one in each("metric", "CTR", "Clicks per user", view=view)],
        ),
    ],
    "migration": [
        (
            "migration",
            "sainet",
            {"method": "attention", "rows": 1_500},
            [one for view in ("share", "beyond even")
             for one in each("scenario", None, "Cart page", view=view)],
        ),
        ("migration", "sainet", {"method": "removal", "rows": 1_500}, SCENARIOS),
    ],
    "data_overview": [
        ("data_overview", None, {}, [{}]),
        ("data_overview", None, {"field": "price_band"}, [*SCENARIOS, {"scenario": "Flash sale"}]),
    ],
    "performance": [("performance", "satrans", {}, each("metric", *METRICS))],
    "field_permutation": [
        (
            "field_permutation",
            "autoint-4-1",
            {"rows": 4_000, "draws": 2},
            [{"metric": metric, **view} for metric in ("logloss", "AUC")
             for view in ({}, {"scenario": "Flash sale"}, {"view": "all"})],
        ),
    ],
    "projection": [
        (
            "projection",
            "optmsm",
            {"points": 400, **other},
            each("colour", None, "Scenario", "Clicked", "Predicted click probability", "Gender"),
        )
        for other in ({}, {"other": "@hierrec"})
    ],
    "rates_over_time": [
        (
            "rates_over_time",
            "satrans",
            {},
            [{}, {"scenario": "Flash sale"}, *each("metric", "rate", "auc", view="periods")],
        ),
    ],
    "runs_compared": [
        (
            "runs_compared",
            "autoint-4-1",
            {"runs": SHELF, **more},
            [one for metric in METRICS
             for one in each("view", "table", "list", "curve", "pairs", metric=metric)],
        )
        for more in ({}, {"paired": True, "rows": 2_000}, {"by": "period", "rows": 2_000})
    ],
    "sankey": [
        ("sankey", None, {"fields": "gender,price_band"}, each("width", "rows", "clicks", "click rate")),
    ],
    "scenario_comparison": [("scenario_comparison", "satrans", {}, [{}])],
    "representation": [
        (
            "representation",
            run,
            {"rows": 200},
            each("matrix", *matrices) + each("measure", "cosine", "silhouette", "probe", view="numbers"),
        )
        for run, matrices in (
            ("optmsm", ("cosine", "reaction")), ("same", ("cosine",)), ("satrans", ("cosine",))
        )
    ],
    "scenario_similarity": [
        (
            "scenario_similarity",
            "satrans",
            {"rows": 100},
            each("measure", "answers", "cosine", "centred cosine", "CKA"),
        ),
    ],
    "scenario_switch": [
        ("scenario_switch", "satrans", {"row": "@"}, each("view", "prediction", "attention"))
    ],
    "tailoring": [("tailoring", "sainet", {}, each("view", "scenarios", "units"))],
    "training_history": [
        ("training_history", run, {}, each("metric", "auc", "logloss")) for run in ("autoint-4-1", "satrans")
    ],
    "feature_weights": [
        ("feature_weights", run, options, choices)
        for run in ("hierrec", "optmsm")
        for options, choices in (
            ({}, [*SCENARIOS, {"view": "scenarios"}]),
            ({"a": "Home feed", "b": "Search"}, [{"view": "difference"}]),
        )
    ],
}  # fmt: skip


def drawn(asked: Any, picture: str) -> Iterator[tuple[dict[str, Any], go.Figure]]:
    """Draw a picture of all its findings with all its choices."""

    def real(value: Any) -> Any:
        if value == "@":
            return asked.row()
        if not isinstance(value, str) or "@" not in value:
            return value
        return ",".join(str(asked.run(name.removeprefix("@")).path) for name in value.split(","))

    draw = density.draw if picture == "density" else load_picture(picture).draw
    for question, run, options, choices in PICTURES[picture]:
        finding = asked(question, run, **{name: real(value) for name, value in options.items()})
        for choice in choices:
            yield choice, draw(finding, **choice)


def points(trace: Any) -> list[tuple[int, ...]]:
    """Return the places of all points of a trace that are drawn."""
    if trace.type == "heatmap":
        return [tuple(place) for place in np.argwhere(np.isfinite(np.asarray(trace.z, float))).tolist()]
    if trace.type == "sankey":
        return [(place,) for place in range(len(trace.link.value))]
    pairs = zip(trace.x, trace.y, strict=True)
    return [(place,) for place, pair in enumerate(pairs) if not any(pd.isna(one) for one in pair)]


def test_every_picture_is_held_against_its_finding() -> None:
    assert {*registry.PICTURES.names(), "density"} == set(PICTURES), (
        "a new picture needs a real finding here, and a test of its words"
    )


@pytest.mark.parametrize("picture", sorted(PICTURES))
def test_hover_says_something_at_every_point(asked: Any, picture: str) -> None:
    told = 0
    for choice, figure in drawn(asked, picture):
        for trace in figure.data:
            if trace.type != "sankey" and trace.hoverinfo == "skip":
                continue
            places = points(trace)
            for place in places[:: max(1, len(places) // 60)]:
                said = hover(trace, *(place if trace.hoverinfo != "text" else ()))
                assert said and "%{" not in said, choice
                assert "NaN" not in said and "nan" not in said.split(), (choice, said)
                told += 1
    assert (told > 0) != (picture in SILENT)


@pytest.mark.parametrize("picture", sorted(PICTURES))
def test_scales_hold_what_is_drawn(asked: Any, picture: str) -> None:
    for choice, figure in drawn(asked, picture):
        for trace in figure.data:
            if trace.type != "heatmap" or trace.showscale is False:
                continue
            z = np.asarray(trace.z, float)
            z = z[np.isfinite(z)]
            if not z.size:
                continue
            beyond = (z < trace.zmin - 1e-6) | (z > trace.zmax + 1e-6)
            assert beyond.sum() <= max(0.06 * z.size, 1), (choice, trace.zmin, trace.zmax, z.min(), z.max())
            if kind_of_scale(trace).startswith("diverging") and picture != "feature_weights":
                assert trace.zmin == pytest.approx(-trace.zmax), choice
            if kind_of_scale(trace) == "sequential":
                assert (z >= trace.zmin - 1e-6).all(), choice
