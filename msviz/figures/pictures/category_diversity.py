"""How many categories people clicked, and how many each model would show them, scenario by scenario."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from msviz.figures import theme
from msviz.figures.choices import choice, largest, names, shown, title, unique
from msviz.figures.marks import errors, list_axis
from msviz.figures.picture import Picture
from msviz.finding import Finding

LIMIT = 30
VIEWS = ("dots", "bars")
BESIDE = 0.22  # of the room of a scenario, from one dot or bar to the next
CLICKED, CHANCE = "Clicked before", "Shown at random"
HOW_TO_READ = (
    "For each scenario: how many different categories (or values of the field asked for) the users clicked "
    "in the past days, and how many are among the items that each model would put first, out of the same "
    "candidates for everybody; of several requests of a user they are counted together. The dotted line is "
    "what as many items drawn at random would have. Whiskers are 95 % intervals over users. People click a "
    "limited number of items, so the first mark also depends on how much they click. The candidates keep "
    "what the log says of them; what belongs to user and item together stays that of the impression. More "
    "variety is not better in itself."
)


def draw(finding: Finding, view: str = "dots", order: Sequence[str] = ()) -> go.Figure:
    """Return a dot with its interval for each scenario and each of clicks, run, other run and chance.

    View "bars" has bars beside one another in their place. Raises MsvizError for another view.
    """
    del order  # colours tell who chose the items, not the scenario
    data = finding.data
    choice("view", view, VIEWS)
    scenarios = largest(np.where(np.arange(data.sizes["scenario"]) == 0, np.inf, data["users"].values), LIMIT)
    note = shown(len(scenarios), data.sizes["scenario"], "scenarios", "those with most users")
    data = data.isel(scenario=scenarios)
    labels = unique(names(data, "scenario"))
    who = names(data, "who")
    figure = theme.figure(len(labels) * 20 * len(who) + 150)
    spots = np.arange(len(labels), dtype=np.float32)
    runs = [name for name in who if name not in (CLICKED, CHANCE)]
    palette = {CLICKED: theme.MUTED, **dict(zip(runs, theme.CATEGORICAL, strict=False))}
    chosen = [CLICKED, *runs]
    for number, name in enumerate(chosen):
        here = data.sel(who=name)
        value = here["value"].values
        bounds = errors(value, here["low"].values, here["high"].values, palette[name])
        at = spots + BESIDE * (number - (len(chosen) - 1) / 2)
        hover = f"{name}<br><b>%{{x:.2f}}</b><extra></extra>"
        if view == "bars":
            mark = go.Bar(
                orientation="h",
                width=BESIDE,
                marker_color=palette[name],
                error_x={**bounds, "color": theme.INK},
            )
        else:
            symbol = "diamond" if name == CLICKED else "circle"
            mark = go.Scatter(
                mode="markers", marker={"size": 10, "color": palette[name], "symbol": symbol}, error_x=bounds
            )
        mark.update(
            x=value.astype(np.float32),
            y=at,
            name=name,
            customdata=np.arange(len(labels)),
            hovertemplate=hover,
        )
        figure.add_trace(mark)
    chance = data.sel(who=CHANCE)["value"].values
    figure.add_trace(
        go.Scatter(
            x=np.repeat(chance, 3).astype(np.float32),
            y=np.stack([spots - 0.5, spots + 0.5, np.full(len(spots), np.nan)], 1).ravel().astype(np.float32),
            mode="lines",
            name=CHANCE,
            line={"color": theme.MUTED, "dash": "dot", "width": 1.5},
            hovertemplate=f"{CHANCE}: <b>%{{x:.2f}}</b><extra></extra>",
        )
    )
    list_axis(figure, labels)
    figure.update_yaxes(type="linear", tickvals=spots, categoryarray=None, zeroline=False)
    what = f"Different values of {str(data.attrs['field']).lower()}"
    figure.update_xaxes(title_text=title(what, note), rangemode="tozero")
    # Each name has a line of its own on a phone.
    figure.update_layout(margin={"t": 24 + 20 * len(who), "r": 16}, legend={"entrywidth": 150})
    return figure


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
