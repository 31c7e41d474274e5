"""The numbers of an experiment as a table; nothing here needs Streamlit."""

import pandas as pd

from msviz.finding import Finding

COLUMNS = {"lift": "Lift", "low": "from", "high": "to", "q": "q"}


def lifts_table(finding: Finding, metric: str) -> pd.DataFrame:
    """Return a metric's lift by scenario, and by period."""
    data = finding.data
    frames: list[pd.DataFrame] = []
    periods = [str(name) for name in data["period"].values] if "period" in data.dims else []
    for period in ("", *periods):
        prefix, part = ("period_", data.sel(period=period)) if period else ("", data)
        lifts = part[[f"{prefix}{name}" for name in COLUMNS]].drop_vars("period", errors="ignore")
        frame = lifts.to_dataframe().reset_index()
        frame.columns = ["Scenario", "Metric", *COLUMNS.values()]
        frame.insert(2, "Days", period or "all")
        frames.append(frame)
    table = pd.concat(frames, ignore_index=True)
    return table[(table["Metric"] == metric) & table["Lift"].notna()].drop(columns="Metric")
