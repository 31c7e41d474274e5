"""Settings that live in pydantic models become options of the command line."""

import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from pydantic import BaseModel, ValidationError
from typer.core import TyperCommand, TyperGroup

from msviz.errors import MsvizError, invalid
from msviz.registry import SOURCES
from msviz.schema import first_problem


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Return the values of `--set key=value`; raise MsvizError for one of another form or given twice.

    Values stay text, which the typed config turns into numbers; one in square brackets is a JSON list.
    """
    out: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise invalid("--set", pair, "wanted: key=value")
        if key.strip() in out:
            raise invalid("--set", pair, "the key is given twice")
        out[key.strip()] = _value(text.strip())
    return out


def parse(kind: type[BaseModel], values: dict[str, Any], owner: str) -> Any:
    """Return the typed options; raise MsvizError in one line that names the option."""
    try:
        return kind.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise MsvizError(f"{owner}: {first_problem(error)}") from error


def with_options(function: Callable[..., None], kind: type[BaseModel]) -> Callable[..., None]:
    """Return a function whose options are the named ones of `function` and the fields of `kind`.

    `function` takes the fields' values as `values`; text is left for pydantic, so that a wrong value
    is told in the same words everywhere.
    """
    # `schema` would hide a method of pydantic's, so such a field goes by its alias.
    names = {field.alias or name: field for name, field in kind.model_fields.items()}

    def command(**parsed: Any) -> None:
        values = {name: parsed.pop(name) for name in names}
        function(values=values, **parsed)

    fixed = inspect.signature(function, eval_str=True).parameters.values()
    fields = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=_annotation(name, field.annotation, field.default, field.description or ""),
        )
        for name, field in names.items()
    ]
    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in fixed if p.name != "values"]
    signature = inspect.Signature([*own, *fields])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    command.__doc__ = function.__doc__
    return command


def table(kind: type[BaseModel]) -> list[str]:
    """Return one line per setting: name, default, description and range."""
    properties = kind.model_json_schema()["properties"]
    lines = []
    for name, field in kind.model_fields.items():
        default = "" if field.is_required() else f" = {field.default}"
        lines.append(f"  {name}{default}  {field.description or ''}{_range(properties[name])}".rstrip())
    return lines


class Kinds(TyperGroup):
    """Subcommands read off a room's files; a file is imported when its command is called, not listed."""

    registry = SOURCES

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the kinds of log that can be imported: the files in the folder."""
        return self.registry.names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a stand-in that knows its name and summary, and becomes the command when called."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return Late(cmd_name, self.registry.summary(cmd_name), self.make)

    @staticmethod
    def make(name: str) -> Callable[..., None]:
        """Return the function behind the command called `name`."""
        raise NotImplementedError


class Late(TyperCommand):
    """A command that is built when it is called: importing what it needs takes seconds."""

    def __init__(self, name: str, summary: str, make: Callable[[str], Callable[..., None]]) -> None:
        """Keep the name and the summary for listings."""
        super().__init__(name, help=summary, short_help=summary)
        self._make = make

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Build the command and let it read its arguments."""
        single = typer.Typer(add_completion=False)
        single.command(self.name, help=self.help)(self._make(str(self.name)))
        return typer.main.get_command(single).make_context(info_name, args, parent, **extra)


def _annotation(name: str, kind: Any, default: Any, words: str) -> Any:
    flag = f"--{name.replace('_', '-')}"
    if kind is bool:
        names = [flag] if default is False else [f"{flag}/--no-{name.replace('_', '-')}"]
        return Annotated[bool | None, typer.Option(*names, help=words, show_default=False)]
    printable = default is None or isinstance(default, str | int | float | Path)
    note = f" (default: {default})" if printable and default not in (None, "") else ""
    plain = next((part for part in get_args(kind) if part is not type(None)), kind)  # T of T | None
    metavar = {int: "INTEGER", float: "NUMBER", Path: "PATH"}.get(plain, "TEXT")
    return Annotated[str | None, typer.Option(flag, help=words + note, metavar=metavar, show_default=False)]


def _value(text: str) -> Any:
    if not text.startswith("["):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _range(schema: dict[str, Any]) -> str:
    """Return ' [1..8]' or ' [a, b]' from a field's JSON schema."""
    for part in [schema, *schema.get("anyOf", [])]:
        if "enum" in part:
            return f" [{', '.join(map(str, part['enum']))}]"
        low = part.get("minimum", part.get("exclusiveMinimum"))
        high = part.get("maximum", part.get("exclusiveMaximum"))
        if low is not None or high is not None:
            return f" [{'' if low is None else low}..{'' if high is None else high}]"
    return ""
