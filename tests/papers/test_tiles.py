"""Every tile of the papers points at a question, options, a picture and a page that exist."""

import inspect
from pathlib import Path

import pytest

from msviz.analyses.question import load_question
from msviz.figures.picture import load_picture
from msviz.nets.base import net_class
from msviz.papers.paper import load_paper
from msviz.papers.study import PaperStudy
from msviz.papers.tile import Tile, Wants, of_study, ready
from msviz.registry import MODELS, PAPERS
from msviz.run import Card, Run, TrainedOn

APP = Path(__file__).parents[2] / "app"
TILES = [
    pytest.param(paper, tile, id=f"{paper}-{tile.label}")
    for paper in PAPERS.names()
    for tile in load_paper(paper).tiles
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
    question = load_question(tile.analysis)
    assert set(tile.options) <= {*question.options.model_fields, "split", "seed"}
    assert {"controls.py", "content.py"} <= {file.name for file in (APP / "page" / tile.page).iterdir()}
    for wants in (tile.run, tile.other):
        if wants is not None:
            assert set(wants.settings) <= set(net_class(wants.model).Config.model_fields)
    assert tile.command, "a picture that cannot be shown says what would make it so"
    assert set(tile.choices) <= set(inspect.signature(load_picture(tile.analysis).draw).parameters)


def test_a_paper_is_called_like_its_model_and_its_tiles_differ() -> None:
    assert set(PAPERS.names()) <= set(MODELS.names()), "a paper is called like its model"
    labels = {paper: [tile.label for tile in load_paper(paper).tiles] for paper in PAPERS.names()}
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
    assert tile.missing(shelf[:2]) == ["autoint"]


def test_a_paper_s_figure_is_not_drawn_from_a_quick_look_or_other_scenarios() -> None:
    wants = Wants("satrans")
    one = run("satrans-fast", "satrans")
    for changed in ({"train_share": 0.1}, {"train_where": "hour < 12"}, {"scenario_fields": "grade"}):
        card = one.card.model_copy(update={"training": {"epochs": 1, **changed}})
        assert not wants.fits(Run(one.path, card))
        assert Wants("satrans", changed).fits(Run(one.path, card))
    whole = {"train_share": 1.0, "train_where": "", "scenario_fields": ""}
    assert wants.fits(Run(one.path, one.card.model_copy(update={"training": whole}))) and wants.fits(one)


def test_a_tile_of_a_study_has_all_its_runs_and_every_seed_of_them() -> None:
    study = PaperStudy("T", "t", "same", "two", variants=({"experts": 3}, {}), show="Table")
    tile = of_study(study, {"view": "table"}, title="another")
    shelf = [
        run("two", "same", experts=2),
        run("three", "same", experts=3),
        run("peer", "autoint"),
    ]
    again = shelf[1].card.model_copy(update={"seed": 1})
    found = ready(tile, [*shelf, Run(Path("models/papers/three-1"), again)])
    assert found is not None and found.run is shelf[1]
    assert found.options["runs"] == "models/three,models/papers/three-1,models/two"
    assert found.link["runs"] == ["three", "three-1", "two"] and found.link["run"] == "three"
    assert [one.name for one in found.runs] == ["three", "three", "three-1", "two"]
    assert tile.title == "another" and tile.command == "make papers PAPER=same"
    assert ready(tile, shelf[:1]) is None and tile.missing(shelf[:1]) == ["same with experts = 3"]


def test_logs_and_rows_are_needed_where_asked() -> None:
    log = Tile("T", "t", "x", "x", options={"log": "{log}"})
    assert ready(log, []) is None
    with_log = ready(log, [], log=Path("a.csv"))
    assert with_log is not None and with_log.options == {"log": "a.csv"} and with_log.run is None
