"""Hundreds of zips that are a little wrong: each is refused and the shelf as before, or a run that opens."""

import io
import pickle
import random
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from shelf_helpers import everything, reseal

from msviz.errors import MsvizError
from msviz.run import Run
from msviz.shelving import bundle, sound
from msviz.shelving.transfer import Limits, pack, unpack

EACH = 40  # zips of every kind
EVIL = (
    "../run.json", "small/../../x.json", "/etc/passwd", "small//run.json", "C:/x.json", "small\\..\\x.json",
    "small/findings/../../../x.nc", "small/./run.json", "small/findings/.x.nc", "small/x.pkl", "run.json",
    "small/RUN.JSON", "small/notes.json/x", "small/frames/a\x00.nc", "small/findings/a.nc/", "other/run.json",
    "", "small/checkpoint/state.safetensors", "~/x.json", "small/ run.json", "\u202e/run.json",
    "small/findings/" + "x" * 300 + ".nc", "small/frames/a\n.json",
)  # fmt: skip
Random = random.Random


def entries(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        return {name: source.read(name) for name in source.namelist()}


def written(files: list[tuple[zipfile.ZipInfo | str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as target:
        for name, data in files:
            target.writestr(name, data)
    return out.getvalue()


def flipped(content: bytes, draw: Random) -> bytes:
    out = bytearray(content)
    for _ in range(draw.randint(1, 8)):
        out[draw.randrange(len(out))] ^= 1 << draw.randrange(8)
    return bytes(out)


def flipped_in_the_list(content: bytes, draw: Random) -> bytes:
    """Flip bits where a zip says what it holds: the list at its end, and the heads of its files."""
    out = bytearray(content)
    start = content.rfind(b"PK\x05\x06")
    places = [*range(struct.unpack("<L", content[start + 16 : start + 20])[0], len(content))]
    at = content.find(b"PK\x03\x04")
    while at >= 0:
        places += range(at, min(at + 60, len(content)))
        at = content.find(b"PK\x03\x04", at + 4)
    for _ in range(draw.randint(1, 3)):
        out[draw.choice(places)] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
    return bytes(out)


def cut(content: bytes, draw: Random) -> bytes:
    if draw.random() < 0.5:
        return content[: draw.randrange(len(content))]
    at = draw.randrange(len(content))
    return content[:at] + content[at + draw.randint(1, 5_000) :]


def grown(content: bytes, draw: Random) -> bytes:
    at = draw.randrange(len(content) + 1)
    return content[:at] + draw.randbytes(draw.randint(1, 200)) + content[at:]


def renamed(content: bytes, draw: Random) -> bytes:
    files = list(entries(content).items())
    at = draw.randrange(len(files))
    evil = draw.choice(EVIL)
    if draw.random() < 0.5:
        files[at] = (evil, files[at][1])
    else:
        files.insert(at, (evil, draw.randbytes(100)))
    # The library that writes is polite: a name of the same length takes the evil one's place afterwards.
    polite = [(f"{i:0{max(len(name.encode()), 1)}}", name, data) for i, (name, data) in enumerate(files)]
    out = written([(short, data) for short, _, data in polite])
    for short, name, _ in polite:
        if len(short) == len(name.encode()):
            out = out.replace(short.encode(), name.encode())
    return out


def twice(content: bytes, draw: Random) -> bytes:
    files: list[tuple[zipfile.ZipInfo | str, bytes]] = list(entries(content).items())
    name, data = draw.choice(list(entries(content).items()))
    other = draw.choice((name, name.upper(), name.replace("small/", ""), f"other/{name}"))
    files.insert(draw.randrange(len(files) + 1), (other, draw.choice((data, b"", b"{}"))))
    with pytest.warns(UserWarning) if other == name else _nothing():
        return written(files)


def linked(content: bytes, draw: Random) -> bytes:
    files: list[tuple[zipfile.ZipInfo | str, bytes]] = list(entries(content).items())
    at = draw.randrange(len(files))
    info = zipfile.ZipInfo(draw.choice((str(files[at][0]), "small/findings/x.nc", "small/findings")))
    info.create_system = draw.choice((0, 3))
    info.external_attr = draw.choice((0o120777, 0o010666, 0o020666, 0o060666, 0o140777, 0o040755)) << 16
    files[at] = (info, draw.choice((b"/etc/passwd", b"../../small", b"")))
    return written(files)


def lying(content: bytes, draw: Random) -> bytes:
    """Say other sizes, checksums, places or flags of a file than it has, in its head or in the list."""
    out = bytearray(written(list(entries(content).items()), draw.choice((0, 8))))
    mark, places = draw.choice(
        [(b"PK\x01\x02", (8, 10, 16, 20, 24, 28, 30, 38, 42)), (b"PK\x03\x04", (6, 8, 14, 18, 22, 26, 28))]
    )
    found = [at for at in range(len(out)) if out[at : at + 4] == mark]
    at, size = draw.choice(found) + draw.choice(places), draw.choice((2, 4))
    value = draw.choice((0, 1, 9, 99, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)) & (2 ** (8 * size) - 1)
    out[at : at + size] = value.to_bytes(size, "little")
    return bytes(out)


def bomb(content: bytes, draw: Random) -> bytes:
    files: list[tuple[zipfile.ZipInfo | str, bytes]] = list(entries(content).items())
    name = draw.choice([str(name) for name, _ in files] + ["small/findings/x.nc", "small/frames/x.json"])
    files = [one for one in files if one[0] != name] + [(name, bytes(draw.choice((2, 4)) * 2**20))]
    out = bytearray(written(files, draw.choice((8, 8, 12))))
    if draw.random() < 0.5:  # it says that it is small
        at = bytes(out).rfind(b"PK\x01\x02")
        out[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    return bytes(out)


def pickled(content: bytes, draw: Random, folder: Path) -> bytes:
    """Put a pickle where weights or a table should be, sealed by someone who knows the format."""

    class Trap:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
            return Path.touch, (folder / "sprung",)

    place = folder / f"sealed-{draw.random()}"
    place.mkdir()
    for name, data in entries(content).items():
        (place / name.removeprefix("small/")).write_bytes(data)
    file = draw.choice(("weights.safetensors", "history.parquet", "metrics.json", "schema.json"))
    (place / file).write_bytes(draw.choice((pickle.dumps(Trap()), pickle.dumps(Trap(), 0), b"")))
    reseal(place, seed=draw.randrange(1000))
    files = [(f"small/{path.name}", path.read_bytes()) for path in place.iterdir()]
    shutil.rmtree(place)
    return written(list(files))


KINDS = (flipped, flipped_in_the_list, cut, grown, renamed, twice, linked, lying, bomb, pickled)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_zip_is_refused_or_gives_a_run_that_opens(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[..., bytes]
) -> None:
    # The check is asked here rather than in a process of its own, so that a mistake of ours is seen.
    monkeypatch.setattr(bundle, "_check", sound.check)
    shelf, out = tmp_path / "models", io.BytesIO()
    pack(trained.path, out)
    shutil.copytree(trained.path, shelf / "mine")
    reseal(shelf / "mine", seed=99)
    limits = Limits(total=20 * 2**20, files=50, ratio=50, free=2**20)
    draw, before, refusals = Random(kind.__name__), everything(tmp_path), set()
    for _ in range(EACH):
        more = (tmp_path,) if kind is pickled else ()
        content = kind(out.getvalue(), draw, *more)
        try:
            made = unpack(io.BytesIO(content), shelf, limits=limits)
        except MsvizError as error:
            assert "\n" not in str(error)
            refusals.add(str(error))
        else:
            assert Run.open(made).card.model == "autoint"
            assert {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()} >= {"run.json"}
            shutil.rmtree(made)
        assert everything(tmp_path) == before
    assert refusals, "something was wrong with some of them"


class _nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *told: object) -> None: ...
