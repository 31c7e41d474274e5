"""Shelf: every run with what is said about it; compare, retrain, tag, delete, import and export."""

import hashlib
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import pandas as pd
import streamlit as st

from app import navigation, view
from app.markdown import escape_markdown
from app.missing import NO_RUNS, TRAIN
from app.page.shelf import export_runs, import_runs, organise
from app.page.shelf.controls import ShelfChoice, clear_filters
from msviz.shelving.listing import ShelfEntry, ShelfListing
from msviz.shelving.search import change_words, differences
from msviz.shelving.transfer import pack

ROWS = 12  # of the table, before it scrolls
DOWNLOADS = 20
MOST_BROKEN = 50  # folders that cannot be read, one by one
COLUMNS = {
    "Run": st.column_config.TextColumn(pinned=True),
    "Beware": st.column_config.TextColumn(help="What speaks against using it", width="medium"),
    "Test AUC": st.column_config.NumberColumn(format="%.4f", help="Higher is better; 0.5 is chance"),
    "Test logloss": st.column_config.NumberColumn(format="%.4f", help="Lower is better"),
    "Parameters": st.column_config.NumberColumn(format="localized"),
    "Tags": st.column_config.ListColumn(),
    "Parent": st.column_config.TextColumn(help="The run that it was retrained from", width="small"),
    "Changed": st.column_config.TextColumn(help="What differs from its parent", width="medium"),
    "Trained": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
    "Pinned": st.column_config.CheckboxColumn(help="It cannot be deleted"),
}


def show(choice: ShelfChoice) -> None:
    """List the runs, what can be done with those that are selected, and what else is in the folder."""
    seen, listed = choice.seen, choice.listed
    organise.show_messages()
    export_runs.show_jobs()
    if not seen.entries:
        view.show_empty("No runs on the shelf", NO_RUNS, command=TRAIN)
    elif not listed:
        box = view.show_notice(
            "No run fits", "Look for fewer words, or choose fewer filters.", icon="search_off"
        )
        box.button("List all runs", key="shelf-all", on_click=clear_filters)
    else:
        of = f" of {len(seen.entries):,}" if len(listed) < len(seen.entries) else ""
        st.caption(f"{len(listed):,}{of} run{'s' if len(seen.entries) != 1 else ''}")
        picked = _choose_runs(listed, seen)
        _show_actions(picked)
        if len(picked) == 1:
            _show_run(picked[0], seen)
    import_runs.offer(opened=not seen.entries)
    _list_broken(seen)
    organise.list_deleted()


def _choose_runs(entries: Sequence[ShelfEntry], seen: ShelfListing) -> list[ShelfEntry]:
    """List runs and return those that the reader selected."""
    parents = [seen.parent(entry) for entry in entries]
    cards = [entry.card for entry in entries]
    names = [entry.notes.parent.name if entry.notes.parent else "" for entry in entries]
    data = pd.DataFrame(
        {
            "Run": [entry.name for entry in entries],
            "Model": [card.model for card in cards],
            "Data": [card.data.name for card in cards],
            "Test AUC": [card.headline.get("auc") for card in cards],
            "Test logloss": [card.headline.get("logloss") for card in cards],
            "Parameters": [float(card.parameters) for card in cards],
            "Tags": [list(entry.notes.tags) for entry in entries],
            "Parent": [parent.name if parent else name for parent, name in zip(parents, names, strict=True)],
            "Changed": [
                change_words(differences(parent.card, card)) if parent else ""
                for parent, card in zip(parents, cards, strict=True)
            ],
            # A card from elsewhere may say anything: no date is better than no page.
            "Trained": pd.to_datetime(
                pd.Series([card.created for card in cards], dtype=object),
                utc=True,
                format="ISO8601",
                errors="coerce",
            ),
            "Pinned": [entry.notes.kept for entry in entries],
        }
    )
    doubted = ["; ".join(card.doubts) for card in cards]
    if any(doubted):
        data.insert(1, "Beware", doubted)
    # A selection is of places in the list: it goes when other runs stand there.
    mark = hashlib.sha256("\n".join(entry.card.digest for entry in entries).encode()).hexdigest()[:12]
    event = st.dataframe(
        data,
        key=f"shelf-table-{mark}",
        hide_index=True,
        height="auto" if len(entries) <= ROWS else 458,
        column_config=COLUMNS,
        on_select="rerun",
        selection_mode="multi-row",
    )
    return [entries[row] for row in event["selection"]["rows"] if row < len(entries)]


