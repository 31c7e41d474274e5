"""What one impression's fields attend to, with the values they have in this impression."""

import plotly.graph_objects as go

from msviz.figures import theme
from msviz.figures.choices import choice, names, pick, title
from msviz.figures.heat import grid, heat, share_span
from msviz.figures.picture import Picture
from msviz.figures.pictures.attention_by_scenario import MEAN, telling
from msviz.finding import Finding

HOW_TO_READ = (
    "The same heatmap as for a whole scenario, for one impression: a row is the field that looks, a column "
    "the field it looks at, each with the value it has here. A cell is the share of the row's attention; a "
    "row sums to 100 %. One impression is an anecdote: compare it with its scenario before generalising."
)


def draw(finding: Finding, layer: str | None = None, head: str | None = None, view: str = "one") -> go.Figure:
    """Return one head's heatmap, or with view "grid" all layers and heads.

    Raises MsvizError for a layer, head or view that does not exist.
    """
    choice("view", view, ("one", "grid"))
    layer, head = pick(finding.data, "layer", layer), pick(finding.data, "head", head)
    fields = finding.data.sizes["key"]
    data, note = telling(finding.data)
    data = data.transpose("layer", "head", "query", "key", ...)
    values = {str(f): str(v) for f, v in zip(data["field"].values, data["value"].values, strict=True)}
    queries = [_describe(name, values) for name in names(data, "query")]
    keys = [_describe(name, values) for name in names(data, "key")]
    if view == "grid":
        heads = [name for name in names(data, "head") if name != MEAN] or [MEAN]
        part = data["attention"].sel(head=heads).values
        return grid(
            part, names(data, "layer"), heads, queries, keys, colours=theme.SEQUENTIAL,
            span=share_span(part, fields), bar="Share of attention",
            hover="%{y}<br>%{x}<br><b>%{z:.1%}</b>",
        )  # fmt: skip
    part = data["attention"].sel(layer=layer, head=head).values
    figure = heat(
        part,
        queries,
        keys,
        span=share_span(part, fields),
        bar="Share of attention",
        x_title=title("Attended field (key)", note),
        y_title="Attending field (query)",
        hover="%{y} → %{x}<br><b>%{z:.1%}</b>",
    )
    # The rows have the room for values; the columns name the fields alone.
    figure.update_yaxes(ticktext=[theme.short(label, 30) for label in queries[:: -(-len(queries) // 60)]])
    figure.update_xaxes(
        ticktext=[theme.short(name, 18) for name in names(data, "key")[:: -(-len(keys) // 60)]]
    )
    return figure


def _describe(name: str, values: dict[str, str]) -> str:
    return f"{name}: {values[name]}" if name in values else name


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
