"""Every tile of the papers points at a question, options, a picture and a page that exist."""

import inspect
from pathlib import Path

import pytest

from msviz import registry
from msviz.nets._base import net_class
from msviz.papers._tile import Tile, Wants, commands, ready
from msviz.run import Card, Run, TrainedOn

APP = Path(__file__).parents[2] / "app"
TILES = [
    pytest.param(paper, tile, id=f"{paper}-{tile.label}")
    for paper in registry.names("papers")
    for tile in registry.load("papers", paper).TILES
]


def run(name: str, model: str, data: str = "one", **config: object) -> Run:
    card = Card(
        model=model, config=config, training={}, data=TrainedOn(name=data, fingerprint=data, rows={}), seed=0,
        epochs=1, seconds=1, rows_per_second=1, parameters=1, device="cpu", created="2026-01-01", headline={},
        msviz="1", digests={},
    )  # fmt: skip
    return Run(Path("models") / name, card)


@pytest.mark.parametrize(("paper", "tile"), TILES)
def test_a_tile_points_at_what_exists(paper: str, tile: Tile) -> None:
    module = registry.load("analyses", tile.analysis)
    assert set(tile.options) <= {*module.Options.model_fields, "split", "seed"}
    assert (APP / "pages_look" / f"{tile.page}.py").is_file()
    assert (APP / "choosing" / f"{tile.page}.py").is_file()
    for wants in (tile.run, tile.other, *tile.several):
        if wants is not None:
            assert set(wants.settings) <= set(net_class(wants.model).Config.model_fields)
    assert tile.command, "a picture that cannot be shown says what would make it so"
    pictures = {registry.load("figures", name) for name in registry.names("figures")}
    known = {
        name
        for picture in pictures
        if hasattr(picture, "draw")
        for name in inspect.signature(picture.draw).parameters
    }
    assert set(tile.choices) <= known


def test_every_paper_of_a_model_is_there() -> None:
    assert registry.names("papers") == ["hierrec", "optmsm", "sainet", "same", "satrans"]
    labels = {
        paper: [tile.label for tile in registry.load("papers", paper).TILES]
        for paper in registry.names("papers")
    }
    assert all(len(set(found)) == len(found) for found in labels.values()), "a label names one tile"


def test_a_tile_takes_the_newest_runs_that_fit_and_saw_the_same_data() -> None:
    tile = Tile(
        "T", "t", "performance", "performance", {"other": "{other}"}, {"other": "{other}"},
        run=Wants("same", {"experts": 2}), other=Wants("autoint"),
    )  # fmt: skip
    shelf = [
        run("new", "same", experts=3),
        run("far", "same", "two", experts=2),
        run("near", "same", experts=2),
        run("old", "same", experts=2),
        run("peer", "autoint"),
    ]
    found = ready(tile, shelf)
    assert found is not None and found.run is shelf[2] and found.other is shelf[4]
    assert found.options == {"other": "models/peer"} and found.link == {"run": "near", "other": "peer"}
    assert ready(tile, shelf[:2]) is None
    assert [wants.words() for wants in tile.missing(shelf[:2])] == ["autoint"]


def test_a_paper_s_figure_is_not_drawn_from_a_quick_look_or_other_scenarios() -> None:
    wants = Wants("satrans")
    one = run("satrans-fast", "satrans")
    for changed in ({"train_share": 0.1}, {"train_where": "hour < 12"}, {"scenario_fields": "grade"}):
        card = one.card.model_copy(update={"training": {"epochs": 1, **changed}})
        assert not wants.fits(Run(one.path, card))
        assert Wants("satrans", changed).fits(Run(one.path, card))
    whole = {"train_share": 1.0, "train_where": "", "scenario_fields": ""}
    assert wants.fits(Run(one.path, one.card.model_copy(update={"training": whole}))) and wants.fits(one)


def test_several_runs_are_named_in_order_and_logs_and_rows_are_needed_where_asked() -> None:
    several = Tile(
        "T",
        "t",
        "x",
        "x",
        options={"runs": "{runs}"},
        several=(Wants("same", {"experts": 3}), Wants("same", {"experts": 2})),
    )
    shelf = [run("two", "same", experts=2), run("three", "same", experts=3)]
    found = ready(several, shelf)
    assert found is not None and found.options["runs"] == "models/three,models/two"
    log = Tile("T", "t", "x", "x", options={"log": "{log}"})
    assert ready(log, []) is None
    with_log = ready(log, [], log=Path("a.csv"))
    assert with_log is not None and with_log.options == {"log": "a.csv"} and with_log.run is None


def test_a_command_changes_one_thing_of_the_recipe() -> None:
    text = commands("hierrec --epochs 4", {"one_head": "heads=1"})
    assert text.startswith("msviz train hierrec --epochs 4 --data data/demo")
    assert text.endswith("--set heads=1 --out models/hierrec-one-head")
