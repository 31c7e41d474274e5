"""What a picture tells whoever points at it: Plotly's hover templates filled in, and texts compared."""

import re
from typing import Any

import numpy as np
import plotly.graph_objects as go

from msviz.figures import theme

PREFIXES = {-6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}
NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?%?")


def d3(value: Any, form: str) -> str:
    """Return a number as Plotly's format (d3) writes it, minus signs as hyphens."""
    found = re.fullmatch(r"(\+?)(,?)(?:\.(\d+))?(~?)([%fgsd]?)", form)
    assert found, form
    plus, comma, digits, trimmed, kind = found.groups()
    if not np.isfinite(value):
        return "NaN"
    value, tail = float(value), ""
    if kind == "%":
        value, tail, kind = 100 * value, "%", "f"
    if kind == "s":
        power = 3 * int(np.floor(np.log10(abs(value)) / 3 + 1e-12)) if value else 0
        value, tail, kind = value / 10.0**power, PREFIXES[power], "f"
        digits = str(max(int(digits or 6) - 1 - (int(np.floor(np.log10(abs(value)))) if value else 0), 0))
    if kind == "d":
        digits, kind = "0", "f"
    text = format(value, f"{plus}{comma}.{digits or (6 if kind else 12)}{kind or 'g'}")
    if trimmed and "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    return text + tail


def hover(trace: Any, *place: int) -> str:
    """Return what the box says at one point, without markup: of a heatmap (row, column), else its number."""
    template = (trace.link if trace.type == "sankey" else trace).hovertemplate
    if template is None:
        assert trace.hoverinfo == "text" and isinstance(trace.text, str)
        return plain(trace.text)
    assert isinstance(template, str), "one template for all points"

    def filled(match: re.Match[str]) -> str:
        name, mark, form = re.fullmatch(r"([^:|]+)(?:([:|])(.*))?", match[1]).groups()  # type: ignore[union-attr]
        value = _value(trace, name, place)
        if mark == "|":
            return str(np.datetime64(value, "s").astype(object).strftime(form))
        if mark:
            return d3(value, form)
        return str(value) if isinstance(value, str) else d3(value, "")

    return plain(re.sub(r"%\{([^}]+)\}", filled, template))


def plain(text: str) -> str:
    """Return words without markup, lines after one another."""
    text = re.sub(r"<extra>.*?</extra>", "", text).replace("<br>", "\n")
    return re.sub(r"<[^>]+>", "", text)


def _value(trace: Any, name: str, place: tuple[int, ...]) -> Any:
    stem, index = re.fullmatch(r"([\w.]+)((?:\[\d+\])*)", name).groups()  # type: ignore[union-attr]
    if trace.type == "sankey":
        link = trace.link
        side, _, what = stem.rpartition(".")
        if side in ("source", "target"):
            return trace.node[what][int(link[side][place[0]])]
        found = link[stem][place[0]]
    elif trace.type == "heatmap" and stem in ("x", "y"):
        at = place[1] if stem == "x" else place[0]
        found = trace[stem][at]
        if len(trace[stem]) == np.asarray(trace.z).shape[1 if stem == "x" else 0] + 1:
            found = _between(trace[stem][at], trace[stem][at + 1])
    else:
        found = trace
        for part in stem.split("."):
            found = found[part]
        for at in place:
            found = found[at]
    for number in re.findall(r"\d+", index):
        found = found[int(number)]
    return str(found) if isinstance(found, np.datetime64) else found


def _between(first: Any, second: Any) -> Any:
    """Return the middle of a cell between two borders, which may be dates."""
    if isinstance(first, str):
        one, other = np.datetime64(first, "s"), np.datetime64(second, "s")
        return str(one + (other - one) / 2)
    return (float(first) + float(second)) / 2


def says(said: str, wanted: str) -> None:
    """Assert that two texts say the same, numbers to one of their last digit and counts exactly."""
    skeletons = [NUMBER.sub("#", text) for text in (said, wanted)]
    assert skeletons[0] == skeletons[1], (said, wanted)
    for one, other in zip(NUMBER.findall(said), NUMBER.findall(wanted), strict=True):
        assert one.endswith("%") == other.endswith("%"), (said, wanted)
        numbers = [part.rstrip("%").replace(",", "") for part in (one, other)]
        digits = max(len(part.partition(".")[2]) for part in numbers)
        room = 1.001 * 10.0**-digits if digits or one.endswith("%") else 0
        assert abs(float(numbers[0]) - float(numbers[1])) <= room, (said, wanted)


def whiskers(trace: Any, axis: str = "x") -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return where a trace's error bars end, below and above."""
    at, bars = np.asarray(trace[axis], float), trace[f"error_{axis}"]
    assert bars.symmetric is False
    return at - np.asarray(bars.arrayminus, float), at + np.asarray(bars.array, float)


def heatmap(figure: go.Figure) -> Any:
    """Return a figure's last heatmap, which carries the scale."""
    return [trace for trace in figure.data if trace.type == "heatmap"][-1]


def kind_of_scale(trace: Any) -> str:
    """Return which of the theme's scales a heatmap has."""
    colours = [colour for _, colour in trace.colorscale]
    for name, scale in (("sequential", theme.SEQUENTIAL), ("diverging", theme.DIVERGING)):
        if colours == list(scale):
            return name
        if colours == list(scale[::-1]):
            return f"{name}, turned"
    return "other"


def holds(trace: Any, beyond: float = 0.0, middle: float | None = None) -> None:
    """Assert that a scale holds all but a share `beyond` of what is drawn; around `middle` it is symmetric.

    Where some cells may lie beyond, one always may: the end of a scale is a quantile of few.
    """
    z = np.asarray(trace.z, float)
    z = z[np.isfinite(z)]
    room = 1e-6 * max(abs(trace.zmin), abs(trace.zmax))
    outside = (z < trace.zmin - room) | (z > trace.zmax + room)
    assert outside.sum() <= (max(beyond * z.size, 1) if beyond else 0), (
        trace.zmin,
        trace.zmax,
        z.min(),
        z.max(),
    )
    assert trace.zmin < trace.zmax
    if middle is None:
        assert kind_of_scale(trace) == "sequential"
    else:
        assert kind_of_scale(trace).startswith("diverging")
        assert (trace.zmin + trace.zmax) / 2 == np.float32(middle) or abs(
            (trace.zmin + trace.zmax) / 2 - middle
        ) < 1e-6 * (trace.zmax - trace.zmin)
    # What is drawn fills the scale, or differences would hardly be seen.
    assert z.size < 3 or np.abs(z - (middle or 0.0)).max() > 0
