"""A training as it goes: AUC by scenario on a fixed sample and in validations, and the training loss."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme
from msviz.figures.choices import Array, choice, largest, names, title
from msviz.figures.picture import Picture
from msviz.finding import Finding

VIEWS = ("both", "auc", "loss")
METRICS = {"auc": "AUC", "logloss": "Logloss"}
NAMED = 8  # scenarios with a colour and a name; others are faint
VAGUE = 0.2  # width of a 95 % interval from which on a line is dotted
LINES = 60  # scenarios that are drawn at all
SMOOTH = 20  # the running mean of the loss takes in one of so many of its points
HEAD, PANEL, GAP, FOOT = 36, 230, 44, 62  # px
HOW_TO_READ = (
    "Above: AUC, the chance that a clicked impression is ranked above one that was not. Lines are of a fixed "
    "sample of validation impressions, in which small scenarios have more than their share; the grey band is "
    "the 95 % interval over all of it. Diamonds are full validations; the weights of the best are kept "
    "(dotted line). Below: the training loss and its running mean. Where it goes on "
    "falling while AUC no longer rises, the net learns by heart. Dotted lines are of so few impressions that "
    "their interval is ± 0.1 or wider: they may lie off as a whole."
)


def draw(
    finding: Finding,
    view: str = "both",
    metric: str = "auc",
    scenario: str | None = None,
    order: Sequence[str] = (),
    at: float | None = None,
    end: float | None = None,
) -> go.Figure:
    """Return a metric by scenario over the training rows, the training loss, or one above the other.

    `scenario` draws the others faint; `at` marks a moment, in rows; `end` is where the axis of rows ends
    while a training goes on. Raises MsvizError for a view or metric that does not exist.
    """
    choice("view", view, VIEWS)
    choice("metric", metric, tuple(METRICS))
    data = finding.data
    panels = ("auc", "loss") if view == "both" else (view,)
    legend = _legend(data, scenario) if "auc" in panels else []
    # Two names beside each other fit a phone; where more do, room is left below them.
    foot = FOOT + 21 * -(-len(legend) // 2)
    room = len(panels) * PANEL + (len(panels) - 1) * GAP
    figure = theme.figure(HEAD + room + foot)
    for number, panel in enumerate(panels):
        top = 1 - number * (PANEL + GAP) / room
        axis = "yaxis" if not number else "yaxis2"
        words = _metric_words(data, metric) if panel == "auc" else "Training loss"
        figure.update_layout({axis: {"domain": [max(0.0, top - PANEL / room), top], "nticks": 6}})
        _heading(figure, words, top)
        if panel == "auc":
            _metric(figure, data, metric, legend, scenario, order)
        else:
            _loss(figure, data, "y" if not number else "y2")
    _rows(figure, data, at, end)
    figure.update_layout(
        margin={"t": HEAD, "b": foot, "r": 16},
        legend={"y": -(FOOT - 8) / room, "yanchor": "top", "x": 0, "itemwidth": 30},
        hovermode="closest",
        showlegend=bool(legend),
    )
    return figure


def _legend(data: xr.Dataset, scenario: str | None) -> list[str]:
    """Return the scenarios that are named: all of them together, and those with narrow intervals."""
    every = names(data, "scenario")
    candidates = [number for number, name in enumerate(every) if number and _has_interval(data, name)]
    if "auc_low" in data:
        # The more impressions, the narrower: lines of a few impressions say least.
        width = (
            np.nanmean((data["auc_high"] - data["auc_low"]).values[:, candidates], 0)
            if candidates
            else np.array([])
        )
        candidates = [candidates[position] for position in largest(-width, NAMED)]
    chosen = [every[number] for number in candidates[:NAMED]]
    if scenario not in (None, *chosen, every[0]) and scenario in every:
        chosen = [*chosen[: NAMED - 1], str(scenario)]
    return [every[0], *chosen]


def _has_interval(data: xr.Dataset, name: str) -> bool:
    return any(
        key in data and np.isfinite(data[key].sel(scenario=name).values).any() for key in ("auc", "valid_auc")
    )


def _metric_words(data: xr.Dataset, metric: str) -> str:
    sample = int(data.attrs["sample"])
    where = f" on {sample:,} impressions of validation" if sample else " in validations"
    return METRICS[metric] + where


def _metric(
    figure: go.Figure,
    data: xr.Dataset,
    metric: str,
    legend: Sequence[str],
    scenario: str | None,
    order: Sequence[str],
) -> None:
    every = names(data, "scenario")
    palette = dict(zip(every, theme.colours(every, order or every), strict=True))
    palette[every[0]] = theme.INK
    faint = [name for name in every if name not in legend and _has_interval(data, name)][:LINES]
    if metric in data:
        _band(figure, data, metric, every[0])
    for name in (*faint, *reversed(legend)):
        loud = name in legend and scenario in (None, name, every[0])
        colour = palette[name] if loud or name == every[0] else theme.LINE
        width = 2.6 if name in (every[0], scenario) else 1.6 if loud else 1.0
        _line(figure, data, metric, name, colour, width, name in legend)
    if not any(key in data for key in (metric, f"valid_{metric}")):
        _nothing(figure, "The first picture comes before the first step.")


def _line(
    figure: go.Figure, data: xr.Dataset, metric: str, name: str, colour: str, width: float, named: bool
) -> None:
    """Draw what the sample says as a line, and what full validations say as diamonds."""
    parts = [(key, axis) for key, axis in ((metric, "mark"), (f"valid_{metric}", "check")) if key in data]
    rank = names(data, "scenario").index(name)
    dash = "dot" if _vague(data, metric, name) else "solid"
    for number, (key, axis) in enumerate(parts):
        values = data[key].sel(scenario=name).values
        sampled = axis == "mark"
        bounds = [
            data[f"{key}{end}"].sel(scenario=name).values if sampled else values for end in ("_low", "_high")
        ]
        alone = not sampled and metric not in data
        mode = "lines" if sampled and len(values) > 1 else "lines+markers" if sampled or alone else "markers"
        sure = "<br>95 %: %{customdata[1]:.3f} to %{customdata[2]:.3f}" if sampled else "<br>full validation"
        figure.add_trace(
            go.Scatter(
                x=data[f"{axis}_rows"].values.astype(np.float32),
                y=values.astype(np.float32),
                mode=mode,
                name=theme.short(name, 18),
                legendgroup=name,
                legendrank=1000 + rank,
                showlegend=named and number == 0,
                line={"color": colour, "width": width, "dash": dash},
                marker={
                    "symbol": "circle" if sampled else "diamond", "size": 7, "color": colour,
                    "line": {"width": 1, "color": theme.PAPER},
                },
                customdata=np.stack([data[f"{axis}_epoch"].values, *bounds], -1).astype(np.float32),
                hovertemplate=f"{name}<br><b>%{{y:.3f}}</b>{sure}<br>epoch %{{customdata[0]:.2f}}, "
                "%{x:,.0f} rows<extra></extra>",
            )
        )  # fmt: skip


def _vague(data: xr.Dataset, metric: str, name: str) -> bool:
    """Tell whether the interval of a scenario on the sample is so wide that its line tells little."""
    if f"{metric}_low" not in data:
        return False
    width = (data[f"{metric}_high"] - data[f"{metric}_low"]).sel(scenario=name).values
    return bool(np.isfinite(width).any()) and float(np.nanmedian(width)) > VAGUE


def _band(figure: go.Figure, data: xr.Dataset, metric: str, whole: str) -> None:
    """Draw the interval of all scenarios together."""
    low, high = (data[f"{metric}{end}"].sel(scenario=whole).values for end in ("_low", "_high"))
    defined = np.isfinite(low) & np.isfinite(high)
    rows = data["mark_rows"].values[defined]
    around: Array = np.concatenate([low[defined], high[defined][::-1]])
    figure.add_trace(
        go.Scatter(
            x=np.concatenate([rows, rows[::-1]]).astype(np.float32),
            y=around.astype(np.float32),
            fill="toself", fillcolor="rgba(27,36,48,0.10)", mode="lines", line={"width": 0},
            hoverinfo="skip", showlegend=False,
        )
    )  # fmt: skip


def _loss(figure: go.Figure, data: xr.Dataset, axis: str) -> None:
    """Draw the losses point by point, faint, and their running mean."""
    if "loss" not in data:
        return
    rows, loss = data["point_rows"].values.astype(np.float32), data["loss"].values
    width = max(1, len(loss) // SMOOTH)
    if width > 1:
        figure.add_trace(
            go.Scatter(
                x=rows, y=loss.astype(np.float32), yaxis=axis, mode="lines", hoverinfo="skip",
                line={"color": theme.SEQUENTIAL[2], "width": 1}, showlegend=False,
            )
        )  # fmt: skip
    extra = [data["point_epoch"].values, data["rate"].values, loss]
    figure.add_trace(
        go.Scatter(
            x=rows,
            y=running_mean(loss, width).astype(np.float32),
            yaxis=axis,
            mode="lines" if len(loss) > 1 else "markers",
            line={"color": theme.CATEGORICAL[0], "width": 2},
            customdata=np.stack(extra, -1).astype(np.float32),
            hovertemplate="Loss <b>%{customdata[2]:.4f}</b>, running mean %{y:.4f}<br>"
            "epoch %{customdata[0]:.2f}, %{x:,.0f} rows<br>%{customdata[1]:,.0f} rows/s<extra></extra>",
            showlegend=False,
        )
    )


def running_mean(values: Array, width: int) -> Array:
    """Return the mean of the values (n,) around each, `width` of them, fewer at both ends."""
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    index = np.arange(len(values))
    first = np.maximum(index - width // 2, 0)
    last = np.minimum(index + (width + 1) // 2, len(values))
    mean: Array = (total[last] - total[first]) / (last - first)
    return mean


def _rows(figure: go.Figure, data: xr.Dataset, at: float | None, end: float | None) -> None:
    """Lay out the rows, with the weights that were kept and the moment that is looked at."""
    last = max(
        end or 0.0, float(data.attrs["rows"]), *(_last(data, axis) for axis in ("point", "mark", "check"))
    )
    room = 0.02 * (last or 1.0)
    figure.update_xaxes(
        range=[-room, (last or 1.0) + room],
        nticks=6,
        tickformat="~s",
        zeroline=False,
        title_text=title("Training rows"),
        anchor="free",
        position=0,
    )
    marks: list[tuple[float, str, dict[str, Any]]] = []
    if data.attrs["kept_rows"] >= 0:
        marks.append((float(data.attrs["kept_rows"]), "kept", {"color": theme.FAINT, "dash": "dot"}))
    if at is not None:
        marks.append((at, "", {"color": theme.INK, "dash": "solid"}))
    for moment, words, line in marks:
        figure.add_shape(
            type="line", x0=moment, x1=moment, y0=0, y1=1, yref="paper", line={"width": 1.4, **line}
        )
        if words:
            figure.add_annotation(
                x=moment, y=0, yref="paper", yanchor="bottom", xanchor="right", text=words, showarrow=False,
                font={"size": 11, "color": theme.MUTED}, xshift=-2,
            )  # fmt: skip


def _last(data: xr.Dataset, axis: str) -> float:
    key = f"{axis}_rows"
    return float(data[key].values.max(initial=0)) if key in data else 0.0


def _heading(figure: go.Figure, text: str, top: float) -> None:
    figure.add_annotation(
        x=0, xref="paper", xanchor="left", y=top, yref="paper", yanchor="bottom", text=f"<b>{text}</b>",
        showarrow=False, font={"size": 12, "color": theme.INK}, align="left", yshift=4,
        bgcolor="rgba(255,255,255,0.8)", borderpad=0,
    )  # fmt: skip


def _nothing(figure: go.Figure, text: str) -> None:
    figure.add_annotation(
        text=text, showarrow=False, x=0.5, y=0.5, xref="paper", yref="y domain",
        font={"size": 13, "color": theme.MUTED},
    )  # fmt: skip


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
