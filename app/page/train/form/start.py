"""Starting: the names of the new runs, and the jobs that train them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from app import shelf, work
from app.markdown import escape_markdown
from app.page.train import queue_list
from app.page.train.form.draft import Draft
from msviz.errors import MsvizError
from msviz.jobs import ACTIVE
from msviz.run_folder import LONGEST
from msviz.training.plans import Plan, name_trouble, names

NAME, EDITED, TROUBLE = "train-name", "_train_named", "_train_trouble"
VIEW, RUNNING = "train_view", "Running"


@dataclass(frozen=True)
class Order:
    """One training to be started: its plan, the name of its run, and what a reader calls it."""

    plan: Plan
    name: str
    title: str


def taken_names() -> list[str]:
    """Return the names that a new run cannot have: those on the shelf, and of trainings not yet ended."""
    waiting = [job.result.name for job in work.queue().jobs() if job.result and job.status().state in ACTIVE]
    folder = shelf.models()
    folders = [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
    return [*folders, *waiting]


def offer_training(draft: Draft) -> None:
    """Ask for the name of the run and offer to start it, or say why it cannot start."""
    used = taken_names()
    plans = draft.plans
    proposed = names(plans[:1], draft.base, draft.stem, used)[0]
    if not st.session_state.get(EDITED):
        st.session_state[NAME] = proposed
    st.text_input(
        "Name of the run", key=NAME, on_change=_take_over_name, args=(proposed,), max_chars=LONGEST,
        help="A folder on the shelf. Letters, digits, dots and dashes; empty for the proposed name",
    )  # fmt: skip
    name = str(st.session_state[NAME]).strip()
    run_names = _names_of_seeds(name, plans, used)
    trouble = next(filter(None, (name_trouble(each, used) for each in run_names)), "")
    if trouble:
        st.markdown(f":red[:material/error: {escape_markdown(trouble)}]")
    _say_if_trained(draft)
    orders = [
        Order(plan, each, training_title(draft, plan)) for plan, each in zip(plans, run_names, strict=True)
    ]
    group = name if len(orders) > 1 else ""
    offer_start(orders, group, [*draft.reasons, *([trouble] if trouble else [])])


def _names_of_seeds(name: str, plans: Sequence[Plan], used: Sequence[str]) -> list[str]:
    """Return a name for each seed: the first one's as it was typed."""
    run_names = [name]
    for plan in plans[1:]:
        run_names += names([plan], replace(plan, seed=plans[0].seed), name, [*used, *run_names])
    return run_names


def training_title(draft: Draft, plan: Plan) -> str:
    """Return what a training is called in the queue: 'same: experts 3 instead of 2'."""
    differences = list(plan.differences(draft.base).values())
    if draft.origin is None and not differences:
        return f"{plan.model}, new"
    return f"{plan.model}: {', '.join(differences) or 'once more'}"


def _say_if_trained(draft: Draft) -> None:
    """Say where the shelf has this very training already."""
    same = draft.plan.trained(draft.dataset.fingerprint, shelf.runs())
    if same is not None:
        why = "Nothing is changed" if not draft.differences else "These are its settings"
        st.caption(
            f":material/info: {why}: {escape_markdown(same.name)} on the shelf is this training already; on "
            "a CPU it would give the same weights again."
        )


def offer_start(orders: Sequence[Order], group: str, reasons: Sequence[str]) -> None:
    """Offer to start the trainings; with `reasons`, say why that is not possible."""
    if trouble := st.session_state.pop(TROUBLE, ""):
        st.error(escape_markdown(trouble), icon=":material/error:")
    count = len(orders)
    st.button(
        "Start" if count == 1 else f"Start {count} trainings",
        key="train-start",
        type="primary",
        icon=":material/play_arrow:",
        disabled=bool(reasons) or not orders,
        help=escape_markdown("; ".join(reasons)) or None,
        on_click=start_trainings,
        args=(list(orders), group),
    )
    for reason in reasons:
        st.caption(f":material/block: Cannot start: {escape_markdown(reason)}.")


def start_trainings(orders: Sequence[Order], group: str) -> None:
    """Put trainings in line and look at the first; what is refused is told on the form."""
    jobs = []
    for number, order in enumerate(orders, 1):
        out = (shelf.models() / order.name).resolve()
        plan = with_absolute_paths(order.plan)
        try:
            jobs.append(
                work.submit(
                    plan.arguments(out),
                    kind="training",
                    title=order.title,
                    result=out,
                    group=group,
                    start=number == len(orders),
                )
            )
        except (MsvizError, OSError) as error:
            st.session_state[TROUBLE] = f"{order.name}: {error}"
            break
    st.session_state[EDITED] = False
    if jobs:
        st.session_state[VIEW] = RUNNING
        queue_list.open_job(jobs[0].id)


def with_absolute_paths(plan: Plan) -> Plan:
    """Return the plan with paths that mean the same wherever its process starts."""

    def resolved(path: Path | None) -> Path | None:
        return None if path is None else path.resolve()

    return replace(plan, data=plan.data.resolve(), parent=resolved(plan.parent))


def _take_over_name(proposed: str) -> None:
    name = str(st.session_state[NAME] or "").strip()
    st.session_state[EDITED] = bool(name) and name != proposed
