"""What chosen impressions have in common, and which they are, as tables; nothing here needs Streamlit."""

from typing import Any

import numpy as np
import pandas as pd

from msviz.finding import Finding
from msviz.schema import Schema


def values_table(values: pd.DataFrame) -> pd.DataFrame:
    """Return the values that set chosen impressions apart from the others, as people read them."""
    return pd.DataFrame(
        {
            "Field": values["field"],
            "Value": values["value"].astype(str),
            "Chosen": [f"{share:.1%}" for share in values["chosen"]],
            "Others": [f"{share:.1%}" for share in values["others"]],
            "Times as often (95 %)": [
                f"{lift:.2f} ({low:.2f} to {high:.2f})" if np.isfinite(high) else f"{lift:.2f}"
                for lift, low, high in zip(values["lift"], values["low"], values["high"], strict=True)
            ],
            "q": [f"{q:.1g}" for q in values["q"]],
        }
    )


def impressions_table(
    finding: Finding, schema: Schema, impressions: "np.ndarray[Any, Any]", most: int
) -> pd.DataFrame:
    """Return at most so many impressions (n,) of a finding, those with the highest predictions first."""
    data = finding.data
    order = impressions[np.argsort(-data["prediction"].values[impressions], kind="stable")][:most]
    columns: dict[str, Any] = {
        "Row": data["row"].values[order],
        "Predicted": [f"{share:.1%}" for share in data["prediction"].values[order]],
        "Clicked": np.where(data["label"].values[order] > 0, "yes", "no"),
    }
    for number, title in enumerate(data["field"].values.astype(str)):
        field = schema.field(title)
        columns[title] = [field.value_name(int(value)) for value in data["value"].values[order, number]]
    return pd.DataFrame(columns)
