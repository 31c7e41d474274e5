"""Draw what is planted in a world, next to what its rows hold: `python benchmarks/planted_pictures.py [DIR]`.

Writes docs/images/planted_*.png. Everything is read from the dataset's folder: truth.json and the rows.
"""

import argparse
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from plotly.subplots import make_subplots

from msviz.dataset import SPLITS, Dataset, open_data
from msviz.figures import theme
from msviz.figures.export import to_image
from msviz.schema import FIRST
from msviz.statistics.intervals import half_width

Array = np.ndarray[Any, Any]
WIDTH = 800
COLUMNS = ("label", "scenario", "time", "probability")
HELD = {"normal": theme.LINE, "before": "#b1d1e6", "during": "#d57f38", "after": "#f3c19b"}


def rows_of(data: Dataset) -> dict[str, Array]:
    """Return the columns (n,) of all rows in order of time."""
    parts = [data.split(split) for split in SPLITS]
    return {name: np.concatenate([np.asarray(getattr(part, name)) for part in parts]) for name in COLUMNS}


def feature(data: Dataset, name: str) -> Array:
    """Return the ids (n,) of one feature, all rows in order of time."""
    return np.concatenate([np.asarray(data.split(split).column(name)) for split in SPLITS]).astype(int)


def grid(
    values: Array, x: list[str], y: list[str], middle: float | None, digits: int, **layout: Any
) -> go.Figure:
    """Return a heat map with its numbers in the cells; a `middle` makes the colours diverge around it."""
    largest = np.abs(values).max()
    colours = theme.SEQUENTIAL if middle is None else theme.DIVERGING
    low, high = (values.min(), values.max()) if middle is None else (-largest, largest)
    picture = theme.figure(360, **layout)
    heat = {"z": values, "x": x, "y": y, "zmin": low, "zmax": high, "xgap": 2, "ygap": 2}
    picture.add_heatmap(**heat, colorscale=theme.scale(colours), showscale=False)
    for row, name in enumerate(y):
        for column, other in enumerate(x):
            value = values[row, column]
            # White on the dark ends of the scale, ink elsewhere.
            place = (value - low) / (high - low)
            dark = place > 0.62 if middle is None else abs(place - 0.5) > 0.3
            ink = theme.PAPER if dark else theme.INK
            text = {
                "x": other,
                "y": name,
                "text": f"{value:.{digits}f}".replace("-", "−"),
                "showarrow": False,
            }
            picture.add_annotation(**text, font={"color": ink, "size": 13})
    picture.update_yaxes(autorange="reversed", showgrid=False, ticks="")
    picture.update_xaxes(side="top", showgrid=False, ticks="", title_standoff=8)
    return picture


def migration(data: Dataset, truth: dict[str, Any]) -> go.Figure:
    """Draw the migration matrix."""
    planted = truth["behaviours"]
    names = planted["scenarios"]
    title = "How much a past click in the same category counts"
    picture = grid(np.array(planted["migration"]), names, names, 0.0, 1, title=title)
    picture.update_layout(margin_t=104)
    picture.update_xaxes(title="past click in")
    picture.update_yaxes(title="now shown in")
    return picture


def sharing(data: Dataset, truth: dict[str, Any]) -> go.Figure:
    """Draw how much of the response scenarios share, five at most."""
    names = truth["sharing"]["scenarios"][:5]
    matrix = np.array(truth["sharing"]["matrix"])[:5, :5]
    title = "Correlation of two scenarios' responses to the same impressions"
    picture = grid(matrix, names, names, None, 2, title=title)
    picture.update_layout(margin_t=80)
    return picture


