"""Opening a page without a browser: AppTest itself switches between files, and our pages are functions."""

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash


def open_page(at: AppTest, stem: str) -> AppTest:
    """Let the next run show the page of this name; `st.Page` knows a page by what its address says."""
    at._page_hash = calc_hash(stem)
    return at
