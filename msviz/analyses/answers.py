"""Answers that are kept: which file holds one, and reading it back; none of it needs torch.

An answer lies beside the run (or the log) that was asked, under a name that changes with whatever changes the
answer.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field as Setting
from pydantic import ValidationError

from msviz.analyses.question import Question, QuestionOptions, load_question
from msviz.dataset import Dataset, open_data
from msviz.errors import MsvizError, invalid, one_of
from msviz.finding import Finding
from msviz.run import Run
from msviz.run_folder import FINDINGS
from msviz.schema import first_problem


class CommonOptions(QuestionOptions):
    """What every question may be asked with: which rows, which draw, where it is computed."""

    split: str | None = Setting(
        None, description="train, valid or test (test unless the question has its own)"
    )
    seed: int = Setting(0, ge=0, description="repeats every random draw")
    device: str = Setting("cpu", description="cpu or cuda")
    batch_size: int = Setting(4096, ge=1, le=1_000_000, description="rows at a time")
    slice: str = Setting("", description="only rows for which this holds: scenario == 'Search' and hour < 12")


@dataclass(frozen=True)
class Request:
    """A question with its options checked, and the run and data that it is asked of."""

    name: str
    question: Question
    run: Run | None
    data: Dataset | None
    common: CommonOptions
    options: QuestionOptions
    state: str = ""  # of a net that is not the run's own: "untrained"

    @classmethod
    def parse(
        cls,
        name: str,
        run: Run | Path | str | None,
        data: Dataset | Path | str | None,
        values: Mapping[str, Any],
    ) -> "Request":
        """Return the checked request; raise MsvizError where run, data, question and options do not fit."""
        question = load_question(name)
        own, shared = question.options.model_fields, CommonOptions.model_fields
        unknown = [key for key in values if key not in own and key not in shared]
        if unknown:
            raise invalid(f"{name} option", unknown[0], one_of((*own, *shared)))
        common = parse_options(name, CommonOptions, {k: v for k, v in values.items() if k in shared})
        options = parse_options(name, question.options, {k: v for k, v in values.items() if k in own})
        if question.source:
            sources = {"run": run, "data": data, **{key: values.get(key) for key in ("split", "slice")}}
            for key, value in sources.items():
                if value:
                    raise invalid(key, str(value), f"{name} is asked of a file alone: leave it out")
            return cls(name, question, None, None, common, options)
        if isinstance(run, Path | str):
            run = Run.peek(run)
        if isinstance(data, Path | str):
            data = open_data(data)
        if not question.needs and run is not None and data is not None:
            # The log is asked, with the scenarios that the run knows: so runs share the answer.
            if run.card.scenario_fields:
                from msviz.data.run_data import find_data

                data = find_data(run, data)
            run = None
        if run is None and (question.needs or data is None):
            raise invalid("run" if question.needs else "data", None, f"{name} needs one")
        return cls(name, question, run, data, common, options)

    @property
    def file(self) -> Path:
        """Return the file that is asked instead of a log."""
        assert self.question.source is not None
        return Path(self.question.source(self.options))

    @property
    def split(self) -> str:
        """Return the split that is asked of."""
        return self.common.split or self.question.default_split(self.options)

    @cached_property
    def path(self) -> Path:
        """Return the file that keeps the answer; its name changes with whatever changes the answer.

        It is worked out once: a question may look through the run's shelf for it.
        """
        digest = fingerprint = ""
        if self.question.source:
            folder = self.file.parent / ".findings"
        elif self.run is not None:
            fingerprint = self.data.fingerprint if self.data else self.run.card.data.fingerprint
            folder, digest = self.run.path / FINDINGS, self.run.card.digest
        else:
            assert self.data is not None
            folder, fingerprint = self.data.path / ".findings", self.data.fingerprint
        # What is compared may depend on the run's shelf: then the question tells its own key.
        key_of = self.question.key
        options = key_of(self.options, self.run) if key_of else self.options.key()
        content = [digest, fingerprint, self.split, self.common.seed, self.question.version, options]
        content += [self.common.slice] if self.common.slice else []
        content += [{"net": self.state}] if self.state else []
        if self.run is None and self.data is not None and self.data.scenario_of:
            content += [self.data.scenario_of, self.data.schema.scenarios]
        key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        return folder / f"{self.name}-{key}.nc"

    def load(self) -> Finding | None:
        """Return the kept answer; one that cannot be read is no answer, and is made again."""
        if not self.path.is_file():
            return None
        try:
            return Finding.load(self.path)
        except MsvizError:
            return None


def find_answer(
    name: str,
    run: Run | Path | str | None = None,
    data: Dataset | Path | str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Path:
    """Return the file in which `analyse` keeps this answer, whether it is there yet or not."""
    return Request.parse(name, run, data, options or {}).path


def parse_options(name: str, kind: type[Any], values: Mapping[str, Any]) -> Any:
    """Return typed options; raise MsvizError, which names the question, for what they refuse."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise MsvizError(f"{name}: {first_problem(error)}") from error


def known_score(name: str) -> str:
    """Return what a question scored on planted data, in words; "" where it was not scored.

    The words are written by `benchmarks/view_scores.py`, beside docs/truth.md.
    """
    file = Path(__file__).with_name("scores.json")
    scores = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return str(scores.get(name, ""))
