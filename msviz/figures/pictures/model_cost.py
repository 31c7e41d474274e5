"""What models cost: bars of speed, size and memory, and lines of how they grow with scenarios."""

import numpy as np
import plotly.graph_objects as go

from msviz.errors import MsvizError
from msviz.figures import theme
from msviz.figures.choices import choice, names, shown, title, unique
from msviz.figures.marks import errors, list_axis, list_height
from msviz.figures.picture import Picture
from msviz.finding import Finding

LIMIT, LINES = 40, 8
# View: variable, axis title, number format.
BARS = {
    "predicting": ("rate", "Rows predicted a second, now", ",.3~s"),
    "test set": ("test_seconds", "Seconds to predict all rows, at that speed", ",.3~s"),
    "training": ("train_rate", "Rows trained a second, when it was trained", ",.3~s"),
    "training time": ("train_seconds", "Seconds of training", ",.3~s"),
    "memory": ("memory", "MiB that predicting adds at its peak", ",.3~s"),
    "parameters": ("parameters", "Parameters", ",.3~s"),
}
GROWTH, PAIRS = "growth", "with and without"
VIEWS = (*BARS, PAIRS, GROWTH)
HOW_TO_READ = (
    "Predicting is timed now, on this machine, one run after another; whiskers reach from the slowest to the "
    "fastest of five stretches, so do not read much into bars whose whiskers overlap. Training speed is what "
    "was written down when the run was trained, maybe elsewhere. With and without: one pass over the "
    "training rows with parts of a model on, and with them off. Growth counts the parameters that the same "
    "model would have with so many scenarios (both axes are logarithmic): a flat line means that another "
    "scenario costs nearly nothing."
)


def draw(finding: Finding, view: str = "predicting") -> go.Figure:
    """Return one bar a run of what `view` names, or with "growth" lines of parameters over scenarios.

    "with and without" has two bars for each pair of runs that differ in what is switched off alone.
    Raises MsvizError for a view that does not exist.
    """
    if choice("view", view, VIEWS) == GROWTH:
        return _growth(finding)
    if view == PAIRS:
        return _pairs(finding)
    variable, words, form = BARS[view]
    # The largest on top; of more runs than fit, the first ones.
    data = finding.data.isel(run=slice(0, LIMIT))
    data = data.isel(run=np.argsort(-data[variable].values.astype(np.float64), kind="stable"))
    labels = unique(names(data, "run"))
    value = data[variable].values.astype(np.float64)
    figure = theme.figure(list_height(len(labels)))
    whiskers = None
    if view == "predicting":
        whiskers = errors(value, data["rate_low"].values, data["rate_high"].values)
    figure.add_trace(
        go.Bar(
            x=value.astype(np.float32),
            y=labels,
            orientation="h",
            marker_color=theme.CATEGORICAL[0],
            error_x=whiskers,
            text=[str(model) for model in data["model"].values],
            textposition="none",
            hovertemplate="%{y} (%{text})<br><b>%{x:,.4~s}</b><extra></extra>",
        )
    )
    list_axis(figure, labels, 26)
    note = shown(len(labels), finding.data.sizes["run"], "runs", "the first")
    missing = "the system does not tell" if np.isnan(value).all() else ""
    figure.update_xaxes(title_text=title(words, missing, note), tickformat=form, rangemode="tozero", nticks=6)
    figure.update_layout(bargap=0.4, showlegend=False)
    return figure


def _pairs(finding: Finding) -> go.Figure:
    """Return two bars a pair, without and with, and how much more the second takes."""
    data = finding.data.isel(pair=slice(0, LIMIT))
    if not data.sizes["pair"]:
        raise MsvizError(f"view: got '{PAIRS}'; no two runs of one model differ in what is on or off alone")
    labels = unique(names(data, "pair"))
    figure = theme.figure(list_height(2 * len(labels)))
    more = data["increase"].values
    for name, variable, colour in (
        ("without", "without_seconds", theme.FAINT),
        ("with", "with_seconds", theme.CATEGORICAL[0]),
    ):
        figure.add_trace(
            go.Bar(
                x=data[variable].values.astype(np.float32), y=labels, orientation="h", name=name,
                marker_color=colour,
                text=[f"{rise:+.1%}" if name == "with" and np.isfinite(rise) else "" for rise in more],
                textposition="outside", cliponaxis=False,
                hovertemplate=f"%{{y}}, {name}<br><b>%{{x:,.4~s}}</b> s<extra></extra>",
            )
        )  # fmt: skip
    list_axis(figure, labels, 26)
    note = shown(len(labels), finding.data.sizes["pair"], "pairs", "the first")
    words = title("Seconds of one pass over the training rows", note)
    figure.update_xaxes(title_text=words, tickformat=",.3~s", rangemode="tozero", nticks=6)
    figure.update_layout(barmode="group", bargap=0.35, showlegend=True, margin={"t": 44, "r": 48})
    return figure


def _growth(finding: Finding) -> go.Figure:
    """Return lines of parameters over scenarios, runs that grow alike as one."""
    data = finding.data
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, values in zip(names(data, "run"), data["growth"].values, strict=True):
        groups.setdefault(tuple(int(number) for number in values), []).append(name)
    # Lines that lie on one another would hide all but the last.
    telling = sorted(groups, key=lambda line: -line[-1])[:LINES]
    figure = theme.figure(430)
    for index, line in enumerate(telling):
        alike = groups[line]
        label = alike[0] + (f" and {len(alike) - 1} more" if len(alike) > 1 else "")
        figure.add_trace(
            go.Scatter(
                x=data["scenarios"].values.astype(np.float32),
                y=np.array(line, np.float32),
                mode="lines+markers",
                name=theme.short(label, 30),
                line={"color": theme.CATEGORICAL[index], "width": 2},
                hovertemplate=f"{', '.join(alike[:6])}<br>%{{x:,.0f}} scenarios: "
                "<b>%{y:,.4~s}</b> parameters<extra></extra>",
            )
        )
    counts = [int(count) for count in data["scenarios"].values]
    note = shown(len(telling), len(groups), "lines", "the largest")
    figure.update_xaxes(
        type="log", title_text=title("Scenarios", note), tickvals=counts, ticktext=[f"{c:,}" for c in counts]
    )
    figure.update_yaxes(type="log", title_text="Parameters", tickformat="~s", dtick=1)
    figure.update_layout(showlegend=True)
    return figure


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
