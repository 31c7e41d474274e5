"""Questions to a trained model or a log: one file per question, and the door through which to ask.

`analyse(name, run, data, **options)` answers one and keeps the answer beside the run; `cached` tells
where; `available` which questions a model can answer.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import Field as Setting
from pydantic import ValidationError

import msviz
from msviz import registry
from msviz.analyses.shared.options import Asking
from msviz.dataset import Dataset, open_data
from msviz.errors import MsvizError, one_of, refuse
from msviz.finding import Finding, Provenance
from msviz.nets.base import Layout, Net, net_class, parse_config
from msviz.probing import hooks
from msviz.probing.study import Progress, Study
from msviz.probing.truth import Score
from msviz.run import Run
from msviz.schema import Schema, first_problem
from msviz.training.scoring import find_data

ROOM = "analyses.questions"
# What a model lacks, in a reader's words, by the first of these axes that a question needs.
LACKS = {
    "query": "attention between fields",
    "behaviour": "attention to past behaviours",
    "expert": "gate over experts",
    "field": "weights of fields",
    "unit": "representations",
}


class Common(Asking):
    """What every question may be asked with: which rows, which draw, where it is computed."""

    split: str | None = Setting(
        None, description="train, valid or test (test unless the question has its own)"
    )
    seed: int = Setting(0, ge=0, description="repeats every random draw")
    device: str = Setting("cpu", description="cpu or cuda")
    batch_size: int = Setting(4096, ge=1, le=1_000_000, description="rows at a time")
    slice: str = Setting("", description="only rows for which this holds: scenario == 'Search' and hour < 12")


def analyse(
    name: str,
    run: Run | Path | str | None = None,
    data: Dataset | Path | str | None = None,
    *,
    keep: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> Finding:
    """Answer the question `name` about a run and the data it was trained on, or other `data`.

    `options` are the analysis's own and split, seed, device and batch_size. With `keep`, an answer
    that was kept is read, and a new one is kept. Raises MsvizError for an unknown name or option,
    and where run, data and question do not fit.
    """
    asked = _Asked.parse(name, run, data, options)
    if keep and (found := _load(asked.path)):
        return found
    if asked.of_file:
        return _answer_of_file(asked, keep)
    study = asked.study()
    study.keep, study.progress = keep, progress
    return _answer(asked, study)


def cached(
    name: str,
    run: Run | Path | str | None = None,
    data: Dataset | Path | str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Path:
    """Return the file in which `analyse` keeps this answer, whether it is there yet or not."""
    return _Asked.parse(name, run, data, dict(options or {})).path


def available(run: Run | Path | str | None) -> list[str]:
    """Return the names of the questions that this model can answer (without a run, the log)."""
    return [name for name in registry.names(ROOM) if not why_not(name, run)]


def why_not(name: str, run: Run | Path | str | None) -> str:
    """Return why a model cannot answer a question, in words, or "" when it can."""
    module = registry.load(ROOM, name)
    needs = set(module.NEEDS)
    if _of_file(module):
        return "it is asked of a file, not of a model or a log"
    if run is None:
        return "it is asked of a model: choose a run" if needs else ""
    run = run if isinstance(run, Run) else Run.peek(run)
    lacking = needs - {"prediction"}
    # Some questions read taps of these very axes alone: an expert's weight is not an expert's output.
    exact: tuple[tuple[str, ...], ...] = getattr(module, "TAPS", ())
    if not lacking or any(axes in exact if exact else lacking <= set(axes) for axes in shown(run).values()):
        return ""
    what = next((words for axis, words in LACKS.items() if axis in lacking), ", ".join(sorted(lacking)))
    return f"{run.card.model} shows no {what}"


def shown(run: Run) -> dict[str, tuple[str, ...]]:
    """Return the axes of a model's taps by name."""
    return {point.name: point.axes for point in hooks.points(laid_out(run))}


