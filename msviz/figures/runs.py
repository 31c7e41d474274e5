"""Runs side by side: all runs and scenarios in one table of colour, a list, a curve or a grid of settings."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import _settings, theme
from msviz.figures._choices import Array, choice, names, pick, shown, title, unique
from msviz.figures._heat import heat
from msviz.figures._marks import errors, list_axis, list_height
from msviz.figures._settings import curves, grids
from msviz.figures.performance import METRICS
from msviz.finding import Finding

__all__ = ["curves", "draw", "grids"]
RUNS, SCOPES = 40, 40
VIEWS = ("table", "list", "curve", "grid")
# More is better for these; for the bias, nearer to zero.
LESS_IS_BETTER = ("logloss",)
HOW_TO_READ = (
    "Each row is a run; runs that differ in their seed alone are one. Table: the metric, coloured by the "
    "difference from the first run, blue where the run is better, orange where worse; a dot marks what is "
    "beyond chance on the same rows (false discoveries held at 5 %). List: the metric with its 95 % "
    "interval. Curve: one setting changes, everything else stays. Grid: two settings change. Intervals tell "
    "what other rows would give, not what another training would: without several seeds, small differences "
    "may be luck. Where every point of a curve has several seeds, its bars are their standard deviation."
)


def draw(
    finding: Finding,
    metric: str | None = None,
    view: str = "table",
    scope: str | None = None,
    setting: str | None = None,
    second: str | None = None,
) -> go.Figure:
    """Return runs × scenarios as differences, or one scenario's runs: with intervals, as a curve, as a grid.

    `setting` is the one along the curve or down the grid, `second` the one across it. Raises MsvizError for a
    metric, view, scope or setting that does not exist.
    """
    data = finding.data
    metric = pick(data, "metric", metric)
    if choice("view", view, VIEWS) == "table":
        return _table(data.sel(metric=metric), metric)
    here = data.sel(metric=metric, scope=pick(data, "scope", scope))
    if view == "list":
        return _list(here, metric)
    if view == "curve":
        return _settings.curve(here, metric, setting)
    return _settings.grid(here, metric, setting, second)


def _table(data: xr.Dataset, metric: str) -> go.Figure:
    rows = _shown_runs(data, metric)
    columns = np.arange(data.sizes["scope"])
    if len(columns) > SCOPES:
        columns = np.sort(np.argsort(-data["rows"].values, kind="stable")[:SCOPES])
    part = data.isel(run=rows, scope=columns).transpose("run", "scope", ...)
    note = shown(len(columns), data.sizes["scope"], "scenarios", "those with most rows")
    also = shown(len(rows), data.sizes["run"], "runs", "the first and the best")
    value, apart = part["value"].values, part["difference"].values
    if metric == "bias":
        apart = np.abs(value) - np.abs(value[:1])
    better = -apart if metric in (*LESS_IS_BETTER, "bias") else apart
    top = float(np.nanmax(np.abs(better), initial=0.0)) or 1e-3
    words, hint, _ = METRICS[metric]
    unit = "%{customdata[0]:+.4f}" if metric != "bias" else "%{customdata[0]:+.1%}"
    low, high = (_bound(part, name) for name in ("difference_low", "difference_high"))
    figure = heat(
        better,
        names(part, "run"),
        names(part, "scope"),
        # Blue is better: the scale's negative end.
        colours=theme.DIVERGING[::-1],
        span=(-top, top),
        bar=f"Better than {names(data, 'run')[0]} by ({words})",
        x_title=title("Scenario", note, also) if note or also else "",
        y_title="",
        hover=f"%{{y}}, %{{x}}<br><b>{unit}</b> ({hint})<br>difference %{{customdata[1]:+.4f}} (95 %: "
        "%{customdata[2]:+.4f} to %{customdata[3]:+.4f})",
        extra=np.stack([value, part["difference"].values, low, high], -1),
        text="",
        tickformat="+.3f",
        numbers=False,
    )
    if max(value.shape) <= 25:
        form = "+.1%" if metric == "bias" else ".3f"
        _write(figure, value, part, form)
    return figure


def _shown_runs(data: xr.Dataset, metric: str) -> Array:
    """Return the places of the runs that a table has room for: the first, and the best over all scenarios."""
    count = data.sizes["run"]
    if count <= RUNS:
        return np.arange(count)
    best = _order(data["value"].values[:, 0], metric)
    return np.sort(np.array([0, *best[best != 0][: RUNS - 1]]))


def _order(value: Array, metric: str) -> Array:
    """Return the places of values (n,), the best first, undefined ones last."""
    size = np.abs(value) if metric == "bias" else value if metric in LESS_IS_BETTER else -value
    return np.argsort(np.nan_to_num(size, nan=np.inf), kind="stable")


def _bound(part: xr.Dataset, name: str) -> Array:
    values: Array = part[name].values if name in part else np.full(part["value"].shape, np.nan)
    return values


def _write(figure: go.Figure, value: Array, part: xr.Dataset, form: str) -> None:
    """Write the metric into the cells, with a dot where the difference is beyond chance."""
    real = part["significant"].values if "significant" in part else np.zeros(value.shape, bool)
    text = [
        ["" if np.isnan(v) else format(v, form) + (" •" if r else "") for v, r in zip(*row, strict=True)]
        for row in zip(value, real, strict=True)
    ]
    figure.data[0].update(text=text, texttemplate="%{text}")


def _list(here: xr.Dataset, metric: str) -> go.Figure:
    """Return one dot with its interval a run, the best on top; lines through the first."""
    value = here["value"].values
    order = _order(value, metric)[:RUNS]
    labels = unique([names(here, "run")[i] for i in order])
    words, hint, form = METRICS[metric]
    figure = theme.figure(list_height(len(labels)))
    low, high = here["low"].values[order], here["high"].values[order]
    models = here["model"].values[order]
    kinds = list(dict.fromkeys(here["model"].values.tolist()))
    figure.add_trace(
        go.Scatter(
            x=value[order].astype(np.float32),
            y=labels,
            mode="markers",
            text=[str(here["changes"].values[i]) for i in order],
            marker={"size": 11, "color": [theme.CATEGORICAL[kinds.index(m) % 8] for m in models]},
            error_x=errors(value[order], low, high, theme.FAINT),
            customdata=np.stack([low, high, here["seeds"].values[order]], -1).astype(np.float32),
            hovertemplate=f"%{{y}} (%{{text}})<br><b>%{{x:{form}}}</b><br>95 %: %{{customdata[0]:{form}}} to "
            f"%{{customdata[1]:{form}}}<br>seeds: %{{customdata[2]:.0f}}<extra></extra>",
        )
    )
    first = float(value[0])
    if np.isfinite(first):
        figure.add_vline(first, line={"color": theme.FAINT, "width": 1, "dash": "dot"}, layer="below")
    list_axis(figure, labels, 26)
    note = shown(len(labels), here.sizes["run"], "runs", "the best")
    dotted = f"dotted: {names(here, 'run')[0]}"
    figure.update_xaxes(title_text=title(f"{words} ({hint})", dotted, note), tickformat=form, nticks=6)
    figure.update_layout(showlegend=False)
    return figure
