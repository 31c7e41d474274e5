"""Starting: the names of the new runs, and the jobs that train them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from app import queueing, shelf, work
from app.training_form import before
from app.training_form.draft import Draft
from app.words import plain
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


def taken() -> list[str]:
    """Return the names that a new run cannot have: those on the shelf, and of trainings not yet ended."""
    waiting = [job.result.name for job in work.queue().jobs() if job.result and job.status().state in ACTIVE]
    folder = shelf.models()
    there = [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
    return [*there, *waiting]


def one(draft: Draft) -> None:
    """Ask for the name of the run and offer to start it, or say why it cannot start."""
    used = taken()
    plans = before.plans(draft)
    proposed = names(plans[:1], draft.base, draft.stem, used)[0]
    if not st.session_state.get(EDITED):
        st.session_state[NAME] = proposed
    st.text_input(
        "Name of the run", key=NAME, on_change=_named, args=(proposed,), max_chars=LONGEST,
        help="A folder on the shelf. Letters, digits, dots and dashes; empty for the proposed name",
    )  # fmt: skip
    name = str(st.session_state[NAME]).strip()
    several = _several(name, plans, used)
    trouble = next(filter(None, (name_trouble(each, used) for each in several)), "")
    if trouble:
        st.markdown(f":red[:material/error: {plain(trouble)}]")
    say_known(draft)
    orders = [Order(plan, each, title(draft, plan)) for plan, each in zip(plans, several, strict=True)]
    group = name if len(orders) > 1 else ""
    button(orders, group, [*before.reasons(draft), *([trouble] if trouble else [])])


def _several(name: str, plans: Sequence[Plan], used: Sequence[str]) -> list[str]:
    """Return a name for each seed: the first one's as it was typed."""
    found = [name]
    for plan in plans[1:]:
        found += names([plan], replace(plan, seed=plans[0].seed), name, [*used, *found])
    return found


def title(draft: Draft, plan: Plan) -> str:
    """Return what a training is called in the queue: 'same: experts 3 instead of 2'."""
    told = list(plan.differences(draft.base).values())
    if draft.origin is None and not told:
        return f"{plan.model}, new"
    return f"{plan.model}: {', '.join(told) or 'once more'}"


def say_known(draft: Draft) -> None:
    """Say where the shelf has this very training already."""
    found = draft.plan.trained(draft.dataset.fingerprint, shelf.runs())
    if found is not None:
        why = "Nothing is changed" if not draft.told else "These are its settings"
        st.caption(
            f":material/info: {why}: {plain(found.name)} on the shelf is this training already; on a CPU it "
            "would give the same weights again."
        )


def button(orders: Sequence[Order], group: str, reasons: Sequence[str]) -> None:
    """Offer to start the trainings; with `reasons`, say why that is not possible."""
    if trouble := st.session_state.pop(TROUBLE, ""):
        st.error(plain(trouble), icon=":material/error:")
    count = len(orders)
    st.button(
        "Start" if count == 1 else f"Start {count} trainings",
        key="train-start",
        type="primary",
        icon=":material/play_arrow:",
        disabled=bool(reasons) or not orders,
        help=plain("; ".join(reasons)) or None,
        on_click=start,
        args=(list(orders), group),
    )
    for reason in reasons:
        st.caption(f":material/block: Cannot start: {plain(reason)}.")


def start(orders: Sequence[Order], group: str) -> None:
    """Put trainings in line and look at the first; what is refused is told on the form."""
    jobs = []
    for number, order in enumerate(orders, 1):
        out = (shelf.models() / order.name).resolve()
        plan = absolute(order.plan)
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
        queueing.look(jobs[0].id)


def absolute(plan: Plan) -> Plan:
    """Return the plan with paths that mean the same wherever its process starts."""

    def whole(path: Path | None) -> Path | None:
        return None if path is None else path.resolve()

    return replace(plan, data=plan.data.resolve(), parent=whole(plan.parent))


def _named(proposed: str) -> None:
    name = str(st.session_state[NAME] or "").strip()
    st.session_state[EDITED] = bool(name) and name != proposed
