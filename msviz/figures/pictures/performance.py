"""How good a model is, scenario by scenario, with intervals, beside another run or the best reachable."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme
from msviz.figures.choices import Array, largest, names, pick, shown, title, unique
from msviz.figures.marks import errors, list_axis, list_height
from msviz.figures.picture import Picture
from msviz.finding import Finding

LIMIT = 40
METRICS = {
    "auc": ("AUC", "higher is better; 0.5 is chance", ".3f"),
    "logloss": ("Logloss", "lower is better", ".3f"),
    "gauc": ("AUC grouped by user", "higher is better; 0.5 is chance", ".3f"),
    "bias": ("Prediction bias", "0 is right; above 0, clicks are over-predicted", "+.1~%"),
}
HOW_TO_READ = (
    "A dot is the metric on the rows of one scenario, its whiskers the 95 % interval. Where the intervals of "
    "two dots overlap widely, do not conclude that one is better. AUC: the chance that a clicked impression "
    "is ranked above one that was not. Logloss: how surprised the model is by what happened. Grouped by "
    "user: the same ranking inside each user. Bias: mean prediction over click rate, minus one."
)


def draw(
    finding: Finding, metric: str | None = None, other: Finding | None = None, order: Sequence[str] = ()
) -> go.Figure:
    """Return one dot with its interval per scenario; `other` is a second run's finding to compare with.

    Raises MsvizError for a metric that does not exist.
    """
    metric = pick(finding.data, "metric", metric)
    words, hint, form = METRICS.get(metric, (metric, "", ".3f"))
    part = finding.data.sel(metric=metric)
    chosen = largest(part["rows"].values, LIMIT)
    note = shown(len(chosen), len(part.scope), "scenarios", "those with most rows")
    part = part.isel(scope=chosen)
    scopes = unique(names(part, "scope"))
    palette = theme.colours(scopes, order or names(finding.data, "scope"))
    figure = theme.figure(list_height(len(scopes)) + (24 if other else 0))
    runs = [(finding, part, -0.16 if other else 0.0, "circle")]
    if other is not None:
        second = other.data.sel(metric=pick(other.data, "metric", metric))
        if other.provenance.scenario_fields != finding.provenance.scenario_fields:
            # Its scenarios are other rows, also where one has the same name: only the whole is comparable.
            second = second.sel(scope=[name for name in second.scope.values if name == theme.ALL])
        second = second.reindex(scope=part.scope.values)
        runs.append((other, second, 0.16, "diamond-open"))
    rows = np.arange(len(scopes), dtype=np.float32)
    for run, values, shift, symbol in runs:
        figure.add_trace(_dots(values, rows + shift, palette, symbol, run.provenance.run or "run", form))
    if "best" in finding.data and np.isfinite(part["best"].values).any():
        figure.add_trace(
            go.Scatter(
                x=part["best"].values.astype(np.float32),
                y=rows,
                mode="markers",
                name="best reachable in this simulated world",
                marker={"symbol": "line-ns", "size": 20, "line": {"width": 2, "color": theme.INK}},
                hovertemplate=f"best reachable <b>%{{x:{form}}}</b><extra></extra>",
            )
        )
    _note_undefined(figure, part, rows)
    list_axis(figure, scopes)
    figure.update_yaxes(
        type="linear",
        zeroline=False,
        tickvals=rows,
        ticktext=[theme.short(name) for name in scopes],
        range=[len(scopes) - 0.4, -0.6],
        autorange=False,
    )
    figure.update_xaxes(title_text=title(f"{words} ({hint})", note), tickformat=form, nticks=6, showgrid=True)
    neutral = {"bias": 0.0, "auc": 0.5, "gauc": 0.5}.get(metric)
    if neutral is not None:
        figure.add_vline(neutral, line={"color": theme.FAINT, "width": 1, "dash": "dot"}, layer="below")
    figure.update_layout(showlegend=len(figure.data) > 1, hovermode="closest")
    return figure


def _dots(part: xr.Dataset, y: Array, palette: Sequence[str], symbol: str, run: str, form: str) -> go.Scatter:
    value, low, high = (part[name].values.astype(np.float32) for name in ("value", "low", "high"))
    rows = np.nan_to_num(part["rows"].values.astype(np.float64))
    return go.Scatter(
        x=value,
        y=y,
        mode="markers",
        name=run,
        text=names(part, "scope"),
        marker={
            "size": 11,
            "color": list(palette),
            "symbol": symbol,
            "line": {"width": 2, "color": list(palette)},
        },
        error_x=errors(value, low, high, theme.FAINT),
        customdata=np.stack([low, high, rows], -1).astype(np.float32),
        hovertemplate=f"%{{text}}, {run}<br><b>%{{x:{form}}}</b><br>95 %: %{{customdata[0]:{form}}} to "
        f"%{{customdata[1]:{form}}}<br>%{{customdata[2]:,.0f}} rows<extra></extra>",
    )


def _note_undefined(figure: go.Figure, part: xr.Dataset, rows: Array) -> None:
    """Say in words why a scenario has no dot."""
    for row, value, why in zip(rows, part["value"].values, part["why"].values, strict=True):
        if np.isnan(value):
            figure.add_annotation(
                x=0.02, xref="x domain", xanchor="left", y=row, text=str(why) or "not defined",
                showarrow=False, font={"size": 12, "color": theme.MUTED},
            )  # fmt: skip


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
