"""What it costs to lose a field: one scenario as bars with intervals, all of them as a heatmap."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme
from msviz.figures.choices import choice, largest, names, pick, shown, title
from msviz.figures.field_chart import FIELDS, SCENARIOS, bars, ranked, table
from msviz.figures.picture import Picture
from msviz.finding import Finding

VIEWS = ("one", "all")
METRICS = {"logloss": "Logloss risen", "AUC": "AUC lost"}
HOW_TO_READ = (
    "For each field, its values were exchanged at random among impressions of the same scenario, and the "
    "model predicted again. A long bar: the predictions became much worse, so they depend on this field, "
    "alone or together with others. Around zero: the model does without. Whiskers are 95 % intervals; grey "
    "could be chance (false discoveries held at 5 %). Where two fields say the same, such as a user's number "
    "and age, each hides part of the other's worth."
)


def draw(
    finding: Finding, scenario: str | None = None, metric: str | None = None, view: str = "one"
) -> go.Figure:
    """Return the fields of one scenario as bars, or ("all") fields × scenarios as a heatmap.

    Raises MsvizError for a scenario, metric or view that does not exist.
    """
    choice("view", view, VIEWS)
    metric = pick(finding.data, "metric", metric)
    data = finding.data.sel(metric=metric).transpose("scenario", "field")
    if view == "all":
        return _all(data, METRICS.get(metric, metric))
    return _draw_scenario(data, pick(data, "scenario", scenario), METRICS.get(metric, metric))


def _draw_scenario(data: xr.Dataset, scenario: str, words: str) -> go.Figure:
    here = data.sel(scenario=scenario)
    value = here["value"].values
    places = ranked(value)
    sure = here["significant"].values[places].astype(bool)
    sign = np.where(value[places] > 0, theme.DIVERGING[5], theme.DIVERGING[1])
    figure = bars(
        value[places],
        here["low"].values[places],
        here["high"].values[places],
        [names(data, "field")[i] for i in places],
        colours=list(np.where(sure, sign, "#c9d0d9")),
        name=scenario,
        x_title=title(
            f"{words} without the field, {scenario}",
            "" if sure.all() else "grey: could be chance",
            shown(len(places), len(value), "fields", "those that cost most"),
            width=36,
        ),
        form=".4~f",
    )
    figure.add_vline(0, line={"color": theme.FAINT, "width": 1})
    return figure


def _all(data: xr.Dataset, words: str) -> go.Figure:
    rows = data["rows"].values.astype(float)
    columns = largest(rows, SCENARIOS)
    value = data["value"].values
    places = ranked(np.nanmax(np.where(data["significant"].values, value, -np.inf)[columns], 0), FIELDS)
    places = places[np.argsort(-value[0][places], kind="stable")]
    cut = np.ix_(columns, places)
    sure = data["significant"].values[cut].T.astype(bool)
    bounds = [data[name].values[cut].T for name in ("low", "high")]
    figure = table(
        np.where(sure, value[cut].T, np.nan),
        [names(data, "field")[i] for i in places],
        [names(data, "scenario")[i] for i in columns],
        middle=0.0,
        least=1e-4,
        bar=f"{words} without the field",
        x_title=title(
            "empty: could be chance",
            shown(len(columns), len(rows), "scenarios", "those with most rows"),
            shown(len(places), value.shape[1], "fields", "those that cost most"),
        ),
        form="~g",
        text="%{z:.3f}",
        hover="%{y}, %{x}<br><b>%{z:.4f}</b><br>95 %: %{customdata[0]:.4f} to %{customdata[1]:.4f}",
        extra=np.stack(bounds, -1),
    )
    figure.update_layout(plot_bgcolor=theme.QUIET)
    return figure


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
