"""msviz: train multi-scenario click-through-rate models and see what they learned."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msviz.analyses.run import analyse as analyse
    from msviz.dataset import open_data as open_data
    from msviz.finding import Finding as Finding
    from msviz.run import Run as Run
    from msviz.run import shelf as shelf

__version__ = "0.1.0"
_HOMES = {
    "open_data": ("msviz.dataset", "open_data"),
    "open_run": ("msviz.run", "Run.open"),
    "Run": ("msviz.run", "Run"),
    "shelf": ("msviz.run", "shelf"),
    "Finding": ("msviz.finding", "Finding"),
    "analyse": ("msviz.analyses.run", "analyse"),
}
__all__ = ["Finding", "Run", "analyse", "open_data", "open_run", "shelf"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import msviz` stays cheap and free of torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'msviz' has no attribute {name!r}")
    module, path = _HOMES[name]
    value: Any = import_module(module)
    for part in path.split("."):
        value = getattr(value, part)
    return value
