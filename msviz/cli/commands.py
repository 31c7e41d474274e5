"""The commands; each imports what it needs when it is called, so that listings and help are quick."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from msviz.cli import shelf
from msviz.cli.options import Kinds, Late, parse, settings, table, with_options
from msviz.cli.terminal import Terminal
from msviz.errors import MsvizError, invalid, one_of
from msviz.registry import MODELS, PLUGINS, QUESTIONS, ROOT, Registry, plugin_folders

app = typer.Typer(
    help="Train multi-scenario click-through-rate models and see what they learned.",
    epilog="Every command takes --debug, which shows the traceback of an error.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="a setting; may be repeated")
]
DataDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="encoded data; what the run was trained on by default")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


def _import(name: str) -> Callable[..., None]:
    """Return the function behind `msviz data import KIND`."""
    from msviz.data.importing.source import load_source

    kind = load_source(name)

    def command(
        source: Annotated[str, typer.Argument(metavar="SOURCE", help="file, folder or glob")],
        values: dict[str, Any],
        out: Annotated[Path | None, typer.Option(metavar="DIR", help="folder to write")] = None,
    ) -> None:
        if out is None:
            raise MsvizError("--out: it is missing; wanted: the folder to write the encoded data to")
        options = parse(kind.options, values, f"data import {name}")
        with Terminal() as terminal:
            kind.import_log(source, out, options, terminal.report)

    def proposing(
        source: Annotated[str, typer.Argument(metavar="SOURCE", help="file, folder or glob")],
        values: dict[str, Any],
        out: Annotated[Path | None, typer.Option(metavar="DIR", help="folder to write")] = None,
        propose: Annotated[
            Path | None,
            typer.Option(metavar="FILE", help="only write a proposed schema (YAML) for you to edit"),
        ] = None,
    ) -> None:
        if propose is None:
            command(source, values, out)
            return
        assert kind.propose is not None
        _new_file(propose, bool(values.get("overwrite")))
        propose.write_text(kind.propose(source).to_yaml(), encoding="utf-8")
        print(f"wrote {propose}: edit it, then import with --schema {propose}")

    return with_options(proposing if kind.propose else command, kind.options)


def _plant(name: str) -> Callable[..., None]:
    """Return the function behind `msviz data plant`."""
    from msviz.data.planted.plant import PlantOptions, plant

    def command(
        values: dict[str, Any],
        out: Annotated[Path, typer.Option(metavar="DIR", help="folder to write")],
    ) -> None:
        options = parse(PlantOptions, values, "data plant")
        with Terminal() as terminal:
            dataset = plant(out, options, terminal.report)
        print(_summary(dataset))

    return with_options(command, PlantOptions)


class _Data(Kinds):
    """`msviz data`: the usual subcommands, and `plant`, whose options live with the planted world."""

    def list_commands(self, ctx: Any) -> list[str]:
        return ["import", "plant", "describe"]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name == "plant":
            return Late("plant", "Write a simulated shop's log that knows its own truth.", _plant)
        return self.commands.get(cmd_name)


class _Import(Kinds):
    """`msviz data import KIND`."""

    make = staticmethod(_import)


data = typer.Typer(cls=_Data, help="Bring a log in, plant one, say what one holds.")
data.add_typer(
    typer.Typer(cls=_Import), name="import", help="Encode a log.", subcommand_metavar="KIND SOURCE --out DIR"
)
app.add_typer(data, name="data")
app.add_typer(shelf.app, name="shelf")


@data.callback()
def _data() -> None:
    """Bring a log in, plant one, say what one holds."""


@data.command("describe")
def describe(folder: Annotated[Path, typer.Argument(metavar="DIR")], as_json: Json = False) -> None:
    """Say what encoded data hold: rows, scenarios, fields, click rates, splits.

    --json prints {"name", "rows": {"train", "valid", "test"}, "click_rate", "scenarios": [{"name",
    "rows", "clicks", "click_rate"}], "fields": [{"name", "title", "role", "kind", "size", "specific"}],
    "history": null or {"name", "title", "of", "sides", "longest", "events", "share", "mean_length"},
    "signals": [{"name", "title", "unit", "least", "mean", "most"}], "fingerprint", "origin"}.
    """
    from msviz.data.describe import describe
    from msviz.dataset import open_data

    facts = describe(open_data(folder))
    if as_json:
        print_json(facts)
        return
    splits = ", ".join(f"{name} {rows:,}" for name, rows in facts["rows"].items())
    print(f"{facts['name']}: {sum(facts['rows'].values()):,} rows ({splits})\n")
    print_table(
        ["scenario", "rows", "clicks", "click rate"],
        [
            [line["name"], f"{line['rows']:,}", f"{line['clicks']:,}", _percent(line["click_rate"])]
            for line in facts["scenarios"]
        ]
        + [["all", f"{sum(facts['rows'].values()):,}", "", _percent(facts["click_rate"])]],
    )
    print()
    print_table(
        ["field", "title", "role", "kind", "ids", "specific"],
        [
            [f["name"], f["title"], f["role"], f["kind"], f["size"] or "", "yes" if f["specific"] else ""]
            for f in facts["fields"]
        ],
    )
    if past := facts["history"]:
        length = f"{_percent(past['share'])} of the rows"
        if past["share"]:
            length += f", {past['mean_length']:,.1f} behaviours on average, {past['longest']:,} at most"
        print(f"\n{past['title']}: {length}; {past['events']:,} events are kept")
    if facts["signals"]:
        print()
        lines = []
        for signal in facts["signals"]:
            values = [signal[key] for key in ("least", "mean", "most")]
            numbers = [f"{value:,.0f}" if value >= 100 else f"{value:.4g}" for value in values]
            lines.append([signal["title"], signal["unit"] or "", *numbers])
        print_table(["signal", "unit", "least", "mean", "most"], lines)


@app.command()
def train(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="one of 'msviz models'")],
    folder: Annotated[Path, typer.Option("--data", metavar="DIR", help="encoded data")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="folder of the run, as in models/NAME")],
    values: Set = None,
    epochs: Annotated[int | None, typer.Option(help="passes over the rows at most")] = None,
    seed: Annotated[int, typer.Option(help="same seed, same weights (on a CPU)")] = 0,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="go on from the last checkpoint in --out")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the run in --out")] = False,
    frames: Annotated[
        int, typer.Option(min=0, max=200, help="pictures of the net to keep while it is trained")
    ] = 0,
    parent: Annotated[
        Path | None, typer.Option(metavar="RUN", help="the run from which this one was retrained, to note it")
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="time some steps, write nothing, print what it would take")
    ] = False,
) -> None:
    """Train a model and put the run on the shelf.

    'msviz models MODEL' lists what --set can change. Ctrl-C stops after the current step; --resume
    goes on from there with the same result. --probe prints {"parameters", "rows_per_second", "seconds" of all
    epochs at most, "memory" in MiB, "rows", "steps", "device"}.
    """
    # The signals are taken over first: importing torch takes seconds.
    from msviz.training.stop import Stop

    with Stop() as stop, Terminal() as terminal:
        from msviz.dataset import open_data
        from msviz.nets.base import net_class
        from msviz.shelving.notes import change_notes
        from msviz.training.loop import Training, parse_training
        from msviz.training.loop import train as fit

        chosen = settings(values or [])
        fields = net_class(model).Config.model_fields
        for key in chosen:
            if key not in fields and key not in Training.model_fields:
                raise invalid("--set", key, one_of([*fields, *Training.model_fields]))
        own = {key: value for key, value in chosen.items() if key in Training.model_fields}
        if epochs is not None:
            own["epochs"] = epochs
        if probe:
            from msviz.training.probe import probe as time_it

            cost = time_it(
                model,
                open_data(folder),
                values={key: value for key, value in chosen.items() if key in fields},
                training=parse_training(own),
                seed=seed,
                device=device,
            )
            print_json(cost.to_json())
            return
        origin, watch = None if parent is None else _parent(parent, resume), None
        if frames:
            from msviz.analyses.snapshots import SnapshotMaker

            watch = SnapshotMaker(frames, terminal.report)
        run = fit(
            model,
            open_data(folder),
            out,
            values={key: value for key, value in chosen.items() if key in fields},
            training=parse_training(own),
            seed=seed,
            device=device,
            resume=resume,
            overwrite=overwrite,
            report=terminal.report,
            progress=terminal.progress,
            stop=stop,
            watch=watch,
        )
        if origin is not None:
            change_notes(run.path, parent=origin)
    _print_measures(run.metrics["test"])
    print(f"\nwrote {run.path} ({run.card.rows_per_second:,.0f} training rows/s)")


def _parent(path: Path, resume: bool) -> Any:
    """Return what a run's notes say of its parent; None where a resumed training finds that it is gone."""
    from msviz.run import Run
    from msviz.shelving.notes import Parent

    try:
        run = Run.peek(path)
    except MsvizError:
        if resume:
            return None  # renamed or deleted meanwhile: no reason to lose what was trained
        raise
    return Parent(name=run.name, digest=run.card.digest)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN")],
    data: DataDir = None,
    split: Annotated[str, typer.Option(help="train, valid or test")] = "test",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Score a run, overall and per scenario, with 95 % intervals.

    --json prints {"model", "run", "data", "split", "overall": {"rows", "clicks", "auc": {"value", "low",
    "high", "why"}, "logloss", "gauc", "bias"}, "scenarios": {NAME: the same}}; what is not defined is
    null, and "why" says the reason.
    """
    from msviz.data.run_data import find_data
    from msviz.run import Run
    from msviz.training.bundle import load_net
    from msviz.training.loop import choose_device
    from msviz.training.scoring import evaluate as score

    opened = Run.open(run)
    chosen_device = choose_device(device)
    dataset = find_data(opened, data)
    with Terminal(quiet=True) as terminal:
        measures = score(
            load_net(opened, chosen_device),
            dataset.split(split),
            device=chosen_device,
            progress=terminal.progress,
        )
    if as_json:
        about = {"model": opened.card.model, "run": opened.name, "data": dataset.name, "split": split}
        print_json({**about, **measures})
        return
    print(f"{opened.name} ({opened.card.model}) on {dataset.name}, {split}\n")
    _print_measures(measures)


@app.command()
def analyse(
    name: Annotated[str, typer.Argument(metavar="NAME", help="one of 'msviz analyses'")],
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help="a run; - for none")] = None,
    data: DataDir = None,
    values: Set = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.{nc,csv,json}", help="file to write; else it is only kept")
    ] = None,
) -> None:
    """Answer one question about a run (or a log) and write the finding.

    'msviz analyses NAME' lists what --set can change.
    """
    from msviz.finding import FORMATS

    if out is not None:
        _ending(out, FORMATS)
    finding = _ask(name, run, data, settings(values or []))
    if out is not None:
        finding.save(out)
    print(finding.takeaway)


@app.command()
def draw(
    name: Annotated[str, typer.Argument(metavar="NAME", help="one of 'msviz analyses'")],
    out: Annotated[Path, typer.Option(metavar="FILE.{html,png,svg,pdf,json}", help="file to write")],
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help="a run; - for none")] = None,
    data: DataDir = None,
    values: Set = None,
) -> None:
    """Draw the picture of a finding; --set takes the question's options and the picture's choices.

    HTML stands alone and needs no network; png, svg and pdf need Chrome or Chromium; json is Plotly's.
    """
    from msviz.figures import export
    from msviz.figures.picture import load_picture

    kind = _ending(out, ("html", "json", *export.IMAGES))
    if kind in export.IMAGES:
        export.browser()  # before the work, not after it
    choices = settings(values or [])
    question_options = _analysis_options(name)
    finding = _ask(
        name, run, data, {key: choices.pop(key) for key in list(choices) if key in question_options}
    )
    chosen = _choices(load_picture(finding.picture), choices, question_options)
    figure = export.dressed(finding.figure(**chosen), finding)
    out.parent.mkdir(parents=True, exist_ok=True)
    if kind in export.IMAGES:
        out.write_bytes(export.to_image(figure, kind))
    else:
        out.write_text(export.to_html(figure) if kind == "html" else figure.to_json(), encoding="utf-8")
    print(f"wrote {out}")


@app.command()
def gallery(
    models: Annotated[Path, typer.Option(metavar="DIR", help="the shelf")] = Path("models"),
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="datasets and A/B logs, which runs do not name")
    ] = Path("data"),
    paper: Annotated[str | None, typer.Option(help="one of the papers; all by default")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.md", help="table to write")] = None,
    commands: Annotated[
        bool,
        typer.Option("--commands", help="print the trainings that studies lack, one a line; draw nothing"),
    ] = False,
    study: Annotated[str | None, typer.Option(help="with --commands: one study, as in 'Table 3'")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=20, help="with --commands: trainings of each kind")] = 1,
    device: Annotated[str, typer.Option(help="with --commands: auto, cpu or cuda")] = "cpu",
    tables: Annotated[
        Path | None, typer.Option(metavar="FILE.md", help="numbers of the studies' runs to write")
    ] = None,
) -> None:
    """Draw every figure and table of the papers that the shelf can show, and say what the others need.

    Ablations and curves are of runs in the folder papers of the shelf: --commands prints what trains those
    that are missing, from the settings of the demo runs.
    """
    from msviz.dataset import open_data
    from msviz.gallery import items, studies

    if paper is not None and paper not in items.papers():
        raise invalid("--paper", paper, one_of(items.papers()))
    if commands:
        for line in studies.commands(models, paper, study, seeds, device):
            print(line)
        return
    for file in (out, tables):
        if file is not None:
            _ending(file, ("md",))
    files = sorted(folder.glob("*/dataset.json"))
    hung = items.gallery_items(
        items.runs_of(models), open_data(files[0].parent) if files else None, items.ab_log(folder)
    )
    hung = [item for item in hung if paper in (None, item.paper)]
    if tables is not None and out is None:
        hung = [item for item in hung if item.tile.study]
    drawings = []
    with Terminal() as terminal:
        for number, drawing in enumerate(items.findings(hung), 1):
            drawings.append(drawing)
            terminal.progress(number / len(hung), f"{drawing[0].paper}, {drawing[0].tile.label}")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(items.page(drawings), encoding="utf-8")
    if tables is not None:
        tables.parent.mkdir(parents=True, exist_ok=True)
        tables.write_text(studies.page(drawings), encoding="utf-8")
    drawn = sum(finding is not None for _, finding, _ in drawings)
    print(f"{drawn} of {len(drawings)} drawn")
    for item, finding, why in drawings:
        if finding is None:
            print(f"{item.paper}, {item.tile.label}: {why}")


@app.command()
def models(model: Annotated[str | None, typer.Argument(metavar="[MODEL]")] = None) -> None:
    """List the models; with a name, its settings and those of training."""
    if model is None:
        _list(MODELS)
        return
    from msviz.nets.base import net_class
    from msviz.training.loop import Training

    print("\n".join([f"{model}:", *table(net_class(model).Config), "training:", *table(Training)]))


@app.command()
def analyses(name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None) -> None:
    """List the questions that can be asked; with a name, its options."""
    if name is None:
        _list(QUESTIONS)
        return
    from msviz.analyses.answers import CommonOptions
    from msviz.analyses.question import load_question

    question = load_question(name)
    print("\n".join([question.title, *table(question.options), *table(CommonOptions)]))


@app.command("app")
def open_app(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="port to serve on")] = 8501,
) -> None:
    """Open the app in a browser; the shelf is models/ and the data data/ of this folder."""
    import socket

    root = ROOT.parent
    if not (root / "app" / "main.py").is_file():
        raise MsvizError("app: app/main.py is not beside the package; install from the repository")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise invalid("--port", port, "something listens there already; name another port") from error
    os.environ.setdefault("MSVIZ_MODELS", str(Path("models").resolve()))
    os.environ.setdefault("MSVIZ_DATA", str(Path("data").resolve()))
    if folders := plugin_folders():
        os.environ[PLUGINS] = os.pathsep.join(map(str, folders))
    os.chdir(root)  # where the app's own configuration lies
    command = ["-m", "streamlit", "run", "app/main.py", f"--server.port={port}"]
    os.execv(sys.executable, [sys.executable, *command])


def _ask(name: str, run: Path | None, data: Path | None, options: dict[str, Any]) -> Any:
    from msviz.analyses.run import analyse

    chosen = None if run is None or str(run) == "-" else run
    with Terminal(quiet=True) as terminal:
        return analyse(name, chosen, data, progress=terminal.progress, **options)


def _analysis_options(name: str) -> list[str]:
    from msviz.analyses.answers import CommonOptions
    from msviz.analyses.question import load_question

    return [*load_question(name).options.model_fields, *CommonOptions.model_fields]


def _choices(picture: Any, choices: dict[str, Any], question_options: Sequence[str]) -> dict[str, Any]:
    """Return the picture's choices; raise MsvizError for one that neither picture nor question knows."""
    import inspect

    own = [
        name
        for name, parameter in inspect.signature(picture.draw, eval_str=True).parameters.items()
        if parameter.annotation in (str, str | None)
    ]
    for key in choices:
        if key not in own:
            raise invalid("--set", key, one_of([*question_options, *own]))
    return choices


