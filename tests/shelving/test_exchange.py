"""A run leaves as a zip and comes back the same; what is no sound bundle changes nothing on the shelf."""

import io
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from shelf_helpers import everything, refused, reseal, twin

from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.run import Run
from msviz.run_folder import FILES
from msviz.shelving.notes import change_notes, read_notes
from msviz.shelving.transfer import Limits, pack, unpack

NAMES = ("run.json", *FILES)


@pytest.fixture
def packed(trained: Run, tmp_path: Path) -> Path:
    """A zip of `small`."""
    pack(trained.path, tmp_path / "sent" / "small.zip")
    return tmp_path / "sent" / "small.zip"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "other-shelf"
    folder.mkdir()
    return folder


def rewritten(packed: Path, **changes: bytes | None) -> io.BytesIO:
    """Return the zip with files of the run replaced, added, or (None) left out."""
    out = io.BytesIO()
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(out, "w") as target:
        content = {name: source.read(name) for name in source.namelist()}
        for name, data in {**content, **{f"small/{key}": value for key, value in changes.items()}}.items():
            if data is not None:
                target.writestr(name, data)
    return out


def test_there_and_back(trained: Run, shelf: Path, empty: Path, tmp_path: Path) -> None:
    run = shelf / "small"
    change_notes(run, description="mine", add=["good"])
    (run / "frames").mkdir()
    (run / "frames" / "000.json").write_text("{}")
    (run / "findings").mkdir(exist_ok=True)
    (run / "findings" / "x-0.nc").write_bytes(b"no array")
    (run / "checkpoint").mkdir()
    heard: list[float] = []
    pack(run, tmp_path / "a.zip", progress=lambda share, words: heard.append(share))
    assert heard == sorted(heard) and heard[-1] == 1
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        inside = ["frames/000.json", "notes.json", *NAMES]
        assert sorted(found.namelist()) == sorted(f"small/{name}" for name in inside)
    heard.clear()
    made = unpack(tmp_path / "a.zip", empty, progress=lambda share, words: heard.append(share))
    assert heard == sorted(heard) and heard[-1] == 1
    assert made == empty / "small"
    assert Run.open(made).card == Run.open(run).card
    assert read_notes(made) == read_notes(run)
    assert {path.name for path in empty.iterdir()} == {"small"}, "nothing hidden stays"
    assert made.stat().st_mode & 0o777 == (shelf / "small").stat().st_mode & 0o777


def test_the_same_run_gives_the_same_zip(trained: Run, shelf: Path) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    pack(trained.path, first)
    for file in (shelf / "small").iterdir():
        os.utime(file, (1, 1))
    pack(shelf / "small", second)
    assert first.getvalue() == second.getvalue()


