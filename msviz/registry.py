"""A folder is a registry: it holds nothing but entries, and a module's file stem is its name everywhere.

`QUESTIONS.names()` lists what there is without importing any of it, `QUESTIONS.load("sankey", Question)`
imports one module and returns the value by which it enters: `QUESTION = Question(...)`. Nothing is imported
before it is asked for, so a listing stays cheap.
"""

import ast
import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from msviz.errors import MsvizError, invalid, one_of

ROOT = Path(__file__).parent
T = TypeVar("T")


@dataclass(frozen=True)
class Registry:
    """A folder of entries: where it is, the name that each module defines, and what one is called."""

    folder: str  # below msviz, with dots
    entry: str
    noun: str

    @property
    def path(self) -> Path:
        """Return the folder."""
        return ROOT.joinpath(*self.folder.split("."))

    def names(self) -> list[str]:
        """Return the sorted names of the entries."""
        found = pkgutil.iter_modules([str(self.path)])
        return sorted(module.name for module in found if not module.name.startswith("_"))

    def module(self, name: str) -> ModuleType:
        """Import the module of one entry; raise MsvizError naming the choices when there is none."""
        if name not in self.names():
            raise invalid(self.noun, name, one_of(self.names()))
        return importlib.import_module(f"msviz.{self.folder}.{name}")

    def load(self, name: str, kind: type[T]) -> T:
        """Return one entry, a `kind`; raise MsvizError when there is none or its module lacks it."""
        entry = getattr(self.module(name), self.entry, None)
        if not isinstance(entry, kind):
            file = self.path.relative_to(ROOT.parent) / f"{name}.py"
            wanted = "a class" if kind is type else f"{self.entry} = {kind.__name__}(...)"
            raise MsvizError(f"{file}: {self.entry}: got {entry!r}; wanted: {wanted}")
        return entry

    def summary(self, name: str) -> str:
        """Return the first line of the module's docstring, read without importing it."""
        doc = ast.get_docstring(ast.parse((self.path / f"{name}.py").read_text(encoding="utf-8")))
        return (doc or "").split("\n")[0]


MODELS = Registry("nets.models", "MODEL", "model")
QUESTIONS = Registry("analyses.questions", "QUESTION", "analysis")
PICTURES = Registry("figures.pictures", "PICTURE", "picture")
SOURCES = Registry("data.sources", "SOURCE", "kind")
PAPERS = Registry("papers.published", "PAPER", "paper")
