"""Runs of one model that differ in one setting, or in two: a curve, or a grid of colour."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.errors import invalid, one_of
from msviz.figures import theme
from msviz.figures.choices import Array, names
from msviz.figures.heat import TEXT_LIMIT, heat
from msviz.figures.marks import errors
from msviz.figures.pictures.performance import METRICS

LESS_IS_BETTER = ("logloss",)


def curves(data: xr.Dataset) -> list[str]:
    """Return the settings of which some runs differ in nothing else, those of most runs first."""
    run_counts = {key: len(_along(data, [key])) for key in names(data, "setting")}
    return sorted((key for key, count in run_counts.items() if count), key=lambda key: -run_counts[key])


def grids(data: xr.Dataset) -> list[tuple[str, str]]:
    """Return the pairs of settings that some runs differ in, and in nothing else, most runs first."""
    run_counts = {}
    for pair in combinations(names(data, "setting"), 2):
        along = _along(data, pair)
        # Two runs at least in some row and in some column, or it would be no more than a list.
        if all(len(set(_values(data, along, key))) < len(along) for key in pair):
            run_counts[pair] = len(along)
    return sorted(run_counts, key=lambda pair: -run_counts[pair])


def _along(data: xr.Dataset, keys: Sequence[str]) -> Array:
    """Return the places of most runs of one model that differ in all these settings and in nothing else."""
    places = [names(data, "setting").index(key) for key in keys]
    settings, models = data["settings"].values, data["model"].values
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, row in enumerate(np.delete(settings, places, axis=1)):
        groups.setdefault((str(models[number]), *row.tolist()), []).append(number)
    # A setting that a model does not have, or that none of its runs changes, is the same in all of them.
    fitting = [
        runs for runs in groups.values() if all(len({*settings[runs, p].tolist()}) > 1 for p in places)
    ]
    best = max(fitting, key=len, default=[])
    return np.array(sorted(best, key=lambda n: [_order(str(settings[n, p])) for p in places]), int)


def _values(data: xr.Dataset, along: Array, key: str) -> list[str]:
    column = names(data, "setting").index(key)
    return [str(data["settings"].values[n, column]) or "none" for n in along]


def _order(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return np.inf, value


def curve(here: xr.Dataset, metric: str, setting: str | None) -> go.Figure:
    """Return the metric over the values of one setting, all others alike; MsvizError where none is so."""
    settings = curves(here)
    if not settings:
        raise invalid("setting", setting, "no two runs of one model differ in a single setting")
    key = setting or settings[0]
    if key not in settings:
        raise invalid("setting", key, one_of(settings))
    along = _along(here, [key])
    value = here["value"].values[along].astype(np.float32)
    low, high, bars = _bars(here, along, value)
    words, hint, form = METRICS[metric]
    figure = theme.figure(380)
    across = _values(here, along, key)
    ordered = all(np.isfinite(_order(label)[0]) for label in across)
    figure.add_trace(
        go.Scatter(
            x=across,
            y=value,
            # Between names that have no order there is nothing to go along.
            mode="lines+markers" if ordered else "markers",
            text=[names(here, "run")[n] for n in along],
            line={"color": theme.CATEGORICAL[0], "width": 2},
            marker={"size": 10},
            error_y=errors(value, low, high, theme.FAINT),
            customdata=np.stack([low, high], -1),
            hovertemplate=f"{key} %{{x}} (%{{text}})<br><b>%{{y:{form}}}</b><br>"
            f"{bars or '95 %'}: %{{customdata[0]:{form}}} to %{{customdata[1]:{form}}}<extra></extra>",
        )
    )
    figure.update_xaxes(
        type="category", title_text=f"{key} of {here['model'].values[along[0]]}", showgrid=False
    )
    bars_note = f"; bars: {bars}" if bars else ""
    figure.update_yaxes(title_text=f"{words} ({hint.split(';')[0]}{bars_note})", tickformat=form)
    figure.update_layout(showlegend=False)
    return figure


def _bars(here: xr.Dataset, along: Array, value: Array) -> tuple[Array, Array, str]:
    """Return the ends of the bars: the deviation of seeds, in words too, where every point has several."""
    apart = here["deviation"].values[along] if "deviation" in here else np.full(len(along), np.nan)
    if np.isfinite(apart).all():
        apart = apart.astype(np.float32)
        return value - apart, value + apart, "± deviation over seeds"
    low, high = (here[name].values[along].astype(np.float32) for name in ("low", "high"))
    return low, high, ""


def grid(here: xr.Dataset, metric: str, first: str | None, second: str | None) -> go.Figure:
    """Return the metric over the values of two settings, all others alike; gaps where no run stands.

    Raises MsvizError where no runs differ in two settings alone, or not in these.
    """
    down, across = _pair(here, first, second)
    along = _along(here, (down, across))
    sides = [_values(here, along, key) for key in (down, across)]
    rows, columns = (sorted(set(side), key=_order) for side in sides)
    cells = np.full((len(rows), len(columns), 4), np.nan)
    for number, row, column in zip(along, *sides, strict=True):
        cells[rows.index(row), columns.index(column)] = [
            float(here[name].values[number]) for name in ("value", "low", "high", "seeds")
        ]
    words, _, form = METRICS[metric]
    value = cells[..., 0]
    # Dark is better; away from zero is worse for a bias.
    shade = -np.abs(value) if metric == "bias" else -value if metric in LESS_IS_BETTER else value
    finite = shade[np.isfinite(shade)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    figure = heat(
        shade,
        rows,
        columns,
        span=(low, high if high > low else low + 1e-3),
        bar=f"{words}; darker is better",
        x_title=f"{across} of {here['model'].values[along[0]]}",
        y_title=down,
        hover=f"{down} %{{y}}, {across} %{{x}}<br><b>%{{customdata[0]:{form}}}</b><br>95 %: "
        f"%{{customdata[1]:{form}}} to %{{customdata[2]:{form}}}<br>seeds: %{{customdata[3]:.0f}}",
        extra=cells,
        text="",
        tickformat=form,
        numbers=False,
    )
    if max(value.shape) <= TEXT_LIMIT:
        texts = [["" if np.isnan(cell) else format(cell, _python(form)) for cell in row] for row in value]
        figure.data[0].update(text=texts, texttemplate="%{text}")
    if max(map(len, columns)) <= 8:  # short enough to stand upright
        figure.update_xaxes(tickangle=0)
    if shade is not value:  # its ticks would have the wrong sign
        figure.data[0].colorbar.showticklabels = False
    return figure


def _python(form: str) -> str:
    """Return Python's way to write what Plotly's format writes."""
    return form.replace("~", "")


def _pair(here: xr.Dataset, first: str | None, second: str | None) -> tuple[str, str]:
    """Return the settings down and across: the given ones, or those that most runs differ in."""
    pairs = grids(here)
    if not pairs:
        raise invalid("setting", first, "no runs of one model differ in two settings and in nothing else")
    wanted = [name for name in (first, second) if name]
    pair = next((pair for pair in pairs if set(wanted) <= set(pair)), None)
    if pair is None:
        raise invalid("setting", " and ".join(wanted), one_of(" and ".join(pair) for pair in pairs))
    flipped = first == pair[1] or second == pair[0]
    return (pair[1], pair[0]) if flipped else pair
