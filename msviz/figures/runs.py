"""Runs side by side: every run and scenario in one table of colour, a list with intervals, or a curve."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.errors import one_of, refuse
from msviz.figures import theme
from msviz.figures._choices import Array, choice, names, pick, shown, title, unique
from msviz.figures._heat import heat
from msviz.figures._marks import errors, list_axis, list_height
from msviz.figures.performance import METRICS
from msviz.finding import Finding

RUNS, SCOPES = 40, 40
VIEWS = ("table", "list", "curve")
# More is better for these; for the bias, nearer to zero.
LESS_IS_BETTER = ("logloss",)
HOW_TO_READ = (
    "Each row is a run; runs that differ in their seed alone are one. Table: the metric, coloured by the "
    "difference from the first run, blue where the run is better, orange where worse; a dot marks what is "
    "beyond chance on the same rows (false discoveries held at 5 %). List: the metric with its 95 % "
    "interval. Curve: one setting changes, everything else stays. Intervals tell what other rows would "
    "give, not what another training would: without several seeds, small differences may be luck."
)


def draw(
    finding: Finding,
    metric: str | None = None,
    view: str = "table",
    scope: str | None = None,
    setting: str | None = None,
) -> go.Figure:
    """Return runs × scenarios as differences, one scenario's runs with intervals, or a curve over a setting.

    Raises MsvizError for a metric, view, scope or setting that does not exist.
    """
    data = finding.data
    metric = pick(data, "metric", metric)
    if choice("view", view, VIEWS) == "table":
        return _table(data.sel(metric=metric), metric)
    here = data.sel(metric=metric, scope=pick(data, "scope", scope))
    return _list(here, metric) if view == "list" else _curve(here, metric, setting)


def curves(data: xr.Dataset) -> list[str]:
    """Return the settings of which some runs differ in nothing else, so that a curve can be drawn."""
    return [key for key in names(data, "setting") if len(_along(data, key)) > 1]


def _along(data: xr.Dataset, key: str) -> Array:
    """Return the places of the largest group of runs of one model that differ in this setting alone."""
    place = names(data, "setting").index(key)
    settings, models = data["settings"].values, data["model"].values
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, row in enumerate(settings):
        if row[place] != "":
            rest = (str(models[number]), *np.delete(row, place).tolist())
            groups.setdefault(rest, []).append(number)
    best = max(groups.values(), key=len, default=[])
    return np.array(sorted(best, key=lambda n: _order(str(settings[n, place]))), int)


def _order(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return np.inf, value


def _table(data: xr.Dataset, metric: str) -> go.Figure:
    rows = np.arange(data.sizes["run"])[:RUNS]
    columns = np.arange(data.sizes["scope"])
    if len(columns) > SCOPES:
        columns = np.sort(np.argsort(-data["rows"].values, kind="stable")[:SCOPES])
    part = data.isel(run=rows, scope=columns).transpose("run", "scope", ...)
    note = shown(len(columns), data.sizes["scope"], "scenarios", "those with most rows")
    also = shown(len(rows), data.sizes["run"], "runs", "the first")
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
    size = np.abs(value) if metric == "bias" else value if metric in LESS_IS_BETTER else -value
    order = np.argsort(np.nan_to_num(size, nan=np.inf), kind="stable")[:RUNS]
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


def _curve(here: xr.Dataset, metric: str, setting: str | None) -> go.Figure:
    """Return the metric over the values of one setting, all others alike."""
    found = curves(here)
    if not found:
        raise refuse("setting", setting, "no two runs of one model differ in a single setting")
    key = setting or max(found, key=lambda name: len(_along(here, name)))
    if key not in found:
        raise refuse("setting", key, one_of(found))
    along = _along(here, key)
    values: Sequence[str] = [
        str(here["settings"].values[n, names(here, "setting").index(key)]) for n in along
    ]
    value, low, high = (here[name].values[along].astype(np.float32) for name in ("value", "low", "high"))
    words, hint, form = METRICS[metric]
    figure = theme.figure(380)
    figure.add_trace(
        go.Scatter(
            x=list(values),
            y=value,
            mode="lines+markers",
            text=[names(here, "run")[n] for n in along],
            line={"color": theme.CATEGORICAL[0], "width": 2},
            marker={"size": 10},
            error_y=errors(value, low, high, theme.FAINT),
            customdata=np.stack([low, high], -1),
            hovertemplate=f"{key} %{{x}} (%{{text}})<br><b>%{{y:{form}}}</b><br>"
            f"95 %: %{{customdata[0]:{form}}} to %{{customdata[1]:{form}}}<extra></extra>",
        )
    )
    figure.update_xaxes(
        type="category", title_text=f"{key} of {here['model'].values[along[0]]}", showgrid=False
    )
    figure.update_yaxes(title_text=f"{words} ({hint.split(';')[0]})", tickformat=form)
    figure.update_layout(showlegend=False)
    return figure
