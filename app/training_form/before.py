"""Before a training starts: what it would cost, and why it cannot start."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import streamlit as st

from app import work
from app.training_form.draft import Draft
from app.words import plain
from msviz.jobs import ACTIVE, Job
from msviz.training.plans import Plan

LAST = "_train_probe"


def show(draft: Draft, count: int = 1) -> None:
    """Show parameters at once, and time and memory as soon as a timed probe has told them."""
    numbers = draft.parameters()
    if numbers is None:
        _forget(None)
        return
    before = draft.origin.card.parameters if draft.origin else numbers
    change = f" ({before:,} before)" if before != numbers else ""
    job = _probe(draft)
    _estimate(job.id, f"{numbers:,} parameters{change}", count * len(draft.seeds))


def _probe(draft: Draft) -> Job:
    """Return the job that times some steps of this very plan: one for all who ask."""
    plan = replace(draft.plan, parent=None, data=draft.dataset.path.resolve(), seed=0)
    arguments = [*plan.arguments("probe", frames=0), "--probe"]
    name = f"probe-{_mark(arguments, draft.dataset.fingerprint)}"
    _forget(name)
    st.session_state[LAST] = name
    known = work.queue().job(name)
    if known is not None and known.status().state != "cancelled":
        return known
    title = f"Time some steps of {plan.model}"
    return work.submit(arguments, kind="answer", title=title, group="probe", key=name)


def _forget(name: str | None) -> None:
    """Cancel the probe of settings that are no longer on the form."""
    last = st.session_state.get(LAST)
    job = work.queue().job(last) if last and last != name else None
    if job is not None and job.status().state in ("queued", "running"):
        work.queue().cancel(job)


def _mark(arguments: list[str], fingerprint: str) -> str:
    return hashlib.sha256(repr((arguments, fingerprint)).encode()).hexdigest()[:12]


@st.fragment(run_every=0.7)
def _estimate(name: str, numbers: str, count: int) -> None:
    """Show what a probe tells; while it runs, look again."""
    job = work.queue().job(name)
    if job is None:
        st.markdown(f":material/memory: {numbers}")
        return
    status = job.status()
    if status.state in ACTIVE:
        st.markdown(f":material/timer: {numbers} · timing some steps …")
        return
    found = cost(job) if status.state == "finished" else None
    if found is None:
        why = plain(status.error) or "it told nothing"
        st.markdown(f":material/timer_off: {numbers} · the time is not known: {why}")
        st.button("Time it again", key=f"again-{name}", on_click=_again, args=(name,))
        return
    st.markdown(f":material/timer: {numbers} · {words(found, count)}")


def _again(name: str) -> None:
    if job := work.queue().job(name):
        work.queue().resume(job)


def cost(job: Job) -> dict[str, Any] | None:
    """Return what a probe printed, or None."""
    text = job.log()
    try:
        found: dict[str, Any] = json.loads(text[text.index("{") : text.rindex("}") + 1])
    except ValueError:
        return None
    return found


def words(found: dict[str, Any], count: int) -> str:
    """Return 'about 45 s at most at 7,116 rows a second, 120 MiB more memory (cpu)'."""
    seconds = found["seconds"] * count
    each = f" for all {count} trainings" if count > 1 else ""
    memory = f", {found['memory']:,.0f} MiB of memory" if found["memory"] is not None else ""
    return (
        f"about **{duration(seconds)}** at most{each} at {found['rows_per_second']:,.0f} rows a second"
        f"{memory} ({plain(found['device'])})"
    )


def duration(seconds: float) -> str:
    """Return '45 s', '3 min' or '2.5 h'."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def reasons(draft: Draft) -> list[str]:
    """Return why this cannot start, each naming the setting."""
    told: dict[str, list[str]] = {}
    for name, why in draft.problems.items():
        told.setdefault(why, []).append(name)
    return [f"{', '.join(filter(None, names))}: {why}".removeprefix(": ") for why, names in told.items()]


def plans(draft: Draft) -> list[Plan]:
    """Return the plan once for each seed."""
    return [replace(draft.plan, seed=seed) for seed in draft.seeds]
