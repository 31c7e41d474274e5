"""What sets chosen impressions apart from all others: values that are more frequent among them."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from msviz.analyses.shared.words import percent
from msviz.finding import Finding
from msviz.lazy import LazyModule
from msviz.schema import Schema
from msviz.statistics.comparison import adjust_p_values
from msviz.statistics.intervals import Z, log_rate_variance

stats = LazyModule("scipy.stats")

Array = np.ndarray[Any, Any]
LEAST = 5  # impressions of a value, below which nothing is asked of it
SHOWN = 200
TOLD = 0.05  # share of the chosen that a value must have to be told in a sentence


def distinguishing(finding: Finding, impressions: Array, schema: Schema) -> pd.DataFrame:
    """Return, for each value of each field, its share among the chosen impressions and among the others.

    Columns field, value, chosen, others (shares), lift with Katz's 95 % interval, p by Fisher's exact test
    (twice the smaller tail), q corrected over all values (Benjamini and Hochberg), the most significant
    first.
    Scenario and click are asked like fields. `impressions` are places in the finding, at least one and not
    all.
    """
    data = finding.data
    total = data.sizes["impression"]
    inside = np.zeros(total, bool)
    inside[impressions] = True
    parts = [_count("Clicked", np.where(data["label"].values > 0, "yes", "no"), inside)]
    scenario = data["scenario"].values.astype(str)
    if len(schema.scenario_fields) != 1:
        parts.append(_count("Scenario", scenario, inside))
    for number, title in enumerate(data["field"].values.astype(str)):
        field = schema.field(title)
        part = _count(title, data["value"].values[:, number], inside)
        parts.append(part.assign(value=[field.value_name(int(value)) for value in part["value"]]))
    counts = pd.concat(parts, ignore_index=True)
    count, size = int(inside.sum()), counts["count"].to_numpy()
    held = counts["held"].to_numpy()
    tails = [stats.hypergeom.cdf(held, total, size, count), stats.hypergeom.sf(held - 1, total, size, count)]
    p = np.minimum(1.0, 2 * np.minimum(*tails))
    chosen, others = held / count, (size - held) / max(total - count, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = chosen / others
        variance = log_rate_variance(held, count) + log_rate_variance(size - held, max(total - count, 1))
        spread = np.exp(Z * np.sqrt(variance))
        bounds = lift / spread, lift * spread
    counts = counts.assign(
        chosen=chosen, others=others, lift=lift, low=bounds[0], high=bounds[1], p=p, q=adjust_p_values(p)
    )
    order = counts.sort_values(["p", "count"], ascending=[True, False], kind="stable")
    return order.drop(columns=["held"]).head(SHOWN).reset_index(drop=True)


def in_words(found: pd.DataFrame, chosen: int, total: int) -> str:
    """Return the values that stand out most, in one sentence."""
    head = f"{chosen:,} of {total:,} impressions chosen"
    clear = found[(found["q"] <= 0.05) & (found["chosen"] > found["others"])]
    if clear.empty:
        return f"{head}: no value is more frequent among them than chance allows (5 % false discoveries)."
    # A value of few says little of all; the next best value of a field says little more than its best.
    best = clear[clear["chosen"] >= TOLD].drop_duplicates("field").head(3)
    if best.empty:
        best = clear.head(1)
    differences = "; ".join(
        f"{field} is {value} for {percent(float(here), 0)} against {percent(float(rest), 0)} of the others"
        for field, value, here, rest in best[["field", "value", "chosen", "others"]].to_numpy()
    )
    return f"{head}: {differences} ({len(clear)} values stand out, false discoveries held at 5 %)."


def _count(title: str, values: Array, inside: Array) -> pd.DataFrame:
    ids, index, count = np.unique(values, return_inverse=True, return_counts=True)
    held = np.bincount(index[inside], minlength=len(ids))
    often = count >= LEAST
    return pd.DataFrame({"field": title, "value": ids[often], "count": count[often], "held": held[often]})


def impressions_of(data: xr.Dataset, points: Array) -> Array:
    """Return the places of the impressions that chosen points of a projection belong to."""
    return np.unique(data["of"].values[points]).astype(np.int64)
