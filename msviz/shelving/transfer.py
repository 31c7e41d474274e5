"""Runs come and go: as a zip, or to and from an address; whole or not at all, and nothing is unpickled."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import get_ident
from typing import BinaryIO

from msviz.errors import MsvizError, invalid
from msviz.run import Run
from msviz.shelving.archive import CHUNK, Opened
from msviz.shelving.bundle import Limits, admit, check_sizes, contents, suggested
from msviz.shelving.place import Progress, incoming, room_for, silent, step, told
from msviz.shelving.stores import Store, check_address

__all__ = ["Limits", "check_address", "export_run", "import_run", "pack", "unpack"]
# These shrink; weights, tables and arrays hardly do, and packing them costs seconds.
PACKED = ("json", "jsonl")
USUAL = Limits()


def pack(run: Path, out: Path | BinaryIO, *, findings: bool = False, progress: Progress = silent) -> None:
    """Write a run as a zip with one folder of its name; a path whole or not at all.

    Answers that were kept go along where `findings` is set. Raises MsvizError where the run is not what
    training wrote, and where the path exists already.
    """
    Run.open(run)
    if isinstance(out, Path):
        with _new_file(out) as stream:
            _pack(run, stream, findings, progress)
    else:
        with told(f"run {run.name}"):
            _pack(run, out, findings, progress)


def unpack(
    file: Path | BinaryIO,
    shelf: Path,
    name: str | None = None,
    *,
    limits: Limits = USUAL,
    progress: Progress = silent,
) -> Path:
    """Put a zipped run on a shelf and return its folder; the shelf is as before where anything is wrong.

    The zip's list of files is checked before anything is written, its content before it is moved into
    place. With `name` the run takes that or is refused; else its own, or the first free one like it.
    Raises MsvizError in one line.
    """
    if not isinstance(file, Path):
        label = Path(str(getattr(file, "name", ""))).name or "upload"
        return _unpack(file, label, shelf, name, limits, progress)
    with told(f"bundle {file.name}"):
        stream = file.open("rb")
    with stream:
        return _unpack(stream, file.name, shelf, name, limits, progress)


def import_run(
    address: str,
    shelf: Path,
    name: str | None = None,
    *,
    limits: Limits = USUAL,
    progress: Progress = silent,
) -> Path:
    """Fetch a run, a folder or a .zip at an address such as s3://bucket/my-run, and put it on a shelf.

    Sizes are asked for before anything is fetched. The shelf is as before where anything is wrong; raises
    MsvizError in one line.
    """
    store = Store(address)
    with incoming(shelf) as hidden:
        if store.is_file():
            size = check_sizes([(store.name, store.size())], limits, "address")
            room_for(shelf, 2 * size)
            # No run has this name: it begins with a dot.
            store.fetch("", hidden / ".zip", size, step(progress, 0, 2 * size, f"fetching {store.name}"))
            with (hidden / ".zip").open("rb") as stream:
                folder = _extract(Opened(stream, store.name, limits), hidden, name, _second_half(progress))
        else:
            sizes = store.bundle()
            total, done = check_sizes(sizes.items(), limits, "address"), 0
            room_for(shelf, total)
            folder = hidden / suggested(store.name, name)
            for file, size in sizes.items():
                with told(f"shelf {shelf}"):
                    (folder / file).parent.mkdir(parents=True, exist_ok=True)
                store.fetch(file, folder / file, size, step(progress, done, total, f"fetching {file}"))
                done += size
        return admit(folder, shelf, name)


def export_run(run: Path, address: str, *, findings: bool = False, progress: Progress = silent) -> str:
    """Copy a run to an address, as a zip where it ends in .zip, else as a folder; return the address.

    What exists already is not touched: that is refused. run.json goes last, so that a copy which was cut off
    is no run. Raises MsvizError in one line.
    """
    Run.open(run)
    store = Store(address)
    if store.exists():
        raise store.bad("something is there already; name another")
    if not store.name.endswith(".zip"):
        store.send(contents(run, findings=findings), progress)
        return address
    with TemporaryDirectory(prefix="msviz-") as folder:
        file = Path(folder) / store.name
        pack(run, file, findings=findings, progress=lambda share, words: progress(share / 2, words))
        store.send({"": file}, _second_half(progress))
    return address


def _unpack(
    stream: BinaryIO, label: str, shelf: Path, name: str | None, limits: Limits, progress: Progress
) -> Path:
    opened = Opened(stream, label, limits)
    with incoming(shelf) as hidden:
        room_for(shelf, opened.size)
        return admit(_extract(opened, hidden, name, progress), shelf, name)


def _extract(opened: Opened, hidden: Path, name: str | None, progress: Progress) -> Path:
    """Unpack a checked zip into a hidden folder and return the run's own folder there."""
    folder = hidden / suggested(opened.top.rstrip("/") or Path(opened.name).stem, name)
    with told(f"shelf {hidden.parent}"):
        opened.extract(folder, progress)
    return folder


def _second_half(progress: Progress) -> Progress:
    return lambda share, words: progress(0.5 + share / 2, words)


def _pack(run: Path, stream: BinaryIO, findings: bool, progress: Progress) -> None:
    files = contents(run, findings=findings)
    total, done = sum(path.stat().st_size for path in files.values()), 0
    with zipfile.ZipFile(stream, "w") as archive:
        for name, path in files.items():
            # Neither the day nor the machine leaves a trace: the same run gives the same zip.
            info = zipfile.ZipInfo(f"{run.name}/{name}")
            info.create_system, info.external_attr = 3, 0o100644 << 16
            small = name.rpartition(".")[2] in PACKED
            info.compress_type = zipfile.ZIP_DEFLATED if small else zipfile.ZIP_STORED
            info.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(info, "w") as target:
                while chunk := source.read(CHUNK):
                    target.write(chunk)
                    done += len(chunk)
                    progress(done / total, f"packing {name}")


@contextmanager
def _new_file(out: Path) -> Iterator[BinaryIO]:
    """Open a file that gets its name when all is written; raise MsvizError where there is one already."""
    if os.path.lexists(out):
        raise invalid("out", str(out), "it exists already; name another file")
    partial = out.with_name(f".{out.name}.{os.getpid()}-{get_ident()}.partial")
    try:
        with told(f"file {out}"):
            out.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(out)
    except zipfile.LargeZipFile as error:
        raise MsvizError(f"file {out}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
