"""The pages as the navigation lists them, and links between them; the folder `page` is the registry."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

import streamlit as st

import app.page
from msviz.registry import QUESTIONS
from msviz.run import Run

Section = Literal["Models", "Inside a model", "Rows", "Decisions", "Papers"]
SECTIONS: tuple[Section, ...] = get_args(Section)
EVERYWHERE = ("controls",)  # questions that every page asks, under its pictures (control_lines.py)


@dataclass(frozen=True)
class PageInfo:
    """What a page says of itself: its title, its icon, where it stands, and the questions that it shows.

    A page for which `is_hidden` says so is not in the navigation; links to it still open it.
    """

    title: str
    icon: str
    section: Section
    order: int
    questions: tuple[str, ...] = ()
    is_hidden: Callable[[], bool] | None = None

    def __post_init__(self) -> None:
        if self.section not in SECTIONS:
            raise ValueError(f"section: got {self.section!r}; choices: {', '.join(SECTIONS)}")


@dataclass(frozen=True)
class Page:
    """A page: its name in the address, what it says of itself, and the function that makes its controls."""

    stem: str
    info: PageInfo
    choose: Callable[[Run | None], Any]

    def show(self, choice: Any) -> None:
        """Draw the page as its controls were chosen; what draws it is imported when it is first opened."""
        importlib.import_module(f"app.page.{self.stem}.content").show(choice)

    def as_streamlit(self, draw: Callable[[], None]) -> st.Page:
        """Return the page as Streamlit knows it: by its name alone, so that every run makes its own."""
        is_hidden = self.info.is_hidden is not None and self.info.is_hidden()
        return st.Page(
            draw,
            title=self.info.title,
            icon=self.info.icon,
            url_path=self.stem,
            default=self.stem == list_pages()[0].stem,
            visibility="hidden" if is_hidden else "visible",
        )


@cache
def list_pages() -> list[Page]:
    """Return the pages in the order of the navigation."""
    pages = []
    for folder in pkgutil.iter_modules(app.page.__path__):
        controls = importlib.import_module(f"app.page.{folder.name}.controls")
        info: PageInfo = controls.PAGE
        pages.append(Page(folder.name, info, controls.choose))
    return sorted(pages, key=lambda page: (SECTIONS.index(page.info.section), page.info.order, page.stem))


def other_questions() -> list[str]:
    """Return the questions that no page shows, those of plugins among them; they have a page in common."""
    shown = {*EVERYWHERE, *(name for page in list_pages() for name in page.info.questions)}
    return [name for name in QUESTIONS.names() if name not in shown]


def find_page(stem: str) -> Page:
    """Return the page of this name."""
    for page in list_pages():
        if page.stem == stem:
            return page
    raise ValueError(f"page: got {stem!r}; choices: {', '.join(page.stem for page in list_pages())}")


def link_to(
    stem: str,
    *,
    label: str,
    icon: str,
    query_params: Mapping[str, str | Iterable[str]] | None = None,
    help: str | None = None,
) -> None:
    """Link to a page, with what its controls shall be set to."""
    page = find_page(stem).as_streamlit(_draw_nothing)
    st.page_link(page, label=label, icon=icon, query_params=query_params, help=help)


def _draw_nothing() -> None:
    """Stand in for what draws a page in a link to it, which never runs."""
