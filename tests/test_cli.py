"""The command line as a user meets it: what it prints, what it writes, and one line for every mistake."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from msviz.cli import run
from msviz.finding import Finding
from msviz.run import Run

SMALL = ["layers=1", "heads=2", "width=4", "hidden=8", "batch_size=4096"]
SETS = [part for pair in SMALL for part in ("--set", pair)]
COMMANDS = [
    [], ["data"], ["data", "import"], ["data", "import", "table"], ["data", "import", "kuairand"],
    ["data", "plant"], ["data", "describe"], ["train"], ["evaluate"], ["analyse"], ["draw"], ["models"],
    ["analyses"], ["app"],
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tiny_world, tmp_path_factory) -> Path:
    """A run that the command line trained."""
    out = tmp_path_factory.mktemp("models") / "small"
    data = str(tiny_world.path)
    command = ["train", "autoint", "--data", data, "--out", str(out), "--epochs", "1", "--seed", "2"]
    assert run([*command, "--device", "cpu", *SETS]) == 0
    return out


def refused(capsys, *arguments: object, code: int = 2) -> str:
    """Return the one line on standard error with which a command line is refused."""
    capsys.readouterr()
    assert run([str(argument) for argument in arguments]) == code
    told = capsys.readouterr()
    lines = told.err.splitlines()
    assert len(lines) == 1, told.err
    assert "Traceback" not in told.err
    return lines[0].removeprefix("error: ")


def printed(capsys, *arguments: object) -> str:
    """Return what a command prints when all is well: nothing stands on standard error."""
    capsys.readouterr()
    assert run([str(argument) for argument in arguments]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    return told.out


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "msviz")
def test_every_command_has_help(capsys, command):
    text = " ".join(printed(capsys, *command, "--help").split())
    assert f"Usage: {' '.join(['msviz', *command])}" in text


def test_the_listings(capsys):
    models = printed(capsys, "models")
    assert {line.split()[0] for line in models.splitlines()} >= {"satrans", "autoint"}
    assert all(len(line.split(maxsplit=1)) == 2 for line in models.splitlines())
    assert "attention_by_scenario" in printed(capsys, "analyses")
    text = printed(capsys, "models", "autoint")
    assert "layers = 3" in text
    assert "learning_rate = 0.001" in text
    assert "training:" in text
    assert "split = None" in printed(capsys, "analyses", "performance")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["models"], ["analyses"], ["data", "import", "--help"], ["train", "--help"]]
)
def test_listings_and_help_import_no_torch(arguments):
    code = f"from msviz.cli import run; import sys; run({arguments}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_describe(capsys, tiny_world):
    found = json.loads(printed(capsys, "data", "describe", tiny_world.path, "--json"))
    wanted = {"name", "rows", "click_rate", "scenarios", "fields", "fingerprint", "origin"}
    assert set(found) == wanted | {"history", "signals"}
    assert found["rows"] == tiny_world.rows
    parts = [tiny_world.split(name) for name in tiny_world.rows]
    search = tiny_world.schema.scenario("Search")
    line = next(line for line in found["scenarios"] if line["name"] == "Search")
    assert line["rows"] == sum(int((part.scenario == search).sum()) for part in parts)
    assert line["clicks"] == sum(int(part.label[part.scenario == search].sum()) for part in parts)
    assert line["click_rate"] == line["clicks"] / line["rows"]
    assert found["click_rate"] == sum(int(part.label.sum()) for part in parts) / 20_000
    gender = next(field for field in found["fields"] if field["name"] == "gender")
    size = tiny_world.schema.field("gender").size
    assert gender == {
        "name": "gender", "title": "Gender", "role": "user", "kind": "categorical", "size": size,
        "specific": False,
    }  # fmt: skip
    text = printed(capsys, "data", "describe", tiny_world.path)
    assert "Search" in text
    assert f"{line['click_rate']:.2%}" in text
    assert f"Recent clicks: {found['history']['share']:.2%} of the rows" in text
    assert [signal["title"] for signal in found["signals"]] == [f.label for f in tiny_world.schema.signals]
    assert all(signal["title"] in text for signal in found["signals"])
    code = f"from msviz.cli import run; import sys; run(['data', 'describe', {str(tiny_world.path)!r}]);"
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_plant(capsys, tmp_path, tiny_world):
    out = tmp_path / "world"
    text = printed(capsys, "data", "plant", "--rows", 20_000, "--seed", 1, "--out", out)
    assert f"wrote {out}: 20,000 rows" in text
    found = json.loads(printed(capsys, "data", "describe", out, "--json"))
    assert found["fingerprint"] == tiny_world.fingerprint
    assert refused(capsys, "data", "plant", "--out", out).startswith(f"out: got '{out}'; it exists already")


def test_import_a_table_by_its_proposed_schema(capsys, tmp_path):
    log = tmp_path / "log.csv"
    rows = [f"{i % 3 == 0:d},{'ab'[i % 2]},{i % 7},{i}" for i in range(60)]
    log.write_text("\n".join(["click,tab,user_id,time", *rows]) + "\n")
    schema = tmp_path / "schema.yaml"
    assert f"wrote {schema}" in printed(capsys, "data", "import", "table", log, "--propose", schema)
    fields = {field["name"]: field["role"] for field in yaml.safe_load(schema.read_text())["fields"]}
    assert fields["click"] == "label"
    assert "exists already" in refused(capsys, "data", "import", "table", log, "--propose", schema)
    out = tmp_path / "encoded"
    printed(capsys, "data", "import", "table", log, "--schema", schema, "--out", out)
    found = json.loads(printed(capsys, "data", "describe", out, "--json"))
    assert sum(found["rows"].values()) == 60
    assert "--out: it is missing" in refused(capsys, "data", "import", "table", log)
    assert "no such table" in refused(
        capsys, "data", "import", "table", "/nowhere.csv", "--out", tmp_path / "x"
    )


def test_train_and_evaluate(capsys, trained, tiny_world):
    card = Run.open(trained).card
    assert (card.model, card.seed, card.config["width"], card.training["epochs"]) == ("autoint", 2, 4, 1)
    found = json.loads(printed(capsys, "evaluate", trained, "--json"))
    about = {name: found.pop(name) for name in ("model", "run", "data", "split")}
    assert about == {"model": "autoint", "run": "small", "data": "tiny", "split": "test"}
    assert found == Run.open(trained).metrics["test"]
    text = printed(capsys, "evaluate", trained, "--data", tiny_world.path, "--split", "valid")
    auc = Run.open(trained).metrics["valid"]["overall"]["auc"]
    assert f"{auc['value']:.4f} [{auc['low']:.4f}, {auc['high']:.4f}]" in text
    assert "Live stream" in text


def test_analyse(capsys, trained, tiny_world, tmp_path):
    out = tmp_path / "new" / "finding.nc"
    text = printed(capsys, "analyse", "performance", trained, "--out", out, "--set", "split=valid")
    finding = Finding.load(out)
    assert text.strip() == finding.takeaway
    assert (finding.analysis, finding.provenance.split) == ("performance", "valid")
    for kind in ("csv", "json"):
        printed(capsys, "analyse", "performance", trained, "--out", out.with_suffix(f".{kind}"))
    assert json.loads(out.with_suffix(".json").read_text())["analysis"] == "performance"
    # The overview asks a log, no run; without --out the finding is only kept.
    for run_or_none in ([], ["-"]):
        assert printed(capsys, "analyse", "data_overview", *run_or_none, "--data", tiny_world.path)


def test_draw(capsys, trained, tmp_path):
    ask = ["draw", "attention_by_scenario", trained]
    out = tmp_path / "picture.html"
    printed(capsys, *ask, "--out", out, "--set", "scenario=Search", "--set", "rows=500")
    page = out.read_text(encoding="utf-8")
    assert '"showSendToCloud": false' in page
    assert "Plotly.newPlot" in page
    assert "<script src=" not in page  # nothing is fetched
    printed(capsys, *ask, "--out", tmp_path / "picture.json", "--set", "rows=500")
    assert json.loads((tmp_path / "picture.json").read_text())["data"]
    assert "valid choices: All scenarios, Home feed" in refused(
        capsys, *ask, "--out", out, "--set", "scenario=Serch", "--set", "rows=500"
    )
    told = refused(capsys, *ask, "--out", out, "--set", "scen=Search")
    assert told.startswith("--set: got 'scen'; valid choices: ")
    assert {"rows", "split", "scenario", "layer", "head", "view"} <= set(told.split(": ")[2].split(", "))


def test_images_need_a_browser_and_say_so(capsys, trained, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    told = refused(capsys, "draw", "performance", trained, "--out", tmp_path / "picture.png")
    assert "need Chrome or Chromium" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["fly"], "No such command 'fly'; valid choices: "),
        (["data"], "Missing command; valid choices: import, plant, describe"),
        (["data", "import", "csv", "x"], "No such command 'csv'; valid choices: kuairand, table"),
        (["models", "oracle"], "model: got 'oracle'; valid choices: autoint, hierrec, "),
        (["analyses", "why"], "analysis: got 'why'; valid choices: attention_by_scenario"),
        (["train"], "Missing argument 'MODEL'; see 'msviz train --help'"),
        (["evaluate", "/nowhere"], "run: got '/nowhere'; wanted: a folder that holds run.json"),
        (["data", "describe", "/nowhere"], "data: got '/nowhere'; wanted: a folder written by"),
        (["data", "describe", "/nowhere", "--jsn"], "No such option: --jsn"),
        (["app", "--port=0"], "--port: got '0'; "),
        (["app", "--port", "web"], "--port: got 'web'; Input should be a valid integer"),
        (["data", "plant", "--out", "/tmp/x", "--rows", "9"], "data plant: rows: got '9'; "),
        (["data", "plant", "--rows", "10000"], "Missing option '--out'"),
        (
            ["analyse", "performance", "--out", "x.docx"],
            "--out: got 'x.docx'; valid endings: .nc, .csv, .json",
        ),
        (["draw", "performance", "--out", "x.gif"], "--out: got 'x.gif'; valid endings: .html, .json, .png"),
        (["analyse", "why"], "analysis: got 'why'; valid choices: "),
        (["analyse", "performance"], "run: got None; "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line(capsys, arguments, told):
    assert told in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (["--set", "width"], "--set: got 'width'; wanted: key=value"),
        (["--set", "wings=2"], "--set: got 'wings'; valid choices: layers, heads"),
        (["--set", "width=wide"], "autoint: width: got 'wide'; Input should be a valid integer"),
        (["--set", "batch_size=0"], "training: batch_size: got '0'; Input should be greater"),
        (["--set", "width=4", "--set", "width=8"], "--set: got 'width=8'; the key is given twice"),
        (["--epochs", "0"], "training: epochs: got 0; "),
        (["--device", "tpu"], "device: got 'tpu'; valid choices: auto, cpu, cuda"),
        (["--resume"], "resume: got '"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_in_training_are_one_line(capsys, tmp_path, tiny_world, extra, told):
    command = ["train", "autoint", "--data", tiny_world.path, "--out", tmp_path / "run"]
    assert told in refused(capsys, *command, *extra)
    assert not (tmp_path / "run").exists()


def test_mistakes_with_a_run_are_one_line(capsys, trained, tmp_path):
    assert "valid choices: train, valid, test" in refused(capsys, "evaluate", trained, "--split", "dev")
    out = ["--out", tmp_path / "x.nc"]
    told = refused(capsys, "analyse", "performance", trained, *out, "--set", "depth=3")
    assert told.startswith("performance option: got 'depth'; valid choices: ")
    told = refused(capsys, "analyse", "attention_instance", trained, *out)
    assert told == "attention_instance: row: it is missing"


def test_the_unforeseen_is_one_line_and_debug_tells_more(capsys, monkeypatch):
    def fail(*given):
        raise ZeroDivisionError("deep\ninside")

    monkeypatch.setattr("msviz.registry.Registry.names", fail)
    told = refused(capsys, "models", code=1)
    assert told == "unexpected ZeroDivisionError: deep inside; run with --debug"
    assert run(["models", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_files_that_cannot_be_written_are_one_line(capsys, trained, tmp_path):
    (tmp_path / "file").write_text("")
    told = refused(capsys, "analyse", "performance", trained, "--out", tmp_path / "file" / "x.csv")
    assert str(tmp_path / "file") in told


def test_python_m_msviz_and_a_closed_pipe():
    with subprocess.Popen(
        [sys.executable, "-m", "msviz", "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        child.stdout.close()  # as `head` does
        assert child.stderr.read() == b""
    assert child.returncode == 0


WAITS_AT_THIRD_STEP = """
import sys
from msviz.cli import run
from msviz.training import loop
step, seen = loop.take_step, []
def waiting(*given):
    seen.append(given)
    if len(seen) == 3:
        print("third", flush=True)
        sys.stdin.readline()
    return step(*given)
