"""The two controls: numbers worked by hand, planted nets, and the same rows, slice and options."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from planted_attention import Planted

import msviz
from msviz.analyses.answers import find_answer
from msviz.analyses.question import load_question
from msviz.analyses.questions import controls
from msviz.analyses.run import ask, controlled
from msviz.analyses.shared.cells import Cells, agreement, matched, sums
from msviz.data.run_data import find_data
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.nets.base import InputSpec, Net, build
from msviz.nets.tap import Tap
from msviz.probing.study import Study
from msviz.registry import QUESTIONS
from msviz.run import Run
from msviz.same_training import other_seeds
from msviz.training.bundle import load_net, save_bundle
from msviz.training.start import untrained_net

ALL, MEAN = "All scenarios", "mean of heads"
HEADS, FIELDS = 3, 21


def copied(run: Run, out: Path, seed: int | None = None, net: Net | None = None, **card: object) -> Run:
    """Return the bundle once more, with another seed, other weights, or other words on its card."""
    changed = run.card.model_copy(update={**card, **({} if seed is None else {"seed": seed})})
    place = {"path": str((run.path / run.card.data.path).resolve())}
    changed = changed.model_copy(update={"data": changed.data.model_copy(update=place)})
    weights = (net or load_net(run)).state_dict()
    return save_bundle(
        out, card=changed, weights=weights, schema=run.schema, history=run.history, metrics=run.metrics
    )


@pytest.fixture
def lone(satrans: Run, tmp_path: Path) -> Run:
    """A run alone on its shelf."""
    return copied(satrans, tmp_path / "shelf" / "run")


def table(seed: int, layers: int = 2) -> torch.Tensor:
    """Return attention (L, H, N, N) at random."""
    draw = torch.Generator().manual_seed(seed)
    return torch.softmax(2 * torch.randn(layers, HEADS, FIELDS, FIELDS, generator=draw), -1)


@pytest.fixture
def planted(
    lone: Run, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], Run]]:
    """Let a run, the same net untrained, and a second seed show tables; the seed only where one is given."""

    def of(trained: torch.Tensor, fresh: torch.Tensor, second: torch.Tensor | None = None) -> Run:
        layout = InputSpec.of(lone.schema)
        tables = {lone.name: trained}
        if second is not None:
            tables["second"] = second
            copied(lone, lone.path.with_name("second"), seed=1)
        monkeypatch.setattr(
            "msviz.training.bundle.load_net", lambda run, device: Planted(layout, tables[run.name]).eval()
        )
        monkeypatch.setattr(
            "msviz.training.start.untrained_net", lambda run, dataset, device: Planted(layout, fresh).eval()
        )
        return lone

    yield of


def pearson(one: object, two: object) -> float:
    return float(np.corrcoef(np.ravel(one), np.ravel(two))[0, 1])  # type: ignore[call-overload]


def test_a_correlation_worked_by_hand() -> None:
    # Deviations -1.5 -.5 .5 1.5 and -1.5 .5 -.5 1.5: 4 / 5. One cell without a number counts in neither.
    one = xr.DataArray([[1.0, 2, 3, 4, 9]], {"layer": ["1"], "cell": list("abcde")}, ("layer", "cell"))
    two = one.copy(data=[[10.0, 30, 20, 40, math.nan]])
    found = agreement(sums(Cells(one, ("layer",), scale=1.0), two), 1.0, {}, {"layer": "1"})
    assert (round(found.r, 12), found.cells, found.even) == (0.8, 4, "")
    opposite = agreement(sums(Cells(one, ("layer",), scale=1.0), -one), 1.0, {}, {})
    assert opposite.r == pytest.approx(-1) and opposite.cells == 5


def test_entries_are_put_together_without_their_mean() -> None:
    draw = np.random.default_rng(0)
    labels = {"head": [MEAN, "1", "2"], "cell": list("abcdef")}
    one, two = (xr.DataArray(draw.normal(size=(3, 6)), labels, ("head", "cell")) for _ in range(2))
    cells = Cells(one, ("head",), scale=1.0, means={"head": MEAN})
    together = agreement(sums(cells, two), 1.0, cells.means, {})
    assert together.r == pytest.approx(pearson(one[1:], two[1:])) and together.cells == 12
    alone = agreement(sums(cells, two), 1.0, cells.means, {"head": MEAN})
    assert alone.r == pytest.approx(pearson(one[0], two[0]))


def test_heads_are_matched_where_all_of_them_agree_best() -> None:
    # Each head of mine correlates most with the other's first: all together are best as 1→3, 2→1, 3→2.
    draw = np.random.default_rng(1)
    mine = draw.normal(size=(2, 3, 50))
    theirs = mine[:, [1, 2, 0]] + 0.3 * draw.normal(size=(2, 3, 50))
    labels = {"layer": ["1", "2"], "head": [MEAN, "1", "2", "3"], "cell": np.arange(50).astype(str)}
    one, two = (
        xr.DataArray(
            np.concatenate([side.mean(1, keepdims=True), side], 1), labels, ("layer", "head", "cell")
        )
        for side in (mine, theirs[[0, 1]])
    )
    two[1, 1:] = two[1, [2, 1, 3]].values  # numbered anew in the second layer
    cells = Cells(one, ("layer", "head"), 1.0, {"head": MEAN}, numbered="head", within=("layer",))
    moved, which = matched(cells, two)
    assert which.values.tolist() == [[MEAN, "3", "1", "2"], [MEAN, "3", "2", "1"]]
    np.testing.assert_allclose(moved[0, 1:], theirs[0, [2, 0, 1]])
    np.testing.assert_allclose(moved[:, 0], two[:, 0])
    assert agreement(sums(cells, moved), 1.0, cells.means, {"layer": "2"}).r > 0.9
    assert agreement(sums(cells, two), 1.0, cells.means, {"layer": "2"}).r < 0.7


def test_planted_nets_agree_as_their_tables_do(planted: Callable[..., Run]) -> None:
    mine, fresh = table(0), table(1)
    second = 0.6 * mine[:, [2, 0, 1]] + 0.4 * table(2)
    run = planted(mine, fresh, second)
    finding = msviz.analyse("controls", run, question="attention_by_scenario", rows=60)
    data = finding.data
    assert data["control"].values.tolist() == ["untrained", "another seed"]
    assert data.attrs["other"] == "second" and finding.provenance.rows == 60
    for layer in range(2):
        here = data.sel(scenario=ALL, layer=str(layer + 1))
        for head in range(HEADS):
            r = float(here["r"].sel(control="untrained", head=str(head + 1)))
            assert r == pytest.approx(pearson(mine[layer, head], fresh[layer, head]), abs=1e-4)
        both = mine[layer].mean(0), second[layer].mean(0)
        assert float(here["r"].sel(control="another seed", head=MEAN)) == pytest.approx(
            pearson(*both), abs=1e-4
        )
        assert here["matched"].values.tolist() == [MEAN, "2", "3", "1"]
        assert (here["cells"] == FIELDS**2).all()
    untrained, other = controls.lines(finding, {"scenario": ALL, "layer": "1", "head": MEAN})
    r = pearson(mine[0].mean(0), fresh[0].mean(0))
    assert untrained.words == f"An untrained net shows another map (correlation {r:.2f} over 441 cells)."
    assert not untrained.warns
    r = pearson(mine[0].mean(0), second[0].mean(0))
    much = "Another seed (second) shows much of the same map"
    assert other.words == f"{much} (correlation {r:.2f} over 441 cells, heads averaged)."
    grid = controls.lines(finding, {"scenario": ALL})[1]
    r = pearson(mine, second[:, [1, 2, 0]])
    assert grid.words.startswith(f"{much} (correlation {r:.2f} over 2,646 cells; layer by layer 0.")
    assert grid.words.endswith("heads matched best).")
    assert "untrained net shows another map (correlation" in finding.takeaway
    figure = finding.figure()
    assert [len(trace.x) for trace in figure.data] == [2, 2]
    assert figure.data[1].name == "Another seed (second)"


def test_a_net_that_was_not_trained_shows_the_same(lone: Run) -> None:
    run = copied(lone, lone.path.with_name("zero"), net=untrained_net(lone, find_data(lone)))
    finding = msviz.analyse("controls", run, question="attention_by_scenario", rows=300)
    r = finding.data["r"].sel(control="untrained").values
    assert np.isfinite(r).all() and r == pytest.approx(1)
    (line,) = controls.lines(finding, {"scenario": ALL, "layer": "1", "head": MEAN})
    assert (
        line.words == "An untrained net would show the same (correlation 1.00 over 441 cells)." and line.warns
    )


def test_even_attention_has_no_correlation(planted: Callable[..., Run]) -> None:
    even = torch.full((2, HEADS, FIELDS, FIELDS), 1 / FIELDS)
    finding = msviz.analyse("controls", planted(table(0), even), question="attention_by_scenario", rows=20)
    assert np.isnan(finding.data["r"].values).all()
    where = {"scenario": ALL, "layer": "1", "head": MEAN}
    (line,) = controls.lines(finding, where)
    assert line.words == "In an untrained net attention is even: nothing to compare." and not line.warns
    assert "nan" not in finding.takeaway
    finding.figure()
    finding = msviz.analyse("controls", planted(even, table(0)), question="attention_by_scenario", rows=21)
    (line,) = controls.lines(finding, where)
    assert line.words == "Here attention is even: nothing to compare with an untrained net." and line.warns


@pytest.mark.parametrize(("r", "words"), [(0.95, "would show the same"), (0.7, "would show much of it")])
def test_words_follow_the_thresholds(r: float, words: str, planted: Callable[..., Run]) -> None:
    one, two = (part - part.mean() for part in (table(0)[:1, :1], table(1)[:1, :1]))
    two = two - (one * two).sum() / (one * one).sum() * one
    mixed = r * one / one.norm() + (1 - r * r) ** 0.5 * two / two.norm()
    run = planted(one.expand(1, HEADS, -1, -1), mixed.expand(1, HEADS, -1, -1))
    finding = msviz.analyse("controls", run, question="attention_by_scenario", rows=20)
    (line,) = controls.lines(finding, {"scenario": ALL, "layer": "1", "head": MEAN})
    assert line.words == f"An untrained net {words} (correlation {r:.2f} over 441 cells)." and line.warns


def test_rows_slice_and_options_are_those_of_the_run(lone: Run) -> None:
    names = lone.schema.scenario_names
    asked = {"a": names[1], "b": names[2]}
    text = f"scenario in ('{names[1]}', '{names[2]}') and hour < 12"
    found = msviz.analyse("controls", lone, question="attention_difference", options=asked, slice=text)
    study = Study.open(lone, slice=text)
    assert found.provenance.rows == study.part.rows and found.provenance.parameters["slice"] == text
    own, fresh = (
        ask(one, "attention_difference", asked).data["difference"] for one in (study, study.untrained())
    )
    for head in own["head"].values:
        here = {"layer": "2", "head": head}
        r = float(found.data["r"].sel(control="untrained", **here))
        assert r == pytest.approx(pearson(own.sel(here), fresh.sel(here)), abs=1e-5)
    whole = msviz.analyse("controls", lone, question="attention_difference", options=asked)
    assert not np.allclose(whole.data["r"], found.data["r"])
    text_form = f"a={names[1]}; b={names[2]}"
    same = {"question": "attention_difference", "options": text_form}
    assert find_answer("controls", lone, None, same) == find_answer(
        "controls", lone, None, {**same, "options": json.dumps(asked)}
    )


def test_the_split_is_the_questions_own(
    satrans: Run, train_small: Callable[..., Run], tiny_world: Dataset
) -> None:
    small = {"width": 8, "item_width": 4, "heads": 2, "main_net": "4", "bias_net": "4", "experts": 2}
    run = train_small("same", tiny_world, satrans.path.parents[1] / "controls" / "same", **small)
    found = msviz.analyse("controls", run, question="gates_over_time")
    assert found.provenance.split == "all" and found.provenance.rows == 20_000
    mean = msviz.analyse("gates_over_time", run).data["mean"]
    moved = mean - mean.mean("day")
    study = Study.open(run, split="all").untrained()
    study.keep = False
    fresh = ask(study, "gates_over_time", {}).data["mean"]
    fresh = fresh - fresh.mean("day")
    here = {"group": ALL, "expert": "Expert 1"}
    one, two = moved.sel(here).values, fresh.sel(here).values
    there = np.isfinite(one) & np.isfinite(two)
    r = float(found.data["r"].sel(control="untrained", **here))
    assert r == pytest.approx(pearson(one[there], two[there]), abs=1e-4)


def test_without_a_second_seed_it_is_said(lone: Run) -> None:
    finding = msviz.analyse("controls", lone, question="attention_importance", rows=100)
    assert finding.data["control"].values.tolist() == ["untrained"]
    assert "No run on the shelf differs from this one in its seed (0) alone" in finding.takeaway
    before = find_answer("controls", lone, None, {"question": "attention_importance", "rows": 100})
    second = copied(lone, lone.path.with_name("second"), seed=7)
    after = find_answer("controls", lone, None, {"question": "attention_importance", "rows": 100})
    assert before != after, "a second seed on the shelf makes a new answer"
    finding = msviz.analyse("controls", lone, question="attention_importance", rows=100)
    assert finding.data.attrs["other"] == second.name
    # The copy has the very same weights.
    assert finding.data["r"].sel(control="another seed").values == pytest.approx(1)
    alone = msviz.analyse("controls", lone, question="attention_importance", rows=100, other="none")
    assert alone.data.sizes["control"] == 1


def test_the_first_other_seed_of_the_same_recipe_is_taken(lone: Run) -> None:
    shelf = lone.path.parent
    training = lone.card.training
    runs = [
        copied(lone, shelf / "later", seed=9),
        copied(lone, shelf / "first", seed=3, training={**training, "threads": 7}),
        copied(lone, shelf / "longer", seed=1, training={**training, "epochs": 2}),
        copied(lone, shelf / "again", seed=0),
    ]
    assert [one.name for one in other_seeds(lone, [lone, *runs])] == ["first", "later"]
    # A card from before a setting existed had its default.
    old = {name: value for name, value in training.items() if name != "train_share"}
    assert other_seeds(lone, [copied(lone, shelf / "old", seed=2, training=old)])
    with pytest.raises(
        MsvizError, match="controls other: got 'longer'; wanted: a run that differs from run in"
    ):
        msviz.analyse("controls", lone, question="attention_importance", other="longer")


def test_the_runs_own_net_stays_as_it_is_and_nobody_keeps_watching(lone: Run) -> None:
    study = Study.open(lone)
    before = {name: value.clone() for name, value in study.net.state_dict().items()}
    said = study.predict(study.batch(slice(0, 64)))
    kept = ask(study, "attention_by_scenario", {"rows": 100})
    fresh = study.untrained()
    ask(study, "controls", {"question": "attention_by_scenario", "rows": 100, "other": "none"})
    other = ask(fresh, "attention_by_scenario", {"rows": 100})
    assert fresh.net is not study.net and fresh.on("valid").state == "untrained"
    for net in (study.net, fresh.net):
        assert not net.training
        assert not any(module.watched for module in net.modules() if isinstance(module, Tap))
    assert all(torch.equal(value, before[name]) for name, value in study.net.state_dict().items())
    assert torch.equal(study.predict(study.batch(slice(0, 64))), said)
    first = build(lone.card.model, lone.card.config, lone.schema, lone.card.seed).state_dict()
    drawn = {name: value for name, value in fresh.net.state_dict().items() if name != "output.bias"}
    assert all(torch.equal(value, first[name]) for name, value in drawn.items())
    rate = float(np.mean(fresh.dataset.split("train").label))  # the bias starts at the click rate
    assert torch.sigmoid(fresh.net.output.bias).item() == pytest.approx(rate, abs=1e-3)
    # What the untrained net shows is kept apart, and says whose it is.
    assert other.provenance.parameters["net"] == "untrained" and not other.data.equals(kept.data)
    again = msviz.analyse("attention_by_scenario", lone, rows=100)
    assert again == kept and "net" not in again.provenance.parameters
    assert ask(study.untrained(), "attention_by_scenario", {"rows": 100}) == other


def test_what_cannot_be_held_against_controls_is_told(lone: Run) -> None:
    cases: list[tuple[dict[str, object], str]] = [
        (
            {"question": "performance"},
            "controls question: got 'performance'; valid choices: attention_by_scenario",
        ),
        ({"question": "attention_by_scenario", "options": "size=3"}, "attention_by_scenario: size: "),
        ({"question": "attention_by_scenario", "options": "rows"}, "wanted: key=value; key=value"),
        ({"question": "attention_by_scenario", "options": "{"}, "it is not a JSON object"),
        ({"question": "attention_difference", "options": "other=x"}, "two runs are no control of each other"),
        ({"question": "tailoring", "rows": 5}, "tailoring takes no number of rows"),
        ({}, "question: it is missing"),
    ]
    for asked, message in cases:
        with pytest.raises(MsvizError, match=message) as caught:
            msviz.analyse("controls", lone, **asked)
        assert "\n" not in str(caught.value)


def test_pictures_of_a_models_inside_have_controls_and_measured_things_have_none() -> None:
    inside = (
        "attention_by_scenario", "attention_difference", "attention_importance", "attention_instance",
        "behaviour_attention", "feature_weights", "gates_over_time", "migration", "representation",
        "scenario_similarity", "scenario_switch", "tailoring",
    )  # fmt: skip
    measured = (
        "performance", "runs_compared", "model_cost", "data_overview", "sankey", "field_permutation",
        "impressions", "rates_over_time", "online_lift", "training_history", "projection", "controls",
    )  # fmt: skip
    assert all(map(controlled, inside)) and not any(map(controlled, measured))
    assert all(load_question(name).needs for name in QUESTIONS.names() if controlled(name))


def test_scenarios_are_compared_pair_by_pair_where_vectors_cannot_be(optmsm: Run, tmp_path: Path) -> None:
    run = copied(optmsm, tmp_path / "shelf" / "run")
    copied(run, tmp_path / "shelf" / "second", seed=1)
    found = msviz.analyse("controls", run, question="representation", options={"rows": 300})
    source: Finding = msviz.analyse("representation", run, rows=300)
    groups = source.data.sizes["group"]
    assert int(found.data["cells"].sel(control="untrained", matrix="cosine")) == groups * (groups - 1) / 2
    if found.data.attrs["incomparable"]:
        assert "cannot be compared" in found.takeaway
    else:
        assert float(found.data["r"].sel(control="another seed", matrix="cosine")) == pytest.approx(1)


@pytest.mark.parametrize(
    ("low", "high", "words", "warns"),
    [
        (0.012, 0.02, "AUC falls by 0.0160 (95 %: +0.0120 to +0.0200; 4,000 rows).", False),
        (
            -0.001,
            0.033,
            "the model ranks as well (AUC lost, 95 %: -0.0010 to +0.0330; 4,000 rows): it hardly uses it.",
            True,
        ),
    ],
)
def test_what_the_average_in_its_place_costs_is_said(
    low: float, high: float, words: str, warns: bool
) -> None:
    found = {"worth": (low + high) / 2, "low": low, "high": high, "rows": 4000}
    data = xr.Dataset(attrs={"averaged": json.dumps(found)})
    assert controls.average_words(data) == (f"With its average in place {words}", warns)
    assert controls.average_words(xr.Dataset(attrs={"averaged": "{}"})) is None
