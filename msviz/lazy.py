"""Modules that are imported when they are first used: a kept answer is found without waiting for torch."""

import importlib
from typing import Any


class LazyModule:
    """Stands for a module whose import takes seconds; whatever is asked of it is asked of the module."""

    def __init__(self, name: str) -> None:
        """Remember the name; nothing is imported yet."""
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """Import the module, which Python does once, and return what it has of this name."""
        return getattr(importlib.import_module(self._name), name)
