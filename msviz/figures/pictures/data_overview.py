"""How many rows there are and how often they are clicked: by scenario, or by the values of one field."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme
from msviz.figures.choices import largest, names, pick, shown, title, unique
from msviz.figures.marks import errors, list_axis, list_height
from msviz.figures.picture import Picture
from msviz.finding import Finding

LIMIT = 40
HOW_TO_READ = (
    "Bars on the left count impressions; dots on the right show the share that was clicked, with its 95 % "
    "interval (Wilson). The vertical line is the click rate over everything shown. Wide whiskers mean few "
    "rows: do not read much into such a dot."
)


def draw(finding: Finding, scenario: str | None = None, order: Sequence[str] = ()) -> go.Figure:
    """Return bars of rows beside click rates: one line per scenario, or per value where a field was asked.

    `scenario` chooses whose rows count by value; raises MsvizError for one that does not exist.
    """
    data = finding.data
    if "value" in data.dims:
        chosen = pick(data, "scenario", scenario)
        part = data.sel(scenario=chosen)
        return _panels(
            part, "value", "values", [theme.colours([chosen], order or names(data, "scenario"))[0]]
        )
    keep = [name for name in names(data, "scenario") if name != theme.ALL]
    part = data.sel(scenario=keep) if keep else data
    palette = theme.colours(names(part, "scenario"), order or names(data, "scenario"))
    return _panels(part, "scenario", "scenarios", palette)


def _panels(part: xr.Dataset, dim: str, what: str, palette: Sequence[str]) -> go.Figure:
    rows_all, clicks_all = part["rows"].values, part["clicks"].values
    chosen = largest(rows_all, LIMIT)
    note = shown(len(chosen), len(rows_all), what, "those with most rows")
    part = part.isel({dim: chosen})
    labels = unique(names(part, dim))
    shades = [palette[i % len(palette)] for i in chosen]
    rows, rate = part["rows"].values, part["click_rate"].values.astype(np.float32)
    figure = theme.figure(list_height(len(labels)))
    figure.add_trace(
        go.Bar(
            x=rows.astype(np.float32),
            y=labels,
            orientation="h",
            marker_color=shades,
            hovertemplate="%{y}<br><b>%{x:,} rows</b><extra></extra>",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=rate,
            y=labels,
            xaxis="x2",
            mode="markers",
            marker={"size": 10, "color": shades},
            error_x=errors(rate, part["low"].values, part["high"].values, theme.FAINT),
            customdata=np.stack([part["low"].values, part["high"].values], -1).astype(np.float32),
            hovertemplate="%{y}<br><b>%{x:.2%}</b> clicked<br>95 %: %{customdata[0]:.2%} to "
            "%{customdata[1]:.2%}<extra></extra>",
        )
    )
    total = float(np.nansum(rows_all))
    if total:
        overall = float(np.nansum(clicks_all)) / total
        figure.add_shape(
            type="line", x0=overall, x1=overall, xref="x2", y0=0, y1=1, yref="paper",
            line={"color": theme.FAINT, "width": 1, "dash": "dot"}, layer="below",
        )  # fmt: skip
    list_axis(figure, labels, 18)
    figure.update_layout(
        showlegend=False,
        bargap=0.4,
        margin={"t": 16},
        xaxis={
            "domain": [0, 0.44],
            "title": {"text": title("Rows", note, width=24)},
            "rangemode": "tozero",
            "nticks": 4,
        },
        xaxis2={
            **figure.layout.template.layout.xaxis.to_plotly_json(),
            "domain": [0.52, 1],
            "anchor": "y",
            "title": {"text": "Click rate"},
            "tickformat": ".2~%",
            "rangemode": "tozero",
            "nticks": 5,
        },
    )
    return figure


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
