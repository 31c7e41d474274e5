"""The Train page: changes as chips and in the link, problems at their fields, and what is started."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote_plus

import pytest
from opened_pages import open_page
from pydantic import TypeAdapter
from streamlit.testing.v1 import AppTest

from msviz.dataset import Dataset
from msviz.jobs import Status

Open = Callable[..., AppTest]


class Desk:
    """Stands in for the queue: what was submitted, and jobs that are as a test wants them."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], dict[str, Any]]] = []
        self.known: dict[str, Any] = {}
        self.cancelled: list[str] = []

    def submit(self, arguments: list[str], **told: Any) -> Any:
        self.asked.append((arguments, told))
        name = told.get("key") or f"job-{len(self.asked)}"
        return self.known.setdefault(name, job(name, "queued", result=told.get("result")))

    def job(self, name: str) -> Any:
        return self.known.get(name)

    def jobs(self) -> list[Any]:
        return list(self.known.values())

    def cancel(self, job: Any) -> None:
        self.cancelled.append(job.id)

    @property
    def trainings(self) -> list[tuple[list[str], dict[str, Any]]]:
        return [one for one in self.asked if one[1]["kind"] == "training"]

    @property
    def probes(self) -> list[tuple[list[str], dict[str, Any]]]:
        return [one for one in self.asked if one[1]["kind"] == "answer"]


def job(name: str, state: str, error: str = "", log: str = "", result: Path | None = None) -> Any:
    status = Status(state, 0.0, "", error)  # type: ignore[arg-type]
    return SimpleNamespace(
        id=name, status=lambda: status, log=lambda: log, result=result, kind="training", title=name, group="",
        created=0.0, who="me", folder=Path("none"), place=0.0,
    )  # fmt: skip


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    found = Desk()
    monkeypatch.setattr("app.work.submit", found.submit)
    monkeypatch.setattr("app.work.queue", lambda: found)
    monkeypatch.setattr("app.work.ensure_engine", lambda: None)
    return found


def words(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.warning, at.info, at.error)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def chips(at: AppTest) -> list[str]:
    found = [button for button in at.button if button.key and button.key.startswith("train-chip-")]
    return [button.label.replace("\\", "") for button in found]


def values(arguments: list[str]) -> dict[str, str]:
    pairs = [arguments[place + 1] for place, word in enumerate(arguments) if word == "--set"]
    return dict(pair.split("=", 1) for pair in pairs)


def test_a_change_in_the_link_is_a_chip_a_field_and_a_name(
    app: Open, desk: Desk, tiny_world: Dataset
) -> None:
    rows = tiny_world.rows["train"]
    at = app("train", run="tiny-same", set="experts:3")
    assert not at.exception and not at.warning and not at.error
    assert at.title[0].value == "Train"
    assert chips(at) == ["experts 3 instead of 2"]
    assert at.number_input(key="field-experts").value == 3
    assert at.text_input(key="train-name").value == "tiny-same-experts-3"
    said = words(at)
    assert "parameters (" in said and "before)" in said, "counted at once"
    assert f"{rows:,} of {rows:,} rows of train" in said
    fields = [box.key for box in at.number_input if box.key and box.key.startswith("field-")]
    assert fields == ["field-experts", "field-epochs", "field-seeds"], "no wall of thirty widgets"


def test_start_submits_the_plan_and_looks_at_the_job(app: Open, desk: Desk, shelf_folder: Path) -> None:
    at = app("train", run="tiny-same", set="experts:3")
    at.button(key="train-start").click().run()
    ((arguments, told),) = desk.trainings
    out = (shelf_folder / "tiny-same-experts-3").resolve()
    assert arguments[:2] == ["train", "same"] and arguments[arguments.index("--out") + 1] == str(out)
    assert values(arguments)["experts"] == "3" and values(arguments)["width"] == "8"
    assert arguments[arguments.index("--parent") + 1] == str((shelf_folder / "tiny-same").resolve())
    assert arguments[arguments.index("--frames") + 1] == "24"
    assert Path(arguments[arguments.index("--data") + 1]).is_absolute()
    assert told["title"] == "same: experts 3 instead of 2" and told["result"] == out and told["group"] == ""
    assert at.session_state["train_view"] == "Running"
    assert "".join(at.query_params["job"]) == next(name for name in desk.known if name.startswith("job-"))


