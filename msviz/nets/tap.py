"""Tap: an identity module at a point of a net that is worth seeing or exchanging."""

from torch import Tensor, nn

AXES = (
    "layer", "head", "query", "key", "field", "scenario", "expert", "behaviour", "unit", "level",
)  # fmt: skip


class Tap(nn.Module):
    """Pass a tensor (B, *axes) through unchanged; whoever watches registers a forward hook.

    Taps of one name in a ModuleList of layers are seen as one array with a leading `layer` axis.
    A tap holds no state, so it adds nothing to the state_dict. Nets ask `watched` where showing costs
    more than passing by, so that nobody pays for what nobody looks at.
    """

    def __init__(self, *axes: str, matrices: tuple[int, int, int] | None = None) -> None:
        """Name the axes after the row axis; raise ValueError for one outside the vocabulary.

        `matrices` (P, d, d) tells that the units are P matrices of d × d, row by row.
        """
        super().__init__()
        unknown = [axis for axis in axes if axis not in AXES]
        if unknown:
            raise ValueError(f"tap axes: got {unknown}; valid choices: {', '.join(AXES)}")
        self.axes = axes
        self.matrices = matrices

    @property
    def watched(self) -> bool:
        """Return whether somebody looks at or exchanges what passes here."""
        return bool(self._forward_hooks or self._forward_pre_hooks)

    def forward(self, values: Tensor) -> Tensor:
        """Return `values` itself."""
        return values


def watched(net: nn.Module) -> bool:
    """Return whether somebody looks at any tap of a net."""
    return any(isinstance(module, Tap) and module.watched for module in net.modules())
