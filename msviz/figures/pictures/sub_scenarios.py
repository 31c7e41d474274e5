"""How groups by two fields answer to a third: a heatmap of the difference in click rate."""

import numpy as np
import plotly.graph_objects as go

from msviz.figures.choices import names, pick, title
from msviz.figures.field_chart import table
from msviz.figures.picture import Picture
from msviz.finding import Finding

HOW_TO_READ = (
    "A cell is a group: one value of each of the two fields. Its number is the click rate at some values of "
    "the third field minus that at its other values (both are named below the picture), in percentage "
    "points: orange groups click more where blue ones click less. If all groups answered alike, all cells "
    "would have one colour. Which values are held against which was chosen on a random half of the rows, and "
    "the numbers are of the other half, so that the choice does not flatter them. Empty: too few rows."
)


def draw(finding: Finding, scenario: str | None = None) -> go.Figure:
    """Return the groups of one scenario, by default of the one whose groups are surest.

    Raises MsvizError for a scenario that does not exist.
    """
    data = finding.data
    q = data["q"].values[1:]
    surest = names(data, "scenario")[1 + int(np.nanargmin(q))] if np.isfinite(q).any() else None
    scenario = pick(data, "scenario", scenario or surest)
    here = data.sel(scenario=scenario).transpose("first", "second", ...)
    more, less = (", ".join(np.array(names(data, "third"))[here["more"].values == side]) for side in (1, -1))
    third = data.attrs["third_field"]
    bounds = [100 * here[name].values for name in ("low", "high")]
    figure = table(
        100 * here["answer"].values,
        names(data, "first"),
        names(data, "second"),
        middle=0.0,
        least=1.0,
        bar=f"Clicks by {third}, {scenario}: points more often",
        x_title="<br>".join(
            [
                title(data.attrs["second_field"], width=44),
                title(f"More: {third} {more}", width=44),
                title(f"Less: {third} {less}", width=44),
            ]
        ),
        form="+.1f",
        hover="%{y}, %{x}<br><b>%{z:+.1f} points</b> (95 %: %{customdata[0]:+.1f} to %{customdata[1]:+.1f})"
        "<br>%{customdata[2]:,.0f} rows",
        extra=np.stack([*bounds, here["rows"].values], -1),
    )
    figure.update_yaxes(title_text=data.attrs["first_field"])
    return figure


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
