"""Which part of a finding a picture draws: what its controls, the untrained net and another seed, are of.

Nothing here needs Streamlit.
"""

from collections.abc import Mapping
from typing import Any

from msviz.analyses.question import load_question
from msviz.figures.pictures.gates_over_time import ALL_EXPERTS
from msviz.finding import Finding

# Axes of which a picture's choices of the same name take one entry.
AXES = ("scenario", "layer", "head", "group", "expert", "measure", "part", "matrix")


def has_controls(finding: Finding, choices: Mapping[str, Any]) -> bool:
    """Tell whether what a picture draws with these choices has controls."""
    from msviz.analyses.run import controlled

    view = choices.get("view")
    if finding.analysis == "scenario_switch" and view != "attention":
        return False
    # What a click is worth, and single units, are no cells that a control has as well.
    # The two maps behind a difference stand below it, and so do its controls.
    drawn_apart = ("behaviour_attention", "worth"), ("tailoring", "units"), ("attention_difference", "pair")
    if (finding.analysis, view) in drawn_apart:
        return False
    return controlled(finding.analysis)


def own_options(finding: Finding) -> dict[str, Any]:
    """Return the question's own options that are not left at nothing."""
    fields = load_question(finding.analysis).options.model_fields
    parameters = finding.provenance.parameters
    return {name: value for name, value in parameters.items() if name in fields and value not in (None, "")}


def drawn_axes(finding: Finding, choices: Mapping[str, Any]) -> tuple[dict[str, str], set[str]]:
    """Return which entry of an axis a picture draws where one is chosen, and which axes it draws whole."""
    view, question = choices.get("view"), finding.analysis
    renamed = {"target": "scenario", "view": "view"} if question == "migration" else {}
    if question == "behaviour_attention":
        renamed = {"layer": "part", "expert": "part"}
    entries = {axis: choices.get(renamed.get(axis, axis)) for axis in (*AXES, *renamed)}
    chosen = {axis: str(entry) for axis, entry in entries.items() if entry not in (None, ALL_EXPERTS)}
    whole = {
        "feature_weights": {None: {"head"}, "heads": {"head"}, "scenarios": {"scenario"}}.get(view, set()),
        "attention_importance": {"scenario"} - set(chosen),
        "gates_over_time": {"expert"} - set(chosen),
        "migration": {"target"} - set(chosen),
        # Heads stand side by side, unless clicks look at one another.
        "behaviour_attention": set() if "other" in finding.data.dims else {"head"},
    }.get(question, {"layer", "head"} if view == "grid" else set())
    return {axis: entry for axis, entry in chosen.items() if axis not in whole}, whole
