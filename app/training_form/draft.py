"""The training that the form speaks of: what it starts from, what is changed, and what of it cannot work."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from app import links
from app.training_form import link
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.papers.paper import load_paper
from msviz.registry import PAPERS
from msviz.run import Run
from msviz.schema import Schema
from msviz.training.loop import Training
from msviz.training.plans import Plan, costs, fast, parameters
from msviz.training.rows import used
from msviz.training.settings import by_name
from msviz.training.sizes import AN_EPOCH

MOST_SEEDS = 20
FAST = "Fast look"


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
    def told(self) -> dict[str, str]:
        """Return the changes in words, by setting."""
        return self.plan.differences(self.base)

    @property
    def stem(self) -> str:
        """Return what the names of its runs start with."""
        return self.origin.name if self.origin else self.base.model

    def cost(self, name: str) -> str:
        """Return what the next value of a setting would cost in parameters, or ""."""
        if self.schema is None or self.problems:
            return ""
        plan = self.plan
        return _cost(name, plan.model, _key(plan), self.dataset.fingerprint, plan, self.schema)

    def parameters(self) -> int | None:
        """Return how many numbers the net has, None while it cannot be built."""
        if self.schema is None or self.problems:
            return None
        plan = self.plan
        return _parameters(plan.model, _key(plan), self.dataset.fingerprint, plan, self.schema)


def draft(base: Plan, dataset: Dataset, origin: Run | None) -> Draft:
    """Return the base with what the link changes; what the model does not have is said and left out."""
    known = by_name(base.model)
    given = link.changes()
    for name in [name for name in given if name not in known and name not in link.OWN]:
        links.note("Setting", name, f"{base.model} has no such setting")
        given.pop(name)
    seeds = _seeds(given, base.seed)
    plan = replace(
        base.changed(**{name: value for name, value in given.items() if name in known}),
        seed=seeds[0],
        device=given.get("device", base.device),
    )
    schema, rows, wrong = seen(plan, dataset)
    problems = checked(plan, dataset, schema) | wrong
    return Draft(base, plan, dataset, seeds, origin, given, problems, rows, schema)


def seen(plan: Plan, dataset: Dataset) -> tuple[Schema | None, int, dict[str, str]]:
    """Return the schema as a training sees it, the rows of train that are left, and what is wrong."""
    chosen = tuple(str(plan.full.get(name, "")) for name in ("train_where", "scenario_fields"))
    schema, rows, wrong = _seen(dataset.fingerprint, chosen, dataset)
    share = plan.full.get("train_share", 1.0)
    if isinstance(share, float | int) and 0 < share < 1:
        rows = max(1, round(rows * share))
    return schema, rows, wrong


@st.cache_resource(max_entries=64, show_spinner=False)
def _seen(
    fingerprint: str, chosen: tuple[str, ...], _dataset: Dataset
) -> tuple[Schema | None, int, dict[str, str]]:
    where, fields = chosen
    try:
        found = used(_dataset, Training(train_where=where, scenario_fields=fields))
    except MsvizError as error:
        text = str(error)
        name = "scenario_fields" if text.startswith("scenario_fields") else "train_where" if where else "data"
        return None, 0, {name: text.removeprefix(f"{name}: ")}
    return found.dataset.schema, found.train.rows, {}


def checked(plan: Plan, dataset: Dataset, schema: Schema | None) -> dict[str, str]:
    """Return what is wrong with a plan, as `Plan.problems` does; looked at once for each plan."""
    known = schema or dataset.schema
    return _checked(plan.model, _key(plan), plan.seed, plan.device, dataset.fingerprint, plan, known)


@st.cache_data(max_entries=1000, show_spinner=False)
def _checked(
    model: str, key: str, seed: int, device: str, fingerprint: str, _plan: Plan, _schema: Schema
) -> dict[str, str]:
    return _plan.problems(_schema)


@st.cache_data(max_entries=1000, show_spinner=False)
def _parameters(model: str, key: str, fingerprint: str, _plan: Plan, _schema: Schema) -> int:
    return parameters(_plan, _schema)


@st.cache_data(max_entries=2000, show_spinner=False)
def _cost(name: str, model: str, key: str, fingerprint: str, _plan: Plan, _schema: Schema) -> str:
    return costs(_plan, _schema, [name]).get(name, "")


def _key(plan: Plan) -> str:
    return repr(sorted((name, repr(value)) for name, value in plan.full.items()))


def _seeds(given: Mapping[str, str], own: int) -> tuple[int, ...]:
    """Return the seeds to train with: as many as are asked for, from the first on."""
    first, count = (
        int(text) if text.isdigit() else fallback
        for text, fallback in ((given.get("seed", str(own)), own), (given.get("seeds", "1"), 1))
    )
    return tuple(range(first, first + min(max(count, 1), MOST_SEEDS)))


def presets(base: Plan, rows: int) -> dict[str, dict[str, Any]]:
    """Return what each preset changes of the base: the paper's settings, a fast look, nothing."""
    known = by_name(base.model)
    trained = dict(load_paper(base.model).training) if base.model in PAPERS.names() else {}
    if rows < trained.get("batch_size", 1) * AN_EPOCH:
        # The papers' logs are hundreds of times as large: on few rows their batch would take too few steps.
        del trained["batch_size"]
    paper = {name: info.default for name, info in known.items() if info.group != "rows"} | trained
    paper["threads"] = base.full["threads"]  # a machine's, not a paper's
    own = base.full
    names = {"The paper's" if trained else "The defaults": paper, FAST: fast(rows)}
    return {
        title: {name: value for name, value in values.items() if value != own[name]}
        for title, values in names.items()
    }
