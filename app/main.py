"""The app: navigation, the run and the slice that all pages speak of, and each page's controls.

Start it from the root of the repository with `python -m streamlit run app/main.py`, or `msviz app`.
"""

from pathlib import Path
from typing import Any

import streamlit as st

from app import links, navigation, run_choice, shelf, slicing, work

HERE = Path(__file__).parent


def draw() -> None:
    """Draw the open page; its controls are made before, in this script, or a link would lose them."""
    if choice is not None:
        page.show(choice)


st.set_page_config(page_title="msviz", page_icon=str(HERE / "logo.svg"), layout="wide")
# Our own words, no data: the one thing that Streamlit has no setting for.
st.html(
    '<style>@media (max-width:640px){[class*="st-key-wide-"]{overflow-x:auto}'
    '[class*="st-key-wide-"] [data-testid="stElementContainer"]{min-width:640px}}</style>'
)
st.logo(str(HERE / "logo.svg"), size="large")
links.forget_notes()
work.ensure_engine()
pages = {page.as_streamlit(draw): page for page in navigation.list_pages()}
sections: dict[str, list[st.Page]] = {}
for entry, page in pages.items():
    sections.setdefault(page.info.section, []).append(entry)
opened = st.navigation(sections, expanded=True)  # every page is a click away
page = pages[opened]
links.take_over(page.stem)
run = run_choice.choose_run(shelf.runs(), page.stem)
slicing.choose_slice(run)
st.title(page.info.title, anchor=False)
slicing.show_chips()
notes = st.container()
choice: Any = page.choose(run)
opened.run()
with notes:
    links.show_notes()
