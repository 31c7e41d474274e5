"""Running: what is being trained, what waits and what has ended; one training as it goes, and its result."""

import streamlit as st

from app import beside, queueing, work
from app.words import plain
from msviz.errors import MsvizError
from msviz.jobs import ACTIVE, Job
from msviz.run import Run
from msviz.run_folder import is_run
from msviz.shelving.notes import read_notes


def running(name: str) -> None:
    """Show the job that the link speaks of; with "" all jobs."""
    if not name:
        queueing.show()
        return
    st.button(
        "All jobs",
        icon=":material/arrow_back:",
        on_click=queueing.look,
        args=(queueing.ALL,),
        type="tertiary",
    )
    job = work.queue().job(name)
    if job is None:
        st.info("This job is gone: somebody removed it.", icon=":material/delete:")
        return
    queueing.one(job)
    if job.kind != "training" or job.result is None:
        return
    from app import watching

    if job.status().state in ACTIVE:
        watching.live(job.result, job, bar=False)
    elif is_run(job.result):
        made(job)
    else:
        watching.left(job.result)


def made(job: Job) -> None:
    """Show the run that a training made: beside its parent, and how it came about."""
    from app import watching

    assert job.result is not None
    try:
        run = Run.peek(job.result)
    except MsvizError as error:
        st.warning(plain(str(error)), icon=":material/error:")
        return
    with st.container(horizontal=True, gap="small"):
        label, where = f"Open {plain(run.name)}", {"run": run.name}
        st.page_link(
            "pages_look/performance.py", label=label, icon=":material/open_in_new:", query_params=where
        )
        if group := job.group:
            queueing.compare(group)
    parent = beside.parent_of(run)
    if parent is not None:
        beside.show(run, parent)
        st.divider()
    elif read_notes(run.path).parent is not None:
        st.info("The run that it was retrained from is no longer on the shelf.", icon=":material/link_off:")
    st.subheader("How did it come about?", anchor=False)
    watching.replay(run)