def test_a_setting_is_changed_by_its_widget_and_taken_back_by_its_chip(app: Open, desk: Desk) -> None:
    at = app("train", run="tiny-same")
    assert chips(at) == []
    at.selectbox(key="train-add").select("norm").run()
    at.toggle(key="field-norm").set_value(False).run()
    assert chips(at) == ["norm off instead of on"] and at.session_state["set"] == "norm:off"
    at.selectbox(key="train-add").select("main_net").run()
    at.text_input(key="field-main_net").set_value("16,8").run()
    assert at.session_state["set"] == "norm:off,main_net:16+8"
    assert [*chips(at)] == ["norm off instead of on", "main_net 16,8 instead of 8,4"]
    at.button(key="train-chip-norm").click().run()
    assert chips(at) == ["main_net 16,8 instead of 8,4"] and at.session_state["set"] == "main_net:16+8"
    at.text_input(key="field-main_net").set_value("8,4").run()
    assert chips(at) == [] and at.text_input(key="field-main_net").value == "8,4", "it stays on the form"
    at.number_input(key="field-epochs").set_value(3).run()
    at.number_input(key="field-seeds").set_value(2).run()
    assert at.session_state["set"] == "epochs:3,seeds:2"
    at.button(key="train-preset-base").click().run()
    assert at.session_state["set"] == "" and at.number_input(key="field-epochs").value == 1
    assert not at.exception


def test_all_other_settings_are_made_when_they_are_opened(app: Open, desk: Desk) -> None:
    at = app("train", run="tiny-same")
    assert not [box for box in at.number_input if box.key == "field-gate_units"]
    at.session_state["train-all"] = True
    at.run()
    box = at.number_input(key="field-gate_units")
    assert box.min == 1 and box.max == 512
    told = box.help.replace("\\", "")
    assert "From 1 to 512. The paper's default: 32. Parameters 37,529 now, 38,361 at 64." in told


def test_what_cannot_work_is_told_at_its_fields_and_nothing_starts(app: Open, desk: Desk) -> None:
    at = app("train", run="tiny-same", set="width:30,heads:8,experts:9,epochs:none,hiden:3")
    assert not at.exception
    said = words(at)
    assert said.count(":red[:material/error: width 30 cannot be shared out among heads 8]") == 2
    assert ":red[:material/error: got 9; wanted: a whole number from 1 to 5]" in said
    assert ":red[:material/error: got none; wanted: a whole number from 1 to 1,000, or auto]" in said
    assert 'Setting "hiden" is not available here: same has no such setting.' in said
    start = at.button(key="train-start")
    assert start.disabled and "width 30 cannot be shared out" in start.help
    assert "Cannot start: heads, width: width 30 cannot be shared out among heads 8." in said
    assert not desk.asked, "nothing that cannot work is timed"
    at.number_input(key="field-width").set_value(16).run()
    at.button(key="train-chip-experts").click().run()
    at.button(key="train-chip-epochs").click().run()
    assert not at.button(key="train-start").disabled and "red[" not in words(at)


def test_a_new_model_shows_its_settings_and_takes_the_papers(app: Open, desk: Desk) -> None:
    at = app("train", **{"from": "a new model", "model": "same"})
    assert not at.exception and not at.warning
    assert at.number_input(key="field-width").value == 128
    assert at.selectbox(key="field-optimiser").value == "adam"
    assert at.text_input(key="train-name").value == "same"
    at.button(key="train-preset-The paper's").click().run()
    # The paper's batch of 256 is too large for the tiny log: its size stays with the rows.
    assert chips(at) == ["optimiser adagrad instead of adam", "learning_rate 0.01 instead of 0.001"]
    at.button(key="train-preset-Fast look").click().run()
    assert "epochs 1 instead of auto" in chips(at) and "optimiser adagrad instead of adam" in chips(at)
    at.button(key="train-start").click().run()
    arguments = desk.trainings[0][0]
    assert "--parent" not in arguments and values(arguments)["optimiser"] == "adagrad"