def laid_out(run: Run) -> Net:
    """Return a run's net without weights or memory: its taps and its config can be asked."""
    import torch

    config = parse_config(run.card.model, run.card.config)
    with torch.device("meta"):
        return net_class(run.card.model)(config, Layout.of(run.schema))


def ask(study: Study, name: str, options: Mapping[str, Any]) -> Finding:
    """Return the answer to another question about the same study, kept or new."""
    common = {"split": study.split, "seed": study.seed, "slice": study.slice}
    module = registry.load(ROOM, name)
    own = _parse(name, module.Options, dict(options))
    asked = _Asked(name, module, study.run, study.dataset, Common(**common), own, study.state)
    if study.keep and (found := _load(asked.path)):
        return found
    return _answer(asked, study)


def controlled(name: str) -> bool:
    """Tell whether a question draws a model's inside, so that controls can stand beside its picture."""
    return hasattr(registry.load(ROOM, name), "cells")


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema | None) -> list[Score]:
    """Return how well a finding agrees with a planted truth; empty where its question has no ruler.

    A truth speaks of the log's own scenarios: of a run that knows others, nothing has a score.
    """
    if finding.provenance.scenario_fields:
        return []
    module = registry.load(ROOM, finding.analysis)
    return list(module.score(finding, truth, schema)) if hasattr(module, "score") else []


def known_score(name: str) -> str:
    """Return what a question scored on planted data, in words; "" where it was not scored.

    The words are written by `benchmarks/truth.py`, beside docs/truth.md.
    """
    file = Path(__file__).with_name("scores.json")
    found = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return str(found.get(name, ""))


@dataclass(frozen=True)
class _Asked:
    """A question with its options checked."""

    name: str
    module: ModuleType
    run: Run | None
    data: Dataset | None
    common: Common
    options: Asking
    state: str = ""  # of a net that is not the run's own: "untrained"

    @classmethod
    def parse(
        cls,
        name: str,
        run: Run | Path | str | None,
        data: Dataset | Path | str | None,
        values: dict[str, Any],
    ) -> "_Asked":
        module = registry.load(ROOM, name)
        unknown = [key for key in values if key not in (*module.Options.model_fields, *Common.model_fields)]
        if unknown:
            choices = one_of((*module.Options.model_fields, *Common.model_fields))
            raise refuse(f"{name} option", unknown[0], choices)
        common = _parse(name, Common, {k: v for k, v in values.items() if k in Common.model_fields})
        own = _parse(
            name, module.Options, {k: v for k, v in values.items() if k in module.Options.model_fields}
        )
        if _of_file(module):
            return cls._parse_of_file(name, module, {"run": run, "data": data}, common, own, values)
        if isinstance(run, Path | str):
            run = Run.peek(run)
        if isinstance(data, Path | str):
            data = open_data(data)
        if not module.NEEDS and run is not None and data is not None:
            # The log is asked, with the scenarios that the run knows: so runs share the answer.
            data = find_data(run, data) if run.card.scenario_fields else data
            run = None
        if run is None and (module.NEEDS or data is None):
            raise refuse("run" if module.NEEDS else "data", None, f"{name} needs one")
        return cls(name, module, run, data, common, own)

    @classmethod
    def _parse_of_file(
        cls,
        name: str,
        module: ModuleType,
        given: dict[str, Any],
        common: Common,
        own: Asking,
        values: dict[str, Any],
    ) -> "_Asked":
        for key, value in {**given, **{key: values.get(key) for key in ("split", "slice")}}.items():
            if value:
                raise refuse(key, str(value), f"{name} is asked of a file alone: leave it out")
        return cls(name, module, None, None, common, own)

    @property
    def of_file(self) -> bool:
        return _of_file(self.module)

    @property
    def split(self) -> str:
        about = getattr(self.module, "split", None)  # of a question about another question, that one's
        own = about(self.options) if about else getattr(self.module, "SPLIT", "test")
        return self.common.split or str(own)

    @property
    def path(self) -> Path:
        """Return the file that keeps the answer; its name changes with whatever changes the answer."""
        if self.of_file:
            folder, digest, fingerprint = Path(self.module.source(self.options)).parent / ".findings", "", ""
        elif self.run is not None:
            fingerprint = self.data.fingerprint if self.data else self.run.card.data.fingerprint
            folder, digest = self.run.path / "findings", self.run.card.digest
        else:
            assert self.data is not None
            folder, digest, fingerprint = self.data.path / ".findings", "", self.data.fingerprint
        # What is compared may depend on the run's shelf: then the question tells its own key.
        key_of = getattr(self.module, "key", None)
        options = key_of(self.options, self.run) if key_of else self.options.key()
        content = [digest, fingerprint, self.split, self.common.seed, self.module.VERSION, options]
        content += [self.common.slice] if self.common.slice else []
        content += [{"net": self.state}] if self.state else []
        if self.run is None and self.data is not None and self.data.scenario_of:
            content += [self.data.scenario_of, self.data.schema.scenarios]
        key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        return folder / f"{self.name}-{key}.nc"

    def study(self) -> Study:
        # Only now, when there is work to do, are all files of the run checked against their digests.
        run = None if self.run is None else Run.open(self.run.path)
        return Study.open(
            run,
            self.data,
            split=self.split,
            seed=self.common.seed,
            device=self.common.device,
            batch_size=self.common.batch_size,
            slice=self.common.slice,
        )


