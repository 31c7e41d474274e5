"""Vectors in the plane, coloured by what is known of their impressions; a density picture for very many."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import density, theme
from msviz.figures.choices import Array, choice, names, title
from msviz.figures.heat import HEADING, panel
from msviz.figures.picture import Picture
from msviz.finding import Finding
from msviz.schema import Schema

DENSE = 100_000  # points above which single ones are not drawn
COLOURS = ("Scenario", "Kind of vector", "Clicked", "Predicted click probability")
GROUPS = len(theme.CATEGORICAL)
REST = "others"
PAIR = 520  # px of two runs side by side
HOW_TO_READ = (
    "A dot is one vector that the model makes of an impression. Dots side by side are impressions that the "
    "model sees alike. PCA keeps large distances and flattens the rest; UMAP and t-SNE keep neighbours, so "
    "that the size of a cluster and the distance between two of them mean nothing. The line above the "
    "picture says how many true neighbours survive in it: below about a third, trust the numbers beside it. "
    "Of two runs, each layout was made by itself; the second is turned as a whole so that the same "
    "impressions lie near one another. Draw a lasso around dots to see what their impressions share."
)


def draw(
    finding: Finding,
    colour: str | None = None,
    schema: Schema | None = None,
    rows: "Sequence[int] | Array | None" = None,
    x: tuple[float, float] | None = None,
    y: tuple[float, float] | None = None,
    order: Sequence[str] = (),
) -> go.Figure:
    """Return the layout coloured by scenario, what a vector is of, click, prediction or a field's title.

    Without a choice, by what a vector is of where an impression has several, else by scenario.
    Two runs' layouts stand side by side on the same axes. `schema` names a field's values; `rows` keeps only
    the impressions of these rows; `x`, `y` are the stretch that a density picture shows. Raises MsvizError
    for a colour that does not exist.
    """
    data = finding.data
    several = data.sizes["name"] > 1
    colour = choice("colour", colour or COLOURS[several], [*COLOURS, *names(data, "field")])
    inside = np.ones(data.sizes["point"], bool)
    if rows is not None:
        inside = np.isin(data["row"].values, np.asarray(rows))[data["of"].values]
    if inside.sum() > DENSE:
        return density.draw_layout(data["layout"].values[inside], x, y)
    if "other_layout" in data:
        return _pair(data, inside, colour, schema, order)
    figure = theme.figure(560)
    points = np.flatnonzero(inside)
    layout = data["layout"].values[points]
    if colour == COLOURS[3]:
        _shade(figure, data, points, layout)
    else:
        _group(figure, data, points, layout, colour, schema, order)
    _axes(figure, data)
    figure.update_layout(dragmode="lasso", hovermode="closest")
    return figure


def _pair(
    data: xr.Dataset, inside: Array, colour: str, schema: Schema | None, order: Sequence[str]
) -> go.Figure:
    """Return two runs' layouts of the same impressions beside one another, on axes of the same length."""
    impressions = np.unique(data["of"].values[inside])
    second = data[["scenario", "label", "prediction", "value", "row"]].assign(
        {
            "layout": (("point", "axis"), data["other_layout"].values),
            "of": (("point",), data["other_of"].values),
            "entry": (("point",), data["other_entry"].values),
        }
    ).assign_coords(name=data["other_name"].values)  # fmt: skip
    second.attrs = dict(data.attrs)
    panels = []
    for side_data in (data, second):
        part = theme.figure(560)
        points = np.flatnonzero(np.isin(side_data["of"].values, impressions))
        layout = side_data["layout"].values[points]
        if colour == COLOURS[3]:
            _shade(part, side_data, points, layout)
        else:
            _group(part, side_data, points, layout, colour, schema, order)
        panels.append(part)
    figure = theme.figure(PAIR, margin=panels[0].layout.margin, legend=panels[0].layout.legend)
    legend_names = {trace.name for trace in panels[0].data}
    for position, part in enumerate(panels):
        for trace in part.data:
            number = "" if not position else "2"
            trace.update(xaxis=f"x{number}", yaxis=f"y{number}", legendgroup=trace.name)
            if trace.type == "scattergl" and colour != COLOURS[3]:
                trace.showlegend = not position or trace.name not in legend_names
            if position and trace.marker.showscale is None:
                trace.marker.showscale = False
            figure.add_trace(trace)
    every = np.concatenate([data["layout"].values, data["other_layout"].values])
    low, high = every.min(0), every.max(0)
    room = 0.04 * (high - low)
    for position, side in enumerate(("run", "other")):
        number = "" if not position else "2"
        domain = [0.0, 0.49] if not position else [0.51, 1.0]
        bare = {
            "showticklabels": False,
            "showgrid": False,
            "zeroline": False,
            "showline": True,
            "mirror": True,
        }
        for axis, across, own in (
            ("xaxis", 0, {"domain": domain, "anchor": f"y{number}"}),
            ("yaxis", 1, {"anchor": f"x{number}"}),
        ):
            ends = [float(low[across] - room[across]), float(high[across] + room[across])]
            figure.update_layout({f"{axis}{number}": {**bare, **own, "range": ends, "ticks": ""}})
        panel(figure, str(data.attrs[side]), domain[0])
    figure.update_layout(showlegend=colour != COLOURS[3], hovermode="closest", dragmode="lasso")
    top = int(figure.layout.margin.t or 44) + HEADING
    # The legend stands above the panels' titles.
    figure.update_layout(margin={"t": top}, legend={"y": 1 + (HEADING + 4) / (PAIR - top - 44)})
    return figure