def test_a_share_a_slice_and_another_scenario_are_settings_too(app: Open, desk: Desk) -> None:
    at = app("train", run="tiny-same", slice="scenario == 'Search'")
    at.segmented_control(key="train-rows").set_value("Rows where").run()
    assert at.text_input(key="field-train_where").value == "scenario == 'Search'", "the page's slice"
    assert "rows where scenario == 'Search' instead of all rows" in [
        chip.replace("\\", "") for chip in chips(at)
    ]
    told = next(line for line in words(at).splitlines() if "rows of train" in line)
    left, total = (int(word.replace(",", "")) for word in (told.split()[0], told.split()[2]))
    assert 0 < left < total
    at.text_input(key="field-train_where").set_value("scenario == 'Nowhere'").run()
    said = words(at)
    assert "red[:material/error: slice: scenario: got 'Nowhere'" in said
    assert at.button(key="train-start").disabled
    at.segmented_control(key="train-rows").set_value("A share").run()
    assert at.session_state["set"] == "train_share:0.2"
    assert "20 % of the rows instead of all rows" in chips(at)
    at.segmented_control(key="train-rows").set_value("All rows").run()
    assert at.session_state["set"] == ""
    at.multiselect(key="train-scenario").set_value(["Gender", "Age"]).run()
    assert at.session_state["set"] == "scenario_fields:gender+age_level"
    assert "scenario by gender and age_level instead of the data" in [
        chip.replace("\\", "") for chip in chips(at)
    ]
    at.multiselect(key="train-scenario").set_value(["Scenario"]).run()
    assert at.session_state["set"] == "" and not at.exception


def test_every_seed_is_a_training_of_one_group(app: Open, desk: Desk) -> None:
    at = app("train", run="tiny-satrans", set="layers:1,seed:4,seeds:3")
    at.text_input(key="train-name").set_value("mine").run()
    at.button(key="train-start").click().run()
    found = [(arguments[arguments.index("--seed") + 1], told["group"]) for arguments, told in desk.trainings]
    assert found == [("4", "mine"), ("5", "mine"), ("6", "mine")]
    assert [told["result"].name for _, told in desk.trainings] == ["mine", "mine-seed-5", "mine-seed-6"]


def test_a_name_that_is_taken_or_wrong_is_told(app: Open, desk: Desk) -> None:
    at = app("train", run="tiny-same", set="experts:3")
    for name, why in (("tiny-satrans", "is on the shelf"), ("../x", "letters, digits")):
        at.text_input(key="train-name").set_value(name).run()
        assert why in words(at) and at.button(key="train-start").disabled
    at.text_input(key="train-name").set_value("").run()
    assert at.text_input(key="train-name").value == "tiny-same-experts-3", "empty is the proposed one"
    desk.known["other"] = job("other", "running", result=Path("models/tiny-same-experts-3"))
    at.run()
    assert at.text_input(key="train-name").value == "tiny-same-experts-3-2", "another training makes that one"


def test_what_the_shelf_has_already_is_said(app: Open, desk: Desk) -> None:
    assert "Nothing is changed: tiny-same on the shelf is this training" in words(
        app("train", run="tiny-same")
    )


def test_time_and_memory_come_from_a_probe_of_this_very_plan(app: Open, desk: Desk) -> None:
    at = app("train", run="tiny-same", set="experts:3,seeds:2")
    ((arguments, told),) = desk.probes
    assert arguments[-1] == "--probe" and "--parent" not in arguments and values(arguments)["experts"] == "3"
    assert "timing some steps" in words(at)
    at.run()
    assert len(desk.probes) == 1, "asked once"
    cost = {"seconds": 50.0, "rows_per_second": 7116.3, "memory": 120.4, "device": "cpu"}
    desk.known[told["key"]] = job(told["key"], "finished", log=f"note\n{json.dumps(cost, indent=1)}")
    at.run()
    words_of = "about **2 min** at most for all 2 trainings at 7,116 rows a second, 120 MiB of memory (cpu)"
    assert words_of in words(at)
    at.number_input(key="field-experts").set_value(4).run()
    second = desk.probes[1]
    assert second[1]["key"] != told["key"] and not desk.cancelled, "the first had ended"
    at.number_input(key="field-experts").set_value(5).run()
    assert desk.cancelled == [second[1]["key"]], "what is no longer asked is not timed to its end"
    third = desk.probes[2][1]["key"]
    desk.known[third] = job(third, "failed", error="the loss became nan")
    at.run()
    assert "the time is not known: the loss became nan" in words(at)


