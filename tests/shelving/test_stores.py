"""Runs go to an address and come from one: whole or not at all, on both sides."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from shelf_helpers import everything, refused

from msviz.run import Run
from msviz.run_folder import FILES
from msviz.shelving.notes import change_notes, read_notes
from msviz.shelving.transfer import Limits, check_address, export_run, import_run

NAMES = ("run.json", *FILES)


@pytest.fixture
def memory() -> Iterator[Any]:
    """A store in memory, emptied before and after."""
    fs = fsspec.filesystem("memory")
    fs.rm("/", recursive=True) if fs.ls("/") else None
    yield fs
    fs.rm("/", recursive=True) if fs.ls("/") else None


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "other-shelf"
    folder.mkdir()
    return folder


def addresses(tmp_path: Path) -> list[str]:
    places = ["memory://bucket/runs/small", "memory://bucket/runs/small.zip"]
    return [
        *places,
        f"file://{tmp_path}/store/small",
        f"file://{tmp_path}/s/small.zip",
        f"{tmp_path}/plain/small",
    ]


@pytest.mark.parametrize("place", range(5))
def test_there_and_back(shelf: Path, empty: Path, tmp_path: Path, memory: Any, place: int) -> None:
    address = addresses(tmp_path)[place]
    change_notes(shelf / "small", add=["good"])
    (shelf / "small" / "frames").mkdir()
    (shelf / "small" / "frames" / "000.json").write_text("{}")
    before, heard = everything(shelf), list[float]()
    assert export_run(shelf / "small", address, progress=lambda share, words: heard.append(share)) == address
    assert heard == sorted(heard) and heard[-1] == 1
    assert everything(shelf) == before
    heard.clear()
    made = import_run(address, empty, progress=lambda share, words: heard.append(share))
    assert heard == sorted(heard) and heard[-1] == 1
    assert made == empty / "small"
    assert Run.open(made).card == Run.open(shelf / "small").card
    assert read_notes(made).tags == ("good",)
    assert (made / "frames" / "000.json").read_text() == "{}"
    assert [path.name for path in empty.iterdir()] == ["small"]
    assert "this very run is on the shelf already" in refused(import_run, address, empty, "again")
    assert "something is there already" in refused(export_run, shelf / "small", address)


def test_what_is_there_is_not_touched(shelf: Path, tmp_path: Path, memory: Any) -> None:
    memory.pipe_file("/bucket/small/mine.txt", b"mine")
    (tmp_path / "store" / "small").mkdir(parents=True)
    for address in ("memory://bucket/small", f"{tmp_path}/store/small", f"{tmp_path}/store"):
        assert "something is there already" in refused(export_run, shelf / "small", address)
    assert memory.find("/") == ["/bucket/small/mine.txt"]
    assert list((tmp_path / "store" / "small").iterdir()) == []


@pytest.mark.parametrize("suffix", ["", ".zip"])
@pytest.mark.parametrize("store", ["memory://bucket", "file"])
def test_a_store_that_fails_keeps_nothing(
    shelf: Path, tmp_path: Path, memory: Any, monkeypatch: pytest.MonkeyPatch, store: str, suffix: str
) -> None:
    address = f"{store if store != 'file' else tmp_path / 'store'}/small{suffix}"
    fs = fsspec.filesystem("memory" if store != "file" else "file")
    real = type(fs).put_file

    def put(self: Any, path: str, target: str, **more: Any) -> None:
        real(self, path, target, **more)
        if target.endswith(("metrics.json", ".zip")):
            raise TimeoutError("the store\nis tired")

    monkeypatch.setattr(type(fs), "put_file", put)
    assert refused(export_run, shelf / "small", address).endswith("TimeoutError: the store is tired")
    assert memory.find("/") == []
    assert list((tmp_path / "store").iterdir()) == [] if store == "file" else True


def test_the_card_goes_last(shelf: Path, memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    real = type(memory).put_file

    def put(self: Any, path: str, target: str, **more: Any) -> None:
        sent.append(target.rsplit("/", 1)[-1])
        real(self, path, target, **more)

    monkeypatch.setattr(type(memory), "put_file", put)
    export_run(shelf / "small", "memory://bucket/small")
    assert sent[-1] == "run.json" and sorted(sent) == sorted(NAMES)


def test_what_did_not_arrive_whole_is_taken_back(
    shelf: Path, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        type(memory), "put_file", lambda self, path, target, **more: self.pipe_file(target, b"short")
    )
    assert "did not arrive whole" in refused(export_run, shelf / "small", "memory://bucket/small")
    assert memory.find("/") == []


def test_only_a_sound_run_leaves(shelf: Path, memory: Any) -> None:
    (shelf / "small" / "metrics.json").write_text("{}")
    assert "was edited" in refused(export_run, shelf / "small", "memory://bucket/small")
    assert memory.find("/") == []


def test_what_arrives_is_limited_and_checked(
    shelf: Path, empty: Path, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_run(shelf / "small", "memory://bucket/small")
    export_run(shelf / "small", "memory://bucket/small.zip")
    for address in ("memory://bucket/small", "memory://bucket/small.zip"):
        assert "it may have 0.1 MB" in refused(import_run, address, empty, limits=Limits(total=100_000))
    # A store that says one size and sends another.
    info = type(memory).info
    monkeypatch.setattr(type(memory), "info", lambda self, path, **more: info(self, path) | {"size": 70})
    assert "is not of the 70 bytes" in refused(import_run, "memory://bucket/small.zip", empty)
    monkeypatch.undo()
    memory.pipe_file("/bucket/small/extra.pkl", b"left alone")
    memory.pipe_file("/bucket/small/metrics.json", b"{}")
    assert "metrics.json is truncated or was edited" in refused(import_run, "memory://bucket/small", empty)
    memory.rm_file("/bucket/small/run.json")
    assert "there is no run.json" in refused(import_run, "memory://bucket/small", empty)
    memory.pipe_file("/bucket/bad.zip", b"no zip")
    assert "it cannot be read as a zip" in refused(import_run, "memory://bucket/bad.zip", empty)
    assert everything(empty) == {}


def test_a_name_of_ones_own(shelf: Path, empty: Path, memory: Any) -> None:
    export_run(shelf / "small", "memory://bucket/it's mine.zip")
    export_run(shelf / "small", "memory://bucket/it's mine")
    assert import_run("memory://bucket/it's mine", empty / "a").name == "it-s-mine"
    assert import_run("memory://bucket/it's mine.zip", empty / "b").name == "small", (
        "the folder in the zip says so"
    )
    assert import_run("memory://bucket/it's mine.zip", empty / "c", "new").name == "new"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("", "wanted: one address"),
        ("memory://", "wanted: the place of one run"),
        ("simplecache::s3://bucket/x", "wanted: one address"),
        ("s3://bucket/x::file:///etc/passwd", "wanted: one address"),
        ("http://host/x.zip", "valid choices: file://, s3://, gs://, gcs://, memory://"),
        ("ssh://host/x.zip", "valid choices"),
        ("python://x", "valid choices"),
        ("S3://bucket/x", "valid choices"),
        ("s3://key:secret@bucket/x", "it holds a password or key"),
        ("a\nb", "wanted: one address"),
        ("memory://nowhere/x", "nothing is there"),
        ("/nowhere/at/all.zip", "nothing is there"),
    ],
)
def test_an_address_that_will_not_do(empty: Path, memory: Any, address: str, told: str) -> None:
    line = refused(import_run, address, empty)
    assert line.startswith("address: ") and told in line and "secret" not in line
    assert everything(empty) == {}


def test_an_address_can_be_asked_about_before_a_job_starts() -> None:
    check_address("s3://bucket/x.zip")
    assert "valid choices" in refused(check_address, "ftp://host/x.zip")


def test_a_package_that_is_missing_is_named(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    assert refused(import_run, "s3://bucket/x", empty).endswith("s3:// needs a package: pip install s3fs")


def test_no_store_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, msviz.shelving.transfer; print([m for m in ('fsspec', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
