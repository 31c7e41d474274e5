"""The queue on a page: what runs, what waits in which order, what has ended, what can be done about it."""

import time
from collections.abc import Callable
from functools import partial

import streamlit as st

from app import navigation, view, work
from app.markdown import escape_markdown
from msviz.errors import MsvizError
from msviz.jobs import ACTIVE, Job, Status
from msviz.run_folder import is_begun, is_run

MOST_ENDED = 12  # jobs that have ended and are listed; the log of each is a click away
JOB, WANTED, TROUBLE = "job", "_job_wanted", "_queue_trouble"
ALL_JOBS = "all jobs"  # the choice of no job in particular
ICONS = {
    "queued": ":material/schedule:",
    "running": ":material/play_circle:",
    "cancelling": ":material/stop_circle:",
    "finished": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/cancel:",
    "interrupted": ":material/power_off:",
}
COLOURS = {"running": "blue", "cancelling": "orange", "finished": "green", "failed": "red", "queued": "gray"}


@st.fragment(run_every=1.0)
def show_queue() -> None:
    """List all jobs with what can be done about each; looked at anew every second."""
    _rerun_if_chosen()
    jobs = [(job, job.status()) for job in work.queue().jobs()]
    active = [(job, status) for job, status in jobs if status.state in ACTIVE]
    # An answer that is there needs no more attention; its page shows it.
    ended = [
        (job, status)
        for job, status in jobs
        if status.state not in ACTIVE and (job.kind == "training" or status.state != "finished")
    ]
    if trouble := st.session_state.pop(TROUBLE, ""):
        st.warning(escape_markdown(trouble), icon=":material/error:")
    if not active and not ended:
        view.show_empty(
            "Nothing runs and nothing waits",
            "Trainings that you start, and answers that pages compute, are listed here.",
            icon="hourglass_empty",
        )
        return
    _show_sweeps(jobs)
    st.subheader("Running and waiting", anchor=False)
    if not active:
        st.caption("Nothing runs and nothing waits.")
    line = {kind: [job.id for job, status in active if job.kind == kind and status.state == "queued"]
            for kind in ("training", "answer")}  # fmt: skip
    for job, status in sorted(active, key=lambda pair: pair[1].state == "queued"):
        _show_active(job, status, line[job.kind])
    if ended:
        st.subheader("Ended", anchor=False)
        ended.sort(key=lambda pair: pair[1].ended or pair[0].created, reverse=True)
        for job, status in ended[:MOST_ENDED]:
            _show_ended(job, status)
        if len(ended) > MOST_ENDED:
            st.caption(f"{len(ended) - MOST_ENDED} older ones are not listed.")


def _rerun_if_chosen() -> None:
    """Run the whole page again where a button of this part chose another job."""
    if WANTED in st.session_state:
        st.rerun(scope="app")


@st.fragment(run_every=1.0)
def show_job(job: Job) -> None:
    """Show a single job with what can be done about it; when its state changes, the page runs again."""
    _rerun_if_chosen()
    if work.queue().job(job.id) is None:
        st.rerun(scope="app")
    status = job.status()
    before = st.session_state.get(f"_state-{job.id}")
    st.session_state[f"_state-{job.id}"] = status.state
    if before not in (None, status.state):
        st.rerun(scope="app")
    if status.state in ACTIVE:
        line = [
            other.id for other in work.queue().jobs() if other.kind == job.kind and work.is_waiting(other)
        ]
        _show_active(job, status, line, watch=False)
    else:
        _show_ended(job, status, watch=False)


def _show_sweeps(jobs: list[tuple[Job, Status]]) -> None:
    """Say how far each sweep is, while any of it is listed, with the way to its comparison."""
    jobs = [(job, status) for job, status in jobs if job.kind == "training"]
    groups = {job.group: None for job, _ in reversed(jobs) if job.group}
    for group in list(groups)[:3]:
        mine = [status.state for job, status in jobs if job.group == group]
        done = mine.count("finished")
        with st.container(border=True):
            st.progress(
                done / len(mine), text=f"Sweep {escape_markdown(group)}: {done} of {len(mine)} trained"
            )
            if done > 1:
                link_to_comparison(group)


def link_to_comparison(group: str) -> None:
    """Link to the comparison of a sweep's runs."""
    made = [job.result for job in work.queue().jobs() if job.group == group and job.result is not None]
    names = sorted(path.name for path in made if is_run(path))
    if len(names) > 1:
        navigation.link_to(
            "performance",
            label=f"Compare the {len(names)} runs of the sweep",
            icon=":material/compare_arrows:",
            query_params={"performance_view": "Runs", "run": names[0], "runs": names[1:]},
        )


