"""The training that the form speaks of: what it starts from, what is changed, and what of it cannot work.

Nothing here needs Streamlit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.papers.paper import load_paper
from msviz.registry import PAPERS
from msviz.run import Run
from msviz.schema import Schema
from msviz.training.loop import Training
from msviz.training.plans import Plan, fast
from msviz.training.rows import used
from msviz.training.settings import by_name
from msviz.training.sizes import AN_EPOCH

MOST_SEEDS = 20
FAST = "Fast look"
OF_TRAINING = ("seeds", "seed", "device")  # what a training has beside the settings of its config


@dataclass(frozen=True)
class TrainingView:
    """The log as a training sees it: its schema and the rows that are left; or what is wrong, by setting."""

    schema: Schema | None
    rows: int
    problems: Mapping[str, str]


@dataclass(frozen=True)
class Draft:
    """A base plan and the plan with its changes; `problems` says by setting why it cannot be trained."""

    base: Plan
    plan: Plan
    dataset: Dataset
    seeds: tuple[int, ...]
    origin: Run | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    rows: int = 0  # of train that are left
    schema: Schema | None = None  # as the training sees it; None where that cannot be told

    @property
    def differences(self) -> dict[str, str]:
        """Return the changes in words, by setting."""
        return self.plan.differences(self.base)

    @property
    def stem(self) -> str:
        """Return what the names of its runs start with."""
        return self.origin.name if self.origin else self.base.model

    @property
    def reasons(self) -> list[str]:
        """Return why this cannot start, each naming the settings."""
        names: dict[str, list[str]] = {}
        for name, why in self.problems.items():
            names.setdefault(why, []).append(name)
        return [f"{', '.join(filter(None, named))}: {why}".removeprefix(": ") for why, named in names.items()]

    @property
    def plans(self) -> list[Plan]:
        """Return the plan once for each seed."""
        return [replace(self.plan, seed=seed) for seed in self.seeds]


def unknown_settings(model: str, changes: Mapping[str, str]) -> list[str]:
    """Return the names of changes that a model does not have."""
    settings = by_name(model)
    return [name for name in changes if name not in settings and name not in OF_TRAINING]


def apply_changes(base: Plan, changes: Mapping[str, str]) -> tuple[Plan, tuple[int, ...]]:
    """Return a plan with changes, which are text as in a link, and the seeds to train it with."""
    settings = by_name(base.model)
    seeds = parse_seeds(changes, base.seed)
    plan = base.changed(**{name: value for name, value in changes.items() if name in settings})
    return replace(plan, seed=seeds[0], device=changes.get("device", base.device)), seeds


def parse_seeds(changes: Mapping[str, str], own: int) -> tuple[int, ...]:
    """Return the seeds to train with: as many as are asked for from the first on, else the base's own."""
    first, count = changes.get("seed", ""), changes.get("seeds", "")
    start = int(first) if first.isdigit() else own
    number = int(count) if count.isdigit() else 1
    return tuple(range(start, start + min(max(number, 1), MOST_SEEDS)))


def view_rows(dataset: Dataset, train_where: str, scenario_fields: str) -> TrainingView:
    """Return the log as a training of these rows sees it, before a share of them is drawn."""
    try:
        data = used(dataset, Training(train_where=train_where, scenario_fields=scenario_fields))
    except MsvizError as error:
        text = str(error)
        rows = "train_where" if train_where else "data"
        name = "scenario_fields" if text.startswith("scenario_fields") else rows
        return TrainingView(None, 0, {name: text.removeprefix(f"{name}: ")})
    return TrainingView(data.dataset.schema, data.train.rows, {})


def draw_share(view: TrainingView, share: Any) -> TrainingView:
    """Return the view with the rows that a share of them leaves; what is no share leaves all."""
    if isinstance(share, float | int) and 0 < share < 1:
        return replace(view, rows=max(1, round(view.rows * share)))
    return view


def presets(base: Plan, rows: int) -> dict[str, dict[str, Any]]:
    """Return what each preset changes of the base: the paper's settings, a fast look."""
    settings = by_name(base.model)
    published = dict(load_paper(base.model).training) if base.model in PAPERS.names() else None
    trained = dict(published or {})
    if rows < trained.get("batch_size", 1) * AN_EPOCH:
        # The papers' logs are hundreds of times as large: on few rows their batch would take too few steps.
        trained.pop("batch_size", None)
    paper = {name: info.default for name, info in settings.items() if info.group != "rows"} | trained
    paper["threads"] = base.full["threads"]  # a machine's, not a paper's
    values = {"The paper's" if published is not None else "The defaults": paper, FAST: fast(rows)}
    own = base.full
    return {
        title: {name: value for name, value in preset.items() if value != own[name]}
        for title, preset in values.items()
    }