def _summary(dataset: Any) -> str:
    splits = ", ".join(f"{name} {rows:,}" for name, rows in dataset.rows.items())
    schema = dataset.schema
    return (
        f"wrote {dataset.path}: {sum(dataset.rows.values()):,} rows ({splits}), "
        f"{len(schema.scenarios):,} scenarios, {len(schema.features)} fields"
    )


def _new_file(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise invalid("--propose", str(path), "it exists already; name another file or pass --overwrite")


def _ending(path: Path, kinds: Sequence[str]) -> str:
    kind = path.suffix.lstrip(".")
    if kind not in kinds:
        raise invalid("--out", path.name, "valid endings: ." + ", .".join(kinds))
    return kind


def _list(registry: Registry) -> None:
    names = registry.names()
    width = max(map(len, names), default=0)
    for name in names:
        print(f"{name:{width}}  {registry.summary(name)}")


def print_json(content: dict[str, Any]) -> None:
    """Print JSON, which knows no NaN."""
    print(json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1))


def _print_measures(measures: dict[str, Any]) -> None:
    """Print AUC, logloss, AUC by user and bias, overall and per scenario, with their intervals."""
    lines, reasons = [], []
    for name, line in {"all scenarios": measures["overall"], **measures["scenarios"]}.items():
        cells = [name, f"{line['rows']:,}", f"{line['clicks']:,}"]
        for metric in ("auc", "logloss", "gauc", "bias"):
            cells.append(_measure(line[metric], percent=metric == "bias"))
            if line[metric]["why"]:
                reasons.append(f"{name}, {metric}: {line[metric]['why']}")
        lines.append(cells)
    print_table(["scenario", "rows", "clicks", "AUC", "logloss", "AUC by user", "bias"], lines)
    # Many small scenarios would hide the table.
    for reason in reasons[:20]:
        print(reason)
    if len(reasons) > 20:
        print(f"... and {len(reasons) - 20} more that are not defined")


def _measure(value: dict[str, Any], percent: bool) -> str:
    def number(x: float) -> str:
        return f"{x:+.1%}" if percent else f"{x:.4f}"

    if value["value"] is None:
        return "not defined"
    if value["low"] is None:
        return number(value["value"])
    return f"{number(value['value'])} [{number(value['low'])}, {number(value['high'])}]"


def print_table(head: list[str], lines: list[list[Any]]) -> None:
    """Print columns that line up; every column after the first two to the left, as text."""
    rows = [head, *([str(cell) for cell in line] for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
