"""Plans of trainings: what differs, in words and as a command line, and all that is wrong, at once."""

from dataclasses import replace
from pathlib import Path

import pytest

from msviz.cli.options import settings
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.nets.base import build, parse_config
from msviz.registry import MODELS
from msviz.run import Card, Run, TrainedOn
from msviz.schema import Schema
from msviz.training.loop import Training
from msviz.training.plans import MOST, Plan, costs, fast, grid, name_trouble, names, parameters, variants
from msviz.training.settings import by_name, describe_settings, said

DATA = Path("data/demo")


def a_run(name: str = "demo-same-2", model: str = "same", seed: int = 3, **changed: object) -> Run:
    fields = Training.model_fields
    training = Training(**{key: value for key, value in changed.items() if key in fields})
    config = parse_config(model, {key: value for key, value in changed.items() if key not in fields})
    card = Card(
        model=model, config=config.model_dump(mode="json"), training=training.model_dump(), seed=seed,
        data=TrainedOn(name="demo", fingerprint="f", rows={}, path="../../data/demo"), epochs=1, seconds=1,
        rows_per_second=1, parameters=1, device="cpu", created="2026-01-01", headline={}, msviz="1",
        digests={},
    )  # fmt: skip
    return Run(Path("models") / name, card)


@pytest.fixture
def schema(tiny_world: Dataset) -> Schema:
    return tiny_world.schema


def test_a_plan_of_a_run_has_all_its_settings_and_changes_one() -> None:
    run = a_run(experts=2, main_net="64,32", epochs=4, batch_size=1024, threads=1)
    plan = Plan.of(run)
    assert plan.seed == 3 and plan.parent == Path("models/demo-same-2")
    assert plan.data.resolve() == Path("data/demo").resolve()
    assert Plan.of(run, "elsewhere").data == Path("elsewhere")
    assert plan.full["epochs"] == 4 and plan.full["main_net"] == "64,32" and plan.full["heads"] == 8
    changed = plan.changed(experts="3", norm="false", prediction="", learning_rate=0.01)
    assert changed.differences(plan) == {
        "experts": "experts 3 instead of 2",
        "norm": "norm off instead of on",
        "prediction": "prediction none instead of 64",
        "learning_rate": "learning_rate 0.01 instead of 0.001",
    }
    assert changed.changed(experts=2, norm=True, prediction="64", learning_rate=1e-3).differences(plan) == {}
    assert plan.full["experts"] == 2, "a plan never changes itself"


def test_other_rows_seeds_data_and_models_are_told_in_words() -> None:
    plan = Plan("same", DATA)
    found = plan.changed(train_share=0.2, train_where="scenario == 'Search'", scenario_fields="city_tier")
    assert list(found.differences(plan).values()) == [
        "rows where scenario == 'Search' instead of all rows",
        "20 % of the rows instead of all rows",
        "scenario by city_tier instead of the data",
    ]
    two = plan.changed(scenario_fields="city_tier,gender")
    assert plan.differences(two) == {
        "scenario_fields": "scenario by the data instead of city_tier and gender"
    }
    other = Plan("autoint", Path("data/other"), {"layers": 2}, seed=1)
    told = other.differences(plan)
    assert told["model"] == "model autoint instead of same" and told["layers"] == "layers 2 instead of 3"
    assert told["seed"] == "seed 1 instead of 0" and told["data"] == "data other instead of demo"
    assert set(told) == {"model", "layers", "seed", "data"}


def test_a_command_line_says_what_is_not_the_default_and_reads_back_equal() -> None:
    plan = Plan.of(a_run(experts=3, norm=False, prediction="", epochs=4, threads=1), DATA)
    words = plan.changed(train_where="scenario != 'Flash sale'").arguments("models/new", frames=24)
    assert words[:6] == ["train", "same", "--data", "data/demo", "--out", "models/new"]
    pairs = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    assert pairs == [
        "experts=3", "norm=false", "prediction=", "epochs=4", "threads=1",
        "train_where=scenario != 'Flash sale'",
    ]  # fmt: skip
    tail = words[words.index("--seed") :]
    assert tail == ["--seed", "3", "--device", "auto", "--frames", "24", "--parent", "models/demo-same-2"]
    read = Plan("same", DATA, settings(pairs), 3)
    assert read.changed(train_where="").differences(plan) == {}
    auto = plan.changed(epochs="auto")
    assert auto.differences(plan) == {"epochs": "epochs auto instead of 4"}
    assert not any(word.startswith("epochs") for word in auto.arguments("x"))
    new = Plan("same", DATA).arguments("x", frames=0)
    assert new == ["train", "same", "--data", "data/demo", "--out", "x", "--seed", "0", "--device", "auto"]