loop.take_step = waiting
sys.exit(run(sys.argv[1:]))
"""


def test_ctrl_c_ends_training_cleanly_and_resume_goes_on(capsys, tmp_path, tiny_world):
    out = tmp_path / "run"
    sets = [*SETS, "--set", "checks_per_epoch=2", "--epochs", "2"]
    command = [
        "train",
        "autoint",
        "--data",
        str(tiny_world.path),
        "--out",
        str(out),
        "--device",
        "cpu",
        *sets,
    ]
    with subprocess.Popen(
        [sys.executable, "-c", WAITS_AT_THIRD_STEP, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as child:
        assert child.stdout.readline().startswith("training autoint")
        while child.stdout.readline() != "third\n":
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        told = child.communicate("\n")[1].splitlines()
    assert child.returncode == 130
    assert told == [
        "msviz: stopped in epoch 1 after step 3 of 4; the same command with --resume goes on from there"
    ]
    assert not (out / "run.json").exists()
    assert "pass --resume or --overwrite" in refused(capsys, *command)
    printed(capsys, *command, "--resume")
    printed(capsys, *command[:5], tmp_path / "whole", *command[6:])
    resumed, whole = Run.open(out), Run.open(tmp_path / "whole")
    assert resumed.metrics == whole.metrics
    assert resumed.card.digests["weights.safetensors"] == whole.card.digests["weights.safetensors"]
