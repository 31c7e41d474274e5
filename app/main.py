"""The app: navigation, the run and the slice that all pages speak of, and each page's controls.

Start it from the root of the repository with `python -m streamlit run app/main.py`, or `msviz app`.
"""

from pathlib import Path

import streamlit as st

from app import choosing, links, shelf, slicing, work

HERE = Path(__file__).parent

st.set_page_config(page_title="msviz", page_icon=str(HERE / "logo.svg"), layout="wide")
# Our own words, no data: the one thing that Streamlit has no setting for.
st.html(
    '<style>@media (max-width:640px){[class*="st-key-wide-"]{overflow-x:auto}'
    '[class*="st-key-wide-"] [data-testid="stElementContainer"]{min-width:640px}}</style>'
)
st.logo(str(HERE / "logo.svg"), size="large")
links.begin()
work.ready()
pages = {
    st.Page(
        f"pages_look/{page.stem}.py",
        title=page.title,
        icon=page.icon,
        url_path=page.stem,
        default=not number,
    ): page
    for number, page in enumerate(choosing.pages())
}
sections: dict[str, list[st.Page]] = {}
for shown, about in pages.items():
    sections.setdefault(about.section, []).append(shown)
page = st.navigation(sections, expanded=True)  # every page is a click away
links.arrive(pages[page].stem)
run = choosing.run(shelf.runs(), pages[page].stem)
slicing.choose(run)
st.title(page.title, anchor=False)
slicing.say()
said = st.container()
st.session_state["_chosen"] = pages[page].choose(run)
page.run()
with said:
    links.say()
