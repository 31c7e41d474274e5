"""Gates on past clicks: target scenario × scenario of the click, or the units that scenarios move most."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme
from msviz.figures.choices import Array, choice, largest, names, pick, shown, title
from msviz.figures.heat import TEXT_LIMIT, heat
from msviz.figures.picture import Picture
from msviz.finding import Finding

LIMIT, UNITS = 60, 24
VIEWS = ("scenarios", "units")
HOW_TO_READ = (
    "A gate multiplies each number of a past click's representation; at 1 the click passes as it is, below "
    "1 it "
    "is turned down, above 1 it is turned up. A row is the scenario in which the impression is shown, a "
    "column "
    "the scenario of the clicks. Colours are the difference from what clicks of that column usually get, so "
    "that a row stands out where the model treats the same clicks otherwise; the numbers are the mean "
    "gates, in "
    "brackets where they do not differ clearly (false discovery rate 5 %). “Single units” shows the numbers "
    "of "
    "the representation that scenarios move most. The mean over all units hides what single units do, and "
    "neither says what it does to the prediction: for that see Migration, taking clicks away."
)


def draw(finding: Finding, view: str = "scenarios", layer: str | None = None) -> go.Figure:
    """Return one layer's gates by scenario, or with view "units" those of single units by target.

    Raises MsvizError for a view or layer that does not exist.
    """
    choice("view", view, VIEWS)
    data = finding.data.sel(layer=pick(finding.data, "layer", layer))
    targets = largest(data["rows"].values, LIMIT)
    note = shown(len(targets), data.sizes["target"], "scenarios", "those with most rows")
    data = data.isel(target=targets)
    return _units(data, note) if view == "units" else _scenarios(data, note)


def _scenarios(data: xr.Dataset, note: str) -> go.Figure:
    data = data.isel(source=largest(data["holding"].sum("target").values, LIMIT))
    mean = data["mean"].transpose("target", "source").values
    low, high = (data[name].transpose("target", "source").values for name in ("low", "high"))
    away = mean - data["usual"].values
    figure = heat(
        away,
        names(data, "target"),
        names(data, "source"),
        colours=theme.DIVERGING,
        span=_span(away, 0.02),
        bar="Mean gate less what such clicks usually get",
        x_title=title("Scenario of the past clicks", note),
        y_title="Shown in",
        hover="Clicks from %{x}, shown in %{y}<br><b>%{customdata[0]:.3f}</b> "
        "(95 %: %{customdata[1]:.3f} to %{customdata[2]:.3f})<br>%{z:+.3f} from the usual",
        extra=np.stack([mean, low, high], -1),
        tickformat="+.2~g",
        numbers=False,
    )
    trace = figure.data[0]
    if max(away.shape) <= TEXT_LIMIT:
        sure = data["significant"].transpose("target", "source").values
        trace.text = [
            [_text(cell, clear) for cell, clear in zip(row, line, strict=True)]
            for row, line in zip(mean, sure, strict=True)
        ]
        trace.texttemplate = "%{text}"
    return figure


def _text(value: float, clear: bool) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:.2f}" if clear else f"({value:.2f})"


def _units(data: xr.Dataset, note: str) -> go.Figure:
    units = largest(data["apart"].values, UNITS)
    order = units[np.argsort(-data["apart"].values[units], kind="stable")]
    more = shown(len(order), data.sizes["unit"], "units", "those that scenarios move most")
    data = data.isel(unit=order)
    mean = data["unit_mean"].transpose("unit", "target").values
    count = data["rows"].values
    usual = (np.nan_to_num(mean) * count).sum(1) / max(int(count.sum()), 1)
    away = mean - usual[:, None]
    return heat(
        away,
        [f"Unit {name}" for name in names(data, "unit")],
        names(data, "target"),
        colours=theme.DIVERGING,
        span=_span(away, 0.05),
        bar="Gate less the unit's mean over scenarios",
        x_title=title("Shown in", more, note),
        y_title="",
        hover="%{y} in %{x}<br><b>%{customdata[0]:.2f}</b>, %{z:+.2f} from its mean",
        extra=mean[..., None],
        text="%{z:+.2f}",
        tickformat="+.2~f",
        numbers=len(count) <= 6,
    )


def _span(values: Array, least: float) -> tuple[float, float]:
    """Return a scale around zero that reaches `least` at least: the smallest differences look small."""
    sizes = np.abs(values[np.isfinite(values)])
    top = max(float(np.quantile(sizes, 0.99)), least) if sizes.size else 1.0
    return -top, top


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