def _shade(figure: go.Figure, data: xr.Dataset, points: Array, layout: Array) -> None:
    """Add all points in one trace, shaded by prediction up to what 2 of 100 exceed."""
    prediction = data["prediction"].values[data["of"].values[points]]
    figure.add_trace(
        go.Scattergl(
            x=layout[:, 0],
            y=layout[:, 1],
            mode="markers",
            customdata=points.astype(np.int32),
            marker={
                "size": _size(len(points)),
                "color": prediction.astype(np.float32),
                "colorscale": theme.scale(theme.SEQUENTIAL[1:]),
                "cmin": 0,
                "cmax": max(float(np.quantile(prediction, 0.98)), 1e-6) if len(prediction) else 1.0,
                "colorbar": {
                    "orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "len": 0.6,
                    "thickness": 8, "tickformat": ".0%", "nticks": 5, "outlinewidth": 0, "xpad": 0, "ypad": 4,
                    "title": {"text": COLOURS[3], "side": "top", "font": {"size": 12, "color": theme.MUTED}},
                    "tickfont": {"size": 11, "color": theme.MUTED},
                },
            },
            hovertemplate="predicted %{marker.color:.1%}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(margin={"t": 70})


def _group(
    figure: go.Figure,
    data: xr.Dataset,
    points: Array,
    layout: Array,
    colour: str,
    schema: Schema | None,
    order: Sequence[str],
) -> None:
    """Add one trace per group, the largest groups in colours and the rest in grey behind them."""
    label = _labels(data, points, colour, schema)
    labels, count = np.unique(label, return_counts=True)
    largest = labels[np.argsort(-count, kind="stable")]
    coloured = largest if len(labels) <= GROUPS else largest[: GROUPS - 1]
    is_scenario = colour == COLOURS[0] or (colour == COLOURS[1] and str(data.attrs["kind"]) == "scenario")
    ranked = sorted(coloured, key=lambda name: list(order).index(name) if name in order else len(order))
    if is_scenario:
        palette = dict(zip(ranked, theme.colours([str(name) for name in ranked], order), strict=True))
    elif colour == COLOURS[2]:
        palette = {"not clicked": theme.CATEGORICAL[5], "clicked": theme.CATEGORICAL[1]}
    else:
        palette = dict(zip(ranked, theme.CATEGORICAL, strict=False))
    for name in [*([REST] if len(coloured) < len(labels) else []), *ranked]:
        members = ~np.isin(label, coloured) if name == REST else label == name
        figure.add_trace(
            go.Scattergl(
                x=layout[members, 0],
                y=layout[members, 1],
                mode="markers",
                name=f"{theme.short(str(name))} ({int(members.sum()):,})",
                customdata=points[members].astype(np.int32),
                marker={
                    "size": _size(len(points)),
                    "opacity": 0.75,
                    "color": theme.FAINT if name == REST else palette[name],
                },
                hovertemplate=f"{name}<extra></extra>",
            )
        )
    figure.update_layout(
        showlegend=True,
        legend={"itemsizing": "constant"},
        # A phone breaks the legend into a line for each two names.
        margin={"t": 36 + 20 * -(-len(figure.data) // 2)},
    )


def _labels(data: xr.Dataset, points: Array, colour: str, schema: Schema | None) -> Array:
    """Return the name (n,) of the group that each point belongs to."""
    of = data["of"].values[points]
    if colour == COLOURS[0]:
        return np.asarray(data["scenario"].values.astype(str)[of])
    if colour == COLOURS[1]:
        return np.asarray(np.array(names(data, "name"))[data["entry"].values[points]])
    if colour == COLOURS[2]:
        return np.where(data["label"].values[of] > 0, "clicked", "not clicked")
    value = data["value"].sel(field=colour).values[of]
    if schema is None:
        return np.array([f"value {number}" for number in value])
    distinct, index = np.unique(value, return_inverse=True)
    field = schema.field(colour)
    titles = np.array([field.value_name(int(number)) for number in distinct])
    return np.asarray(titles[index])


def _axes(figure: go.Figure, data: xr.Dataset) -> None:
    """Say what the axes mean where they mean something, and keep both on one scale."""
    shares = data["explained"].values if "explained" in data else np.full(2, np.nan)
    for update, number, share in (
        (figure.update_xaxes, "First", shares[0]),
        (figure.update_yaxes, "Second", shares[1]),
    ):
        explained = bool(np.isfinite(share))
        update(
            title_text=title(f"{number} direction ({share:.0%} of the variance)") if explained else "",
            showticklabels=False,
            showgrid=False,
            zeroline=False,
            showline=True,
            mirror=True,
            ticks="",
        )
    if np.isfinite(shares).all():
        figure.update_yaxes(scaleanchor="x", scaleratio=1)


def _size(points: int) -> float:
    return float(np.clip(9 - 1.3 * np.log10(max(points, 10)), 2, 7))


def selected(selection: Any) -> Array:
    """Return the numbers (n,) of the points that a reader's lasso or box holds."""
    held = [point.get("customdata") for point in (selection or {}).get("points", [])]
    numbers = [value[0] if isinstance(value, list | tuple) else value for value in held if value is not None]
    return np.unique(np.array(numbers, np.int64))


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