def test_a_sweep_lists_its_trainings_and_starts_those_that_are_missing(app: Open, desk: Desk) -> None:
    at = app("train", run="tiny-same", train_view="Sweep", grid="experts:2+3,norm:on+off")
    assert not at.exception and not at.warning
    table = at.dataframe[0].value
    assert list(table["State"]) == ["on the shelf", "will be trained", "will be trained", "will be trained"]
    assert list(table["Run"]) == [
        "tiny-same", "tiny-same-norm-off", "tiny-same-experts-3", "tiny-same-experts-3-norm-off",
    ]  # fmt: skip
    assert table["What it changes"][3] == "experts 3 instead of 2, norm off instead of on"
    start = at.button(key="train-start")
    assert start.label == "Start 3 trainings"
    start.click().run()
    assert [told["result"].name for _, told in desk.trainings] == list(table["Run"][1:])
    assert {told["group"] for _, told in desk.trainings} == {"tiny-same: experts by norm"}


def test_values_of_a_sweep_are_typed_or_picked(app: Open, desk: Desk) -> None:
    at = app("train", run="tiny-same", train_view="Sweep")
    assert "Choose a setting and its values" in words(at)
    at.selectbox(key="sweep-setting-0").select("experts").run()
    at.text_input(key="sweep-values-experts").set_value("2, 3,4").run()
    at.selectbox(key="sweep-setting-1").select("norm").run()
    at.multiselect(key="sweep-values-norm").set_value(["on", "off"]).run()
    assert at.session_state["grid"] == "experts:2+3+4,norm:on+off" and len(at.dataframe[0].value) == 6
    at.number_input(key="field-seeds").set_value(2).run()
    assert len(at.dataframe[0].value) == 12
    at.selectbox(key="sweep-setting-0").select("none").run()
    assert at.session_state["grid"] == "norm:on+off"
    at.selectbox(key="sweep-setting-0").select("main_net").run()
    at.text_input(key="sweep-values-main_net").set_value("16,8; 8").run()
    assert at.session_state["grid"] == "main_net:16%2C8+8" and not at.exception


def test_a_sweep_that_cannot_work_or_is_too_large_starts_nothing(app: Open, desk: Desk) -> None:
    at = app("train", run="tiny-same", train_view="Sweep", grid="heads:2+3")
    assert "heads: width 8 cannot be shared out among heads 3" in list(at.dataframe[0].value["State"])[1]
    assert at.button(key="train-start").disabled
    many = "+".join(str(number) for number in range(1, 202))
    at = app("train", run="tiny-same", train_view="Sweep", grid=f"gate_units:{many}")
    assert not at.exception and "sweep: got '201 trainings'; at most 200" in words(at)
    assert not desk.trainings


def test_a_papers_study_is_chosen_by_the_link_alone(app: Open, desk: Desk) -> None:
    at = app("train", run="tiny-same", study="hierrec:Figure 4")
    assert not at.exception and not at.warning
    assert at.session_state["train_view"] == "Sweep"
    assert "hierrec** at the settings of tiny-hierrec" in words(at)
    table = at.dataframe[0].value
    assert list(table["What it changes"]) == [
        "nothing", "heads 1 instead of 2", "implicit off instead of on", "explicit off instead of on",
    ]  # fmt: skip
    assert list(table["State"]) == ["on the shelf", *["will be trained"] * 3]
    assert list(table["Run"])[1:] == ["hierrec-heads-1", "hierrec-implicit-off", "hierrec-explicit-off"]
    at.button(key="train-start").click().run()
    assert {values(arguments)["width"] for arguments, _ in desk.trainings} == {"4"}
    assert {told["group"] for _, told in desk.trainings} == {"hierrec, Figure 4"}
    at = app("train", study="hierrec:Figure 4", **{"from": "tiny-hierrec"})
    assert "tiny-hierrec**, which is hierrec, trained again" in words(at)
    at = app("train", study="hierrec:Figure 99")
    assert 'What is varied "hierrec:Figure 99" is not available here' in words(at)


