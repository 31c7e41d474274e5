"""Numbers of pages as tables, from findings of a few rows."""

import math

import numpy as np
import pandas as pd
import xarray as xr

from app.page.experiments.tables import lifts_table
from app.page.impressions.tables import SORTS, impressions_list, sort_impressions
from app.page.performance.tables import costs_table, metrics_table, runs_table
from app.page.representations.tables import impressions_table, values_table
from app.page.train.tables import describe_moment, moment_table, scenario_table
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.schema import Field, Schema
from msviz.training.frames import Measures, Number, Snapshot

SCHEMA = Schema(
    fields=[
        Field(name="click", role="label"),
        Field(name="tab", role="scenario", vocabulary=["a", "b"]),
        Field(name="colour", title="Colour", vocabulary=["red", "blue"]),
        Field(name="row", title="Row", vocabulary=["x"]),
    ]
)

HALF, NONE = Number(value=0.5), Number(value=None, why="one class only")


def finding(data: xr.Dataset, analysis: str = "performance") -> Finding:
    return Finding(analysis, "?", "", data)


def impressions() -> Finding:
    prediction, label = np.array([0.2, 0.9, 0.5]), np.array([1.0, 1.0, 0.0])
    return finding(
        xr.Dataset(
            {
                "row": ("impression", [7, 3, 5]),
                "scenario": ("impression", ["a", "b", "a"]),
                "prediction": ("impression", prediction),
                "label": ("impression", label),
                "error": ("impression", prediction - label),
                "value": (("impression", "field"), [[2, 2], [3, 2], [0, 2]]),
            },
            {"field": ["Colour", "Row"]},
        )
    )


def test_impressions_are_sorted_in_every_way_and_a_field_called_like_a_column_is_left_out() -> None:
    orders = [sort_impressions(impressions(), by).tolist() for by in SORTS]
    assert orders == [[1, 2, 0], [0, 2, 1], [0, 2, 1], [1, 2, 0], [1, 2, 0]]
    table = impressions_list(impressions(), SCHEMA, [2, 0])
    assert list(table.columns) == ["Row", "Scenario", "Prediction", "Clicked", "Error", "Colour"]
    assert list(table["Row"]) == [5, 7] and list(table["Clicked"]) == [False, True]
    assert table["Colour"][1] == "red"


def test_chosen_impressions_stand_by_prediction() -> None:
    table = impressions_table(impressions(), SCHEMA, np.array([0, 1, 2]), 2)
    assert list(table["Predicted"]) == ["90.0%", "50.0%"] and list(table["Clicked"]) == ["yes", "no"]
    assert table["Colour"][0] == "blue"


def test_a_lift_without_an_upper_end_is_told_without_its_interval() -> None:
    values = pd.DataFrame(
        {"field": ["Colour"] * 2, "value": ["red", "blue"], "chosen": [0.5, 0.25], "others": [0.25, 0.0],
         "lift": [2.0, 9.0], "low": [1.5, 3.0], "high": [2.5, np.inf], "q": [0.004, 0.2]}
    )  # fmt: skip
    table = values_table(values)
    assert list(table["Times as often (95 %)"]) == ["2.00 (1.50 to 2.50)", "9.00"]
    assert list(table["Chosen"]) == ["50.0%", "25.0%"] and list(table["q"]) == ["0.004", "0.2"]


def test_metrics_stand_scenario_by_scenario_in_the_order_of_the_finding() -> None:
    metrics = ["auc", "logloss", "gauc", "bias"]
    value = np.arange(8.0).reshape(2, 4)
    data = xr.Dataset(
        {"value": (("scope", "metric"), value), "rows": ("scope", [30, 10]), "clicks": ("scope", [3, 1])},
        {"scope": ["Whole", "A part"], "metric": metrics},
    )
    table = metrics_table(finding(data))
    assert list(table["Scenario"]) == ["Whole", "A part"] and list(table["Rows"]) == [30, 10]
    assert list(table["AUC"]) == [0.0, 4.0] and list(table["Bias"]) == [3.0, 7.0]


