"""How users' click rates are spread: a curve for each kind of days, or for each scenario."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from msviz.figures import theme
from msviz.figures.choices import names, title
from msviz.figures.picture import Picture
from msviz.finding import Finding

HOW_TO_READ = (
    "A curve is the users of one kind of days (or of one scenario): across, the share that they clicked of "
    "the impressions drawn from each; upwards, how many of the users have that rate. The dashed line marks "
    "their average. Everybody's rate is of the same number of impressions, so curves have the same chance in "
    "them: hover for what one rate for all users would give. A curve farther right is a higher rate, a wider "
    "one means users that differ more. Users who are seen less often are left out."
)
# Normal days are quiet, promotions stand out; the days around them lie between.
KINDS = {"Normal days": 0, "Days before": 2, "Promotion days": 1, "Days after": 3}


def draw(finding: Finding, order: Sequence[str] = ()) -> go.Figure:
    """Return a curve of the share of users over their click rate for each group, with its average."""
    data = finding.data
    groups = names(data, "group")
    by_day = str(data.attrs["by"]) == "period"
    colours = [theme.CATEGORICAL[KINDS[name]] for name in groups] if by_day else theme.colours(groups, order)
    rate = data["rate"].values.astype(np.float32)
    figure = theme.figure(420)
    for number, (name, colour) in enumerate(zip(groups, colours, strict=True)):
        group = data.isel(group=number)
        cells = np.stack([group[key].values for key in ("low", "high", "chance")], -1).astype(np.float32)
        figure.add_trace(
            go.Scatter(
                x=rate, y=group["share"].values.astype(np.float32), mode="lines+markers",
                line={"color": colour, "width": 2.4}, marker={"size": 7, "color": colour},
                name=f"{theme.short(name)} ({int(group['users']):,})", customdata=cells,
                hovertemplate=f"{name}: <b>%{{y:.1%}}</b> of users click %{{x:.0%}}<br>95 %: "
                "%{customdata[0]:.1%} to %{customdata[1]:.1%}<br>by chance alone %{customdata[2]:.1%}"
                "<extra></extra>",
            )
        )  # fmt: skip
        figure.add_vline(float(group["mean"]), line={"color": colour, "width": 1.4, "dash": "dash"})
    words = f"Click rate of a user, of {int(data.attrs['draws'])} impressions"
    figure.update_xaxes(title_text=title(words, "dashed: average", width=44), tickformat=".0%", nticks=6)
    figure.update_yaxes(title_text="Share of users", tickformat=".0%", rangemode="tozero", nticks=6)
    figure.update_layout(showlegend=True, margin={"t": 36 + 20 * -(-len(groups) // 2)}, hovermode="closest")
    return figure


PICTURE = Picture(draw=draw, how_to_read=HOW_TO_READ)
