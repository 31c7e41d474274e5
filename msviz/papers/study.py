"""Study: an ablation table or a curve of a paper as the trainings that make it, from one run's settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from msviz.run import Run
from msviz.same_training import EARLIER, Settings, same

SHELF = "papers"  # the folder inside the shelf where `make papers` puts the runs of the studies
# A paper's figures are of all rows, and of the log's own scenarios, unless it says otherwise.
ORDINARY: Settings = {"train_where": "", "train_share": 1.0, "scenario_fields": ""}


@dataclass(frozen=True)
class PaperStudy:
    """What a paper varies, and where the result is looked at: the Table, List, Curve or Grid of runs.

    Either `grid`, values of one or two settings that are all combined, or `variants`, changes one by one;
    {} is the model as it is. Everything else is as in the run called `start`, but for `base`, which all of
    the trainings have.
    """

    label: str
    title: str
    model: str
    start: str = ""
    base: Settings = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    variants: Sequence[Settings] = ()
    show: str = "Table"
    note: str = ""

    @property
    def changes(self) -> list[dict[str, Any]]:
        """Return what each training changes in the settings that it starts from."""
        combined = [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]
        return [{**self.base, **variant} for variant in (*self.variants, *(combined if self.grid else ()))]

    def begins(self, runs: Sequence[Run]) -> Run | None:
        """Return the run whose settings are taken: the one of that name, else the newest ordinary one."""
        own = [run for run in runs if run.card.model == self.model and ordinary(run)]
        return next((run for run in own if run.name == self.start), own[0] if own else None)

    def trained(self, runs: Sequence[Run]) -> list[list[Run]]:
        """Return for each of the changes the runs that differ from the start in it alone, one a seed."""
        start = self.begins(runs)
        if start is None:
            return [[] for _ in self.changes]
        out = []
        for change in self.changes:
            by_seed = {run.card.seed: run for run in reversed(runs) if _alike(run, start, change)}
            out.append([by_seed[seed] for seed in sorted(by_seed)])
        return out

    def missing(self, runs: Sequence[Run]) -> list[str]:
        """Return in words the trainings that are not there: 'same with experts = 1'."""
        pairs = zip(self.changes, self.trained(runs), strict=True)
        return [words(self.model, change) for change, there in pairs if not there]


def settings(run: Run) -> dict[str, Any]:
    """Return what a run was trained with; what an older one does not tell is as it is by default."""
    return {**EARLIER, **run.card.training, **run.card.config}


def ordinary(run: Run) -> bool:
    """Tell whether a run was trained on all rows, with the log's own scenarios."""
    values = settings(run)
    return all(values[name] == value for name, value in ORDINARY.items())


def words(model: str, values: Settings) -> str:
    """Return 'same with experts = 3'."""
    changes = ", ".join(f"{name} = {value!r}".replace("'", "") for name, value in values.items())
    return model + (f" with {changes}" if changes else "")


def _alike(run: Run, start: Run, change: Settings) -> bool:
    """Tell whether a run has the settings of `start` with the change; either may be of an older msviz."""
    if (run.card.model, run.card.data.fingerprint) != (start.card.model, start.card.data.fingerprint):
        return False
    own, wanted = settings(run), {**settings(start), **change}
    return change.keys() <= own.keys() and same(own, wanted)


def without(*parts: str) -> list[Settings]:
    """Return the model as it is, and once without each of its parts."""
    return [{}, *({part: False} for part in parts)]
