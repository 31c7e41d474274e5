"""What people say about a run: a description, tags, its parent, whether it is kept.

The file notes.json lies beside what training wrote, is not sealed, and may be deleted at any time; a run
without it is a run without notes.
"""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from threading import get_ident
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic import Field as Setting

from msviz.errors import MsvizError, invalid
from msviz.run_folder import NOTES
from msviz.schema import first_problem
from msviz.shelving.place import locked

LONGEST = 4_000  # characters of a description
TAGS, TAG = 20, 40  # tags of a run, characters of a tag
SIZE = 256 * 1024  # bytes of the file at most: what is larger is not notes
WORD = re.compile(r"[^\W_][\w.+-]*")


def as_tag(text: str) -> str:
    """Return a tag as it is kept: lower case, blanks as dashes; raise MsvizError where it is no word."""
    word = "-".join(text.lower().split())
    if not WORD.fullmatch(word) or len(word) > TAG:
        raise invalid("tag", text, f"wanted: a word of letters, digits and . _ + -, up to {TAG} long")
    return word


def _tidy(tags: tuple[str, ...]) -> tuple[str, ...]:
    try:
        tidy = tuple(dict.fromkeys(as_tag(tag) for tag in tags))
    except MsvizError as error:
        raise ValueError(str(error)) from error
    if len(tidy) > TAGS:
        raise ValueError(f"{TAGS} tags at most")
    return tidy


class Parent(BaseModel):
    """The run that a run was retrained from: its name at that time, and its digest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Setting(max_length=200)
    digest: str = Setting(max_length=64)


class Notes(BaseModel):
    """The content of notes.json; `trouble` says why a file could not be read, and is never written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = Setting("", max_length=LONGEST)
    tags: Annotated[tuple[str, ...], AfterValidator(_tidy)] = ()
    parent: Parent | None = None
    kept: bool = False
    trouble: str = Setting("", exclude=True)


NOTHING = Notes()


def read_notes(run: Path) -> Notes:
    """Return the notes beside a run; empty where there are none, or with `trouble` where they are broken."""
    file = run / NOTES
    try:
        if not file.is_file():
            return NOTHING
        if file.stat().st_size > SIZE:
            return Notes(trouble=f"{NOTES} is larger than notes are")
        return parse_notes(file.read_bytes())
    except MsvizError as error:
        return Notes(trouble=str(error))
    except OSError as error:
        return Notes(trouble=f"{NOTES} cannot be read: {error.strerror}")


def parse_notes(content: bytes) -> Notes:
    """Return notes from a file's content; raise MsvizError where it is none."""
    try:
        parsed = json.loads(content.decode("utf-8"))
        json.dumps(parsed, ensure_ascii=False).encode()  # a lone half of a character cannot be shown
        if isinstance(parsed, dict) and "trouble" in parsed:
            raise ValueError("trouble: it is not written")
        return Notes.model_validate(parsed)
    except ValidationError as error:
        raise MsvizError(f"{NOTES}: {first_problem(error)}") from error
    except (ValueError, RecursionError) as error:
        raise MsvizError(f"{NOTES} cannot be read: {' '.join(str(error).split())}") from error


def write_notes(run: Path, notes: Notes) -> None:
    """Write the notes beside a run, whole or not at all; raise MsvizError where that is not possible."""
    file = run / NOTES
    partial = file.with_name(f".{NOTES}.{os.getpid()}-{get_ident()}.partial")
    try:
        partial.write_text(notes.model_dump_json(indent=1) + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise MsvizError(f"run {run.name}: notes cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def change_notes(
    run: Path,
    *,
    description: str | None = None,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
    kept: bool | None = None,
    parent: Parent | None = None,
) -> Notes:
    """Change what is given, leave the rest, and return the notes; raise MsvizError for a tag that is none.

    Two people who tag the same run at the same time lose nothing: one waits for the other.
    """
    gone = {as_tag(tag) for tag in remove}
    with locked(run):
        notes = read_notes(run)
        changed: dict[str, Any] = notes.model_dump()
        changed["tags"] = [tag for tag in notes.tags if tag not in gone] + [as_tag(tag) for tag in add]
        for key, value in (("description", description), ("kept", kept), ("parent", parent)):
            if value is not None:
                changed[key] = value
        try:
            changed_notes = Notes.model_validate(changed)
        except ValidationError as error:
            raise MsvizError(f"notes: {first_problem(error)}") from error
        write_notes(run, changed_notes)
    return changed_notes