def time(data: Dataset, truth: dict[str, Any]) -> go.Figure:
    """Draw the daily share of what is hot, its promotions, and a signal that knows of them."""
    planted = truth["time"]
    days, phase = planted["days"], [name.split("_")[0] for name in planted["phase"]]
    picture = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.2, row_heights=[0.6, 0.4])
    picture.update_layout(template=theme.TEMPLATE, height=500, bargap=0.15, showlegend=True)
    picture.update_layout(title="What is hot weighs more while a promotion runs", margin_t=84)
    picture.update_layout(
        legend={"y": 1.02, "entrywidth": 0},
        legend2={"orientation": "h", "x": 0, "y": 0.36, "yanchor": "bottom"},
    )
    for name, colour in HELD.items():
        mine = [number for number, other in enumerate(phase) if other == name]
        shares = [planted["hot_share"][number] for number in mine]
        label = {"during": "promotion", "normal": "normal day"}.get(name, f"days {name}")
        bar = go.Bar(x=[days[number] for number in mine], y=shares, marker_color=colour, name=label)
        picture.add_trace(bar, row=1, col=1)
    for promotion in planted["promotions"]:
        inside = [number for number, d in enumerate(days) if promotion["start"] <= d <= promotion["end"]]
        middle, top = inside[len(inside) // 2], max(planted["hot_share"][number] for number in inside)
        text = {
            "text": promotion["name"],
            "showarrow": False,
            "yanchor": "bottom",
            "yshift": 2,
            "row": 1,
            "col": 1,
        }
        picture.add_annotation(x=days[middle], y=top, **text, font={"size": 12, "color": theme.INK})
    signals, moments = np.zeros((len(days), 2)), rows_of(data)["time"]
    columns = [[f.name for f in data.schema.signals].index(n) for n in ("promotion_traffic_today", "gmv_1d")]
    values = np.concatenate([data.split(split).signals(slice(None))[:, columns] for split in SPLITS])
    today = moments.astype("datetime64[s]").astype("datetime64[D]").astype(str)
    signals = np.array([values[np.searchsorted(today, d)] for d in days])
    signals /= np.median(signals, axis=0)
    for column, name in enumerate(("Promotion traffic, planned for today", "GMV, last day")):
        line = {"color": theme.CATEGORICAL[(0, 2)[column]], "width": 2}
        trace = go.Scatter(x=days, y=signals[:, column], line=line, name=name, mode="lines", legend="legend2")
        picture.add_trace(trace, row=2, col=1)
    picture.update_yaxes(title="share of what is hot", range=[0, 1], tickformat=".0%", row=1, col=1)
    picture.update_yaxes(title="signal, times its median", rangemode="tozero", row=2, col=1)
    for promotion in planted["promotions"]:
        edges = {"x0": promotion["start"], "x1": promotion["end"], "row": 2, "col": 1}
        picture.add_vrect(**edges, fillcolor=theme.QUIET, line_width=0, layer="below")
    picture.update_xaxes(tickformat="%-d %b", dtick=7 * 86_400_000, tick0=days[0])
    return picture


def groups(data: Dataset, truth: dict[str, Any]) -> go.Figure:
    """Draw the mean logit by price in the two opposed groups, inside their scenario and elsewhere."""
    (planted,) = truth["sub_scenarios"]
    schema, rows = data.schema, rows_of(data)
    fields = [schema.field(name) for name in planted["fields"]]
    one, other = (feature(data, field.name) - FIRST for field in fields)
    on = schema.field(planted["on"])
    answer, p = feature(data, on.name) - FIRST, rows["probability"].astype(float)
    logit = np.log(p / (1 - p))
    elsewhere = next(name for name in schema.scenario_names[1:] if name != planted["scenario"])
    picture = make_subplots(
        rows=1, cols=2, shared_yaxes=True, subplot_titles=[planted["scenario"], elsewhere]
    )
    picture.update_layout(template=theme.TEMPLATE, height=370, margin_t=100)
    picture.update_layout(title="Two groups that want opposite things, in Search only")
    picture.update_layout(legend={"y": 1.1, "yanchor": "bottom"})
    names = ("women up to 34, men from 35", "women from 35, men up to 34")
    for place, scenario in enumerate((planted["scenario"], elsewhere), 1):
        inside = rows["scenario"] == schema.scenario(scenario)
        for number, group in enumerate(planted["groups"]):
            cells = [fields[0].vocabulary.index(a) * 100 + fields[1].vocabulary.index(b) for a, b in group]
            mine = inside & (one >= 0) & (other >= 0) & (answer >= 0) & np.isin(one * 100 + other, cells)
            count = np.bincount(answer[mine], minlength=len(on.vocabulary))
            mean = np.bincount(answer[mine], logit[mine], len(count)) / count
            spread = np.bincount(answer[mine], logit[mine] ** 2, len(count)) / count - mean**2
            error = half_width(np.sqrt(spread), count)
            colour = theme.CATEGORICAL[number]
            line = {"mode": "lines+markers", "line": {"color": colour, "width": 2}, "name": names[number]}
            bars = {"type": "data", "array": error, "thickness": 1.5, "width": 0}
            trace = go.Scatter(x=on.vocabulary, y=mean, error_y=bars, showlegend=place == 1, **line)
            picture.add_trace(trace, row=1, col=place)
    picture.update_yaxes(title="mean logit, 95 %", row=1, col=1)
    short = [name.replace("under ", "< ").replace(" and over", "+") for name in on.vocabulary]
    picture.update_xaxes(title=on.label.lower(), tickvals=on.vocabulary, ticktext=short, tickangle=0)
    picture.update_annotations(font_size=14)
    return picture


def scenarios(data: Dataset, truth: dict[str, Any]) -> go.Figure:
    """Draw rows and click rates of the largest scenarios."""
    rows, names = rows_of(data), data.schema.scenario_names
    count = np.bincount(rows["scenario"], minlength=len(names))
    clicks = np.bincount(rows["scenario"], rows["label"], len(names))
    chosen = np.argsort(-count)[:5]
    labels = [names[number] for number in chosen]
    colours = theme.colours(labels, names)
    picture = make_subplots(rows=1, cols=2, shared_yaxes=True, subplot_titles=["rows", "click rate"])
    picture.update_layout(template=theme.TEMPLATE, height=320, showlegend=False, margin_t=84)
    picture.update_layout(title="Scenarios of very different size")
    rate = clicks[chosen] / count[chosen]
    texts = [[f"{value:,}" for value in count[chosen]], [f"{value:.1%}" for value in rate]]
    for column, values in enumerate((count[chosen], rate), 1):
        bar = {"orientation": "h", "marker_color": colours, "text": texts[column - 1]}
        trace = go.Bar(y=labels, x=values, **bar, textposition="outside", cliponaxis=False)
        picture.add_trace(trace, row=1, col=column)
        picture.update_xaxes(range=[0, 1.2 * values.max()], row=1, col=column)
    picture.update_xaxes(showticklabels=False, showgrid=False)
    picture.update_yaxes(autorange="reversed")
    picture.update_annotations(font_size=14)
    return picture


PICTURES: dict[str, Callable[[Dataset, dict[str, Any]], go.Figure]] = {
    "scenarios": scenarios,
    "migration": migration,
    "time": time,
    "groups": groups,
    "sharing": sharing,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", nargs="?", default="data/demo", metavar="DIR", help="a planted world")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder of the pictures")
    arguments = parser.parse_args()
    data = open_data(arguments.data)
    if data.truth is None:
        parser.error(f"{data.name} is not planted: it has no truth to draw")
    for name, draw in PICTURES.items():
        picture = draw(data, data.truth)
        # Titles stand in from the edge of the page.
        title = {"x": 0.02, "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 18}}
        picture.update_layout(margin_l=16, margin_r=24, margin_b=16, title=title)
        file = arguments.out / f"planted_{name}.png"
        # Few colours: a picture of the docs is downloaded more often than it is looked at closely.
        few = Image.open(BytesIO(to_image(picture, "png", WIDTH))).convert("RGB").quantize(48)
        few.save(file, optimize=True)
        print(f"wrote {file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