def test_runs_stand_with_their_settings_and_relative_improvement() -> None:
    data = xr.Dataset(
        {
            "value": (("metric", "scope", "run"), np.arange(8.0).reshape(2, 2, 2)),
            "changes": ("run", ["", "heads 4"]),
            "seeds": ("run", [1, 2]),
            "improvement": (("run", "scope"), [[0.0, 0.0], [0.1, 0.2]]),
        },
        {"metric": ["auc", "logloss"], "scope": [ALL, "Search"], "run": ["one", "two"]},
    )
    table = runs_table(finding(data), "auc")
    assert list(table.columns) == ["Run", "What it is", "Seeds", "RelaImpr", ALL, "Search"]
    assert list(table["Run"]) == ["one", "two"] and list(table["Search"]) == [2.0, 3.0]
    assert list(table["RelaImpr"]) == [0.0, 0.1]
    assert "RelaImpr" not in runs_table(finding(data), "logloss")


def test_costs_stand_under_their_titles() -> None:
    data = xr.Dataset(
        {"memory": ("run", [2.0]), "rate": ("run", [5.0]), "more": ("run", [1.0])}, {"run": ["one"]}
    )
    table = costs_table(finding(data), {"rate": "Rows a second", "memory": "Memory"})
    assert table.to_dict("records") == [{"Run": "one", "Rows a second": 5.0, "Memory": 2.0}]


def test_lifts_of_all_days_and_of_periods_are_one_table() -> None:
    names = ("lift", "low", "high", "q")
    whole = {name: (("scenario", "metric"), [[0.1, np.nan]]) for name in names}
    periods = {f"period_{name}": (("scenario", "metric", "period"), [[[0.2], [0.3]]]) for name in names}
    data = xr.Dataset(
        whole | periods, {"scenario": ["Search"], "metric": ["CTR", "Amount"], "period": ["Sale"]}
    )
    table = lifts_table(finding(data), "CTR")
    assert list(table["Days"]) == ["all", "Sale"] and list(table["Lift"]) == [0.1, 0.2]
    assert list(lifts_table(finding(data), "Amount")["Days"]) == ["Sale"], "what is not defined is left out"


def test_two_runs_stand_scenario_by_scenario_the_largest_first() -> None:
    shape = ("metric", "run", "scope")
    value = np.array([[[0.7, 0.6, np.nan], [0.71, 0.65, 0.8]], [[0.3, 0.2, 0.4], [0.29, 0.21, 0.41]]])
    bounds = np.full((2, 2, 3), np.nan)
    bounds[0, 1, :2] = [0.005, -0.01]
    apart = np.zeros((2, 2, 3))
    apart[0, 1] = [0.01, 0.05, 0.0]
    data = xr.Dataset(
        {
            "value": (shape, value),
            "difference": (shape, apart),
            "difference_low": (shape, bounds),
            "difference_high": (shape, bounds + 0.02),
            "significant": (shape, apart > 0.005),
            "rows": ("scope", [100, 10, 90]),
        },
        {"metric": ["auc", "logloss"], "scope": [ALL, "Cart", "Search"]},
    )
    table = scenario_table(finding(data))
    assert list(table["Scenario"]) == [ALL, "Search", "Cart"]
    assert list(table["AUC before"]) == ["0.7000", "not defined", "0.6000"]
    assert list(table["Difference (95 %)"]) == [
        "+0.0100 (+0.0050 to +0.0250)", "not known", "+0.0500 (-0.0100 to +0.0100)",
    ]  # fmt: skip
    assert list(table["Beyond chance"]) == ["yes", "no", "yes"]


def test_a_moment_of_a_training_in_words_and_numbers() -> None:
    measures = Measures(
        rows=50, clicks=5, auc=Number(value=0.7, low=0.6, high=0.8), logloss=Number(value=0.5)
    )
    unknown = Measures(rows=2, clicks=0, auc=NONE, logloss=Number(value=None))
    mark = Snapshot.model_construct(
        number=1, rows=1200, epoch=0.5, overall=measures, scenarios={"Search": unknown}
    )
    assert describe_moment(mark) == "epoch 0.5, 1,200 rows"
    assert describe_moment(Snapshot.model_construct(rows=0, epoch=0.0)) == "before the first step"
    table = moment_table(mark)
    assert list(table["95 %"]) == ["0.600 to 0.800", ""] and list(table["AUC"]) == ["0.700", ""]
    assert not any(isinstance(cell, float) and math.isnan(cell) for cell in table.to_numpy().ravel())
