"""The app: navigation, the run that all pages speak of, and each page's controls, bound to the address.

Start it from the root of the repository with `python -m streamlit run app/main.py`, or `msviz app`.
"""

from pathlib import Path

import streamlit as st

from app import controls, links, shelf

HERE = Path(__file__).parent
PAGES = (
    ("overview", "Overview", ":material/dashboard:", controls.overview),
    ("performance", "Performance", ":material/trending_up:", controls.performance),
    ("attention", "Attention", ":material/grid_on:", controls.attention),
    ("impressions", "Impressions", ":material/manage_search:", controls.impressions),
)

st.set_page_config(page_title="msviz", page_icon=str(HERE / "logo.svg"), layout="wide")
# Our own words, no data: the one thing that Streamlit has no setting for.
st.html(
    '<style>@media (max-width:640px){[class*="st-key-wide-"]{overflow-x:auto}'
    '[class*="st-key-wide-"] [data-testid="stElementContainer"]{min-width:640px}}</style>'
)
st.logo(str(HERE / "logo.svg"), size="large")
links.begin()
pages = {
    st.Page(f"pages_look/{stem}.py", title=title, icon=icon, url_path=stem, default=not number): ask
    for number, (stem, title, icon, ask) in enumerate(PAGES)
}
page = st.navigation(list(pages))
run = controls.run(shelf.runs())
st.title(page.title, anchor=False)
said = st.container()
st.session_state["_chosen"] = pages[page](run)
page.run()
with said:
    links.say()
