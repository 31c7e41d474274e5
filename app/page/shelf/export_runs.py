"""Export runs from a page: a job for each copies it to a store or a folder."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from app import shelf, work
from app.markdown import escape_markdown
from app.page.shelf import organise
from msviz.errors import MsvizError
from msviz.jobs import ACTIVE
from msviz.shelving.transfer import check_address

JOBS, ADDRESS = "_taking", "shelf-take-address"  # the jobs that copy, and where to


def offer(runs: Sequence[Path]) -> None:
    """Offer to copy runs to an address, each into a folder of its name."""
    with st.popover("Export to", icon=":material/cloud_upload:"), st.form("shelf-take", border=False):
        st.text_input(
            "Address of a folder",
            key=ADDRESS,
            placeholder="s3://bucket/runs",
            help="Each run becomes a folder there: s3://, gs://, or a path on the machine of this page",
        )
        st.form_submit_button("Copy there", icon=":material/upload:", on_click=_start, args=(list(runs),))


def _start(runs: Sequence[Path]) -> None:
    """Start the jobs that copy; for a button's on_click."""
    folder = str(st.session_state[ADDRESS]).strip().rstrip("/")
    started, models = [], str(shelf.models().resolve())
    try:
        check_address(folder)
        for number, run in enumerate(runs, 1):
            job = work.submit(
                ["shelf", "export", "--shelf", models, "--", run.name, f"{folder}/{run.name}"],
                kind="answer",
                title=f"Export {run.name} to {folder}",
                start=number == len(runs),
            )
            started.append(job.id)
    except (MsvizError, OSError) as error:
        organise.add_message("error", str(error))
    st.session_state[JOBS] = [*st.session_state.get(JOBS, []), *started]


def show_jobs() -> None:
    """Show the jobs that copy, where there are any."""
    if st.session_state.get(JOBS):
        _show_progress()


@st.fragment(run_every=0.5)
def _show_progress() -> None:
    """Show how far copying is; say of each run that it is there, or why not, and let the page run again."""
    left = []
    for name in st.session_state[JOBS]:
        job = work.queue().job(name)
        status = job.status() if job else None
        if job is None or status is None:
            continue
        if status.state in ACTIVE:
            left.append(name)
            words = "waiting" if status.state == "queued" else status.words or "starting"
            st.progress(status.share, text=escape_markdown(f"{job.title}: {words}"))
        elif status.state == "finished":
            organise.add_message("success", f"{job.title.removeprefix('Export ')}: it is there")
        else:
            organise.add_message("error", f"{job.title}: {status.error or status.state}")
    if left != st.session_state[JOBS]:
        st.session_state[JOBS] = left
        st.rerun(scope="app")
