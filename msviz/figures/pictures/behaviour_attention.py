"""One impression's past clicks, oldest first: how much each head looks at them, and what each is worth."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme
from msviz.figures.choices import Array, choice, names, pick, title, unique
from msviz.figures.heat import heat, share_span
from msviz.figures.marks import list_axis, list_height
from msviz.figures.picture import Picture
from msviz.finding import Finding

LIMIT = 60  # past clicks, the latest
HOW_TO_READ = (
    "Each row is a past click, the latest at the bottom: what was clicked, in which scenario, how long "
    "before. "
    "A dot ● marks clicks like the impression itself (of the same category, say). A column is one of the "
    "model's "
    "heads (“all” is their mean), a cell the share of its attention that the click gets; a column sums to "
    "100 %. Columns that "
    "look the same are heads that do the same work. Attention is where the model looks, not what moves its "
    "prediction: “What each click is worth” takes one click away at a time and tells how the log-odds change "
    "(0.1 is about 10 % more odds of a click). One impression is an anecdote."
)
VIEWS = ("heads", "worth")


def draw(
    finding: Finding,
    view: str = "heads",
    part: str | None = None,
    head: str | None = None,
    top: float | None = None,
) -> go.Figure:
    """Return attention by head, or with view "worth" what the prediction loses with each click.

    `part` is a layer or expert, `top` the end of the scale. Where clicks attend to one another, one
    `head` is drawn. Raises MsvizError
    for a view, part or head that does not exist.
    """
    choice("view", view, VIEWS)
    data = finding.data
    count = data.sizes["behaviour"]
    note = "" if count <= LIMIT else f"the latest {LIMIT} of {count} past clicks"
    axis = next((name for name in ("layer", "expert") if name in data.dims), None)
    if axis:
        data = data.sel({axis: pick(data, axis, part)})
    latest = slice(-LIMIT, None)
    data = data.isel({axis: latest for axis in ("behaviour", "other") if axis in data.dims})
    whole, short = _labels(data)
    if view == "worth":
        figure = _bars(data["change"].values, whole, short, "Change of the log-odds", note, True)
        return figure.update_xaxes(range=[-top, top]) if top else figure
    if "other" in data.dims:
        return _square(data, pick(data, "head", head), whole, short, note, count)
    shares = data["attention"].transpose("behaviour", "head").values
    if shares.shape[1] == 1:
        return _bars(shares[:, 0], whole, short, "Share of attention", note, False)
    heads = names(data, "head")
    figure = heat(
        shares,
        whole,
        heads,
        span=(0.0, top or end_of_scale(finding, part)),
        bar="Share of the head's attention",
        x_title=title("Head", note),
        y_title="",
        hover="%{y}<br>Head %{x}: <b>%{z:.1%}</b>",
        numbers=len(heads) <= 5,
    )
    figure.update_xaxes(ticktext=["all" if name == "mean of heads" else name for name in heads], tickangle=0)
    return _label_clicks(figure, whole, short)


def _square(
    data: xr.Dataset, head: str, whole: list[str], short: list[str], note: str, count: int
) -> go.Figure:
    """Return which click looks at which, in one head."""
    shares = data["attention"].sel(head=head).transpose("behaviour", "other").values
    figure = heat(
        shares,
        whole,
        whole,
        span=share_span(shares, count),
        bar="Share of the row's attention",
        x_title=title("Click that is looked at, oldest first", note),
        y_title="",
        hover="%{y}<br>looks at %{x}<br><b>%{z:.1%}</b>",
        numbers=False,
    )
    # Named on the rows; the same order runs along the columns.
    figure.update_xaxes(showticklabels=False)
    return _label_clicks(figure, whole, short)


def end_of_scale(finding: Finding, part: str | None = None) -> float:
    """Return where the scale of shares ends; one dominant click does not take the others' shades."""
    shares = finding.data["attention"]
    for axis in ("layer", "expert"):
        if axis in shares.dims:
            shares = shares.sel({axis: pick(finding.data, axis, part)})
    return max(float(np.quantile(shares.values, 0.97)), 2 / finding.data.sizes["behaviour"])


def _bars(values: Array, whole: list[str], short: list[str], what: str, note: str, signed: bool) -> go.Figure:
    """Return one bar a click."""
    colour = [theme.CATEGORICAL[1] if value >= 0 else theme.CATEGORICAL[0] for value in values]
    figure = theme.figure(list_height(len(whole)))
    figure.add_trace(
        go.Bar(
            x=values.astype(np.float32),
            y=whole,
            orientation="h",
            marker={"color": colour if signed else theme.CATEGORICAL[0]},
            hovertemplate="%{y}<br><b>%{x:" + ("+.3f" if signed else ".1%") + "}</b><extra></extra>",
        )
    )
    list_axis(figure, whole)
    figure.update_xaxes(title_text=title(what, note), tickformat="+.2~f" if signed else ".1~%", zeroline=True)
    figure.update_layout(showlegend=False, bargap=0.35, margin={"t": 16})
    return _label_clicks(figure, whole, short)


def _label_clicks(figure: go.Figure, whole: list[str], short: list[str]) -> go.Figure:
    figure.update_yaxes(tickvals=whole, ticktext=short, tickfont={"size": 12 if len(whole) <= 30 else 10})
    return figure


def _labels(data: xr.Dataset) -> tuple[list[str], list[str]]:
    """Return for each click all that is known of it, and the words that fit beside the picture."""
    values, scenarios = data["value"].values.astype(str), data["scenario"].values.astype(str)
    whole, short = [], []
    for value, scenario, seconds, like in zip(
        values, scenarios, data["age"].values, data["related"].values, strict=True
    ):
        mark = "● " if like else ""
        when = _age(int(seconds))
        parts = [", ".join(value), scenario, f"{when} before" if when else ""]
        whole.append(mark + " · ".join(part for part in parts if part))
        short_parts = [theme.short(value[min(1, len(value) - 1)], 13), theme.short(scenario, 12), when]
        short.append(mark + " · ".join(part for part in short_parts if part))
    return unique(whole), short


def _age(seconds: int) -> str:
    if seconds < 0:  # the log does not tell
        return ""
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{round(seconds / size)} {word}"
    return "now"


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
