"""A shelf is found by words, filtered and sorted; only what changed is read again."""

import os
import time
from pathlib import Path

import pytest
from shelf_helpers import refused, twin

from msviz.run import Run
from msviz.run_folder import NOTES
from msviz.shelving.folders import delete, rename
from msviz.shelving.listing import Listing, ShelfEntry, listed
from msviz.shelving.notes import Parent, change_notes
from msviz.shelving.search import ORDERS, change_words, chosen, differences


@pytest.fixture
def many(shelf: Path) -> Path:
    """Three runs: the first, one of other settings that was retrained from it, one of another model."""
    small = Run.peek(shelf / "small").card
    card = {"headline": {"auc": 0.7, "logloss": 0.5}, "created": "2026-01-02T00:00:00+00:00"}
    twin(shelf / "small", "wide-10", config={**small.config, "width": 8, "dropout": 0.5}, **card)
    twin(
        shelf / "small",
        "wide-9",
        model="satrans",
        parameters=7,
        headline={"auc": None, "logloss": 0.4},
        created="2026-01-01T00:00:00+00:00",
        training={**small.training, "learning_rate": 0.5},
    )
    change_notes(shelf / "wide-10", add=["good"], parent=Parent(name="small", digest=small.digest))
    change_notes(shelf / "wide-9", description="Without the flash sale", add=["good", "new"], kept=True)
    return shelf


def names(entries: list[ShelfEntry]) -> list[str]:
    return [entry.name for entry in entries]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["small", "wide-10", "wide-9"]),
        ("width=8", ["wide-10"]),
        ("WIDTH=8 good", ["wide-10"]),
        ("width=", []),
        ("dropout=0.5", ["wide-10"]),
        ("learning_rate=0.5", ["wide-9"]),
        ("seed=99", ["wide-10", "wide-9"]),
        ("flash", ["wide-9"]),
        ("satrans", ["wide-9"]),
        ("tiny", ["small", "wide-10", "wide-9"]),
        ("small", ["small", "wide-10"]),
        ("good nothing", []),
        ("colour=blue", []),
    ],
)
def test_search(many: Path, text: str, found: list[str]) -> None:
    assert names(chosen(listed(many).entries, text=text)) == found


def test_filters(many: Path) -> None:
    entries = listed(many).entries
    assert names(chosen(entries, models=["satrans", "same"])) == ["wide-9"]
    assert names(chosen(entries, data=["tiny"])) == ["small", "wide-10", "wide-9"]
    assert names(chosen(entries, data=["other"])) == []
    assert names(chosen(entries, tags=["good"])) == ["wide-10", "wide-9"]
    assert names(chosen(entries, tags=["good", "new"])) == ["wide-9"]


@pytest.mark.parametrize(
    ("order", "first"),
    [
        ("newest", "small"), ("oldest", "wide-9"), ("name", "small"), ("model", "small"), ("auc", "wide-10"),
        ("logloss", "wide-9"), ("parameters", "wide-9"), ("kept", "wide-9"),
    ],
)  # fmt: skip
def test_orders(many: Path, order: str, first: str) -> None:
    found = names(chosen(listed(many).entries, order=order))
    assert found[0] == first and len(found) == 3
    if order == "auc":
        assert found[-1] == "wide-9", "what has no measure comes last"
    if order == "name":
        assert found == ["small", "wide-9", "wide-10"]


def test_an_order_that_is_none(many: Path) -> None:
    assert refused(chosen, [], order="up").startswith("order: got 'up'; valid choices: newest")
    assert len(ORDERS) == 8


def test_what_differs_from_the_parent(many: Path) -> None:
    seen = listed(many)
    entry = seen.named("wide-10")
    parent = seen.parent(entry)
    assert parent is not None and parent.name == "small"
    words = change_words(differences(parent.card, entry.card))
    assert words == "width 4 → 8, dropout 0.0 → 0.5, seed 0 → 99"
    other = differences(parent.card, seen.named("wide-9").card)
    assert other["model"] == ("autoint", "satrans") and "width" not in other
    assert seen.parent(parent) is None
    assert "valid choices: " in refused(seen.named, "gone")


def test_settings_that_came_later_are_no_difference(many: Path) -> None:
    card = listed(many).named("small").card
    before = card.model_copy(
        update={"training": {k: v for k, v in card.training.items() if "train_" not in k}}
    )
    after = card.model_copy(update={"training": {**before.training, "train_share": 0.5, "train_where": ""}})
    assert differences(before, card) == {}
    assert differences(before, after) == {"train_share": ("1.0", "0.5")}


def test_what_cannot_be_read_is_told(shelf: Path) -> None:
    (shelf / "training" / "checkpoint").mkdir(parents=True)
    for name, content in (
        ("a", "{"),
        ("b", '{"version": 9}'),
        ("c", '{"model": "\\ud800"}'),
        ("d", "[" * 99_999),
    ):
        (shelf / name).mkdir()
        (shelf / name / "run.json").write_text(content)
    (shelf / ".hidden").mkdir()
    (shelf / ".hidden" / "run.json").write_text("{")
    seen = listed(shelf)
    assert names(list(seen.entries)) == ["small"]
    assert [one.path.name for one in seen.broken] == ["a", "b", "c", "d"]
    assert seen.broken[0].why.startswith("run.json cannot be read")
    assert "version: got 9; this msviz reads up to 1" in seen.broken[1].why
    assert listed(shelf / "nowhere").entries == ()


def test_only_what_changed_is_read_again(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    past = time.time_ns() - 10**12
    for file in many.rglob("*"):
        os.utime(file, ns=(past, past))
    monkeypatch.setattr("msviz.shelving.listing.YOUNG", -(10**12))  # everything here is a second old
    read: list[str] = []
    peek = Run.peek.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(
        "msviz.run.Run.peek", classmethod(lambda cls, path: read.append(path.name) or peek(cls, path))
    )
    listing = Listing(many)
    first = listing.look()
    assert sorted(read) == ["small", "wide-10", "wide-9"]
    assert listing.look() is first and len(read) == 3
    change_notes(many / "small", add=["seen"])
    second = listing.look()
    assert second.named("small").notes.tags == ("seen",) and len(read) == 3
    assert second.named("small").run is first.named("small").run, "what it has read stays read"
    assert second.named("wide-9") is first.named("wide-9")
    rename(many / "small", "large")
    delete(many / "wide-10")
    assert sorted(names(list(listing.look().entries))) == ["large", "wide-9"]
    assert read[3:] == ["large"]
    (many / "large" / NOTES).unlink()
    assert listing.look().named("large").notes.tags == ()


def test_what_is_written_twice_in_a_moment_is_read_twice(shelf: Path) -> None:
    listing = Listing(shelf)
    file = shelf / "small" / NOTES
    for tag in ("aa", "bb", "cc"):
        file.write_text(f'{{"tags": ["{tag}"]}}')
        os.utime(file, ns=(time.time_ns(),) * 2)
        assert listing.look().named("small").notes.tags == (tag,)


def test_the_shape_of_a_run_is_what_its_questions_depend_on(many: Path) -> None:
    seen = listed(many)
    assert seen.named("small").shape != seen.named("wide-10").shape != seen.named("wide-9").shape
    other = twin(many / "small", "seed", seed=5, training={"epochs": 9}, headline={})
    assert ShelfEntry(other, seen.named("small").notes).shape == seen.named("small").shape