def test_packing_is_whole_or_not_at_all(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("mine")
    assert "it exists already" in refused(pack, shelf / "small", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_text() == "mine"
    with Path("/dev/full").open("wb", buffering=0) as full:
        assert refused(pack, shelf / "small", full) == "run small: No space left on device"
    os.truncate(shelf / "small" / "weights.safetensors", 100)
    assert "is truncated or was edited" in refused(pack, shelf / "small", tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_findings_go_along_when_asked(shelf: Path, empty: Path, tmp_path: Path, tiny_world: Dataset) -> None:
    from msviz.analyses.run import analyse

    kept = analyse("performance", shelf / "small", tiny_world)
    pack(shelf / "small", tmp_path / "a.zip", findings=True)
    made = unpack(tmp_path / "a.zip", empty)
    assert [file.name for file in (made / "findings").iterdir()]
    before = everything(made)
    assert analyse("performance", made, tiny_world) == kept
    assert everything(made) == before, "it was read, not computed"


def test_a_zip_without_a_folder_goes_by_its_own_name(packed: Path, empty: Path, tmp_path: Path) -> None:
    flat = tmp_path / "My run (1).zip"
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(flat, "w") as target:
        for name in source.namelist():
            target.writestr(name.removeprefix("small/"), source.read(name))
        target.writestr("__MACOSX/._run.json", b"")
        target.writestr(".DS_Store", b"")
    assert unpack(flat, empty).name == "My-run-1"


def test_names(trained: Run, shelf: Path, tmp_path: Path) -> None:
    twin(shelf / "small", "apart")
    (shelf / "apart").rename(tmp_path / "small")
    pack(tmp_path / "small", tmp_path / "a.zip")
    before = everything(shelf)
    assert "it is taken on this shelf" in refused(unpack, tmp_path / "a.zip", shelf, "small")
    assert "name: got '../x'" in refused(unpack, tmp_path / "a.zip", shelf, "../x")
    assert everything(shelf) == before
    assert unpack(tmp_path / "a.zip", shelf).name == "small-2"
    assert "this very run is on the shelf already, as small-2" in refused(unpack, tmp_path / "a.zip", shelf)


def test_the_same_run_is_named(packed: Path, shelf: Path) -> None:
    before = everything(shelf)
    assert "this very run is on the shelf already, as small" in refused(unpack, packed, shelf, "new")
    assert everything(shelf) == before


def test_two_who_bring_the_same_run_at_once(packed: Path, empty: Path) -> None:
    told: list[str] = []

    def bring() -> None:
        try:
            told.append(unpack(packed, empty).name)
        except MsvizError as error:
            told.append(str(error))

    threads = [threading.Thread(target=bring) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted("already" in one for one in told) == [False, True, True], told
    assert [path.name for path in empty.iterdir()] == ["small"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"weights.safetensors": pickle.dumps([1])}, "weights.safetensors is truncated or was edited"),
        ({"schema.json": None}, "schema.json is missing"),
        ({"run.json": b"{}"}, "run.json"),
        ({"run.json": b"[" * 100_000}, "run.json cannot be read"),
        ({"run.json": b'{"model": "\\ud800"}'}, "run.json cannot be read"),
        ({"notes.json": b"{"}, "notes.json cannot be read"),
        ({"model.pkl": b"x"}, "no such file belongs to a bundle"),
        ({"findings/x.pkl": b"x"}, "no such file belongs to a bundle"),
        ({"frames/deep/x.nc": b"x"}, "no such file belongs to a bundle"),
        ({"findings/x.nc": b"no array"}, "findings/x.nc cannot be read"),
        ({"frames/000.nc": b"CDF\x02" + bytes(100)}, "000.nc is not a finding"),
        ({"frames/000.json": b"[1]"}, "frames/000.json cannot be read: wanted: objects"),
        ({"frames/curve.jsonl": b"[" * 9_999 + b"\n\n"}, "frames/curve.jsonl cannot be read"),
        ({"frames/000.json": b" " * 2_000_000}, "frames/000.json, 1.9 MB'; it may have 1.0 MB"),
        ({"findings/run.json": b"{}"}, "no such file belongs to a bundle"),
    ],
)
def test_what_is_no_bundle(packed: Path, empty: Path, changes: dict[str, bytes | None], told: str) -> None:
    assert told in refused(unpack, rewritten(packed, **changes), empty)
    assert everything(empty) == {}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": "oracle"}, "model: got 'oracle'; valid choices"),
        ({"created": "yesterday"}, "run.json cannot be read"),
        ({"created": "2026-01-01"}, "it tells no time zone"),
        ({"headline": {"auc": float("nan")}}, "wanted: finite numbers"),
        ({"parameters": 10**30}, "no net has so many"),
    ],
)
def test_a_card_that_is_sealed_and_wrong(
    shelf: Path, empty: Path, changes: dict[str, object], told: str
) -> None:
    out = io.BytesIO()
    reseal(shelf / "small", **changes)
    with zipfile.ZipFile(out, "w") as target:
        for name in NAMES:
            target.write(shelf / "small" / name, f"small/{name}")
    assert told in refused(unpack, out, empty)
    assert everything(empty) == {}


def test_files_that_a_reader_would_choke_on(shelf: Path, empty: Path, tmp_path: Path) -> None:
    run = shelf / "small"

    def sent() -> io.BytesIO:
        out = io.BytesIO()
        reseal(run)
        with zipfile.ZipFile(out, "w") as target:
            for path in [run / name for name in NAMES] + sorted(run.glob("findings/*.nc")):
                target.write(path, f"small/{path.relative_to(run)}")
        return out

    weights = (run / "weights.safetensors").read_bytes()
    (run / "weights.safetensors").write_bytes(pickle.dumps(np.zeros(3)))
    assert "weights.safetensors cannot be read" in refused(unpack, sent(), empty)
    (run / "weights.safetensors").write_bytes(weights)
    history = (run / "history.parquet").read_bytes()
    pd.DataFrame({"a": np.zeros(1_000_001, np.int8)}).to_parquet(run / "history.parquet")
    assert "1,000,001 rows of 1 columns are no history" in refused(unpack, sent(), empty)
    (run / "history.parquet").write_bytes(history)
    (run / "findings").mkdir()
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"secret!!")
    with h5py.File(run / "findings" / "a.nc", "w") as file:
        file.create_dataset("x", (8,), "u1", external=[(str(secret), 0, 8)])
    assert "it shows what lies in another file" in refused(unpack, sent(), empty)
    with h5py.File(run / "findings" / "a.nc", "w") as file:
        file["x"] = h5py.ExternalLink(str(secret), "/")
    assert "it holds links" in refused(unpack, sent(), empty)
    with h5py.File(run / "findings" / "a.nc", "w") as file:
        file.create_dataset("x", (2**40,), "f8", chunks=(1024,))
    assert "larger than a page can hold" in refused(unpack, sent(), empty)
    assert everything(empty) == {}
    (run / "findings" / "a.nc").unlink()
    assert unpack(sent(), empty).name == "small"


