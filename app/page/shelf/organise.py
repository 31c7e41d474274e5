"""Put the shelf in order from a page: notes, names, tags, and deleting with a way back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from app import shelf
from app.markdown import escape_markdown
from msviz import run_folder
from msviz.errors import MsvizError
from msviz.shelving import folders
from msviz.shelving.listing import ShelfEntry
from msviz.shelving.notes import LONGEST, change_notes, read_notes

MESSAGES, DELETED = "_shelf_said", "_shelf_deleted"
ICONS = {"success": ":material/check:", "error": ":material/error:"}
MOST_LISTED = 20  # deleted runs that are listed one by one


def add_message(kind: str, text: str) -> None:
    """Keep a line for the next time that the page is drawn; `kind` is success or error."""
    st.session_state.setdefault(MESSAGES, []).append((kind, text))


def show_messages() -> None:
    """Show what was done, and the way back from what was deleted last."""
    for kind, text in st.session_state.pop(MESSAGES, []):
        getattr(st, kind)(escape_markdown(text), icon=ICONS[kind])
    in_trash = {deleted.path for deleted in folders.trash(shelf.models())}
    deleted = [path for path in st.session_state.get(DELETED, []) if path in in_trash]
    if not deleted:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
        names = [path.name.partition("-")[2] for path in deleted]
        what = names[0] if len(names) == 1 else f"{len(names):,} runs"
        st.markdown(f"Deleted {escape_markdown(what)}.", width="content")
        st.button("Undo", key="shelf-undo", icon=":material/undo:", on_click=restore, args=(deleted,))
        st.caption(f"Kept for {folders.DAYS} days under Deleted runs.")


def delete(runs: Sequence[Path]) -> None:
    """Delete runs and remember the way back; for a button's on_click."""
    gone = []
    for run in runs:
        with _report_errors():
            gone.append((run.name, folders.delete(run)))
    if not gone:
        return
    st.session_state[DELETED] = [path for _, path in gone]
    _follow_run({name: None for name, _ in gone})
    with _report_errors():
        folders.empty(shelf.models())


def restore(deleted: Sequence[Path]) -> None:
    """Put deleted runs back; for a button's on_click."""
    for path in deleted:
        with _report_errors():
            back = folders.restore(path)
            old = path.name.partition("-")[2]
            add_message("success", f"{old} is back" + (f", as {back.name}" if back.name != old else ""))
    st.session_state[DELETED] = []


def empty_trash() -> None:
    """Remove deleted runs for good; for a button's on_click."""
    with _report_errors():
        add_message("success", f"{folders.empty(shelf.models(), days=0):,} deleted runs are removed for good")


def pin(runs: Sequence[Path], kept: bool) -> None:
    """Pin runs, or unpin them; for a button's on_click."""
    for run in runs:
        with _report_errors():
            change_notes(run, kept=kept)


def tag(runs: Sequence[Path], add: str, remove: str) -> None:
    """Tag runs with what stands in one text field, and take away what is chosen in another, by their keys."""
    new = str(st.session_state.get(add) or "").replace(",", " ").split()
    old = list(st.session_state.get(remove) or [])
    done = 0
    for run in runs:
        with _report_errors():
            change_notes(run, add=new, remove=old)
            done += 1
    if done:
        st.session_state[add] = ""


def save(run: Path, keys: str) -> None:
    """Take over name, description and tags from the form whose widgets' keys begin with `keys`."""
    name = str(st.session_state[f"{keys}-name"]).strip()
    tags = str(st.session_state[f"{keys}-tags"]).replace(",", " ").split()
    with _report_errors():
        gone = set(read_notes(run).tags) - set(tags)
        change_notes(run, description=str(st.session_state[f"{keys}-words"]).strip(), add=tags, remove=gone)
        if name != run.name:
            folders.rename(run, name)
            _follow_run({run.name: name})


def show_form(entry: ShelfEntry) -> None:
    """Show what is said about a run, with a form to change it."""
    notes, run = entry.notes, entry.run
    if notes.trouble:
        st.warning(f"Its notes are left out: {escape_markdown(notes.trouble)}", icon=":material/error:")
    # A picture in it would be fetched from wherever the text says.
    st.markdown(notes.description.replace("![", "!\\[") or ":gray[No description yet.]")
    keys = f"notes-{entry.card.digest[:12]}-{abs(hash((run.name, notes)))}"
    with st.expander("Rename, describe, tag", icon=":material/edit:"), st.form(keys, border=False):
        st.text_input("Name", run.name, key=f"{keys}-name", max_chars=run_folder.LONGEST)
        st.text_area(
            "Description", notes.description, key=f"{keys}-words", max_chars=LONGEST, help="Markdown"
        )
        st.text_input("Tags", " ".join(notes.tags), key=f"{keys}-tags", help="Words between blanks")
        st.form_submit_button("Save", icon=":material/save:", on_click=save, args=(run.path, keys))


def list_deleted() -> None:
    """List the deleted runs, with a way back for each and a way to be rid of all."""
    deleted = folders.trash(shelf.models())
    if not deleted:
        return
    with st.expander(f"Deleted runs ({len(deleted):,})", icon=":material/delete:"):
        st.caption(f"They are removed for good {folders.DAYS} days after they were deleted.")
        for run in deleted[:MOST_LISTED]:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.button(
                    "Restore",
                    key=f"restore-{run.path.name}",
                    icon=":material/restore_from_trash:",
                    on_click=restore,
                    args=([run.path],),
                )
                st.markdown(
                    f"{escape_markdown(run.name)}, deleted {run.when:%d %b %Y, %H:%M} UTC", width="content"
                )
        if len(deleted) > MOST_LISTED:
            st.caption(f"And {len(deleted) - MOST_LISTED:,} more: `msviz shelf restore` lists them.")
        with st.popover("Remove all for good", icon=":material/delete_forever:", type="tertiary"):
            st.markdown(f"{len(deleted):,} deleted runs cannot be brought back after this.")
            st.button("Remove them", key="shelf-empty", type="primary", on_click=empty_trash)


@contextmanager
def _report_errors() -> Iterator[None]:
    """Keep what is refused for the page to say."""
    try:
        yield
    except (MsvizError, OSError) as error:
        add_message("error", str(error))


def _follow_run(names: dict[str, str | None]) -> None:
    """Let the run that all pages speak of go with its new name, or with another run where it is gone."""
    old = st.session_state.get("run")
    if old in names:
        left = [run.name for run in shelf.runs() if run.name not in names]
        st.session_state["run"] = names[old] or (left[0] if left else None)
