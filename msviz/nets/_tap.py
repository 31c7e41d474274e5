"""Tap: an identity module at a point of a net that is worth seeing or exchanging."""

from torch import Tensor, nn

AXES = (
    "layer", "head", "query", "key", "field", "scenario", "expert", "behaviour", "unit", "level",
)  # fmt: skip


class Tap(nn.Module):
    """Pass a tensor (B, *axes) through unchanged; whoever watches registers a forward hook.

    Taps of one name in a ModuleList of layers are seen as one array with a leading `layer` axis.
    A tap holds no state, so it adds nothing to the state_dict. `by_scenario` says that the first
    axis is not the batch's rows but its distinct scenarios (their ids come from the net's
    `scenarios_tap`).
    """

    def __init__(self, *axes: str) -> None:
        """Name the axes after the row axis; raise ValueError for one outside the vocabulary."""
        super().__init__()
        unknown = [axis for axis in axes if axis not in AXES]
        if unknown:
            raise ValueError(f"tap axes: got {unknown}; valid choices: {', '.join(AXES)}")
        self.axes = axes

    def forward(self, values: Tensor) -> Tensor:
        """Return `values` itself."""
        return values
