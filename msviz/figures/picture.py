"""Picture: what a file of `pictures/` says of itself; it draws the answer to the question of its name."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msviz.registry import PICTURES

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from msviz.finding import Finding


@dataclass(frozen=True, kw_only=True)
class Picture:
    """How an answer is drawn: all that a file of `pictures/` may define.

    `draw(finding, **choices)` returns the figure; `how_to_read` tells a reader in a few sentences. `axes`
    are those that a reader chooses along (with `matrices`, which of several arrays is drawn: name -> title).
    Where a training is watched, and beside a parent, `snapshot` are choices that stay;
    `common_scale(findings, **choices)` returns the choices that let pictures of all moments share a scale.
    """

    draw: "Callable[..., go.Figure]"
    how_to_read: str
    common_scale: Callable[..., Mapping[str, Any]] | None = None
    snapshot: Mapping[str, Any] = field(default_factory=dict)
    axes: Sequence[str] = ()
    matrices: Mapping[str, str] = field(default_factory=dict)

    def parts(self, finding: "Finding") -> dict[str, dict[str, str]]:
        """Return what a reader can choose of an answer: choice -> {value: title}.

        These are `axes` with several names, and `matrix` where the answer has such arrays.
        """
        names = {axis: [str(name) for name in finding.data[axis].values] for axis in self.axes}
        parts = {axis: {name: name for name in each} for axis, each in names.items() if len(each) > 1}
        matrices = {name: title for name, title in self.matrices.items() if name in finding.data}
        return parts | ({"matrix": matrices} if matrices else {})

    def accepts(self, choice: str) -> bool:
        """Tell whether the picture has a choice of this name."""
        return choice in inspect.signature(self.draw).parameters


def load_picture(name: str) -> Picture:
    """Return the picture of a question; raise MsvizError naming the choices when there is none."""
    return PICTURES.load(name, Picture)
