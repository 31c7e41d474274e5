"""The numbers of the Performance page as tables; nothing here needs Streamlit."""

import pandas as pd

from msviz.figures.theme import ALL
from msviz.finding import Finding

METRICS = {
    "scope": "Scenario",
    "rows": "Rows",
    "clicks": "Clicks",
    "auc": "AUC",
    "logloss": "Logloss",
    "gauc": "AUC by user",
    "bias": "Bias",
}


def metrics_table(finding: Finding) -> pd.DataFrame:
    """Return every metric of every scenario of a run."""
    long = finding.to_pandas()
    wide = long.pivot(index="scope", columns="metric", values="value").reset_index()
    counts = long.drop_duplicates("scope")[["scope", "rows", "clicks"]]
    order = [str(name) for name in finding.data["scope"].values]
    wide = counts.merge(wide, on="scope").set_index("scope").loc[order].reset_index()
    return wide.rename(columns=METRICS)[list(METRICS.values())]


def runs_table(finding: Finding, metric: str) -> pd.DataFrame:
    """Return every run's metric in every scenario, with its settings, and RelaImpr of its AUC."""
    data = finding.data.sel(metric=metric)
    values = data["value"].transpose("run", "scope")
    table = pd.DataFrame(values.values, index=data["run"].values, columns=data["scope"].values)
    table.insert(0, "What it is", data["changes"].values)
    table.insert(1, "Seeds", data["seeds"].values)
    if metric == "auc":
        table.insert(2, "RelaImpr", finding.data["improvement"].sel(scope=ALL).values)
    return table.reset_index(names="Run")


def costs_table(finding: Finding, titles: dict[str, str]) -> pd.DataFrame:
    """Return what every run costs, under the titles of what is measured."""
    names = list(titles)
    return finding.data[names].to_dataframe()[names].rename(columns=titles).reset_index(names="Run")