def test_all_that_is_wrong_is_told_at_once_and_where(schema: Schema) -> None:
    plan = Plan(
        "same",
        DATA,
        {"experts": 99, "width": 30, "heads": 8, "main_net": "", "bias_net": "", "dropout": "much",
         "epochs": 0, "hiden": 1, "gate_net": "64,x"},
        seed=-1,
        device="tpu",
    )  # fmt: skip
    assert plan.problems(schema) == {
        "hiden": "it is no setting of same",
        "experts": "got 99; wanted: a whole number from 1 to 5",
        "width": "width 30 cannot be shared out among heads 8",
        "heads": "width 30 cannot be shared out among heads 8",
        "main_net": "main_net needs at least one layer, such as 64",
        "bias_net": "bias_net needs at least one layer, such as 64",
        "gate_net": "wanted widths from 1 to 4096 separated by commas, such as 256,128, or nothing",
        "dropout": "got much; wanted: a number from 0 to 0.9",
        "epochs": "got 0; wanted: a whole number from 1 to 1,000, or auto",
        "seed": "wanted: a whole number from 0",
        "device": "valid choices: auto, cpu, cuda",
    }
    both = Plan("hierrec", DATA, {"explicit": False, "implicit": False}).problems(schema)
    assert set(both) == {"explicit", "implicit"}


@pytest.mark.parametrize("model", MODELS.names())
def test_a_models_defaults_are_right_and_counted_as_they_are_built(model: str, schema: Schema) -> None:
    plan = Plan(model, DATA)
    assert plan.problems(schema) == {}
    counted = sum(weight.numel() for weight in build(model, {}, schema).parameters())
    assert parameters(plan, schema) == counted


def test_data_that_lack_what_a_model_needs_and_a_machine_too_small_are_told(schema: Schema) -> None:
    bare = Schema(
        fields=[f for f in schema.fields if f.role not in ("signal", "behaviour")], split=schema.split
    )
    told = Plan("same", DATA, {"experts": 9}).problems(bare)
    assert "a behaviour sequence" in told["model"] and "scenario signals" in told["model"]
    assert "experts" in told, "what else is wrong is told too"
    large = Plan("same", DATA).problems(schema, memory=1_000_000)
    assert set(large) == {""} and "parameters: training takes" in large[""]
    alone = [f for f in schema.fields if f.role in ("label", "scenario")]
    without = Schema(fields=alone, scenarios=schema.scenarios)
    assert "it wants scenario fields and others beside them" in Plan("hierrec", DATA).problems(without)[""]


def test_what_a_setting_costs_is_counted(schema: Schema) -> None:
    plan = Plan("same", DATA, {"experts": 2})
    found = costs(plan, schema)
    more = parameters(plan.changed(experts=3), schema)
    assert found["experts"] == f"parameters {parameters(plan, schema):,} now, {more:,} at 3"
    assert "dropout" not in found and "heads" not in found and "epochs" not in found
    kinds = costs(Plan("satrans", DATA), schema)["attention"]
    assert all(f"at {kind}" in kinds for kind in ("none", "gate", "bilinear"))
    # 6 heads do not divide 32: what cannot be built is passed over.
    assert "at 5" not in costs(Plan("satrans", DATA, {"heads": 4}), schema).get("heads", "")


def test_a_grid_holds_every_combination_and_seed_once() -> None:
    plan = Plan("same", DATA, seed=7)
    plans = grid(plan, {"experts": [2, 3, "3"], "norm": [True, False]}, seeds=[0, 1])
    assert len(plans) == 8
    assert {(p.full["experts"], p.full["norm"], p.seed) for p in plans} == {
        (experts, norm, seed) for experts in (2, 3) for norm in (True, False) for seed in (0, 1)
    }
    assert [p.seed for p in grid(plan, {"experts": [2]})] == [7]
    with pytest.raises(MsvizError, match="setting: got 'expert'; valid choices: experts"):
        grid(plan, {"expert": [2]})
    with pytest.raises(MsvizError, match="experts: no values are given"):
        grid(plan, {"experts": []})
    assert len(variants(plan, [{}], seeds=list(range(MOST)))) == MOST
    with pytest.raises(MsvizError, match="sweep: got '201 trainings'; at most 200"):
        variants(plan, [{}], seeds=list(range(MOST + 1)))


