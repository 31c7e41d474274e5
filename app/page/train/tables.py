"""What the Train page lists of runs and moments of a training, as tables; nothing here needs Streamlit."""

import numpy as np
import pandas as pd

from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.training.frames import Number, Snapshot


def scenario_table(finding: Finding) -> pd.DataFrame:
    """Return AUC and logloss of two runs in every scenario, the whole first, the largest next."""
    data = finding.data
    scopes = [str(name) for name in data["scope"].values]
    order = [0, *(1 + np.argsort(-data["rows"].values[1:], kind="stable"))]

    def cell(metric: str, scope: int, name: str, run: int) -> float:
        return float(data[name].sel(metric=metric).isel(run=run, scope=scope).item())

    rows = []
    for scope in order:
        low, high = (cell("auc", scope, f"difference_{end}", 1) for end in ("low", "high"))
        tested = np.isfinite(low)
        difference = f"{cell('auc', scope, 'difference', 1):+.4f} ({low:+.4f} to {high:+.4f})"
        rows.append(
            {
                "Scenario": scopes[scope],
                "Rows": f"{int(data['rows'].values[scope]):,}",
                "AUC before": _format_metric(cell("auc", scope, "value", 0)),
                "AUC now": _format_metric(cell("auc", scope, "value", 1)),
                "Difference (95 %)": difference if tested else "not known",
                "Beyond chance": "yes" if tested and bool(cell("auc", scope, "significant", 1)) else "no",
                "Logloss before": _format_metric(cell("logloss", scope, "value", 0)),
                "Logloss now": _format_metric(cell("logloss", scope, "value", 1)),
            }
        )
    return pd.DataFrame(rows)


def _format_metric(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "not defined"


def describe_moment(mark: Snapshot) -> str:
    """Return when a mark was made, in words."""
    return f"epoch {mark.epoch:.3g}, {mark.rows:,} rows" if mark.rows else "before the first step"


def moment_table(mark: Snapshot) -> pd.DataFrame:
    """Return AUC with its interval and logloss on the sample, all scenarios first."""

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    def bounds(auc: Number) -> str:
        return "" if auc.low is None else f"{number(auc.low)} to {number(auc.high)}"

    lines = {ALL: mark.overall, **mark.scenarios}
    return pd.DataFrame(
        {
            "Scenario": list(lines),
            "Impressions": [part.rows for part in lines.values()],
            "AUC": [number(part.auc.value) for part in lines.values()],
            "95 %": [bounds(part.auc) for part in lines.values()],
            "Logloss": [number(part.logloss.value) for part in lines.values()],
        }
    )
