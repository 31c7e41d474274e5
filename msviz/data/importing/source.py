"""Source: what a file of `sources/` says of itself; its name is the kind of log on the command line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from msviz.dataset import Dataset
from msviz.registry import SOURCES
from msviz.schema import Schema


@dataclass(frozen=True, kw_only=True)
class Source:
    """How a kind of log is imported: all that a file of `sources/` may define.

    `import_log(source, out, options, report)` encodes the log; `propose(source)`, where there is one, returns
    a schema for the user to edit.
    """

    options: type[BaseModel]
    import_log: Callable[[Any, Any, Any, Callable[[str], None]], Dataset]
    propose: Callable[[str], Schema] | None = None


def load_source(kind: str) -> Source:
    """Return a kind of log; raise MsvizError naming the choices when there is none."""
    return SOURCES.load(kind, Source)
