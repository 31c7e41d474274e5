"""The look of every picture: one Plotly template, scenario colours, scales for amounts and differences."""

from collections.abc import Sequence

import plotly.graph_objects as go

ALL = "All scenarios"
INK, MUTED, FAINT, LINE, QUIET, PAPER = "#1b2430", "#566173", "#8a94a3", "#e4e8ee", "#eef0f3", "#ffffff"
FONT = 'Inter, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Liberation Sans", sans-serif'

# Okabe and Ito's palette, yellows darkened so that a thin line on white is seen.
CATEGORICAL = ("#0072b2", "#d55e00", "#009e73", "#b8539a", "#c98500", "#3fa0d8", "#6b4fa0", "#7c6a3c")
# One hue, even steps of lightness: an amount reads the same in grey.
SEQUENTIAL = ("#f4f8fb", "#d6e6f1", "#b1d1e6", "#82b5d8", "#4285b8", "#205b91", "#0f3765")
# Blue and orange stay apart for every common colour blindness; the middle is the page's quiet grey.
DIVERGING = ("#134b86", "#4a8ac0", "#a9cce2", "#f3f4f5", "#f3c19b", "#d57f38", "#8f3d05")

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": INK},
        "title": {"font": {"size": 18, "color": INK}, "x": 0, "xref": "container", "xanchor": "left"},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "colorway": list(CATEGORICAL),
        "colorscale": {
            "sequential": [[i / 6, colour] for i, colour in enumerate(SEQUENTIAL)],
            "diverging": [[i / 6, colour] for i, colour in enumerate(DIVERGING)],
        },
        "hoverlabel": {
            "bgcolor": PAPER,
            "bordercolor": "#c9d0d9",
            "font": {"family": FONT, "size": 13, "color": INK},
            "align": "left",
            "namelength": -1,
        },
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "bottom",
            "font": {"size": 12, "color": INK},
            "bgcolor": "rgba(255,255,255,0)",
        },
        "margin": {"l": 8, "r": 12, "t": 44, "b": 8, "autoexpand": True},
        "xaxis": {
            "automargin": True,
            "gridcolor": LINE,
            "linecolor": "#c9d0d9",
            "zerolinecolor": "#c9d0d9",
            "zerolinewidth": 1,
            "tickfont": {"size": 12, "color": MUTED},
            "title": {"font": {"size": 12, "color": MUTED}, "standoff": 18},
        },
        "yaxis": {
            "automargin": True,
            "gridcolor": LINE,
            "linecolor": "#c9d0d9",
            "zerolinecolor": "#c9d0d9",
            "zerolinewidth": 1,
            "tickfont": {"size": 12, "color": INK},
            "ticklabelstandoff": 6,
            "title": {"font": {"size": 12, "color": MUTED}, "standoff": 8},
        },
    }
)


def scale(colours: Sequence[str]) -> list[list[float | str]]:
    """Return a Plotly colour scale with evenly spaced `colours`."""
    return [[index / (len(colours) - 1), colour] for index, colour in enumerate(colours)]


def colours(names: Sequence[str], order: Sequence[str] = ()) -> list[str]:
    """Return one colour a scenario: by its place in `order` (schema.scenario_names), else in `names`.

    "All scenarios" is always the neutral ink; beyond eight scenarios colours repeat, so that a label
    must stand beside every mark.
    """
    scenarios = [name for name in (order or names) if name not in (ALL, "unseen combination")]
    index_of = {name: index for index, name in enumerate(scenarios)}
    return [
        MUTED if name == ALL else CATEGORICAL[index_of.get(name, len(scenarios)) % len(CATEGORICAL)]
        for name in names
    ]


def figure(height: int, **layout: object) -> go.Figure:
    """Return an empty figure of `height` px that carries the template itself, whatever Plotly's default."""
    return go.Figure(layout={"template": TEMPLATE, "height": height, "autosize": True, **layout})


def short(text: str, limit: int = 22) -> str:
    """Return `text` cut to `limit` characters, the cut shown by an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
