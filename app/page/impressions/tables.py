"""Sampled impressions, sorted and as a table; nothing here needs Streamlit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from msviz.finding import Finding
from msviz.schema import Schema

SORTS = ("Highest prediction", "Lowest prediction", "Largest error", "Smallest error", "Row")
OWN = ("Row", "Scenario", "Prediction", "Clicked", "Error")  # columns beside the fields


def sort_impressions(finding: Finding, by: str) -> "np.ndarray[Any, Any]":
    """Return the places of the impressions (n,) in this order."""
    data = finding.data
    keys = {
        SORTS[0]: -data["prediction"].values,
        SORTS[1]: data["prediction"].values,
        SORTS[2]: -np.abs(data["error"].values),
        SORTS[3]: np.abs(data["error"].values),
        SORTS[4]: data["row"].values,
    }
    return np.argsort(keys[by], kind="stable")


def impressions_list(finding: Finding, schema: Schema, impressions: Sequence[int]) -> pd.DataFrame:
    """Return impressions by their places, a line each; a field called like one of our columns is left out."""
    part = finding.data.isel(impression=list(impressions))
    fields = [schema.field(str(title)) for title in part["field"].values]
    own = (
        part["row"].values,
        part["scenario"].values.astype(str),
        part["prediction"].values,
        part["label"].values > 0.5,
        part["error"].values,
    )
    values = {
        field.label: [field.value_name(int(value)) for value in part["value"].values[:, number]]
        for number, field in enumerate(fields)
        if field.label not in OWN
    }
    return pd.DataFrame({**dict(zip(OWN, own, strict=True)), **values})
