"""Modules that are imported when they are first used: a kept answer is found without waiting for torch.

`from msviz.lazy import torch` is torch to the type checker, and torch once something is asked of it.
"""

import importlib
from typing import TYPE_CHECKING, Any


class LazyModule:
    """Stands for a module whose import takes seconds; whatever is asked of it is asked of the module."""

    def __init__(self, name: str) -> None:
        """Remember the name; nothing is imported yet."""
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """Import the module, which Python does once, and return what it has of this name."""
        return getattr(importlib.import_module(self._name), name)


__all__ = ["LazyModule", "torch"]

if TYPE_CHECKING:
    import torch
else:
    torch = LazyModule("torch")
