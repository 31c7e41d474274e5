"""The reader of hover boxes against Plotly's own words, and its comparison against texts that differ."""

import plotly.graph_objects as go
import pytest
from reading import d3, hover, says, whiskers


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.1234, ".1%", "12.3%"), (0.5, "+.0%", "+50%"), (-0.02, "+.1~%", "-2%"), (1234567, ",", "1,234,567"),
        (1234.5, ",.0f", "1,234"), (12345, ",.4~s", "12.35k"), (12000, ",.3~s", "12k"),
        (0.00123, ".2g", "0.0012"),
        (1.5, "+.2~f", "+1.5"), (0.25, "~g", "0.25"), (3, ".0f", "3"), (float("nan"), ".2f", "NaN"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_d3_writes_them(value: float, form: str, text: str) -> None:
    assert d3(value, form) == text


def test_places_are_filled_from_the_trace() -> None:
    heat = go.Heatmap(
        z=[[0.1, 0.2], [0.3, 0.4]], x=["a", "b"], y=["c", "d"],
        customdata=[[[1, 2], [3, 4]], [[5, 6], [7, 8]]],
        hovertemplate="%{y} → %{x}<br><b>%{z:.0%}</b> of %{customdata[1]:,}<extra></extra>",
    )  # fmt: skip
    assert hover(heat, 1, 0) == "d → a\n30% of 6"
    dots = go.Scatter(
        x=["2025-03-01T00"], y=[2.0], marker={"color": [0.7]}, text=["t"],
        hovertemplate="%{x|%-d %b} %{marker.color:.1f} %{text}",
    )  # fmt: skip
    assert hover(dots, 0) == "1 Mar 0.7 t"
    flow = go.Sankey(
        node={"label": ["", ""], "customdata": ["p", "q"]},
        link={
            "source": [0], "target": [1], "value": [3], "customdata": [[0.5, 9]],
            "hovertemplate": "%{source.customdata} → %{target.customdata} %{customdata[0]:.0%}",
        },
    )  # fmt: skip
    assert hover(flow, 0) == "p → q 50%"
    bars = go.Bar(
        x=[1.0], y=["a"], error_x={"symmetric": False, "array": [0.5], "arrayminus": [0.25]}, orientation="h"
    )
    assert [end.tolist() for end in whiskers(bars)] == [[0.75], [1.5]]


def test_texts_that_differ_are_told() -> None:
    text = "Search → Cart 12.3%, 1,200 rows"
    says(text, "Search → Cart 12.4%, 1200 rows")
    for other in (
        "Cart → Search 12.3%, 1,200 rows",
        "Search → Cart 12.5%, 1,200 rows",
        "Search → Cart 12.3, 1,200 rows",
        "Search → Cart 12.3%, 1,201 rows",
        "Search → Cart 12.3%",
    ):
        with pytest.raises(AssertionError):
            says(text, other)