def _show_actions(picked: Sequence[ShelfEntry]) -> None:
    """Offer what can be done with the selected runs."""
    if not picked:
        st.caption("Select runs to open, compare, retrain, tag, download or delete them.")
        return
    paths, first = [entry.run.path for entry in picked], picked[0]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="shelf-actions"):
        if len(picked) == 1:
            single = {"run": first.name, "performance_view": "One run"}
            navigation.link_to(
                "performance", label="Open", icon=":material/open_in_new:", query_params=single
            )
            navigation.link_to(
                "train",
                label="Retrain",
                icon=":material/model_training:",
                query_params={"from": first.name, "afresh": "yes"},
            )
        else:
            names = [entry.name for entry in picked]
            navigation.link_to(
                "performance",
                label=f"Compare {len(picked):,} runs",
                icon=":material/compare_arrows:",
                query_params={"performance_view": "Runs", "run": first.name, "runs": names},
            )
        _offer_downloads(picked)
        export_runs.offer(paths)
        _offer_tags(picked)
        kept = all(entry.notes.kept for entry in picked)
        st.button(
            "Unpin" if kept else "Pin",
            key="shelf-keep",
            icon=":material/keep_off:" if kept else ":material/keep:",
            on_click=organise.pin,
            args=(paths, not kept),
            help="A pinned run cannot be deleted",
        )
        st.button(
            "Delete",
            key="shelf-delete",
            icon=":material/delete:",
            on_click=organise.delete,
            args=(paths,),
            help="With a way back",
        )
    others = {entry.card.data.fingerprint for entry in picked} - {first.card.data.fingerprint}
    if others:
        st.caption(
            f"Only those trained on the data of {escape_markdown(first.name)} can be compared with it."
        )


def _offer_downloads(picked: Sequence[ShelfEntry]) -> None:
    """Offer the runs as zips; each is packed when its button is pressed, not before."""
    if len(picked) == 1:
        _offer_download(picked[0], "Download")
        return
    with st.popover("Download", icon=":material/download:"):
        for entry in picked[:DOWNLOADS]:
            _offer_download(entry, entry.name)
        if len(picked) > DOWNLOADS:
            st.caption(f"The first {DOWNLOADS}; msviz shelf export copies any number elsewhere.")


def _offer_download(entry: ShelfEntry, label: str) -> None:
    st.download_button(
        escape_markdown(label),
        partial(_zip, entry.run.path),
        f"{entry.name}.zip",
        "application/zip",
        key=f"zip-{entry.name}",
        icon=":material/download:",
        on_click="ignore",
    )


def _zip(path: Path) -> bytes:
    out = BytesIO()
    pack(path, out)
    return out.getvalue()


def _offer_tags(picked: Sequence[ShelfEntry]) -> None:
    """Offer to tag the selected runs, or to take tags from them."""
    have = sorted({tag for entry in picked for tag in entry.notes.tags})
    with st.popover("Tags", icon=":material/sell:"), st.form("shelf-tags", border=False):
        st.text_input("Add", key="tags-add", placeholder="words between blanks")
        st.multiselect("Remove tags", have, key="tags-remove", disabled=not have)
        st.form_submit_button(
            "Apply",
            on_click=organise.tag,
            args=([entry.run.path for entry in picked], "tags-add", "tags-remove"),
        )


def _show_run(entry: ShelfEntry, seen: ShelfListing) -> None:
    """Show what is known about the only run that is selected."""
    with st.container(border=True):
        parent, card = seen.parent(entry), entry.card
        st.markdown(f"#### {escape_markdown(entry.name)}")
        details = [f"{card.model} on {card.data.name}", f"{card.epochs} epochs in {card.seconds:,.0f} s"]
        if entry.notes.parent:
            name = parent.name if parent else f"{entry.notes.parent.name}, which is not on the shelf"
            details.append(f"retrained from {name}")
        if parent:
            details.append(change_words(differences(parent.card, card)) or "with the same settings")
        st.caption(escape_markdown("; ".join(details)))
        for doubt in card.doubts:
            st.markdown(f":orange[:material/warning: {escape_markdown(doubt[:1].upper() + doubt[1:])}.]")
        organise.show_form(entry)


def _list_broken(seen: ShelfListing) -> None:
    """List the folders whose run cannot be read, with the reason."""
    if not seen.broken:
        return
    count = len(seen.broken)
    what = "One folder is no run that can be read" if count == 1 else f"{count:,} folders cannot be read"
    with st.expander(what, icon=":material/broken_image:"):
        for folder in seen.broken[:MOST_BROKEN]:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.button(
                    "Delete",
                    key=f"broken-{folder.path.name}",
                    icon=":material/delete:",
                    on_click=organise.delete,
                    args=([folder.path],),
                )
                st.markdown(
                    f"**{escape_markdown(folder.path.name)}**: {escape_markdown(folder.why)}", width="content"
                )
