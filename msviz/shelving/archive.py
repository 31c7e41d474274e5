"""A zip from anywhere is looked at before anything of it is written, and watched while it is."""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from msviz.errors import MsvizError, invalid
from msviz.run_folder import CARD
from msviz.shelving.bundle import FOLDERS, Limits, check_sizes, known
from msviz.shelving.place import Progress, told

CHUNK = 2**20
DIRECTORY = 2**22  # bytes of a zip's list of files: 10,000 names of 400 characters
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What desktops add to every zip that they make; it is left out.
LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    LookupError,
    OverflowError,
)


class Opened:
    """A zip whose list of files is that of one bundle: `files` by their name in the run's folder."""

    def __init__(self, file: BinaryIO, name: str, limits: Limits) -> None:
        """Read the list and check it; raise MsvizError for the first thing that is not as it should be."""
        self.name, self.limits = name, limits
        with told(f"bundle {name}"), self._readable():
            sent = file.seek(0, os.SEEK_END)
            self.archive = zipfile.ZipFile(_Small(file))
        members = self.archive.infolist()
        if len(members) > limits.files:
            raise self.bad(f"{len(members):,} files", f"it may have {limits.files:,}")
        for info in members:
            self._check(info)
        real = [info for info in members if not info.is_dir() and not _litter(info.filename)]
        self.top = self._top([info.filename for info in real])
        self.files = {info.filename.removeprefix(self.top): info for info in real}
        self._check_names([info.filename for info in members if not _litter(info.filename)], len(real))
        what = f"bundle {name}"
        self.size = check_sizes(((key, info.file_size) for key, info in self.files.items()), limits, what)
        if self.size > limits.free + limits.ratio * sent:
            raise self.bad(f"{self.size:,} bytes packed into {sent:,}", "no bundle packs so tightly")

    def bad(self, value: object, wanted: str) -> MsvizError:
        """Return the error that names this zip."""
        return invalid(f"bundle {self.name}", value, wanted)

    def extract(self, folder: Path, progress: Progress) -> None:
        """Write the files into a new folder; raise MsvizError as soon as one holds more than was said."""
        done = 0
        folder.mkdir()
        for name, info in self.files.items():
            target = folder / name
            target.parent.mkdir(exist_ok=True)
            with self._readable(), self.archive.open(info) as source, target.open("xb") as out:
                left = info.file_size
                while chunk := source.read(CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise zipfile.BadZipFile("a file holds more than the list says")
                    out.write(chunk)
                    done += len(chunk)
                    progress(done / max(self.size, 1), f"unpacking {name}")
                if left:
                    raise zipfile.BadZipFile("a file holds less than the list says")
                out.flush()
                os.fsync(out.fileno())

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except BROKEN as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise MsvizError(f"bundle {self.name}: it cannot be read as a zip: {reason}") from error

    def _check(self, info: zipfile.ZipInfo) -> None:
        """Raise MsvizError for an entry that is no plain file of a plain name."""
        name = info.orig_filename
        parts = name.rstrip("/").split("/")
        if name != info.filename or not name.isprintable() or "\\" in name or ":" in name:
            raise self.bad(name, "wanted: plain names of files")
        if name.startswith("/") or any(part in ("", ".", "..") for part in parts):
            raise self.bad(name, "wanted: names that stay inside the folder")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
            raise self.bad(name, "wanted: plain files, no links")
        if info.is_dir() and info.file_size:
            raise self.bad(name, "a folder holds no bytes of its own")
        if info.flag_bits & 0x2041:  # encrypted, strongly encrypted, or with its list encrypted
            raise self.bad(name, "wanted: a zip without a password")
        if info.compress_type not in METHODS:
            raise self.bad(name, "wanted: entries that are stored or deflated")

    def _top(self, names: list[str]) -> str:
        """Return the folder that holds run.json, "" for none; raise MsvizError unless there is just one."""
        cards = [name for name in names if name.split("/")[-1] == CARD and name.count("/") <= 1]
        if len(cards) != 1:
            wanted = f"wanted: exactly one {CARD}, at the root of the zip or in one folder"
            raise self.bad(f"{len(cards)} of them", wanted)
        return cards[0].removesuffix(CARD)

    def _check_names(self, names: list[str], count: int) -> None:
        for name in names:
            inner = name.removeprefix(self.top) if name.startswith(self.top) else None
            if name.endswith("/"):
                if name != self.top and inner not in {f"{folder}/" for folder in FOLDERS}:
                    raise self.bad(name, "no such folder belongs to a bundle")
            elif inner is None or not known(inner):
                raise self.bad(name, "no such file belongs to a bundle")
        if len({name.casefold() for name in names}) != len(names) or len(self.files) != count:
            raise self.bad("a name that is there twice", "wanted: every file once")


class _Small:
    """A file of which nobody reads much at a time: a zip whose list is larger than a bundle's is none."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, lambda: True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        content = self._file.read(min(size, DIRECTORY + 1) if size >= 0 else DIRECTORY + 1)
        if len(content) > DIRECTORY:
            raise zipfile.BadZipFile("its list of files is too long")
        return content


def _litter(name: str) -> bool:
    parts = name.split("/")
    return parts[0] == "__MACOSX" or parts[-1] in LITTER