def _show_active(job: Job, status: Status, line: list[str], watch: bool = True) -> None:
    with st.container(border=True):
        _show_head(job, status)
        if status.state == "queued":
            # Another tab may have changed the line since.
            place = line.index(job.id) if job.id in line else 0
            words = escape_markdown(status.words[:1].upper() + status.words[1:])
            st.caption(f"{words}, {_ordinal(place + 1)} in line")
        else:
            st.progress(
                status.share,
                text="stopping" if status.state == "cancelling" else escape_markdown(status.words),
            )
        with st.container(horizontal=True, gap="small"):
            if job.kind == "training" and watch:
                _offer_watching(job)
            if status.state == "queued":
                _button("Earlier", "arrow_upward", job, partial(_move, job.id, -1), disabled=place == 0)
                last = place == len(line) - 1
                _button("Later", "arrow_downward", job, partial(_move, job.id, 1), disabled=last)
                _button("Remove", "delete", job, partial(_remove, job.id))
            elif status.state == "running":
                _button("Cancel", "stop", job, partial(_cancel, job.id))


def _show_ended(job: Job, status: Status, watch: bool = True) -> None:
    with st.container(border=True):
        _show_head(job, status)
        if status.state in ("failed", "interrupted") and status.error:
            st.markdown(escape_markdown(status.error[:1].upper() + status.error[1:]) + ".")
        with st.container(horizontal=True, gap="small"):
            if job.kind == "training" and watch:
                _offer_watching(job, "Result" if status.state == "finished" else "Look")
            if status.state != "finished":
                title = "Go on" if job.kind == "training" and _has_checkpoint(job) else "Run again"
                _button(title, "replay", job, partial(_resume, job.id))
            _button("Remove", "delete", job, partial(_remove, job.id))
            with st.popover("Log", icon=":material/article:", type="tertiary"):
                st.code(job.log(4000) or "Nothing was printed.", language=None)


def _show_head(job: Job, status: Status) -> None:
    """Say what a job is, where it is, and who asked for it when."""
    when = time.strftime("%d %b, %H:%M", time.localtime(job.created))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{escape_markdown(job.title)}**", width="content")
        st.badge(
            status.state, icon=ICONS[status.state], color=COLOURS.get(status.state, "orange")  # type: ignore[arg-type]
        )  # fmt: skip
        if status.lost:
            times = "once" if status.lost == 1 else f"{status.lost} times"
            st.badge(f"interrupted {times}", icon=":material/power_off:", color="orange")
    made = f" · makes {job.result.name}" if job.result else ""
    st.caption(escape_markdown(f"{job.kind} · {job.who} · {when}{made}"))


def _offer_watching(job: Job, title: str = "Watch") -> None:
    _button(title, "visibility", job, partial(open_job, job.id), kind="primary")


def _button(
    title: str,
    icon: str,
    job: Job,
    act: Callable[[], None],
    *,
    disabled: bool = False,
    kind: str = "secondary",
) -> None:
    st.button(
        title,
        key=f"{title}-{job.id}",
        icon=f":material/{icon}:",
        on_click=act,
        disabled=disabled,
        type=kind,  # type: ignore[arg-type]
    )


def _has_checkpoint(job: Job) -> bool:
    return job.result is not None and is_begun(job.result)


def open_job(name: str) -> None:
    """Show a job alone, or all of them; for a button's on_click. The choice of the job takes it up."""
    st.session_state[WANTED] = name


def _attempt(act: Callable[[Job], None], name: str) -> None:
    """Do something to a job; what became impossible meanwhile, in another tab say, is told."""
    job = work.queue().job(name)
    if job is None:
        st.session_state[TROUBLE] = "This job is gone: somebody removed it."
        return
    try:
        act(job)
    except MsvizError as error:
        st.session_state[TROUBLE] = str(error)


def _cancel(name: str) -> None:
    _attempt(work.queue().cancel, name)


def _resume(name: str) -> None:
    work.ensure_engine()
    _attempt(work.queue().resume, name)


def _move(name: str, steps: int) -> None:
    _attempt(lambda job: work.queue().move(job, steps), name)


def _remove(name: str) -> None:
    _attempt(lambda job: work.queue().remove(job, leftovers=True), name)


def _ordinal(number: int) -> str:
    last = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{last}"
