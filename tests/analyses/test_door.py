"""The door to all questions: options, the cache, provenance, and what a model can answer."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import msviz
from msviz.analyses.answers import find_answer
from msviz.analyses.question import load_question
from msviz.analyses.run import available, why_not
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.nets.tap import AXES
from msviz.registry import QUESTIONS
from msviz.run import Run

# Models besides satrans, small enough to train in a second; each shows something that satrans does not.
SMALL: dict[str, dict[str, object]] = {
    "hierrec": {"width": 4, "heads": 2, "bottleneck": 4},
    "same": {"width": 8, "item_width": 4, "heads": 2, "main_net": "8,4", "bias_net": "8,4"},
    "sainet": {"width": 4, "blocks": 1, "heads": 2, "hidden": "8"},
}
DEMO_LOG = Path(__file__).parents[2] / "data/demo-experiment.csv"


@pytest.fixture(scope="module")
def runs(satrans: Run, tiny_world: Dataset, train_small: Callable[..., Run]) -> list[Run]:
    folder = satrans.path.parent
    others = [train_small(model, tiny_world, folder / f"door-{model}", **SMALL[model]) for model in SMALL]
    return [satrans, *others]


def options(name: str, world: Dataset) -> dict[str, object]:
    """Return what a question must be told, and what keeps it small."""
    part = world.split("test")
    row = int(part.row[np.argmax(part.history_spans[1])])
    return {
        "attention_instance": {"row": row},
        "behaviour_attention": {"row": row},
        "scenario_switch": {"row": row},
        "projection_agreement": {"method": "tsne", "points": 200, "tap": "output"},
        "sub_scenarios": {"fields": "gender,age_level", "on": "price_band"},
        "field_permutation": {"rows": 500, "draws": 2},
        "category_diversity": {"users": 40, "candidates": 50},
        "controls": {"question": "attention_by_scenario", "rows": 300},
        "online_lift": {"log": str(DEMO_LOG)},
    }.get(name, {})


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_every_question_is_answered_in_words_kept_and_drawn(
    name: str, runs: list[Run], tiny_world: Dataset
) -> None:
    question = load_question(name)
    asked = options(name, tiny_world)
    of_file = question.source is not None
    # SATrans' own vectors say the scenario and no more: they cannot be laid out.
    able = [run for run in runs if not why_not(name, run) and ("tap" not in asked or run is runs[2])]
    run = able[0] if question.needs else None
    world = None if of_file else tiny_world
    heard: list[float] = []
    path = find_answer(name, run, world, asked)
    path.unlink(missing_ok=True)
    finding = msviz.analyse(name, run, world, progress=lambda share, words: heard.append(share), **asked)
    assert finding.analysis == name
    assert any(mark.isdigit() for mark in finding.takeaway)
    assert finding.takeaway.endswith(".")
    provenance = finding.provenance
    assert provenance.data == (DEMO_LOG.name if of_file else tiny_world.name)
    assert of_file or provenance.fingerprint == tiny_world.fingerprint
    assert provenance.run == (run.name if run else "")
    assert provenance.rows > 0 and provenance.seconds > 0
    assert heard == sorted(heard) and all(0 <= share <= 1 for share in heard)
    assert path.is_file()
    assert msviz.analyse(name, run, world, **asked) == finding
    assert Finding.load(path) == finding
    for axis, coord in finding.data.coords.items():
        assert axis not in AXES or coord.dtype.kind in "UTO", "axes carry names that people read"
    finding.figure()
    if of_file:
        path.unlink()


def test_the_cache_turns_with_whatever_changes_the_answer(
    satrans: Run, autoint: Run, tiny_world: Dataset
) -> None:
    asked = [
        find_answer("attention_difference", satrans),
        find_answer("attention_difference", autoint),
        find_answer("attention_difference", satrans, options={"split": "valid"}),
        find_answer("attention_difference", satrans, options={"seed": 1}),
        find_answer("attention_difference", satrans, options={"most": 4}),
        find_answer("attention_difference", satrans, options={"other": str(autoint.path)}),
    ]
    assert len(set(asked)) == 6
    # Given by path or opened, with a default spelled out or not: the same answer.
    same = find_answer(
        "attention_difference", str(satrans.path), tiny_world.path, {"split": "test", "most": "300"}
    )
    assert same == asked[0]


def test_a_kept_answer_that_cannot_be_read_is_made_again(satrans: Run) -> None:
    finding = msviz.analyse("performance", satrans)
    path = find_answer("performance", satrans)
    path.write_bytes(b"no finding")
    again = msviz.analyse("performance", satrans)
    assert again.data.identical(finding.data)
    assert Finding.load(path).data.identical(finding.data)


def test_without_keep_nothing_is_written(satrans: Run) -> None:
    path = find_answer("impressions", satrans, options={"sample": 17})
    finding = msviz.analyse("impressions", satrans, keep=False, sample=17)
    assert finding.provenance.rows == 17
    assert not path.exists()


def test_what_cannot_be_asked_is_told_in_one_line(satrans: Run, tiny_world: Dataset) -> None:
    cases = {
        "analysis: got 'nonsense'; valid choices: attention_by_scenario": ("nonsense", satrans, {}),
        "impressions option: got 'size'; valid choices: sample, split, seed": (
            "impressions",
            satrans,
            {"size": 3},
        ),
        "impressions: sample: got '0'; Input should be greater": ("impressions", satrans, {"sample": "0"}),
        "attention_instance: row: it is missing": ("attention_instance", satrans, {}),
        "run: got None; performance needs one": ("performance", None, {}),
        "split: got 'holdout'; valid choices": ("performance", satrans, {"split": "holdout"}),
        "feature: got 'nothing'; valid choices": ("data_overview", None, {"field": "nothing"}),
    }
    for message, (name, run, asked) in cases.items():
        with pytest.raises(MsvizError, match=message) as caught:
            msviz.analyse(name, run, tiny_world, **asked)
        assert "\n" not in str(caught.value)


def test_a_model_answers_what_its_taps_show(satrans: Run, autoint: Run) -> None:
    asked_of = {"attention_by_scenario", "scenario_switch", "performance", "field_permutation"}
    for run in (satrans, autoint):
        assert asked_of <= set(available(run))
        assert not {"migration", "gates_over_time", "feature_weights", "online_lift"} & set(available(run))
    assert available(None) == ["data_overview", "rate_distribution", "sankey", "sub_scenarios"]
    assert why_not("migration", satrans) == "satrans shows no attention to past behaviours"
    assert why_not("online_lift", satrans) == "it is asked of a file, not of a model or a log"
    assert why_not("performance", None) == "it is asked of a model: choose a run"


def test_an_overview_counts_as_numpy_does(tiny_world: Dataset) -> None:
    parts = [tiny_world.split(name) for name in tiny_world.rows]
    scenario, label, hour = (
        np.concatenate([np.array(values(part)) for part in parts])
        for values in (lambda p: p.scenario, lambda p: p.label, lambda p: p.column("hour"))
    )
    plain = msviz.analyse("data_overview", None, tiny_world).data
    names = tiny_world.schema.scenario_names
    assert int(plain["rows"].sel(scenario="All scenarios")) == 20_000
    assert int(plain["clicks"].sel(scenario=names[2])) == label[scenario == 2].sum()
    by = msviz.analyse("data_overview", None, tiny_world, field="hour", top=5).data
    assert by.sizes == {"scenario": 6, "value": 6}
    field = tiny_world.schema.field("hour")
    ranked = np.argsort(-np.bincount(hour, minlength=field.size), kind="stable")
    assert by["value"].values.tolist()[:5] == [field.value_name(int(value)) for value in ranked[:5]]
    mine = (scenario == 3) & (hour == ranked[1])
    cell = by.sel(scenario=names[3]).isel(value=1)
    assert (int(cell["rows"]), int(cell["clicks"])) == (mine.sum(), label[mine].sum())
    assert int(by["rows"].sel(scenario="All scenarios").sum()) == 20_000
    one = msviz.analyse("data_overview", None, tiny_world, split="test").data
    assert int(one["rows"][0]) == tiny_world.rows["test"]


def test_performance_is_what_training_wrote_down_or_measured_afresh(
    satrans: Run, tiny_world: Dataset
) -> None:
    data = msviz.analyse("performance", satrans).data
    written = satrans.metrics["test"]
    auc = data.sel(metric="auc")
    assert float(auc["value"].sel(scope="All scenarios")) == written["overall"]["auc"]["value"]
    truth = tiny_world.truth
    assert truth is not None
    assert float(auc["best"].sel(scope="Search")) == truth["best"]["test"]["scenarios"]["Search"]["auc"]
    fresh = msviz.analyse("performance", satrans, split="train").data
    assert int(fresh["rows"][0]) == tiny_world.rows["train"]
    assert np.isfinite(fresh["value"].sel(scope="All scenarios")).all()


def test_impressions_are_rows_of_the_split_and_repeat_with_the_seed(
    satrans: Run, tiny_world: Dataset
) -> None:
    one, two, other = (
        msviz.analyse("impressions", satrans, sample=40, seed=s, keep=False) for s in (0, 0, 1)
    )
    assert one.data.identical(two.data)
    assert one.data["row"].values.tolist() != other.data["row"].values.tolist()
    part = tiny_world.split("test")
    places = np.searchsorted(part.row, one.data["row"].values)
    assert (part.row[places] == one.data["row"].values).all()
    assert (part.fields(places) == one.data["value"].values).all()
    np.testing.assert_allclose(one.data["error"], abs(one.data["label"] - one.data["prediction"]))
    table = one.to_pandas()
    assert len(table) == 40 * len(tiny_world.schema.features)


def test_findings_leave_as_csv_and_json(satrans: Run, tmp_path: Path) -> None:
    finding = msviz.analyse("performance", satrans)
    finding.save(tmp_path / "one.csv")
    finding.save(tmp_path / "one.json")
    content = json.loads((tmp_path / "one.json").read_text("utf-8"))
    assert content["takeaway"] == finding.takeaway
    assert len(content["rows"]) == 6 * 4 == len((tmp_path / "one.csv").read_text("utf-8").splitlines()) - 1


def test_a_slice_narrows_every_question_and_has_an_answer_of_its_own(
    tiny_world: Dataset, satrans: Run
) -> None:
    analyse = msviz.analyse
    whole = analyse("performance", satrans, tiny_world)
    text = "scenario == 'Search' and hour < 12"
    part = analyse("performance", satrans, tiny_world, slice=text)
    split = tiny_world.split("test")
    search = split.schema.scenario_names.index("Search")
    wanted = (split.scenario == search) & (split.time % 86_400 < 43_200)
    assert part.provenance.rows == wanted.sum() < whole.provenance.rows
    assert part.provenance.parameters["slice"] == text
    assert find_answer("performance", satrans, tiny_world, {"slice": text}) != find_answer(
        "performance", satrans, tiny_world
    )
    # The best reachable is that of the slice, from the true probabilities of its rows.
    best = float(part.data["best"].sel(scope="All scenarios", metric="auc"))
    label, truth = split.label[wanted], split.probability[wanted]
    wins = np.mean(truth[label == 1][:, None] > truth[label == 0][None, :])
    assert best == pytest.approx(wins, abs=1e-3)
    seen = analyse("attention_by_scenario", satrans, tiny_world, slice=text)
    assert int(seen.data["rows"].sel(scenario="Search")) == wanted.sum()
    with pytest.raises(MsvizError, match="slice"):
        analyse("performance", satrans, tiny_world, slice="scenario == 'Nowhere'")