def test_limits_are_kept_before_anything_is_written(packed: Path, empty: Path) -> None:
    assert "it may have 0.1 MB in all" in refused(unpack, packed, empty, limits=Limits(total=100_000))
    assert "5 files" in refused(unpack, packed, empty, limits=Limits(files=4))
    big = rewritten(packed, **{"notes.json": b" " * 300_000})
    assert "notes.json, 0.3 MB" in refused(unpack, big, empty)
    assert everything(empty) == {}


def test_a_bomb_is_refused_by_its_list(packed: Path, empty: Path) -> None:
    out = io.BytesIO(packed.read_bytes())
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as target:
        target.writestr("small/findings/bomb.nc", bytes(64 * 2**20))
    assert "no bundle packs so tightly" in refused(unpack, out, empty, limits=Limits(ratio=10))
    assert everything(empty) == {}


def test_a_zip_of_very_many_names_is_not_even_listed(empty: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for number in range(50_000):
            target.writestr(f"{number:0100}", b"")
    assert "its list of files is too long" in refused(unpack, out, empty)


def test_no_room_on_the_disk(packed: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(empty)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=1000))
    assert "are needed and 0.0 MB are free" in refused(unpack, packed, empty)
    monkeypatch.undo()
    # The disk says no in the middle of a file.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        told = refused(unpack, packed, empty)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert told == f"shelf {empty}: File too large"
    assert everything(empty) == {}


def test_what_a_killed_process_left_is_swept(packed: Path, empty: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from msviz.shelving.transfer import unpack\n"
        "die = lambda share, words: share > 0.5 and os.kill(os.getpid(), signal.SIGKILL)\n"
        "unpack(Path(sys.argv[1]), Path(sys.argv[2]), progress=die)"
    )
    done = subprocess.run([sys.executable, "-c", code, packed, empty], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = empty.iterdir()
    assert left.name.startswith(".incoming-") and any(left.iterdir())
    assert unpack(packed, empty) == empty / "small"
    assert [path.name for path in empty.iterdir()] == ["small"]


def test_a_folder_in_use_is_not_swept(packed: Path, empty: Path) -> None:
    seen: list[int] = []

    def another(share: float, words: str) -> None:
        if not seen:
            seen.append(1)
            unpack(packed, empty, "second")

    told = refused(unpack, packed, empty, progress=another)
    assert "already, as second" in told, "the first went on to its end, and lost"
    assert [path.name for path in empty.iterdir()] == ["second"]


def test_a_check_that_dies_is_a_refusal(packed: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert "its files cannot be read (the check ended with 1)" in refused(unpack, packed, empty)
    assert everything(empty) == {}


def test_what_is_no_zip(empty: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"not a zip")
    assert "it cannot be read as a zip" in refused(unpack, tmp_path / "a.zip", empty)
    assert "No such file" in refused(unpack, tmp_path / "gone.zip", empty)
    assert "wanted: exactly one run.json" in refused(unpack, _zip(readme=b""), empty)
    assert "2 of them" in refused(unpack, _zip(**{"a/run.json": b"", "b/run.json": b""}), empty)
    assert everything(empty) == {}


def test_nothing_of_a_bundle_is_read_before_it_is_asked_for(packed: Path, empty: Path) -> None:
    run = Run.peek(unpack(packed, empty))
    for name in FILES:
        (run.path / name).unlink()
    assert run.card.model == "autoint"
    with pytest.raises(FileNotFoundError):
        _ = run.history


def _zip(**files: bytes) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name, content in files.items():
            target.writestr(name, content)
    return out
