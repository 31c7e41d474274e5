"""Questions are answered here: `analyse` answers one and keeps the answer, `ask` one question for another.

`why_not` tells why a model cannot answer a question, `score` holds an answer against a planted truth.
"""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msviz
from msviz.analyses.answers import CommonOptions, Request, parse_options
from msviz.analyses.question import load_question
from msviz.dataset import Dataset
from msviz.finding import Finding, Provenance
from msviz.probing import hooks
from msviz.probing.study import Progress, Study
from msviz.probing.truth import Score
from msviz.registry import QUESTIONS
from msviz.run import Run
from msviz.schema import Schema

if TYPE_CHECKING:
    from msviz.nets.base import Net

# What a model lacks, in a reader's words, by the first of these axes that a question needs.
LACKS = {
    "query": "attention between fields",
    "behaviour": "attention to past behaviours",
    "expert": "gate over experts",
    "field": "weights of fields",
    "unit": "representations",
}


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
    request = Request.parse(name, run, data, options)
    if keep and (finding := request.load()):
        return finding
    if request.question.source:
        return _answer_of_file(request, keep)
    study = _open_study(request)
    study.keep, study.progress = keep, progress
    return _answer(request, study)


def ask(study: Study, name: str, options: Mapping[str, Any]) -> Finding:
    """Return the answer to another question about the same study, kept or new."""
    common = CommonOptions(split=study.split, seed=study.seed, slice=study.slice)
    question = load_question(name)
    own = parse_options(name, question.options, options)
    request = Request(name, question, study.run, study.dataset, common, own, study.state)
    if study.keep and (finding := request.load()):
        return finding
    return _answer(request, study)


def available(run: Run | Path | str | None) -> list[str]:
    """Return the names of the questions that this model can answer (without a run, the log)."""
    return [name for name in QUESTIONS.names() if not why_not(name, run)]


def why_not(name: str, run: Run | Path | str | None) -> str:
    """Return why a model cannot answer a question, in words, or "" when it can."""
    question = load_question(name)
    needs = set(question.needs)
    if question.source:
        return "it is asked of a file, not of a model or a log"
    if run is None:
        return "it is asked of a model: choose a run" if needs else ""
    run = run if isinstance(run, Run) else Run.peek(run)
    lacking = needs - {"prediction"}
    if not lacking:
        return ""
    # Some questions read taps of these very axes alone: an expert's weight is not an expert's output.
    exact = question.taps
    if any(axes in exact if exact else lacking <= set(axes) for axes in tap_axes(run).values()):
        return ""
    what = next((words for axis, words in LACKS.items() if axis in lacking), ", ".join(sorted(lacking)))
    return f"{run.card.model} shows no {what}"


def tap_axes(run: Run) -> dict[str, tuple[str, ...]]:
    """Return the axes of a model's taps by name."""
    return {point.name: point.axes for point in hooks.points(meta_net(run))}


def meta_net(run: Run) -> "Net":
    """Return a run's net without weights or memory: its taps and its config can be asked."""
    import torch

    from msviz.nets.base import InputSpec, net_class, parse_config

    config = parse_config(run.card.model, run.card.config)
    with torch.device("meta"):
        return net_class(run.card.model)(config, InputSpec.of(run.schema))


def controlled(name: str) -> bool:
    """Tell whether a question draws a model's inside, so that controls can stand beside its picture."""
    return load_question(name).cells is not None


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema | None) -> list[Score]:
    """Return how well a finding agrees with a planted truth; empty where its question has no ruler.

    A truth speaks of the log's own scenarios: of a run that knows others, nothing has a score.
    """
    if finding.provenance.scenario_fields:
        return []
    question = load_question(finding.analysis)
    return list(question.score(finding, truth, schema)) if question.score else []


def _open_study(request: Request) -> Study:
    # Only now, when there is work to do, are all files of the run checked against their digests.
    run = None if request.run is None else Run.open(request.run.path)
    return Study.open(
        run,
        request.data,
        split=request.split,
        seed=request.common.seed,
        device=request.common.device,
        batch_size=request.common.batch_size,
        slice=request.common.slice,
    )


def _answer_of_file(request: Request, keep: bool) -> Finding:
    """Return the answer to a question that is asked of a file alone."""
    start = time.perf_counter()
    finding = request.question.analyse(None, request.options)
    provenance = Provenance(
        data=request.file.name,
        fingerprint=finding.provenance.fingerprint,
        parameters={"seed": request.common.seed},
    )
    return _finish(request, finding, provenance, start, keep)


def _answer(request: Request, study: Study) -> Finding:
    """Return the answer to a question about a study."""
    start = time.perf_counter()
    finding = request.question.analyse(study, request.options)
    others = study.dataset.scenario_of
    provenance = Provenance(
        run=study.run.name if study.run else "",
        run_digest=study.run.card.digest if study.run else "",
        data=study.dataset.name,
        fingerprint=study.dataset.fingerprint,
        split=study.split,
        parameters={
            "seed": study.seed,
            **({"slice": study.slice} if study.slice else {}),
            **({"net": study.state} if study.state else {}),
            # Only of other scenarios than the log's own.
            **({"scenario_fields": ",".join(others)} if others else {}),
        },
    )
    return _finish(request, finding, provenance, start, study.keep)


def _finish(request: Request, finding: Finding, provenance: Provenance, start: float, keep: bool) -> Finding:
    """Return the finding with where it comes from, and keep it where that is wanted and allowed."""
    provenance = replace(
        provenance,
        rows=finding.provenance.rows,
        parameters={**request.options.model_dump(mode="json"), **provenance.parameters},
        seconds=time.perf_counter() - start,
        msviz=msviz.__version__,
    )
    finding = replace(finding, provenance=provenance)
    if keep:
        # A shelf that may only be read still answers; it just cannot keep the answer.
        with contextlib.suppress(PermissionError):
            finding.save(request.path)
    return finding
