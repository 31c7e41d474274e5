"""The one training loop: every model, every dataset, stopped and resumed without a difference.

On a CPU the same seed gives the same weights to the last bit, also through a checkpoint. All
randomness comes from torch's global generator (dropout) and from the loader's (seed, epoch).
"""

import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic import Field as Setting

from msviz import __version__
from msviz.batch import Batch
from msviz.data.loader import batches, steps
from msviz.dataset import Array, Dataset, Rows
from msviz.errors import MsvizError, invalid
from msviz.nets.base import parse_config
from msviz.nets.batchnorm import settle
from msviz.run import Card, Run, TrainedOn
from msviz.run_folder import CARD, CHECKPOINT, is_begun, is_run
from msviz.same_training import EARLIER
from msviz.schema import first_problem
from msviz.training.bundle import save_bundle
from msviz.training.checkpoint import Checkpoint, State
from msviz.training.doubts import doubts
from msviz.training.metrics import measure
from msviz.training.optimisers import make_optimisers
from msviz.training.rows import Used, fits, sees, used
from msviz.training.scoring import Progress, predict, users
from msviz.training.selection import Checked, Keep, candidates, improves
from msviz.training.sizes import sized, told
from msviz.training.snapshots import SnapshotRecorder, Watching
from msviz.training.start import fresh_net
from msviz.training.step import step as take_step
from msviz.training.stop import Interrupted, Stop

DEVICES = ("auto", "cpu", "cuda")
AUTO = "auto"  # how people write a setting that follows the number of rows
# How an epoch takes the rows: a training that was stopped under another rule cannot go on under this one.
ROW_ORDER = "all rows shuffled"
SETTLING = 16_384  # rows from which batch norm's statistics are taken before a validation


