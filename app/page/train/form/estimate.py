"""Before a training starts: what it would cost, and why it cannot start."""

import hashlib
from dataclasses import replace

import streamlit as st

from app import work
from app.markdown import escape_markdown
from app.page.train.form.cached_checks import count_parameters
from app.page.train.form.draft import Draft
from app.page.train.form.probe_words import describe_probe, parse_probe
from msviz.jobs import ACTIVE, Job

LAST = "_train_probe"


def show(draft: Draft, count: int = 1) -> None:
    """Show parameters at once, and time and memory as soon as a timed probe has told them."""
    parameters = count_parameters(draft)
    if parameters is None:
        _cancel_other(None)
        return
    before = draft.origin.card.parameters if draft.origin else parameters
    change = f" ({before:,} before)" if before != parameters else ""
    job = _submit_probe(draft)
    _show_estimate(job.id, f"{parameters:,} parameters{change}", count * len(draft.seeds))


def _submit_probe(draft: Draft) -> Job:
    """Return the job that times some steps of this very plan: one for all who ask."""
    plan = replace(draft.plan, parent=None, data=draft.dataset.path.resolve(), seed=0)
    arguments = [*plan.arguments("probe", frames=0), "--probe"]
    name = f"probe-{_digest(arguments, draft.dataset.fingerprint)}"
    _cancel_other(name)
    st.session_state[LAST] = name
    job = work.queue().job(name)
    if job is not None and job.status().state != "cancelled":
        return job
    title = f"Time some steps of {plan.model}"
    return work.submit(arguments, kind="answer", title=title, group="probe", key=name)


def _cancel_other(name: str | None) -> None:
    """Cancel the probe of settings that are no longer on the form."""
    last = st.session_state.get(LAST)
    job = work.queue().job(last) if last and last != name else None
    if job is not None and job.status().state in ("queued", "running"):
        work.queue().cancel(job)


def _digest(arguments: list[str], fingerprint: str) -> str:
    return hashlib.sha256(repr((arguments, fingerprint)).encode()).hexdigest()[:12]


@st.fragment(run_every=0.7)
def _show_estimate(name: str, parameters: str, count: int) -> None:
    """Show what a probe tells; while it runs, look again."""
    job = work.queue().job(name)
    if job is None:
        st.markdown(f":material/memory: {parameters}")
        return
    status = job.status()
    if status.state in ACTIVE:
        st.markdown(f":material/timer: {parameters} · timing some steps …")
        return
    numbers = parse_probe(job.log()) if status.state == "finished" else None
    if numbers is None:
        why = escape_markdown(status.error) or "it told nothing"
        st.markdown(f":material/timer_off: {parameters} · the time is not known: {why}")
        st.button("Time it again", key=f"again-{name}", on_click=_time_again, args=(name,))
        return
    st.markdown(f":material/timer: {parameters} · {describe_probe(numbers, count)}")


def _time_again(name: str) -> None:
    if job := work.queue().job(name):
        work.queue().resume(job)
