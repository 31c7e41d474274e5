"""A folder is a registry: it holds nothing but entries, and a module's file stem is its name everywhere.

`QUESTIONS.names()` lists what there is without importing any of it, `QUESTIONS.load("sankey", Question)`
imports one module and returns the value by which it enters: `QUESTION = Question(...)`. Nothing is imported
before it is asked for, so a listing stays cheap.

Entries of one's own may stay outside: $MSVIZ_PLUGINS names folders that hold `nets/models/`,
`analyses/questions/` and so on, as msviz does, and whose files are entries like all others.
"""

import ast
import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from msviz.errors import MsvizError, invalid, one_of

ROOT = Path(__file__).parent
PLUGINS = "MSVIZ_PLUGINS"
T = TypeVar("T")


@dataclass(frozen=True)
class Registry:
    """A folder of entries: where it is, the name that each module defines, and what one is called."""

    folder: str  # below msviz, with dots
    entry: str
    noun: str

    @property
    def paths(self) -> list[Path]:
        """Return the folder, and behind it those of plugins."""
        return [root.joinpath(*self.folder.split(".")) for root in (ROOT, *plugin_folders())]

    def files(self) -> dict[str, Path]:
        """Return the files of the entries by name; raise MsvizError where two have one name."""
        files: dict[str, Path] = {}
        for path in self.paths:
            for file in path.glob("[!_]*.py"):
                if file.stem in files:
                    raise invalid(PLUGINS, str(file), f"there is a {self.noun} of this name; wanted: another")
                files[file.stem] = file
        return files

    def names(self) -> list[str]:
        """Return the sorted names of the entries."""
        return sorted(self.files())

    def module(self, name: str) -> ModuleType:
        """Import the module of one entry; raise MsvizError naming the choices when there is none."""
        names = self.names()
        if name not in names:
            raise invalid(self.noun, name, one_of(names))
        package = importlib.import_module(f"msviz.{self.folder}")
        package.__path__ = [str(path) for path in self.paths]
        return importlib.import_module(f"{package.__name__}.{name}")

    def load(self, name: str, kind: type[T]) -> T:
        """Return one entry, a `kind`; raise MsvizError when there is none or its module lacks it."""
        entry = getattr(self.module(name), self.entry, None)
        if not isinstance(entry, kind):
            file = "/".join(["msviz", *self.folder.split("."), f"{name}.py"])
            wanted = "a class" if kind is type else f"{self.entry} = {kind.__name__}(...)"
            raise MsvizError(f"{file}: {self.entry}: got {entry!r}; wanted: {wanted}")
        return entry

    def summary(self, name: str) -> str:
        """Return the first line of the module's docstring, read without importing it."""
        doc = ast.get_docstring(ast.parse(self.files()[name].read_text(encoding="utf-8")))
        return (doc or "").split("\n")[0]


def plugin_folders() -> list[Path]:
    """Return the folders that $MSVIZ_PLUGINS names; raise MsvizError for one that is not there."""
    folders = [Path(name).absolute() for name in os.environ.get(PLUGINS, "").split(os.pathsep) if name]
    for folder in folders:
        if not folder.is_dir():
            raise invalid(
                PLUGINS, str(folder), "wanted: a folder that holds nets/models/ or another registry"
            )
    return folders


MODELS = Registry("nets.models", "MODEL", "model")
QUESTIONS = Registry("analyses.questions", "QUESTION", "analysis")
PICTURES = Registry("figures.pictures", "PICTURE", "picture")
SOURCES = Registry("data.sources", "SOURCE", "kind")
PAPERS = Registry("papers.published", "PAPER", "paper")
