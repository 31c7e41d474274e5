"""Attention: which fields a model relates, scenario by scenario, and where scenarios or runs differ."""

from dataclasses import replace
from typing import Any

import streamlit as st

from app import shelf, view, work
from app.comparable import same_scenarios
from app.markdown import escape_markdown
from app.page.attention.controls import AttentionChoice
from msviz.errors import MsvizError
from msviz.figures.pictures.attention_by_scenario import reach
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run

CHANGE = "what changes most"  # where attention_importance keeps its words about differences


def show(choice: AttentionChoice) -> None:
    """Draw the view that was chosen."""
    if choice.similarity is not None:
        _show_similar(choice, choice.similarity)
    elif choice.finding is None:
        return
    elif choice.view == "By scenario":
        _show_by_scenario(choice, choice.finding)
    elif choice.view == "Difference":
        _show_difference(choice, choice.run)
    elif choice.view == "Two runs":
        _show_two_runs(choice, choice.run, choice.finding)
    else:
        _show_importance(choice, choice.run)


def _show_by_scenario(choice: AttentionChoice, finding: Finding) -> None:
    words = finding.takeaways.get(choice.scenario)
    if choice.grid:
        view.show(
            finding, "grid", takeaway=words, simulated=choice.simulated, scenario=choice.scenario, view="grid"
        )
    else:
        view.show(finding, "attention", takeaway=words, simulated=choice.simulated, **_selection(choice))


def _show_difference(choice: AttentionChoice, run: Run) -> None:
    if choice.against == ALL:
        view.show_empty("Only one scenario", "There is no second scenario to compare with.", icon="compare")
        return
    # The difference is the second minus the first: what the chosen scenario has more of is positive.
    finding = _show_difference_map(choice, run, a=choice.against, b=choice.scenario)
    if finding:
        st.divider()
        view.show(
            finding,
            "pair",
            question="Which fields does the model relate in each of the two?",
            compact=True,
            scored=False,
            simulated=choice.simulated,
            layer=choice.layer,
            head=choice.head,
            view="pair",
        )


def _show_two_runs(choice: AttentionChoice, run: Run, finding: Finding) -> None:
    other = choice.other
    if other is None:
        view.show_empty(
            "A second run is needed",
            "Train another model on the same data to compare the two.",
            icon="compare",
        )
        return
    if why := shelf.why_not("attention_by_scenario", str(other.path), other.card.digest):
        view.show_empty(
            "The second run shows no attention",
            f"{escape_markdown(why.capitalize())}.",
            icon="visibility_off",
        )
        return
    second = work.answer("attention_by_scenario", other, None, f"attention of {escape_markdown(other.name)}")
    if second is None:
        return
    st.subheader("Which fields does each of the two models relate?", anchor=False)
    top = max(reach(shown, choice.layer, choice.head) for shown in (finding, second))
    for column, (name, shown) in zip(
        st.columns(2, vertical_alignment="bottom"), ((run.name, finding), (other.name, second)), strict=True
    ):
        with column:
            takeaway = shown.takeaways.get(choice.scenario, shown.takeaway)
            st.markdown(f"**{escape_markdown(name)}**: {escape_markdown(takeaway)}")
            view.show(
                shown,
                f"run-{name}",
                question="",
                compact=True,
                numbers=False,
                simulated=choice.simulated,
                top=top,
                **_selection(choice),
            )
    st.divider()
    # Where scenarios of the two are other rows, all of them are compared.
    scenario = choice.scenario if same_scenarios(run, other) else ALL
    _show_difference_map(choice, run, other=str(other.path), **({} if scenario == ALL else {"a": scenario}))


def _show_importance(choice: AttentionChoice, run: Run) -> None:
    finding = _ask("attention_importance", run)
    if finding:
        view.show(
            finding,
            "importance",
            takeaway=finding.takeaways.get(CHANGE if choice.shares == "change" else choice.scenario),
            simulated=choice.simulated,
            scenario=None if choice.scenario == ALL else choice.scenario,
            layer=choice.layer,
            head=choice.head,
            order=choice.order,
            view=choice.shares,
        )


def _show_similar(choice: AttentionChoice, finding: Finding) -> None:
    # One measure at a time, so that the score below is of what is shown.
    provenance = finding.provenance
    provenance = replace(provenance, parameters={**provenance.parameters, "measure": choice.measure})
    view.show(
        replace(finding, data=finding.data.sel(measure=[choice.measure]), provenance=provenance),
        "similar",
        takeaway=finding.takeaways.get(choice.measure),
        simulated=choice.simulated,
        measure=choice.measure,
        part=choice.part,
    )


def _show_difference_map(choice: AttentionChoice, run: Run, **options: Any) -> Finding | None:
    finding = _ask("attention_difference", run, **options)
    if finding:
        view.show(
            finding,
            "difference",
            simulated=choice.simulated,
            layer=choice.layer,
            head=choice.head,
            cells=choice.cells,
        )
    return finding


def _ask(name: str, run: Run, **options: Any) -> Finding | None:
    """Return an answer that costs milliseconds, since the attention it builds on is kept."""
    try:
        return shelf.ask(name, str(run.path), run.card.digest, run, **options)
    except MsvizError as error:
        st.warning(escape_markdown(str(error)), icon=":material/error:")
        return None


def _selection(choice: AttentionChoice) -> dict[str, Any]:
    return {"scenario": choice.scenario, "layer": choice.layer, "head": choice.head}
