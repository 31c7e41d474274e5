"""The folder is the registry: a module's file stem is its name everywhere.

`names("nets.models")` lists the modules of `msviz/nets/models`, `load("nets.models", "satrans")` imports one.
Nothing is imported before it is asked for, so a listing stays cheap.
"""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from msviz.errors import one_of, refuse

ROOT = Path(__file__).parent


def names(room: str) -> list[str]:
    """Return the sorted names of the modules in a folder, "nets.models" for `msviz/nets/models`."""
    found = pkgutil.iter_modules([str(ROOT.joinpath(*room.split(".")))])
    return sorted(module.name for module in found if not module.name.startswith("_"))


def load(room: str, name: str) -> ModuleType:
    """Import the module `name` of a folder; raise MsvizError naming the choices when there is none."""
    if name not in names(room):
        raise refuse(room.partition(".")[0], name, one_of(names(room)))
    return importlib.import_module(f"msviz.{room}.{name}")


def summary(room: str, name: str) -> str:
    """Return the first line of the module's docstring, read without importing it."""
    import ast

    doc = ast.get_docstring(
        ast.parse(ROOT.joinpath(*room.split("."), f"{name}.py").read_text(encoding="utf-8"))
    )
    return (doc or "").split("\n")[0]
