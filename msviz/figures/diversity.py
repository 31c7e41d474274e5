"""How many categories people clicked, and how many each model would show them, scenario by scenario."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from msviz.figures import theme
from msviz.figures._choices import largest, names, shown, title, unique
from msviz.figures._marks import errors, list_axis
from msviz.finding import Finding

LIMIT = 30
CLICKED, CHANCE = "Clicked before", "Shown at random"
HOW_TO_READ = (
    "For each scenario: how many different categories (or values of the field asked for) the users clicked "
    "in the "
    "past days, and how many are among the items that each model would put first, out of the same candidates "
    "for everybody. The line across is what the same number of items drawn at random would have. Bars are "
    "95 % "
    "intervals over users. People click a limited number of items, so the first dot also depends on how much "
    "they click. The candidates keep what the log says of them; what belongs to user and item together (such "
    "as clicks in the category) stays that of the impression. More variety is not better in itself."
)


def draw(finding: Finding, order: Sequence[str] = ()) -> go.Figure:
    """Return a dot with its interval for each scenario and each of clicks, run, other run and chance."""
    del order  # colours tell who chose the items, not the scenario
    data = finding.data
    kept = largest(np.where(np.arange(data.sizes["scenario"]) == 0, np.inf, data["users"].values), LIMIT)
    note = shown(len(kept), data.sizes["scenario"], "scenarios", "those with most users")
    data = data.isel(scenario=kept)
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
        figure.add_trace(
            go.Scatter(
                x=value.astype(np.float32),
                y=spots + 0.22 * (number - (len(chosen) - 1) / 2),
                mode="markers",
                name=name,
                marker={
                    "size": 10,
                    "color": palette[name],
                    "symbol": "diamond" if name == CLICKED else "circle",
                },
                error_x=errors(value, here["low"].values, here["high"].values, palette[name]),
                customdata=np.arange(len(labels)),
                hovertemplate=f"{name}<br><b>%{{x:.2f}}</b><extra></extra>",
            )
        )
    chance = float(data.sel(who=CHANCE)["value"].values[0])
    figure.add_trace(
        go.Scatter(
            x=np.array([chance, chance], np.float32),
            y=np.array([-0.5, len(labels) - 0.5], np.float32),
            mode="lines",
            name=CHANCE,
            line={"color": theme.FAINT, "dash": "dot", "width": 1.5},
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