def _of_file(module: ModuleType) -> bool:
    """Tell whether a question is asked of a file of its own, which its options name, and of nothing else."""
    return getattr(module, "SOURCE", "") == "file"


def _parse(name: str, kind: type[Any], values: dict[str, Any]) -> Any:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise MsvizError(f"{name}: {first_problem(error)}") from error


def _load(path: Path) -> Finding | None:
    """Return a kept answer; one that cannot be read is no answer, and is made again."""
    if not path.is_file():
        return None
    try:
        return Finding.load(path)
    except MsvizError:
        return None


def _answer_of_file(asked: _Asked, keep: bool) -> Finding:
    """Return the answer to a question that is asked of a file alone."""
    start = time.perf_counter()
    finding: Finding = asked.module.analyse(None, asked.options)
    file = Path(asked.module.source(asked.options))
    provenance = Provenance(
        data=file.name,
        rows=finding.provenance.rows,
        fingerprint=finding.provenance.fingerprint,
        parameters={**asked.options.model_dump(mode="json"), "seed": asked.common.seed},
        seconds=time.perf_counter() - start,
        msviz=msviz.__version__,
    )
    finding = replace(finding, provenance=provenance)
    if keep:
        with contextlib.suppress(PermissionError):
            finding.save(asked.path)
    return finding


def _answer(asked: _Asked, study: Study) -> Finding:
    start = time.perf_counter()
    finding: Finding = asked.module.analyse(study, asked.options)
    own = asked.options.model_dump(mode="json")
    provenance = Provenance(
        run=study.run.name if study.run else "",
        run_digest=study.run.card.digest if study.run else "",
        data=study.dataset.name,
        fingerprint=study.dataset.fingerprint,
        split=study.split,
        rows=finding.provenance.rows,
        parameters={
            **own,
            "seed": study.seed,
            **({"slice": study.slice} if study.slice else {}),
            **({"net": study.state} if study.state else {}),
            # Only of other scenarios than the log's own.
            **({"scenario_fields": ",".join(others)} if (others := study.dataset.scenario_of) else {}),
        },
        seconds=time.perf_counter() - start,
        msviz=msviz.__version__,
    )
    finding = replace(finding, provenance=provenance)
    if study.keep:
        # A shelf that may only be read still answers; it just cannot keep the answer.
        with contextlib.suppress(PermissionError):
            finding.save(asked.path)
    return finding
