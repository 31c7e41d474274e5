"""Addresses that fsspec understands: what lies there, fetched with a limit and sent whole or not at all."""

import importlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msviz.errors import MsvizError, invalid, one_of
from msviz.run_folder import CARD
from msviz.shelving.bundle import FOLDERS, known
from msviz.shelving.place import Progress, step, told

# Those that only read and write files; others run commands, open databases or wrap one another.
PROTOCOLS = ("file", "s3", "gs", "gcs", "memory")
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
CHUNK = 2**20
LONGEST = 1_000


class Store:
    """One place at an address: a file, or a folder of files."""

    def __init__(self, address: str) -> None:
        """Find who can read the address; raise MsvizError where nobody may, or a package is missing."""
        self.address = address
        self.protocol, path = _parse(address)
        with self._naming_address():
            try:
                import fsspec

                if self.protocol in PACKAGES:
                    importlib.import_module(PACKAGES[self.protocol])
                    # It prints a traceback for every try; the last error comes here, and is told in one line.
                    logging.getLogger(PACKAGES[self.protocol]).setLevel(logging.CRITICAL)
            except ImportError as error:
                package = PACKAGES.get(self.protocol, "fsspec")
                raise self.bad(f"{self.protocol}:// needs a package: pip install {package}") from error
            self.fs: Any = fsspec.filesystem(self.protocol)
            self.path = str(self.fs._strip_protocol(path)).rstrip("/")
            # What another process put there since the last look shall be seen.
            self.fs.invalidate_cache()
        self.name = self.path.rsplit("/", 1)[-1]
        if not self.name:
            raise self.bad("wanted: the place of one run, as in s3://bucket/my-run or s3://bucket/my-run.zip")

    def bad(self, wanted: str) -> MsvizError:
        """Return the error that names this address."""
        return invalid("address", self.address, wanted)

    def exists(self) -> bool:
        """Tell whether anything is there."""
        with self._naming_address():
            return bool(self.fs.exists(self.path))

    def is_file(self) -> bool:
        """Tell whether one file is there rather than a folder; raise MsvizError where nothing is."""
        with self._naming_address():
            if not self.fs.exists(self.path):
                raise self.bad("nothing is there")
            return bool(self.fs.isfile(self.path))

    def size(self) -> int:
        """Return the bytes of the file."""
        with self._naming_address():
            return int(self.fs.info(self.path)["size"])

    def bundle(self) -> dict[str, int]:
        """Return the files of the run in this folder and their sizes; what else lies there is left alone."""
        with self._naming_address():
            contents = self._listed("")
            for folder in FOLDERS:
                if folder in contents:
                    contents |= self._listed(folder)
        sizes = {name: size for name, size in contents.items() if size is not None and known(name)}
        if CARD not in sizes:
            raise self.bad(f"there is no {CARD}; wanted: the folder of a run, or a .zip")
        return sizes

    def _listed(self, folder: str) -> dict[str, int | None]:
        """Return what lies directly in a folder: sizes of files, None for folders."""
        folder_path = f"{self.path}/{folder}".rstrip("/")
        out: dict[str, int | None] = {}
        for entry in self.fs.ls(folder_path, detail=True):
            name = str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]
            out[f"{folder}/{name}" if folder else name] = (
                int(entry["size"]) if entry["type"] == "file" else None
            )
        return out

    def fetch(self, name: str, target: Path, size: int, heard: Callable[[int], None]) -> None:
        """Copy a file to a path here; raise MsvizError where it is not of the size that was said."""
        done = 0
        with self._naming_address():
            source = self.fs.open(f"{self.path}/{name}" if name else self.path, "rb")
        with source, told(f"file {target.name}"), target.open("xb") as out:
            while True:
                with self._naming_address():
                    chunk = source.read(CHUNK)
                done += len(chunk)
                if not chunk or done > size:
                    break
                out.write(chunk)
                heard(done)
            out.flush()
            os.fsync(out.fileno())
        if done != size:
            raise self.bad(f"{name or self.name} is not of the {size:,} bytes that were said")

    def send(self, files: Mapping[str, Path], progress: Progress) -> None:
        """Copy files here in their order, the only one named "" to the address itself; all or none."""
        sizes = {name: path.stat().st_size for name, path in files.items()}
        total, done = max(sum(sizes.values()), 1), 0
        sent: list[str] = []
        with self._naming_address(), self._whole(sent) as root:
            for name, path in files.items():
                target = f"{root}/{name}" if name else root
                words = f"sending {name or self.name}"
                sent.append(target)
                self._put(path, target, step(progress, done, total, words))
                done += sizes[name]
                if int(self.fs.info(target)["size"]) != sizes[name]:
                    raise self.bad(f"{name or self.name} did not arrive whole")
                progress(done / total, words)

    def _put(self, path: Path, target: str, heard: Callable[[int], None]) -> None:
        from fsspec.callbacks import Callback

        if self.protocol == "file":
            Path(target).parent.mkdir(parents=True, exist_ok=True)
        hook = Callback(hooks={"heard": lambda size, value, **rest: heard(value)})
        self.fs.put_file(str(path), target, callback=hook)

    @contextmanager
    def _whole(self, sent: list[str]) -> Iterator[str]:
        """Give the place to write to; when it ends badly, nothing of what was sent is left there."""
        if self.protocol != "file":
            # A store shows a file when all of it is there; a folder is no run before its last file is.
            try:
                yield self.path
            except BaseException:
                for target in sent:
                    with suppress(Exception):
                        self.fs.rm_file(target)
                raise
            return
        final = Path(self.path)
        final.parent.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(prefix=f".{final.name}.partial-", dir=final.parent))
        try:
            yield str(hidden / final.name)
            if os.path.lexists(final):
                raise self.bad("something is there already; name another")
            (hidden / final.name).rename(final)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)

    @contextmanager
    def _naming_address(self) -> Iterator[None]:
        """Turn whatever a store's library raises into one line that names the address."""
        try:
            yield
        except MsvizError:
            raise
        except FileNotFoundError as error:
            raise self.bad("nothing is there, or there is no such bucket") from error
        except Exception as error:  # every store has errors of its own, and none are ours
            reason = " ".join(str(error).split())[:300]
            raise self.bad(f"{type(error).__name__}: {reason}".rstrip(": ")) from error


def check_address(address: str) -> None:
    """Raise MsvizError for an address that is none, or that nobody here may read."""
    _parse(address)


def _parse(address: str) -> tuple[str, str]:
    """Return an address's protocol, and the address as its store takes it; a path is a file's."""
    if "::" in address or len(address) > LONGEST or not address.strip() or not address.isprintable():
        raise invalid("address", address, "wanted: one address, as in s3://bucket/my-run or a path")
    protocol, separator, rest = address.partition("://")
    if not separator:
        return "file", str(Path(address).expanduser().absolute())
    if protocol not in PROTOCOLS:
        raise invalid("address", address, one_of(f"{name}://" for name in PROTOCOLS))
    if protocol != "file" and "@" in rest.split("/")[0]:
        # An address is shown, logged and kept with its job.
        raise MsvizError("address: it holds a password or key: leave it to the store's own settings")
    return protocol, address
