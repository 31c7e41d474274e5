"""Feature weights: what the model gives each field, what losing one costs, how rows divide over two."""

import numpy as np
import streamlit as st

from app import shelf, view
from app.markdown import escape_markdown
from app.page.weights.controls import DIFFERENCE, FLOW, GROUPS, HEADS, LOSS, FeatureWeightsChoice
from msviz.errors import MsvizError
from msviz.figures.theme import ALL
from msviz.finding import Finding

BESIDE = 4  # scenarios that a flow shows side by side


def show(choice: FeatureWeightsChoice) -> None:
    """Draw the view that was chosen."""
    if choice.finding is None:
        return
    if choice.view == LOSS:
        _show_loss(choice, choice.finding)
    elif choice.view == FLOW:
        _show_flow(choice, choice.finding)
    elif choice.view == GROUPS:
        _show_groups(choice, choice.finding)
    else:
        _show_weights(choice, choice.finding)


def _show_weights(choice: FeatureWeightsChoice, finding: Finding) -> None:
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
        _show_difference(choice)
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


def _show_difference(choice: FeatureWeightsChoice) -> None:
    if choice.against in ("", ALL):
        view.show_empty("Only one scenario", "There is no second scenario to compare with.", icon="compare")
        return
    run = choice.run
    try:
        finding = shelf.ask(
            "feature_weights", str(run.path), run.card.digest, run, a=choice.against, b=choice.scenario
        )
    except MsvizError as error:
        st.warning(escape_markdown(str(error)), icon=":material/error:")
        return
    view.show(
        finding,
        "weights-difference",
        simulated=choice.simulated,
        view="difference",
        head=choice.head or None,
    )


def _show_loss(choice: FeatureWeightsChoice, finding: Finding) -> None:
    view.show(
        finding,
        "weights-loss",
        takeaway=None if choice.together else finding.takeaways.get(choice.scenario),
        simulated=choice.simulated,
        scenario=choice.scenario,
        metric=choice.metric,
        view="all" if choice.together else "one",
    )


def _show_flow(choice: FeatureWeightsChoice, finding: Finding) -> None:
    scenarios = [choice.scenario]
    if choice.together:
        rows = finding.data["rows"].sum(("first", "second")).values[1:]
        largest = np.sort(np.argsort(-rows, kind="stable")[:BESIDE])
        scenarios = [str(finding.data["scenario"].values[1 + index]) for index in largest]
    view.show(
        finding,
        "weights-flow",
        takeaway=None if choice.together else finding.takeaways.get(choice.scenario),
        simulated=choice.simulated,
        scenarios=scenarios,
        width=choice.width,
        order=choice.order,
    )


def _show_groups(choice: FeatureWeightsChoice, finding: Finding) -> None:
    whole = choice.scenario == ALL
    view.show(
        finding,
        "weights-groups",
        takeaway=None if whole else finding.takeaways.get(choice.scenario),
        simulated=choice.simulated,
        scenario=None if whole else choice.scenario,
    )
