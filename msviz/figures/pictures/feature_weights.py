"""Weights of fields: head by head in one scenario, scenario by scenario, and between two scenarios."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from msviz.errors import MsvizError
from msviz.figures import theme
from msviz.figures.choices import Array, choice, largest, names, pick, shown, title
from msviz.figures.field_chart import FIELDS, SCENARIOS, bars, ranked, table
from msviz.figures.picture import Picture
from msviz.finding import Finding
from msviz.statistics.intervals import half_width

VIEWS = ("heads", "scenarios", "difference")
LOWEST = "lowest of heads"
HOW_TO_READ = (
    "Fields stand in order of their weight. Orange is more than the average field gets, blue less, pale "
    "about the same. *Lowest of heads* is what all heads agree to give. A weight is what the model "
    "multiplies a field by, not what the field is worth: a field can be weighted highly and mean little, "
    "because the model also scales it elsewhere. What predictions depend on is told by what losing a field "
    "costs."
)


def draw(
    finding: Finding,
    scenario: str | None = None,
    head: str | None = None,
    view: str = "heads",
    order: Sequence[str] = (),
    span: tuple[float, float] | None = None,
    fields: Sequence[str] = (),
) -> go.Figure:
    """Return fields × heads of a scenario, fields × scenarios of a head, or the difference of two scenarios.

    `span` sets both ends of the colour scale, and `fields` which are shown in which order, so that several
    findings can share them. Raises MsvizError for a scenario, head or view that does not exist, and where no
    two were compared.
    """
    choice("view", view, VIEWS)
    data = finding.data
    if view == "difference":
        if "difference" not in data:
            raise MsvizError("view: this finding compares no two scenarios; ask with a and b")
        return _difference(data, pick(data, "head", head))
    if view == "scenarios":
        return _scenarios(data, pick(data, "head", head), span, fields)
    return _heads(data, pick(data, "scenario", scenario), order, span, fields)


def common_scale(
    findings: Sequence[Finding], scenario: str | None = None, head: str | None = None, view: str = "heads"
) -> dict[str, Any]:
    """Return what `draw` is told so that several findings of one model share scale and order of fields."""
    parts = []
    for finding in findings:
        weight = finding.data["weight"]
        if view == "heads":
            parts.append(weight.sel(scenario=pick(finding.data, "scenario", scenario)).values)
        else:
            parts.append(weight.sel(head=pick(finding.data, "head", head)).values)
    finite = [part[np.isfinite(part)] for part in parts]
    last = findings[-1].data
    middle = _middle(last, last["weight"].values[0, 0])
    half = max([middle / 2, *(float(np.quantile(np.abs(p - middle), 0.998)) for p in finite if p.size)])
    order = ranked(last["weight"].isel(scenario=0, head=0).values)
    return {
        "span": (middle - half, middle + half),
        "fields": tuple(names(last, "field")[position] for position in order),
    }


def _heads(
    data: xr.Dataset,
    scenario: str,
    order: Sequence[str],
    span: tuple[float, float] | None,
    wanted: Sequence[str],
) -> go.Figure:
    here = data.sel(scenario=scenario)
    mean = here["weight"].isel(head=0).values
    places = _places(data, wanted) if wanted else ranked(mean)
    fields = [names(data, "field")[i] for i in places]
    note = shown(len(places), len(mean), "fields", "those with most weight")
    if data.sizes["head"] == 1:
        low, high = _bounds(here.isel(head=0))
        colour = theme.colours([scenario], order or names(data, "scenario"))[0]
        figure = bars(
            mean[places], low[places], high[places], fields,
            colours=colour, name=scenario, form=_form(data),
            x_title=title(f"Weight in {scenario}", "dotted: the average field", note, width=36),
        )  # fmt: skip
        figure.update_xaxes(**({"range": [0, 1.05 * span[1]]} if span else {"rangemode": "tozero"}))
        return _middle_line(figure, data, mean)
    across = [*names(data, "head"), LOWEST]
    z = np.concatenate([here["weight"].transpose("field", "head").values, here["agreed"].values[:, None]], 1)
    return table(
        z[places],
        fields,
        [f"head {name}" if name.isdigit() else name for name in across],
        middle=_middle(data, mean) if span is None else sum(span) / 2,
        least=_middle(data, mean) / 2,
        half=None if span is None else (span[1] - span[0]) / 2,
        bar=f"Weight in {scenario}" + (" (share of a head)" if data.attrs["shares"] else ""),
        x_title=title("", note),
        form=_form(data),
        hover=f"%{{y}}, %{{x}}<br><b>%{{z:{_fine(data)}}}</b>",
    )


def _places(data: xr.Dataset, wanted: Sequence[str]) -> Array:
    """Return where the fields of these names stand, in their order; a name that is not there is left out."""
    position_of = {name: position for position, name in enumerate(names(data, "field"))}
    return np.array([position_of[name] for name in wanted if name in position_of], np.int64)


def _scenarios(
    data: xr.Dataset, head: str, span: tuple[float, float] | None, wanted: Sequence[str]
) -> go.Figure:
    here = data.sel(head=head).transpose("scenario", "field")
    rows = here["rows"].values.astype(float)
    columns = largest(rows, SCENARIOS)
    whole = here["weight"].values[0]
    # Fields are told apart by how much they weigh and by how far scenarios differ in them.
    places = ranked(np.nanmax(here["weight"].values[columns], 0)) if len(whole) > FIELDS else ranked(whole)
    places = _places(data, wanted) if wanted else places[np.argsort(-whole[places], kind="stable")]
    z = here["weight"].values[np.ix_(columns, places)].T
    low, high = _bounds(here)
    half = (high - low)[np.ix_(columns, places)].T / 2
    counts = np.broadcast_to(rows[columns], z.shape)
    heading = head if not head.isdigit() else f"head {head}"
    return table(
        z,
        [names(data, "field")[i] for i in places],
        [names(data, "scenario")[i] for i in columns],
        middle=_middle(data, whole) if span is None else sum(span) / 2,
        least=_middle(data, whole) / 2,
        half=None if span is None else (span[1] - span[0]) / 2,
        bar=f"Weight, {heading}" if data.sizes["head"] > 1 else "Weight",
        x_title=title(
            "",
            shown(len(columns), len(rows), "scenarios", "those with most rows"),
            shown(len(places), len(whole), "fields", "those with most weight"),
        ),
        form=_form(data),
        hover=f"%{{y}}, %{{x}}<br><b>%{{z:{_fine(data)}}}</b>"
        + ("" if data.attrs["exact"] else f" ± %{{customdata[0]:{_fine(data)}}}")
        + "<br>%{customdata[1]:,.0f} rows",
        extra=np.stack([np.nan_to_num(half), counts], -1),
    )


def _difference(data: xr.Dataset, head: str) -> go.Figure:
    here = data.sel(head=head)
    value = here["difference"].values
    factor, unit = (100, " points") if data.attrs["shares"] else (1, "")
    strong = ranked(np.abs(value), 40)
    places = strong[np.argsort(-value[strong], kind="stable")]
    sure = here["significant"].values[places].astype(bool)
    sign = np.where(value[places] > 0, theme.DIVERGING[5], theme.DIVERGING[1])
    a, b = data.attrs["a"], data.attrs["b"]
    figure = bars(
        factor * value[places],
        factor * here["low"].values[places],
        factor * here["high"].values[places],
        [names(data, "field")[i] for i in places],
        colours=list(np.where(sure, sign, theme.LINE)),
        name=f"{b} minus {a}",
        x_title=title(
            f"Weight in {b} minus weight in {a}" + (", percentage points" if unit else ""),
            "grey: could be chance" if not sure.all() else "",
            shown(len(places), len(value), "fields", "those that differ most"),
            width=36,
        ),
        form="+.2~f" if factor == 100 else "+.3~f",
        unit=unit,
    )
    figure.update_xaxes(nticks=9)
    figure.add_vline(0, line={"color": theme.FAINT, "width": 1})
    return figure


def _bounds(here: xr.Dataset) -> tuple[Array, Array]:
    """Return the ends of the 95 % interval of each mean, the mean itself for weights that are exact."""
    if "weight_low" in here:
        return here["weight_low"].values, here["weight_high"].values
    # Answers that were kept before bounds were part of them tell deviation and rows.
    mean = here["weight"].values
    rows = here["rows"].values[(..., *[None] * (mean.ndim - here["rows"].ndim))]
    half = np.zeros_like(mean) if here.attrs["exact"] else half_width(here["deviation"], rows)
    return mean - half, mean + half


def _middle(data: xr.Dataset, mean: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> float:
    """Return the average field's weight: of shares exactly 1 / N."""
    return 1 / data.sizes["field"] if data.attrs["shares"] else float(np.nanmean(mean))


def _middle_line(
    figure: go.Figure, data: xr.Dataset, mean: "np.ndarray[tuple[int], np.dtype[np.float32]]"
) -> go.Figure:
    figure.add_vline(_middle(data, mean), line={"color": theme.FAINT, "width": 1, "dash": "dot"})
    return figure


def _form(data: xr.Dataset) -> str:
    return ".1%" if data.attrs["shares"] else ".2f"


def _fine(data: xr.Dataset) -> str:
    return ".2%" if data.attrs["shares"] else ".3f"


PICTURE = Picture(
    draw=draw,
    how_to_read=HOW_TO_READ,
    common_scale=common_scale,
    snapshot={"view": "scenarios"},
    axes=("head",),
)
