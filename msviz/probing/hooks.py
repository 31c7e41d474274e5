"""Watching taps, and exchanging what passes through them; whoever leaves takes the hooks along."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from msviz.errors import invalid, one_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from msviz.nets.tap import Tap

See = Callable[[str, "int | None", "Tensor"], None]
Patch = Callable[["Tensor", "int | None"], "Tensor"]

_locks: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_guard = threading.Lock()


@dataclass(frozen=True)
class TapPoint:
    """One tap of a net: its name, the number of its layer (None outside a list of layers), itself."""

    name: str
    layer: int | None
    tap: Tap

    @property
    def axes(self) -> tuple[str, ...]:
        """Return the axes after the row axis, `layer` first where the tap stands in a list."""
        return self.tap.axes if self.layer is None else ("layer", *self.tap.axes)


def points(net: nn.Module) -> list[TapPoint]:
    """Return a net's taps; `blocks.1.attention_tap` is `attention` of layer 1."""
    from msviz.nets.tap import Tap

    taps = []
    for path, module in net.named_modules():
        if isinstance(module, Tap):
            *parents, last = path.split(".")
            layers = [int(part) for part in parents if part.isdigit()]
            taps.append(TapPoint(last.removesuffix("_tap"), layers[-1] if layers else None, module))
    return taps


def chosen(net: nn.Module, names: Iterable[str]) -> list[TapPoint]:
    """Return the taps of these names; raise MsvizError naming the choices where one does not exist."""
    everything = points(net)
    tap_names = sorted({point.name for point in everything})
    wanted = set(names)
    for name in sorted(wanted):
        if name not in tap_names:
            raise invalid("tap", name, one_of(tap_names) if tap_names else "this net has no taps")
    return [point for point in everything if point.name in wanted]


@contextmanager
def watching(net: nn.Module, names: Iterable[str], see: See) -> Iterator[None]:
    """Call `see(name, layer, values)` whenever one of the taps is passed, until the block is left."""

    def show(at: TapPoint, values: Tensor) -> None:
        see(at.name, at.layer, values.detach())

    with _hooked(net, names, show):
        yield


@contextmanager
def patched(net: nn.Module, name: str, function: Patch) -> Iterator[None]:
    """Let `function(values, layer)` stand in for what a tap shows, until the block is left.

    Raises MsvizError for an unknown tap, and during the forward pass when the shape changes.
    """

    def exchange(at: TapPoint, values: Tensor) -> Tensor:
        other = function(values, at.layer)
        if other.shape != values.shape:
            shapes = f"wanted the tap's own shape {tuple(values.shape)}"
            raise invalid(f"replacement at tap {name}", tuple(other.shape), shapes)
        return other

    with _hooked(net, [name], exchange):
        yield


@contextmanager
def _hooked(
    net: nn.Module, names: Iterable[str], act: Callable[[TapPoint, Tensor], Tensor | None]
) -> Iterator[None]:
    """Call `act(point, values)` at the taps until the block is left; a tensor it returns goes on."""
    with _alone(net):
        handles = []
        try:
            for point in chosen(net, names):

                def hook(
                    module: nn.Module, inputs: object, values: Tensor, at: TapPoint = point
                ) -> Tensor | None:
                    return act(at, values)

                handles.append(point.tap.register_forward_hook(hook))
            yield
        finally:
            for handle in handles:
                handle.remove()


@contextmanager
def _alone(net: nn.Module) -> Iterator[None]:
    """Keep other threads from a net that is being watched: a cached net is shared between pages."""
    with _guard:
        lock = _locks.setdefault(net, threading.RLock())
    with lock:
        yield
