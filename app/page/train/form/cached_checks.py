"""What the form asks about plans again and again, each worked out once: problems, parameters, costs."""

import streamlit as st

from app import links
from app.page.train.form import link
from app.page.train.form.draft import (
    Draft,
    TrainingView,
    apply_changes,
    draw_share,
    unknown_settings,
    view_rows,
)
from msviz.dataset import Dataset
from msviz.run import Run
from msviz.schema import Schema
from msviz.training.plans import Plan, costs, parameters


def read_draft(base: Plan, dataset: Dataset, origin: Run | None) -> Draft:
    """Return the base with what the link changes; what the model does not have is said and left out."""
    changes = link.read_changes()
    for name in unknown_settings(base.model, changes):
        links.note("Setting", name, f"{base.model} has no such setting")
        changes.pop(name)
    plan, seeds = apply_changes(base, changes)
    view = view_training(plan, dataset)
    problems = find_problems(plan, dataset, view)
    return Draft(base, plan, dataset, seeds, origin, changes, problems, view.rows, view.schema)


def view_training(plan: Plan, dataset: Dataset) -> TrainingView:
    """Return the log as a training sees it."""
    where, fields = (str(plan.full.get(name, "")) for name in ("train_where", "scenario_fields"))
    view = _view_rows(dataset.fingerprint, where, fields, dataset)
    return draw_share(view, plan.full.get("train_share", 1.0))


def find_problems(plan: Plan, dataset: Dataset, view: TrainingView) -> dict[str, str]:
    """Return by setting why a plan cannot be trained."""
    schema = view.schema or dataset.schema
    problems = _problems(plan.model, _key(plan), plan.seed, plan.device, dataset.fingerprint, plan, schema)
    return problems | dict(view.problems)


def count_parameters(draft: Draft) -> int | None:
    """Return how many numbers the net has, None while it cannot be built."""
    if draft.schema is None or draft.problems:
        return None
    plan = draft.plan
    return _parameters(plan.model, _key(plan), draft.dataset.fingerprint, plan, draft.schema)


def describe_cost(draft: Draft, name: str) -> str:
    """Return what the next value of a setting would cost in parameters, or ""."""
    if draft.schema is None or draft.problems:
        return ""
    plan = draft.plan
    return _cost(name, plan.model, _key(plan), draft.dataset.fingerprint, plan, draft.schema)


@st.cache_resource(max_entries=64, show_spinner=False)
def _view_rows(fingerprint: str, where: str, fields: str, _dataset: Dataset) -> TrainingView:
    return view_rows(_dataset, where, fields)


@st.cache_data(max_entries=1000, show_spinner=False)
def _problems(
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
