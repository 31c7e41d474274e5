"""Running: what is being trained, what waits and what has ended; one training as it goes, and its result."""

import streamlit as st

from app import navigation, work
from app.markdown import escape_markdown
from app.page.train import parent_comparison, queue_list
from msviz.errors import MsvizError
from msviz.jobs import ACTIVE, Job
from msviz.run import Run
from msviz.run_folder import is_run
from msviz.shelving.notes import read_notes


def show(name: str) -> None:
    """Show the job that the link speaks of; with "" all jobs."""
    if not name:
        queue_list.show_queue()
        return
    st.button(
        "All jobs",
        icon=":material/arrow_back:",
        on_click=queue_list.open_job,
        args=(queue_list.ALL_JOBS,),
        type="tertiary",
    )
    job = work.queue().job(name)
    if job is None:
        st.info("This job is gone: somebody removed it.", icon=":material/delete:")
        return
    queue_list.show_job(job)
    if job.kind != "training" or job.result is None:
        return
    from app.page.train import watching

    if job.status().state in ACTIVE:
        watching.show_live(job.result, job, bar=False)
    elif is_run(job.result):
        _show_result(job)
    else:
        watching.show_remains(job.result)


def _show_result(job: Job) -> None:
    """Show the run that a training made: beside its parent, and how it came about."""
    from app.page.train import watching

    assert job.result is not None
    try:
        run = Run.peek(job.result)
    except MsvizError as error:
        st.warning(escape_markdown(str(error)), icon=":material/error:")
        return
    with st.container(horizontal=True, gap="small"):
        label, query = f"Open {escape_markdown(run.name)}", {"run": run.name}
        navigation.link_to("performance", label=label, icon=":material/open_in_new:", query_params=query)
        if group := job.group:
            queue_list.link_to_comparison(group)
    parent = parent_comparison.find_parent(run)
    if parent is not None:
        parent_comparison.show(run, parent)
        st.divider()
    elif read_notes(run.path).parent is not None:
        st.info("The run that it was retrained from is no longer on the shelf.", icon=":material/link_off:")
    st.subheader("How did it come about?", anchor=False)
    watching.show_replay(run)
