"""Import runs from a page: zips that a reader uploads, and addresses that a job fetches from."""

import streamlit as st

from app import shelf, work
from app.markdown import escape_markdown
from app.page.shelf import organise
from msviz.errors import MsvizError
from msviz.jobs import ACTIVE
from msviz.shelving.transfer import Limits, check_address, unpack

JOB = "_bringing"  # the job that fetches, and which runs were there before
MEGABYTE = 2**20


def offer(opened: bool) -> None:
    """Offer to bring runs in; `opened` where there is nothing else to do."""
    with st.expander("Import a run", icon=":material/input:", expanded=opened):
        left, right = st.columns(2)
        with left:
            _upload()
        with right:
            _fetch()
        st.caption(
            f"Or copy a run's folder into {escape_markdown(str(shelf.models()))}: it appears at once. "
            "What is brought in is checked before it is opened, and nothing in it is ever run."
        )


def _upload() -> None:
    most = int(st.get_option("server.maxUploadSize"))
    with st.form("shelf-upload", clear_on_submit=True):
        files = st.file_uploader(
            "Zipped runs",
            type=["zip"],
            accept_multiple_files=True,
            key="shelf-files",
            help=f"As this page, or msviz shelf export, makes them; up to {most:,} MB each",
        )
        sent = st.form_submit_button("Put on the shelf", icon=":material/upload:")
    if not sent:
        return
    if not files:
        st.caption("Choose a zip first.")
        return
    bar = st.progress(0.0, text="checking")
    for file in files:

        def show_share(share: float, words: str, name: str = file.name) -> None:
            bar.progress(share, escape_markdown(f"{name}: {words}"))

        try:
            made = unpack(
                file,
                shelf.models(),
                limits=Limits(total=most * MEGABYTE),
                progress=show_share,
            )
            organise.add_message("success", f"{made.name} is on the shelf")
        except (MsvizError, OSError) as error:
            organise.add_message("error", str(error))
    st.rerun()


def _fetch() -> None:
    with st.form("shelf-fetch"):
        address = st.text_input(
            "Address of a run",
            key="shelf-address",
            placeholder="s3://bucket/my-run.zip",
            help="A .zip or a run's folder: s3://, gs://, or a path on the machine that serves this page",
        )
        st.form_submit_button("Fetch", icon=":material/cloud_download:", on_click=_start)
    del address
    if JOB in st.session_state:
        _show_progress()


def _start() -> None:
    """Start the job that fetches what the form names; for a button's on_click."""
    address = str(st.session_state["shelf-address"]).strip()
    try:
        check_address(address)
        job = work.submit(
            ["shelf", "import", "--shelf", str(shelf.models().resolve()), "--", address],
            kind="answer",
            title=f"Import {address}",
        )
    except (MsvizError, OSError) as error:
        organise.add_message("error", str(error))
        return
    st.session_state[JOB] = (job.id, {run.name for run in shelf.runs()})


@st.fragment(run_every=0.5)
def _show_progress() -> None:
    """Show the job that fetches; when it has ended, say what came and let the page run again."""
    number, before = st.session_state[JOB]
    job = work.queue().job(number)
    status = job.status() if job else None
    if job and status and status.state in ACTIVE:
        words = "waiting" if status.state == "queued" else status.words or "fetching"
        st.progress(status.share, text=escape_markdown(words))
        st.button("Cancel", key="shelf-cancel", on_click=work.queue().cancel, args=(job,))
        return
    del st.session_state[JOB]
    if status and status.state == "finished":
        new = [run.name for run in shelf.runs() if run.name not in before]
        organise.add_message("success", f"{', '.join(new) or 'the run'} is on the shelf")
        st.session_state["shelf-address"] = ""
    elif status:
        organise.add_message("error", status.error or f"fetching was {status.state}")
    st.rerun(scope="app")
