"""Attention: which fields a model relates, scenario by scenario, and where scenarios or runs differ."""

from dataclasses import replace
from typing import Any

import streamlit as st

from app import shelf, view, work
from app.choosing import _common, chosen
from app.choosing.attention import Chosen
from app.words import plain
from msviz.errors import MsvizError
from msviz.figures.pictures.attention_by_scenario import reach
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run

CHANGE = "what changes most"  # where attention_importance keeps its words about differences


def by_scenario(choice: Chosen, finding: Finding) -> None:
    words = finding.takeaways.get(choice.scenario)
    if choice.grid:
        view.show(
            finding, "grid", takeaway=words, simulated=choice.simulated, scenario=choice.scenario, view="grid"
        )
    else:
        view.show(finding, "attention", takeaway=words, simulated=choice.simulated, **_where(choice))


def difference(choice: Chosen, run: Run) -> None:
    if choice.against == ALL:
        view.empty("Only one scenario", "There is no second scenario to compare with.", icon="compare")
        return
    # The difference is the second minus the first: what the chosen scenario has more of is positive.
    finding = _difference(choice, run, a=choice.against, b=choice.scenario)
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


def two_runs(choice: Chosen, run: Run, finding: Finding) -> None:
    other = choice.other
    if other is None:
        view.empty(
            "A second run is needed",
            "Train another model on the same data to compare the two.",
            icon="compare",
        )
        return
    if why := shelf.why_not("attention_by_scenario", str(other.path), other.card.digest):
        view.empty("The second run shows no attention", f"{plain(why.capitalize())}.", icon="visibility_off")
        return
    second = work.answer("attention_by_scenario", other, None, f"attention of {plain(other.name)}")
    if second is None:
        return
    st.subheader("Which fields does each of the two models relate?", anchor=False)
    top = max(reach(shown, choice.layer, choice.head) for shown in (finding, second))
    for column, (name, shown) in zip(
        st.columns(2, vertical_alignment="bottom"), ((run.name, finding), (other.name, second)), strict=True
    ):
        with column:
            st.markdown(f"**{plain(name)}**: {plain(shown.takeaways.get(choice.scenario, shown.takeaway))}")
            view.show(
                shown,
                f"run-{name}",
                question="",
                compact=True,
                numbers=False,
                simulated=choice.simulated,
                top=top,
                **_where(choice),
            )
    st.divider()
    # Where scenarios of the two are other rows, all of them are compared.
    one = choice.scenario if _common.same_scenarios(run, other) else ALL
    _difference(choice, run, other=str(other.path), **({} if one == ALL else {"a": one}))


def importance(choice: Chosen, run: Run) -> None:
    finding = _quick("attention_importance", run)
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


def similar(choice: Chosen, finding: Finding) -> None:
    # One measure at a time, so that the score below is of what is shown.
    where = finding.provenance
    where = replace(where, parameters={**where.parameters, "measure": choice.measure})
    view.show(
        replace(finding, data=finding.data.sel(measure=[choice.measure]), provenance=where),
        "similar",
        takeaway=finding.takeaways.get(choice.measure),
        simulated=choice.simulated,
        measure=choice.measure,
        part=choice.part,
    )


def _difference(choice: Chosen, run: Run, **options: Any) -> Finding | None:
    finding = _quick("attention_difference", run, **options)
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


def _quick(name: str, run: Run, **options: Any) -> Finding | None:
    """Return an answer that costs milliseconds, since the attention it builds on is kept."""
    try:
        return shelf.ask(name, str(run.path), run.card.digest, run, **options)
    except MsvizError as error:
        st.warning(plain(str(error)), icon=":material/error:")
        return None


def _where(choice: Chosen) -> dict[str, str]:
    return {"scenario": choice.scenario, "layer": choice.layer, "head": choice.head}


def show(choice: Chosen) -> None:
    if choice.alike is not None:
        similar(choice, choice.alike)
    elif choice.finding is None:
        return
    elif choice.view == "By scenario":
        by_scenario(choice, choice.finding)
    elif choice.view == "Difference":
        difference(choice, choice.run)
    elif choice.view == "Two runs":
        two_runs(choice, choice.run, choice.finding)
    else:
        importance(choice, choice.run)


choice = chosen()
if choice:
    show(choice)
