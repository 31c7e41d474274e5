"""How far apart scenarios or experts lie: a matrix between every two, and numbers with intervals for each."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.figures import theme
from msviz.figures.choices import Array, choice, names, title, unique
from msviz.figures.heat import heat
from msviz.figures.marks import errors, list_axis, list_height
from msviz.figures.picture import Picture
from msviz.finding import Finding

VIEWS = ("matrix", "numbers")
MATRICES = {
    "cosine": "Mean |cosine| between vectors",
    "reaction": "Change together (CKA)",
}
MEASURES = {
    "cosine": ("Mean |cosine| with the others", "lower is further apart", ".2f"),
    "silhouette": ("Silhouette", "1 far apart, 0 mixed, below 0 nearer to another", ".2f"),
    "probe": ("Told rightly by a straight rule", "dotted: guessing", ".0%"),
}
WHOLE = "All"
HOW_TO_READ = (
    "Matrix: how alike the vectors of two scenarios (or experts) are. |cosine| is 1 where they point in "
    "the same "
    "direction and 0 at a right angle; on the diagonal two different impressions of the same one are "
    "compared. "
    "'Change together' compares how impressions lie among one another: it is 1 where two scenarios see the "
    "same impressions as alike, whatever the direction. Numbers: silhouette compares the distance to "
    "one's own "
    "group with that to the nearest other; the straight rule (linear discriminants, tried on "
    "impressions it has not "
    "seen) tells which group a vector belongs to. Directions kept apart do not mean that scenarios respond "
    "differently: a model may say the same thing in five directions. Whiskers: 95 %."
)


def draw(
    finding: Finding,
    view: str = VIEWS[0],
    matrix: str = "cosine",
    measure: str = "cosine",
    other: Finding | None = None,
    order: Sequence[str] = (),
) -> go.Figure:
    """Return the matrix between groups, or one measure by group, `other` being a second run's finding.

    Raises MsvizError for a view, matrix or measure that does not exist.
    """
    if choice("view", view, VIEWS) == "matrix":
        able = [name for name in MATRICES if name in finding.data]
        return _matrix(finding.data, choice("matrix", matrix, able))
    return _numbers(finding, choice("measure", measure, list(MEASURES)), other, order)


def _matrix(data: xr.Dataset, which: str) -> go.Figure:
    value = data[which].values
    low, high = data[f"{which}_low"].values, data[f"{which}_high"].values
    groups = names(data, "group")
    return heat(
        value,
        groups,
        groups,
        span=(0.0, 1.0),
        bar=MATRICES[which],
        x_title="",
        y_title="",
        hover="%{y} and %{x}<br><b>%{z:.2f}</b><br>95 %: %{customdata[0]:.2f} to %{customdata[1]:.2f}",
        extra=np.stack([low, high], -1),
        text="%{z:.2f}",
        tickformat=".1f",
    )


def _numbers(finding: Finding, measure: str, other: Finding | None, order: Sequence[str]) -> go.Figure:
    words, hint, form = MEASURES[measure]
    own = _values(finding.data, measure)
    labels = [WHOLE, *names(finding.data, "group")]
    palette = theme.colours(["All scenarios", *labels[1:]], order or labels[1:])
    figure = theme.figure(list_height(len(labels)) + (24 if other else 0))
    rows = np.arange(len(labels), dtype=np.float32)
    runs = [(finding, own, -0.16 if other else 0.0, "circle")]
    if other is not None:
        # The second run may hold other groups: they are matched by name, if a name means the same to both.
        alike = other.provenance.scenario_fields == finding.provenance.scenario_fields
        theirs = _values(other.data, measure)
        column_of = {name: number for number, name in enumerate([WHOLE, *names(other.data, "group")])}
        matched = np.full((3, len(labels)), np.nan)
        for number, name in enumerate(labels):
            if name in column_of and (alike or not number or finding.data.attrs["kind"] != "scenario"):
                matched[:, number] = theirs[:, column_of[name]]
        runs.append((other, matched, 0.16, "diamond-open"))
    for run, (value, low, high), shift, symbol in runs:
        figure.add_trace(
            go.Scatter(
                x=value.astype(np.float32),
                y=rows + shift,
                mode="markers",
                name=run.provenance.run or "run",
                text=labels,
                marker={
                    "size": 11,
                    "color": palette,
                    "symbol": symbol,
                    "line": {"width": 2, "color": palette},
                },
                error_x=errors(value, low, high, theme.FAINT),
                customdata=np.stack([low, high], -1).astype(np.float32),
                hovertemplate=f"%{{text}}<br><b>%{{x:{form}}}</b><br>95 %: %{{customdata[0]:{form}}} to "
                f"%{{customdata[1]:{form}}}<extra></extra>",
            )
        )
    list_axis(figure, unique(labels))
    figure.update_yaxes(
        type="linear",
        zeroline=False,
        tickvals=rows,
        ticktext=[theme.short(name, 18) for name in labels],
        range=[len(labels) - 0.4, -0.6],
    )
    figure.update_xaxes(
        title_text=title(f"{words} ({hint})", width=40),
        tickformat=form,
        nticks=6,
        range=_range(runs, measure),
    )
    chance = float(finding.data["chance"].sel(measure=measure))
    if np.isfinite(chance):
        figure.add_vline(chance, line={"color": theme.FAINT, "width": 1, "dash": "dot"}, layer="below")
    figure.update_layout(showlegend=other is not None, hovermode="closest")
    return figure


def _values(data: xr.Dataset, measure: str) -> Array:
    """Return value, low and high (3, 1 + G) of a measure, of all groups alike first."""
    part = data.sel(measure=measure)
    return np.stack(
        [
            np.r_[part[whole].values, part[each].values]
            for whole, each in (("number", "by_group"), ("low", "by_group_low"), ("high", "by_group_high"))
        ]
    ).astype(np.float64)


def _range(runs: list[tuple[Finding, Array, float, str]], measure: str) -> list[float]:
    """Return the scale from 0 (or the lowest silhouette) to 1: what is small shall look small."""
    lowest = min(float(np.nanmin(values, initial=0)) for _, values, _, _ in runs)
    return [lowest * 1.1 - 0.03 if measure == "silhouette" or lowest < 0 else -0.06, 1.06]


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ, matrices=MATRICES)
