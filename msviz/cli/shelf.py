"""`msviz shelf`: list, import, export, rename, describe, delete and restore runs."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from msviz.cli.terminal import Terminal
from msviz.errors import MsvizError, invalid, one_of

app = typer.Typer(help="The runs on the shelf: find, import, export them, put them in order.")
Shelf = Annotated[
    Path | None, typer.Option("--shelf", metavar="DIR", help="models/ or $MSVIZ_MODELS by default")
]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="a run's name on the shelf, or its folder")]
Tags = Annotated[list[str] | None, typer.Option(metavar="TAG", help="may be repeated")]


@app.callback()
def _shelf() -> None:
    """Find, import, export and put in order the runs on the shelf."""


@app.command("list")
def list_runs(
    shelf: Shelf = None,
    search: Annotated[
        str, typer.Option(metavar="TEXT", help="words in names, tags, descriptions; or setting=value")
    ] = "",
    tag: Tags = None,
    model: Annotated[list[str] | None, typer.Option(metavar="MODEL", help="may be repeated")] = None,
    sort: Annotated[str, typer.Option(metavar="ORDER", help="newest, oldest, name, auc, …")] = "newest",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """List the runs on the shelf.

    --json prints {"runs": [{"name", "path", "model", "data", "auc", "logloss", "parameters", "created",
    "seed", "tags", "description", "kept", "parent": null or {"name", "digest"}, "changes": {SETTING:
    [BEFORE, AFTER]}, "digest", "doubts": [SENTENCE]}], "broken": [{"path", "why"}]}; "changes" are from the
    parent, where it is on the shelf.
    """
    from msviz.shelving.listing import listed
    from msviz.shelving.search import ORDERS, chosen, differences

    if sort not in ORDERS:
        raise invalid("--sort", sort, one_of(ORDERS))
    listing = listed(_folder(shelf))
    entries = chosen(listing.entries, text=search, tags=tag or (), models=model or (), order=sort)
    lines: list[dict[str, Any]] = []
    for entry in entries:
        card, notes, parent = entry.card, entry.notes, listing.parent(entry)
        lines.append(
            {
                "name": entry.name,
                "path": str(entry.run.path),
                "model": card.model,
                "data": card.data.name,
                **{name: _number(card.headline.get(name)) for name in ("auc", "logloss")},
                "parameters": card.parameters,
                "created": card.created,
                "seed": card.seed,
                **notes.model_dump(mode="json"),
                "changes": differences(parent.card, card) if parent else {},
                "digest": card.digest,
                "doubts": card.doubts,
            }
        )
    if as_json:
        broken = [{"path": str(unreadable.path), "why": unreadable.why} for unreadable in listing.broken]
        print(json.dumps({"runs": lines, "broken": broken}, ensure_ascii=False, indent=1))
        return
    _table(lines)
    print(f"\n{len(entries):,} of {len(listing.entries):,} runs")
    for entry in entries:
        for doubt in entry.card.doubts:
            print(f"beware of {entry.name}: {doubt}")
    for unreadable in listing.broken:
        print(f"not a run that can be read: {unreadable.path.name}: {unreadable.why}")
    for entry in entries:
        if entry.notes.trouble:
            print(f"{entry.name}: its notes are left out: {entry.notes.trouble}")


@app.command("bring", hidden=True)  # as it was called before
@app.command("import")
def import_run(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="a .zip or a run's folder: a path, s3://…, gs://…")
    ],
    shelf: Shelf = None,
    name: Annotated[str | None, typer.Option(help="its name on the shelf; its own by default")] = None,
    largest: Annotated[float, typer.Option(metavar="GB", min=0, help="what is larger is refused")] = 2.0,
) -> None:
    """Import a run from an address: checked before it is opened, whole or not at all."""
    from msviz.shelving.transfer import Limits
    from msviz.shelving.transfer import import_run as fetch

    with Terminal() as terminal:
        limits = Limits(total=int(largest * 2**30))
        imported = fetch(address, _folder(shelf), name, limits=limits, progress=terminal.progress)
    print(f"wrote {imported}")


@app.command("take", hidden=True)  # as it was called before
@app.command("export")
def export_run(
    run: RunName,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="where to: a path, s3://…, gs://…")],
    shelf: Shelf = None,
    findings: Annotated[bool, typer.Option("--findings", help="answers that were kept go along")] = False,
) -> None:
    """Export a run to an address, as a zip where it ends in .zip; what is there already is not touched."""
    from msviz.shelving.transfer import export_run as send

    with Terminal() as terminal:
        exported = send(_run(run, shelf), address, findings=findings, progress=terminal.progress)
    print(f"wrote {exported}")


@app.command()
def rename(run: RunName, name: Annotated[str, typer.Argument(metavar="NAME")], shelf: Shelf = None) -> None:
    """Give a run another name."""
    from msviz.shelving import folders

    print(f"renamed to {folders.rename(_run(run, shelf), name)}")


@app.command()
def describe(
    run: RunName,
    shelf: Shelf = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="what is said about it")] = None,
    tag: Tags = None,
    untag: Tags = None,
    pin: Annotated[
        bool | None, typer.Option("--pin/--unpin", help="a run that is pinned cannot be deleted")
    ] = None,
    keep: Annotated[bool | None, typer.Option("--keep/--let-go", hidden=True)] = None,
) -> None:
    """Say something about a run, or show what is said: description, tags, whether it is pinned."""
    from msviz.shelving.notes import change_notes, read_notes

    path = _run(run, shelf)
    keep = pin if pin is not None else keep
    if description is None and tag is None and untag is None and keep is None:
        notes = read_notes(path)
    else:
        notes = change_notes(path, description=description, add=tag or (), remove=untag or (), kept=keep)
    if notes.trouble:
        raise MsvizError(f"run {path.name}: {notes.trouble}")
    about = [notes.description or "no description", "tags: " + (", ".join(notes.tags) or "none")]
    about += ["it is pinned"] if notes.kept else []
    about += [f"retrained from {notes.parent.name}"] if notes.parent else []
    print("\n".join(about))


@app.command()
def delete(run: RunName, shelf: Shelf = None) -> None:
    """Delete a run; 'msviz shelf restore' brings it back for 30 days."""
    from msviz.shelving import folders

    path = _run(run, shelf)
    folders.delete(path)
    folders.empty(path.parent)
    print(f"deleted {path.name}; msviz shelf restore {path.name} brings it back for {folders.DAYS} days")


@app.command()
def restore(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="a deleted run")] = None,
    shelf: Shelf = None,
) -> None:
    """Bring a deleted run back; without a name, list those that can be."""
    from msviz.shelving import folders

    deleted = folders.trash(_folder(shelf))
    if name is None:
        for run in deleted:
            print(f"{run.name}  deleted {_ago(run.when)}")
        if not deleted:
            print("nothing was deleted")
        return
    entry = next((run for run in deleted if name in (run.name, run.path.name)), None)
    if entry is None:
        names = dict.fromkeys(run.name for run in deleted)
        raise invalid("deleted run", name, one_of(names) if names else "nothing was deleted")
    print(f"restored {folders.restore(entry)}")


@app.command()
def empty(
    shelf: Shelf = None,
    days: Annotated[float, typer.Option(min=0, help="only what was deleted so long ago")] = 30,
) -> None:
    """Remove deleted runs for good."""
    from msviz.shelving import folders

    print(f"removed {folders.empty(_folder(shelf), days=days):,} deleted runs for good")


def _folder(shelf: Path | None) -> Path:
    from msviz.run import shelf_folder

    return shelf_folder(shelf)


def _run(name: str, shelf: Path | None) -> Path:
    """Return the folder of a run that is named or whose folder is; raise MsvizError where there is none."""
    from msviz.run import folders
    from msviz.run_folder import is_run

    for path in ((_folder(shelf) / name), Path(name)):
        if is_run(path):
            return path
    names = [path.name for path in folders(_folder(shelf))][:20]
    raise invalid("run", name, one_of(names) if names else f"no run lies in {_folder(shelf)}")


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _table(lines: list[dict[str, Any]]) -> None:
    from msviz.cli.commands import print_table

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    cell: dict[str, Callable[[dict[str, Any]], str]] = {
        "run": lambda line: line["name"] + (" *" if line["kept"] else ""),
        "model": lambda line: line["model"],
        "data": lambda line: line["data"],
        "AUC": lambda line: number(line["auc"]),
        "logloss": lambda line: number(line["logloss"]),
        "parameters": lambda line: f"{line['parameters']:,}",
        "tags": lambda line: " ".join(line["tags"]),
        "parent": lambda line: (line["parent"] or {}).get("name", ""),
        "trained": lambda line: line["created"][:16].replace("T", " "),
    }
    print_table(list(cell), [[tell(line) for tell in cell.values()] for line in lines])


def _ago(when: datetime) -> str:
    days = (datetime.now(UTC) - when).days
    return "today" if not days else f"{days} days ago" if days > 1 else "yesterday"