def test_names_say_the_change_and_are_never_taken() -> None:
    base = Plan.of(a_run())
    plans = grid(base, {"experts": [3, 4]}, seeds=[3, 5])
    found = names(plans, base, "demo-same-2")
    assert found == [
        "demo-same-2-experts-3", "demo-same-2-experts-3-seed-5", "demo-same-2-experts-4",
        "demo-same-2-experts-4-seed-5",
    ]  # fmt: skip
    assert names(plans[:1], base, "demo-same-2", taken=["Demo-same-2-experts-3"]) == [
        "demo-same-2-experts-3-2"
    ]
    again = names([base, base], base, "demo-same-2")
    assert again == ["demo-same-2-again", "demo-same-2-again-2"]
    three = base.changed(experts=3)
    assert names([three.changed(experts=4)], three, "demo-same-2-experts-3") == ["demo-same-2-experts-4"]
    wild = base.changed(train_where="scenario == '../..' or `A b` in (1, 2)", main_net="64,32", item_width=4)
    (name,) = names([wild], base, "läufe/é mit raum" * 9)
    assert not name_trouble(name, []) and "/" not in name and ".." not in name
    assert names([Plan("same", DATA)], Plan("same", DATA), "..é") == ["run"]
    long = names([*[replace(base, seed=2**62)] * 12, base, base], base, "x" * 200)
    assert len(set(long)) == 14 and {len(name) for name in long} == {100}
    assert long[0].endswith(f"x-seed-{2**62}") and long[11].endswith("-12") and long[13].endswith("x-aga-2")
    assert names([Plan("same", DATA)], Plan("same", DATA), "same") == ["same"], "new, and nothing changed"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "letters, digits"), ("a" * 101, "up to 100"), ("a" * 100, ""), ("../x", "letters, digits"),
        (".hidden", "letters"), ("_x", ""),
        ("a b", "letters"), ("a/b", "letters"), ("Taken", "is on the shelf"), ("new-1.0_b", ""),
    ],
)  # fmt: skip
def test_a_name_that_will_not_do_is_told(name: str, said: str) -> None:
    trouble = name_trouble(name, ["taken"])
    assert said in trouble and bool(said) == bool(trouble)
    assert not trouble or trouble.startswith(f"name: got {name!r}"[:40])


def test_what_the_shelf_has_is_found_whatever_the_threads() -> None:
    runs = [a_run("other", seed=4), a_run("same", threads=1), a_run("far", model="autoint")]
    plan = Plan("same", DATA, {"threads": 8}, seed=3)
    found = plan.trained("f", runs)
    assert found is not None and found.name == "same"
    assert plan.trained("g", runs) is None and plan.changed(experts=3).trained("f", runs) is None


def test_settings_tell_their_kind_range_sentence_and_default() -> None:
    known = by_name("same")
    assert [info.name for info in describe_settings("same")][:2] == ["experts", "norm"]
    assert known["experts"].range == "from 1 to 5" and known["experts"].default == 2
    assert known["initial_deviation"].range == "above 0, up to 10" and known["initial_deviation"].open
    assert known["main_net"].kind == "widths" and known["optimiser"].range == "adam or adagrad"
    assert known["train_where"].kind == "text" and known["train_share"].group == "rows"
    assert all(info.sentence for info in describe_settings("same"))
    assert {info.kind for info in describe_settings("satrans")} >= {"int", "bool", "choice", "float"}
    assert [said(value) for value in (True, False, "", 1000, 0.001, 0.30000000000000004)] == [
        "on", "off", "none", "1,000", "0.001", "0.3",
    ]  # fmt: skip


def test_values_that_are_equal_keep_their_type() -> None:
    text, number = by_name("same")["train_where"], by_name("same")["l2"]
    assert [text.typed(value) for value in (1, True, 1.0)] == [1, True, 1.0]
    assert [type(text.typed(value)) for value in (1, True, 1.0)] == [int, bool, float]
    assert type(number.typed(1)) is float and number.typed([1]) == [1], "what nothing can read is left"
    plan = Plan("same", DATA, {"l2": "0.5", "nonsense": [1]})
    assert plan.full is plan.full and plan.full["l2"] == 0.5 and plan.changed(l2=1).full["l2"] == 1.0
    assert plan.full["nonsense"] == [1]


@pytest.mark.parametrize(("rows", "share"), [(152_629, 0.2), (10_000, 1.0), (0, 1.0), (40_000_000, 0.001)])
def test_a_fast_look_takes_some_thirty_thousand_rows(rows: int, share: float) -> None:
    assert fast(rows) == {"epochs": 1, "train_share": share}
