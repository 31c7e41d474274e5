"""What a page says when there is nothing to show: an empty shelf, or a run that cannot answer."""

import streamlit as st

from app import run_choice, shelf, view
from app.markdown import escape_markdown
from msviz.run import Run

NO_RUNS = (
    "A run is a folder that training wrote. Train one here, or copy one from another machine, into "
    "the models folder; it appears at once."
)
TRAIN = "msviz data plant --out data/demo\nmsviz train satrans --data data/demo --out models/my-satrans"
MOST_OFFERED = 6  # runs that an empty state offers as buttons


def explain_no_runs() -> None:
    """Say that the shelf is empty, and what to do."""
    view.show_empty("No runs on the shelf", NO_RUNS, command=TRAIN)


def can_answer(run: Run, analysis: str, title: str) -> bool:
    """Tell whether a run can answer a question; where not, say why and offer the runs that can."""
    why = shelf.why_not(analysis, str(run.path), run.card.digest)
    if not why:
        return True
    others = [other.name for other in shelf.able_runs(analysis)]
    next_step = (
        "These runs do:" if others else "No run on the shelf does; train one of a model that shows it."
    )
    reason = escape_markdown(why[:1].upper() + why[1:])
    offer_runs(title, f"{reason}. {next_step}", others, analysis)
    return False


def offer_runs(title: str, text: str, names: list[str], key: str) -> None:
    """Say what a run lacks, and offer the runs that have it as buttons, whose keys hold `key`."""
    with view.show_notice(title, text, icon="visibility_off"):
        if names:
            with st.container(horizontal=True, gap="small"):
                for name in names[:MOST_OFFERED]:
                    st.button(
                        escape_markdown(name),
                        key=f"open-{key}-{name}",
                        on_click=run_choice.select_run,
                        args=(name,),
                    )