def test_the_sidebar_starts_afresh_from_the_run_on_the_left(app: Open, desk: Desk) -> None:
    at = app("train", run="tiny-same", set="experts:3", **{"from": "tiny-satrans"})
    assert "tiny-satrans**, which is satrans" in words(at)
    assert 'Setting "experts" is not available here: satrans has no such setting' in words(at)
    at.button(key="retrain").click().run()
    assert at.session_state["from"] == "tiny-same" and at.session_state["set"] == "" and not at.warning
    at = app("train", set="experts:3", **{"from": "tiny-same"})
    assert chips(at) == ["experts 3 instead of 2"]
    at.query_params.clear()
    at.query_params.update({"from": "tiny-same", "afresh": "yes"})
    at.run()
    assert chips(at) == [] and "afresh" not in at.query_params


def test_an_empty_shelf_offers_a_new_model_and_no_data_say_what_to_do(
    app: Open, desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_world: Dataset
) -> None:
    monkeypatch.setenv("MSVIZ_MODELS", str(tmp_path / "none"))
    at = app("train")
    assert not at.exception and "A new **" in words(at)
    assert not at.button(key="train-start").disabled
    monkeypatch.setenv("MSVIZ_DATA", str(tmp_path / "nothing"))
    at = app("train")
    assert not at.exception and "No data yet" in words(at)
    assert any("msviz data plant" in code.value for code in at.code)


def test_a_run_whose_data_are_gone_is_told_so(
    app: Open, desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shelf_folder: Path
) -> None:
    import shutil

    shutil.copytree(shelf_folder / "tiny-same", tmp_path / "far" / "away" / "models" / "tiny-same")
    monkeypatch.setenv("MSVIZ_MODELS", str(tmp_path / "far" / "away" / "models"))
    monkeypatch.setenv("MSVIZ_DATA", str(tmp_path / "nothing"))
    at = app("train")
    assert not at.exception
    assert "Copy the data that the run saw into the data folder" in words(at)


def test_a_link_to_another_page_wins_over_what_was_chosen_before(app: Open, desk: Desk) -> None:
    at = app("train", run="tiny-satrans")
    assert at.selectbox(key="run").value == "tiny-satrans"
    at.query_params["run"] = ["tiny-satrans", "tiny-same"]  # as the browser has it after such a link
    open_page(at, "overview")
    at.run()
    assert at.selectbox(key="run").value == "tiny-same"
    at.selectbox(key="run").select("tiny-autoint").run()
    assert at.selectbox(key="run").value == "tiny-autoint", "on the page itself the reader chooses"


def test_the_gallery_leads_to_the_study_that_a_tile_needs(app: Open, desk: Desk) -> None:
    at = app("gallery", paper="SAINet")
    assert not at.exception
    links = [link.proto for link in at.get("page_link")]
    found = [link for link in links if link.label == "Train what this varies"]
    assert {unquote_plus(link.query_string) for link in found} == {
        "train_view=Sweep&study=sainet:Table 3", "train_view=Sweep&study=sainet:Figure 4 (a)",
        "train_view=Sweep&study=sainet:Figure 4 (b)", "train_view=Sweep&study=sainet:Figure 4 (c)",
    }  # fmt: skip
    (retrain,) = [link for link in links if link.label == "Retrain this run with …"]
    assert "from=tiny-" in retrain.query_string and retrain.page.endswith("train")


def test_settings_are_validated_once_for_each_value(
    app: Open, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app("train", run="tiny-same", set="experts:3")
    typed: list[Any] = []
    validate = TypeAdapter.validate_python

    def counted(self: TypeAdapter[Any], value: Any, **more: Any) -> Any:
        typed.append(value)
        return validate(self, value, **more)

    monkeypatch.setattr(TypeAdapter, "validate_python", counted)
    at.run()
    assert not at.exception and not typed, "the page as it was has nothing new to validate"
    at.number_input(key="field-experts").set_value(4).run()
    assert chips(at) == ["experts 4 instead of 2"]
    assert len(typed) <= 3, "one value changed"