class Training(BaseModel):
    """How to train, whatever the model; names never collide with those of a net's config."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int | None = Setting(
        None, ge=1, le=1000, description="passes over the training rows at most; auto follows their number"
    )
    batch_size: int | None = Setting(
        None, ge=1, le=1_048_576, description="rows of one optimiser step; auto follows the number of rows"
    )
    optimiser: Literal["adam", "adagrad"] = Setting(
        "adam", description="adagrad is what SAME's paper takes, with learning_rate 0.01 and batch_size 256"
    )
    learning_rate: float = Setting(1e-3, gt=0, le=1, description="step size of the optimiser")
    schedule: Literal["constant", "linear"] = Setting(
        "constant", description="learning rate over the planned steps: constant, or linearly down to 0"
    )
    l2: float = Setting(0.0, ge=0, le=1, description="l2 * weight is added to gradients of embedding rows")
    patience: int = Setting(
        2, ge=1, le=1000, description="validations better in neither AUC nor logloss before training stops"
    )
    keep: Keep = Setting(
        "logloss",
        description="what a kept step is best in: logloss, among those whose AUC is not told apart from the "
        "best, or AUC",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Setting(
        "auto", description="numbers of products in training; auto is bfloat16 on a GPU, float32 on a CPU"
    )
    checks_per_epoch: int = Setting(1, ge=1, le=100, description="validations in one pass over the rows")
    checkpoint_seconds: float = Setting(
        120.0, gt=0, le=86_400, description="seconds between checkpoints inside an epoch, at least"
    )
    threads: int = Setting(0, ge=0, le=256, description="CPU threads; 0 takes what torch was given")
    train_where: str = Setting(
        "",
        description="only rows of train and valid for which this holds, as in scenario != 'Flash sale'; test "
        "stays whole",
    )
    train_share: float = Setting(
        1.0, gt=0, le=1, description="share of the rows of train, drawn alike for every seed"
    )
    scenario_fields: str = Setting(
        "", description="columns between commas whose combination is the scenario, instead of the data's own"
    )

    @field_validator("epochs", "batch_size", mode="before")
    @classmethod
    def _auto(cls, value: Any) -> Any:
        return None if value == AUTO else value


def parse_training(values: dict[str, Any]) -> Training:
    """Return the typed settings; raise MsvizError for a value out of range."""
    try:
        return Training.model_validate(values)
    except ValidationError as error:
        raise MsvizError(f"training: {first_problem(error)}") from error


def choose_device(name: str) -> torch.device:
    """Return the device for auto, cpu or cuda; raise MsvizError for another name or a GPU that is absent."""
    if name not in DEVICES:
        raise invalid("device", name, "valid choices: " + ", ".join(DEVICES))
    if name == "cuda" and not torch.cuda.is_available():
        raise invalid("device", name, "this machine shows no CUDA device; valid choices: auto, cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def number_format(training: Training, device: torch.device) -> torch.dtype | None:
    """Return the number format of mixed precision, None for none."""
    on = training.precision == "bfloat16" or (training.precision == "auto" and device.type == "cuda")
    return torch.bfloat16 if on else None


def train(
    model: str,
    dataset: Dataset,
    out: Path | str,
    *,
    values: dict[str, Any] | None = None,
    training: Training | None = None,
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[str], None] = print,
    progress: Progress | None = None,
    stop: Stop | None = None,
    watch: SnapshotRecorder | None = None,
) -> Run:
    """Train a model on a dataset and return the run that lies in `out`.

    `values` are settings of the net's config. After SIGINT or SIGTERM (or `stop.requested`) the step
    under way is finished and Interrupted raised; `resume` goes on from there with the same result.
    `watch` looks at the net meanwhile, which changes nothing in the result; what it sees goes to OUT/frames.
    Raises MsvizError for a setting, device or folder that will not do, and for a loss that is not finite.
    """
    out, training = Path(out), training or Training()
    chosen_device = choose_device(device)
    config = parse_config(model, values or {}).model_dump(mode="json")
    dataset = sees(dataset, training)
    fits(model, dataset)
    # Columns by name and in their order, so that these words tell which runs know the same scenarios.
    training = training.model_copy(update={"scenario_fields": ",".join(dataset.scenario_of)})
    rows = used(dataset, training)
    recipe = Recipe(model, config, training, seed, chosen_device)
    if resume and is_run(out):
        return _finished(out, recipe, dataset, report)
    _make_room(out, resume, overwrite)
    devices = [torch.cuda.current_device()] if chosen_device.type == "cuda" else []
    with (
        nullcontext(stop) if stop else Stop() as stopping,
        Checkpoint(out) as checkpoint,
        torch.random.fork_rng(devices=devices),
        _threads(training.threads),
    ):
        loop = _Loop(recipe, rows, out, checkpoint, stopping, report, progress or (lambda share, words: None))
        if watch is not None and watch.frames:
            loop.watch_with(watch)
        loop.begin(resume)
        run = loop.run()
    shutil.rmtree(out / CHECKPOINT)
    return run


@dataclass(frozen=True)
class Recipe:
    """What was asked for: all that decides the weights."""

    model: str
    config: dict[str, Any]
    training: Training
    seed: int
    device: torch.device

    def settings(self, fingerprint: str) -> dict[str, Any]:
        """Return what a resumed training must share with the stopped one, flat and ready for JSON."""
        # How often a checkpoint is written changes nothing in the result.
        training = self.training.model_dump(exclude={"checkpoint_seconds"})
        fixed = {"model": self.model, "data": fingerprint, "seed": self.seed, "device": self.device.type}
        fixed["row_order"] = ROW_ORDER
        return {**fixed, **self.config, **training}


class _Loop:
    """One training under way; `state` is all that changes beside net, optimisers and random numbers."""

    def __init__(
        self,
        recipe: Recipe,
        rows: Used,
        out: Path,
        checkpoint: Checkpoint,
        stop: Stop,
        report: Callable[[str], None],
        progress: Progress,
    ) -> None:
        self.recipe, self.dataset, self.out, self.checkpoint = recipe, rows.dataset, out, checkpoint
        self.stop, self.report, self.progress = stop, report, progress
        self.train, self.valid = rows.train, rows.valid
        self.training = sized(recipe.training, self.train.rows)
        self.words = (*rows.words, *told(recipe.training, self.training, self.train.rows))
        self.steps = steps(self.train.rows, self.batch_size)
        # The last step of an epoch is always among them.
        checks = self.training.checks_per_epoch
        self.check_steps = sorted({math.ceil(self.steps * k / checks) for k in range(1, checks + 1)})
        net = fresh_net(recipe.model, recipe.config, rows.dataset.schema, recipe.seed, self.train)
        self.net = net.to(recipe.device)
        self.optimisers = make_optimisers(
            self.net, self.training.learning_rate, self.training.l2, self.training.optimiser
        )
        self.rates = [[group["lr"] for group in optimiser.param_groups] for optimiser in self.optimisers]
        self.amp = number_format(self.training, recipe.device)
        self.candidates: list[Checked] = []
        self.state = State(threads=torch.get_num_threads())
        self.saved = time.monotonic()
        self.pause = self.training.checkpoint_seconds
        self.fresh_rows, self.fresh_seconds = 0, 0.0
        self.watching: Watching | None = None

    def watch_with(self, watch: SnapshotRecorder) -> None:
        """Let somebody look at the net while it is trained."""
        self.watching = Watching(
            watch,
            self.out,
            self.net,
            self.dataset,
            self.train,
            self.valid,
            steps=self.steps,
            epochs=self.epochs,
            settle=self._settle,
            report=self.report,
        )

    def begin(self, resume: bool) -> None:
        """Start from the seed, or from the checkpoint."""
        settings = self.recipe.settings(self.dataset.fingerprint)
        torch.manual_seed(self.recipe.seed)
        if not resume:
            self.checkpoint.begin(settings)
            return
        self.checkpoint.compare(settings, {**Training().model_dump(), **EARLIER})
        state = self.checkpoint.restore(self.net, self.optimisers)
        if state is None:
            self.report("no checkpoint was written yet: training starts at the beginning")
            return
        self.state = state
        self.candidates = [
            Checked(*candidate, self.checkpoint.score(candidate[0])) for candidate in state.kept
        ]
        torch.set_num_threads(state.threads)
        self.report(f"resuming in epoch {state.epoch + 1} after step {state.step:,} of {self.steps:,}")

    def run(self) -> Run:
        """Train until the epochs or the patience are used up; write and return the run."""
        for line in self.opening():
            self.report(line)
        if self.watching:
            self.watching.begin(self.state)
        while not self.over:
            self._epoch()
        if self.watching:
            self.watching.end(self.state)
        return self._finish()

    @property
    def epochs(self) -> int:
        """Return the passes over the rows at most."""
        assert self.training.epochs is not None
        return self.training.epochs

    @property
    def batch_size(self) -> int:
        """Return the rows of a step at most."""
        assert self.training.batch_size is not None
        return self.training.batch_size

    @property
    def over(self) -> bool:
        """Tell whether training is done."""
        return self.state.epoch >= self.epochs or self.state.stale >= self.training.patience

    def opening(self) -> Iterator[str]:
        """Yield what a user should know before the first step."""
        parameters = sum(p.numel() for p in self.net.parameters())
        yield (
            f"training {self.recipe.model} ({parameters:,} parameters) on {self.dataset.name}: "
            f"{self.train.rows:,} rows, {self.steps:,} steps an epoch, device {self.recipe.device.type}"
        )
        yield from self.words
        if not self.valid.rows:
            yield "the valid split has no rows: no early stopping, the last epoch's weights are kept"

    def _epoch(self) -> None:
        state = self.state
        if state.step in self.check_steps and state.checks < self._checks_due():
            self._check()  # stopped between the step and its validation
        feed = self._feed(state.epoch, state.step)
        self.net.train()
        for batch in feed:
            if self.over:
                return
            begun = time.perf_counter()
            self._pace()
            loss = take_step(self.net, batch.to(self.recipe.device), self.optimisers, self.amp)
            self._count(loss, len(batch), time.perf_counter() - begun)
            if self.watching:
                # Before the checkpoint: what lies behind one has been looked at.
                self.watching.step(state, loss, len(batch))
            due = state.step in self.check_steps
            stopping = self.stop.requested
            if stopping or due or time.monotonic() - self.saved > self.pause:
                self._save()
            if stopping:
                self._raise_if_stopped()
            if due:
                self._check()
                self.net.train()
        if not self.over:
            state.epoch, state.step = state.epoch + 1, 0

    def _pace(self) -> None:
        """Set the learning rate of the step that comes now, which its place in the plan alone decides."""
        if self.training.schedule == "linear":
            done = (self.state.epoch * self.steps + self.state.step) / (self.epochs * self.steps)
            for optimiser, rates in zip(self.optimisers, self.rates, strict=True):
                for group, rate in zip(optimiser.param_groups, rates, strict=True):
                    group["lr"] = rate * (1 - done)

    def _feed(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from the `start`-th on."""
        behaviours = "behaviours" in self.net.needs
        seed = self.recipe.seed
        return batches(
            self.train, self.batch_size, seed=seed, epoch=epoch, start=start, behaviours=behaviours
        )

    def _settle(self) -> None:
        """Give batch norms the statistics of the net as it is, from a fixed sample of the training rows."""
        devices = [self.recipe.device] if self.recipe.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):  # dropout draws, and training shall not notice
            some = islice(self._feed(0), max(1, SETTLING // self.batch_size))
            settle(self.net, some, lambda batch: self.net(batch.to(self.recipe.device)))

    def _checks_due(self) -> int:
        """Return how many validations should lie behind the current step."""
        here = sum(step <= self.state.step for step in self.check_steps)
        return self.state.epoch * len(self.check_steps) + here

    def _count(self, loss: float, rows: int, seconds: float) -> None:
        """Book one step; raise MsvizError when its loss is not a number."""
        state = self.state
        state.step += 1
        if not math.isfinite(loss):
            raise MsvizError(
                f"training: the loss became {loss} in epoch {state.epoch + 1}, step {state.step}; "
                f"lower learning_rate (now {self.training.learning_rate:g}) or look at the data's signals"
            )
        state.loss += loss * rows
        state.loss_rows += rows
        state.rows += rows
        state.seconds += seconds
        self.fresh_rows += rows
        self.fresh_seconds += seconds
        rate = self.fresh_rows / self.fresh_seconds
        total = self.train.rows * self.epochs
        left = (total - state.rows) / rate
        self.progress(
            state.rows / total,
            f"epoch {state.epoch + 1}/{self.epochs} · loss {state.loss / state.loss_rows:.4f} · "
            f"{rate:,.0f} rows/s · {clock(left)} left",
        )

    def _check(self) -> None:
        """Validate, remember the weights that may be kept, and write the checkpoint that says so."""
        state = self.state
        self._settle()
        measures, score = self._scored(self.valid)
        overall = measures["overall"]
        value, logloss = overall["auc"]["value"], overall["logloss"]["value"]
        state.checks += 1
        new = Checked(state.checks, value, logloss, score)
        before = [(line["valid_auc"], line["valid_logloss"]) for line in state.history]
        better = improves(new, before)
        state.stale = 0 if better or (value is None and logloss is None) else state.stale + 1
        self.candidates = candidates(self.candidates, new, self.valid.label, self.training.keep)
        if new in self.candidates:
            self.checkpoint.keep(new.number, self.net, score)
        state.kept = [(candidate.number, candidate.auc, candidate.logloss) for candidate in self.candidates]
        state.history.append(
            {
                "epoch": state.epoch + state.step / self.steps,
                "step": state.epoch * self.steps + state.step,
                "rows": state.rows,
                "train_loss": state.loss / state.loss_rows,
                "valid_auc": value,
                "valid_logloss": logloss,
                "seconds": state.seconds,
                "rows_per_second": state.rows / state.seconds,
                **self._by_scenario(measures["scenarios"]),
            }
        )
        summary = f"valid AUC {value:.4f}" if value is not None else f"valid AUC {overall['auc']['why']}"
        summary += "" if logloss is None else f", logloss {logloss:.4f}"
        summary += ", the best so far" if self.candidates[0] is new else ""
        line = state.history[-1]
        self.report(f"epoch {line['epoch']:.4g}: train loss {line['train_loss']:.4f}, {summary}")
        state.loss, state.loss_rows = 0.0, 0
        self._save()

    def _by_scenario(self, measures: dict[str, Any]) -> dict[str, list[float | None]]:
        """Return what a validation found for each scenario, in the schema's order; None where not defined."""
        by_scenario = [measures.get(name, {}) for name in self.dataset.schema.scenario_names[1:]]
        return {
            f"valid_{metric}_by_scenario": [scenario.get(metric, {}).get("value") for scenario in by_scenario]
            for metric in ("auc", "logloss")
        }

    def _finish(self) -> Run:
        """Score the best weights on valid and test and write the bundle."""
        state = self.state
        best = self.candidates[0]
        self.net.load_state_dict(self.checkpoint.weights(best.number))
        self._report_best(best)
        # Of whole splits, whatever rows were trained on: so runs compare on the same rows.
        metrics = {name: self._scored(self.dataset.split(name))[0] for name in ("valid", "test")}
        last = "test" if self.dataset.rows["test"] else "valid"
        headline = metrics[last]["overall"]
        all_doubts = list(doubts(headline, float(np.mean(self.train.label)), last))
        for doubt in all_doubts:
            self.report(f"beware: {doubt}")
        card = Card(
            model=self.recipe.model,
            config=self.recipe.config,
            training=self.recipe.training.model_dump(),  # as asked for: auto stays auto when it is retrained
            data=TrainedOn(
                name=self.dataset.name,
                fingerprint=self.dataset.fingerprint,
                rows=self.dataset.rows,
                path=os.path.relpath(self.dataset.path.resolve(), self.out.resolve()),
            ),
            seed=self.recipe.seed,
            epochs=math.ceil(state.history[-1]["epoch"]),
            seconds=round(state.seconds, 3),
            rows_per_second=round(state.rows / state.seconds, 1),
            parameters=sum(p.numel() for p in self.net.parameters()),
            device=self.recipe.device.type,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            headline={name: headline[name]["value"] for name in ("auc", "logloss")},
            doubts=all_doubts,
            msviz=__version__,
            digests={},
        )
        return save_bundle(
            self.out,
            card=card,
            weights=self.net.state_dict(),
            schema=self.dataset.schema,
            history=pd.DataFrame(state.history),
            metrics=metrics,
        )

    def _report_best(self, candidate: Checked) -> None:
        """Say which step's weights are kept, and why where it is not the best AUC."""
        if candidate.auc is None and candidate.logloss is None:
            return
        history = self.state.history
        words = f"keeping the weights of epoch {history[candidate.number - 1]['epoch']:.4g}"
        words += "" if candidate.auc is None else f", valid AUC {candidate.auc:.4f}"
        words += "" if candidate.logloss is None else f", logloss {candidate.logloss:.4f}"
        best = max((line["valid_auc"] for line in history if line["valid_auc"] is not None), default=None)
        if candidate.auc is not None and best is not None and best > candidate.auc:
            words += f": the best AUC, {best:.4f}, is not told apart from it"
        self.report(words)

    def _scored(self, part: Rows) -> tuple[dict[str, Any], Array]:
        """Return the measures of a split, and its rows' click probabilities."""

        def progress(share: float, words: str) -> None:
            self._raise_if_stopped()
            self.progress(self.state.rows / (self.train.rows * self.epochs), words)

        score = predict(self.net, part, device=self.recipe.device, progress=progress)
        return measure(part.label, score, part.scenario, part.schema.scenario_names, users(part)), score

    def _save(self) -> None:
        begun = time.monotonic()
        self.checkpoint.save(self.state, self.net, self.optimisers)
        self.saved = time.monotonic()
        # Large tables take seconds to write: that shall cost one part in twenty at most.
        self.pause = max(self.training.checkpoint_seconds, 20 * (self.saved - begun))

    def _raise_if_stopped(self) -> None:
        """Raise Interrupted when somebody asked to stop; all that was trained is in the checkpoint."""
        if self.stop.requested:
            raise Interrupted(
                f"stopped in epoch {self.state.epoch + 1} after step {self.state.step:,} of {self.steps:,}; "
                "the same command with --resume goes on from there"
            )


def clock(seconds: float) -> str:
    """Return '1:02:03' or '2:03'."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _make_room(out: Path, resume: bool, overwrite: bool) -> None:
    """See to it that `out` may be written; remove an old run there when asked to."""
    started = is_begun(out)
    if resume and not started:
        raise invalid("resume", str(out), "there is no training to resume")
    if resume or not out.exists():
        return
    if not out.is_dir():
        raise invalid("out", str(out), "it is a file; name a folder")
    if not any(out.iterdir()):
        return
    if not overwrite:
        wanted = "--resume or --overwrite" if started else "--overwrite"
        raise invalid("out", str(out), f"it exists already; name another folder or pass {wanted}")
    if not started and not is_run(out):
        raise invalid("out", str(out), "it holds something that is no run, which is not overwritten")
    with Checkpoint(out):  # not while another training writes there
        (out / CARD).unlink(missing_ok=True)
        for entry in out.iterdir():
            if entry.name == CHECKPOINT:
                continue
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.rmtree(out / CHECKPOINT)


def _finished(out: Path, recipe: Recipe, dataset: Dataset, report: Callable[[str], None]) -> Run:
    """Return the run that a resumed command finds complete; raise MsvizError if it is another's."""
    run = Run.open(out)
    card = run.card
    before = Recipe(card.model, card.config, Training(**card.training), card.seed, torch.device(card.device))
    old, new = before.settings(card.data.fingerprint), recipe.settings(dataset.fingerprint)
    for name in new:
        if old.get(name) != new[name]:
            raise invalid(f"resume: {name}", new[name], f"the finished run has {old.get(name)!r}")
    shutil.rmtree(out / CHECKPOINT, ignore_errors=True)
    report(f"run {run.name} is finished already")
    return run


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Give torch so many CPU threads for a while; 0 leaves them."""
    before = torch.get_num_threads()
    try:
        if count:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
