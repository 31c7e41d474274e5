"""Question: what a file of `questions/` says of itself, and what the options of every question share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from msviz.finding import Finding
from msviz.registry import QUESTIONS
from msviz.run import Run

if TYPE_CHECKING:  # a kept answer is found without torch
    from msviz.analyses.shared.aspects import Aspect
    from msviz.analyses.shared.cells import Cells
    from msviz.analyses.snapshots import SnapshotStudy
    from msviz.probing.truth import Score

Axes = Mapping[str, tuple[str, ...]]  # of a model's taps, by name


class QuestionOptions(BaseModel):
    """Flat and typed; an unknown option is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def key(self) -> dict[str, Any]:
        """Return all that tells one answer from another."""
        return self.model_dump(mode="json")


@dataclass(frozen=True, kw_only=True)
class SnapshotView:
    """How a question is asked of a net while it is trained, and of a run beside its parent.

    `rank` tells from the axes of a model's taps how much the picture says of it, 1 first, None where nothing;
    `ask` answers it for a few rows; `title` stands over the two pictures of a run and its parent.
    """

    title: str
    rank: Callable[[Axes], int | None]
    ask: "Callable[[SnapshotStudy], Finding]"


@dataclass(frozen=True, kw_only=True)
class ComparedView:
    """What a question adds to the comparison of scenarios: its lines, in the order of `place`."""

    place: int
    aspect: "Callable[[Finding, Sequence[str]], Aspect]"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What one question asks, of what, and how: all that a file of `questions/` may define.

    `needs` are the axes that a model must show ("prediction" for any model, () for the log alone), `taps` the
    very axes of the taps that it reads, where others that hold `needs` will not do. `version` rises when the
    same options give another answer. `split` is the one that is asked of by default, `split_of` where the
    options decide. `source` names the file that is asked instead of a log. `key` tells answers apart where
    more than the options do. `cells` is what the picture draws of a model's inside, for its controls; `score`
    holds an answer against a planted truth, `instead` says what to look at where it does badly.
    """

    title: str
    options: type[QuestionOptions]
    analyse: Callable[[Any, Any], Finding]
    version: int
    needs: tuple[str, ...]
    taps: tuple[tuple[str, ...], ...] = ()
    split: str = "test"
    split_of: Callable[[Any], str] | None = None
    source: Callable[[Any], str] | None = None
    key: Callable[[Any, Run | None], dict[str, Any]] | None = None
    cells: "Callable[[Finding], Cells] | None" = None
    score: "Callable[[Finding, Mapping[str, Any], Any], list[Score]] | None" = None
    instead: str = ""
    snapshot: SnapshotView | None = None
    compared: ComparedView | None = None

    def default_split(self, options: QuestionOptions) -> str:
        """Return the split that is asked of where none is named."""
        return self.split_of(options) if self.split_of else self.split


def load_question(name: str) -> Question:
    """Return a question; raise MsvizError naming the choices when there is none."""
    return QUESTIONS.load(name, Question)


def load_questions() -> dict[str, Question]:
    """Return all questions by name."""
    return {name: load_question(name) for name in QUESTIONS.names()}
