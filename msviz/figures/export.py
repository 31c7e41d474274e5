"""Pictures that leave the app: titled, signed with their source, as HTML, PNG, SVG or PDF."""

import os
import shutil
import textwrap
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

from msviz.errors import MsvizError
from msviz.figures import theme
from msviz.figures.heat import BAR, PANEL
from msviz.finding import Finding

CROWDED, POINTS = 14, 800  # labels of an axis, and points of a cloud, that a thumbnail shows
IMAGES = ("png", "svg", "pdf")
# Plotly's exported page offers to upload the chart to a cloud: data must not leave by a slip of the mouse.
CONFIG = {"displaylogo": False, "showSendToCloud": False, "responsive": True, "displayModeBar": "hover"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def dressed(figure: go.Figure, finding: Finding) -> go.Figure:
    """Return a copy that stands alone: the question above, the takeaway under it, the provenance below."""
    out = go.Figure(figure)
    lines = textwrap.wrap(finding.takeaway, 110)
    source = f"Source: {finding.provenance.sentence()}"
    subtitle = "<br>".join([*lines, f'<span style="color:{theme.FAINT};font-size:11px">{source}</span>'])
    head = 68 + 18 * (len(lines) + 1)
    height = int(out.layout.height or 450) + head
    out.update_layout(
        height=height,
        margin={"t": int(out.layout.margin.t or 44) + head, "b": 20, "l": 24, "r": 24},
        title={
            "text": f"<b>{finding.question}</b>",
            "subtitle": {"text": subtitle, "font": {"size": 13, "color": theme.MUTED}},
            "xref": "container",
            "x": 0,
            "y": 1 - 32 / height,
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 24},
        },
    )
    # A heatmap's bar hangs from the top of the picture: it moves down with the plot.
    out.update_traces(colorbar_y=1 - (head + BAR) / height, selector={"type": "heatmap"})
    return out


def small(figure: go.Figure, height: int = 240) -> go.Figure:
    """Return a copy for a thumbnail: no words but those of axes and panels, few points, all still alive."""
    out = go.Figure(figure)
    for trace in out.data:
        if trace.type.startswith("scatter") and trace.mode == "text":
            trace.update(visible=False)
        elif trace.type in ("heatmap", "contour"):
            trace.update(showscale=False, texttemplate="")
        elif trace.type == "sankey":
            trace.update(textfont={"size": 10})
        elif hasattr(trace, "showlegend"):
            trace.update(showlegend=False)
    out = go.Figure([_light(trace) for trace in out.data], out.layout)
    titles = [annotation for annotation in out.layout.annotations if annotation.name == PANEL]
    for annotation in titles:
        annotation.font.size = 10
    out.update_layout(
        height=height,
        showlegend=False,
        title=None,
        annotations=titles,
        margin={"t": 24 if titles else 8, "b": 8, "l": 8, "r": 8},
    )
    for shape in out.layout.shapes:
        shape.label.text = ""
    for axis in (*out.select_xaxes(), *out.select_yaxes()):
        crowded = axis.tickvals is not None and len(axis.tickvals) > CROWDED
        axis.update(title=None, tickfont={"size": 10}, showticklabels=not crowded and axis.showticklabels)
    return out


def _light(trace: go.Figure) -> go.Figure:
    """Return WebGL points as plain ones, thinned: a page holds few WebGL pictures, a gallery many."""
    if trace.type != "scattergl":
        return trace
    content = trace.to_plotly_json()
    step = max(1, len(content.get("x", ())) // POINTS)
    for name in ("x", "y", "customdata", "text", "ids"):
        if isinstance(content.get(name), np.ndarray):
            content[name] = content[name][::step]
    marker = content.get("marker", {})
    for name in ("color", "size", "opacity"):
        if isinstance(marker.get(name), np.ndarray):
            marker[name] = marker[name][::step]
    return go.Scatter(**{**content, "type": "scatter"})


def to_html(figure: go.Figure) -> str:
    """Return one self-contained page: plotly.js inside, no network, no upload button."""
    return str(figure.to_html(config=CONFIG, include_plotlyjs=True, full_html=True, default_width="100%"))


def to_image(figure: go.Figure, kind: str, width: int = 1200) -> bytes:
    """Return the picture as png, svg or pdf; raise MsvizError where no browser is."""
    browser()
    try:
        return bytes(figure.to_image(format=kind, width=width, scale=2 if kind == "png" else 1))
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise MsvizError(f"{kind}: the browser that draws images failed: {reason}; HTML works") from error


def browser() -> str:
    """Return the Chrome or Chromium that draws images for kaleido; raise MsvizError where none is."""
    named = os.environ.get("BROWSER_PATH")
    file = named if named and Path(named).is_file() else next(filter(None, map(shutil.which, BROWSERS)), None)
    if file is None:
        raise MsvizError(
            "png, svg and pdf need Chrome or Chromium, and none was found: install one "
            "(apt-get install chromium) or set BROWSER_PATH; HTML, CSV and JSON work without"
        )
    os.environ["BROWSER_PATH"] = file
    return file
