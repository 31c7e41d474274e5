"""Feature weights: what the model gives each field, what losing one costs, how rows divide over two."""

import numpy as np
import streamlit as st

from app import shelf, view
from app.choosing import chosen
from app.choosing.weights import DIFFERENCE, FLOW, GROUPS, HEADS, LOSS, Chosen
from app.words import plain
from msviz.errors import MsvizError
from msviz.figures.theme import ALL
from msviz.finding import Finding

BESIDE = 4  # scenarios that a flow shows side by side


def weights(choice: Chosen, finding: Finding) -> None:
    if choice.view == HEADS:
        view.show(
            finding,
            "weights-heads",
            takeaway=finding.takeaways.get(choice.scenario),
            simulated=choice.simulated,
            scenario=choice.scenario,
            order=choice.order,
        )
    elif choice.view == DIFFERENCE:
        difference(choice)
    else:
        view.show(
            finding,
            "weights-scenarios",
            simulated=choice.simulated,
            view="scenarios",
            head=choice.head or None,
        )
    st.caption(
        ":material/lightbulb: A weight says what the model does with a field, not what the field is worth. "
        f"For that, see **{LOSS}**."
    )


def difference(choice: Chosen) -> None:
    if choice.against in ("", ALL):
        view.empty("Only one scenario", "There is no second scenario to compare with.", icon="compare")
        return
    run = choice.run
    try:
        finding = shelf.ask(
            "feature_weights", str(run.path), run.card.digest, run, a=choice.against, b=choice.scenario
        )
    except MsvizError as error:
        st.warning(plain(str(error)), icon=":material/error:")
        return
    view.show(
        finding,
        "weights-difference",
        simulated=choice.simulated,
        view="difference",
        head=choice.head or None,
    )


def loss(choice: Chosen, finding: Finding) -> None:
    view.show(
        finding,
        "weights-loss",
        takeaway=None if choice.together else finding.takeaways.get(choice.scenario),
        simulated=choice.simulated,
        scenario=choice.scenario,
        metric=choice.metric,
        view="all" if choice.together else "one",
    )


def flow(choice: Chosen, finding: Finding) -> None:
    scenarios = [choice.scenario]
    if choice.together:
        rows = finding.data["rows"].sum(("first", "second")).values[1:]
        largest = np.sort(np.argsort(-rows, kind="stable")[:BESIDE])
        scenarios = [str(finding.data["scenario"].values[1 + place]) for place in largest]
    view.show(
        finding,
        "weights-flow",
        takeaway=None if choice.together else finding.takeaways.get(choice.scenario),
        simulated=choice.simulated,
        scenarios=scenarios,
        width=choice.width,
        order=choice.order,
    )


def groups(choice: Chosen, finding: Finding) -> None:
    whole = choice.scenario == ALL
    view.show(
        finding,
        "weights-groups",
        takeaway=None if whole else finding.takeaways.get(choice.scenario),
        simulated=choice.simulated,
        scenario=None if whole else choice.scenario,
    )


choice = chosen()
if choice and choice.finding:
    if choice.view == LOSS:
        loss(choice, choice.finding)
    elif choice.view == FLOW:
        flow(choice, choice.finding)
    elif choice.view == GROUPS:
        groups(choice, choice.finding)
    else:
        weights(choice, choice.finding)
