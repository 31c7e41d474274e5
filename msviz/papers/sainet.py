"""SAINet: Towards Scenario-adaptive User Behavior Modeling for Multi-scenario Recommendation."""

from msviz.papers._tile import EXPERIMENT, SHELF, Tile, Wants, commands

SAINET = Wants("sainet")
PARTS = ("extract", "tailor", "fusion", "tower")


def _train(**runs: str) -> str:
    """Return commands that train the demo's SAINet with settings changed."""
    return commands("sainet --epochs 4 --set hidden=128,64 --set initial_deviation=0.2", runs)


TILES = (
    Tile(
        "Table 1",
        "Rows and click rate of every scenario",
        "data_overview",
        "overview",
        run=SAINET,
        command=SHELF,
    ),
    Tile(
        "Table 2",
        "AUC of the models in every scenario",
        "runs_compared",
        "performance",
        {"performance_view": "Runs"},
        run=SAINET,
        command=SHELF,
    ),
    Tile(
        "Table 3",
        "What each part is worth: extracting, tailoring, fusion, tower",
        "runs_compared",
        "performance",
        {"performance_view": "Runs", "runs": "{runs}"},
        {"runs": "{runs}"},
        several=(
            Wants("sainet", dict.fromkeys(PARTS, True)),
            *(Wants("sainet", {part: False}) for part in PARTS),
        ),
        command=_train(**{f"without_{part}": f"{part}=false" for part in PARTS}),
    ),
    Tile(
        "Figure 4",
        "AUC against the number of blocks L",
        "runs_compared",
        "performance",
        {"performance_view": "Runs", "runs": "{runs}", "runs_show": "Curve"},
        {"runs": "{runs}"},
        {"view": "curve", "setting": "blocks"},
        several=tuple(Wants("sainet", {"blocks": count}) for count in (1, 2, 3)),
        command=_train(blocks_1="blocks=1", blocks_3="blocks=3"),
        note="One setting at a time: these runs differ in blocks; γ and heads go the same way.",
    ),
    Tile(
        "Equations 7 and 8",
        "Which scenario's past clicks count in which scenario",
        "migration",
        "behaviours",
        {"behaviours": "Migration"},
        {"method": "removal"},
        run=SAINET,
        command=SHELF,
        note="Interests migrate, the paper says; taking past clicks away shows it, attention does not.",
    ),
    Tile(
        "Equations 4 and 5",
        "How gates tailor past clicks to the scenario",
        "tailoring",
        "behaviours",
        {"behaviours": "Tailoring"},
        run=SAINET,
        command=SHELF,
    ),
    Tile(
        "Figure 6 (a)",
        "Online lift in every scenario",
        "online_lift",
        "experiments",
        {"lift-view": "Scenarios"},
        {"log": "{log}"},
        command=EXPERIMENT,
    ),
    Tile(
        "Figure 6 (b)",
        "Categories clicked, and categories recommended",
        "category_diversity",
        "behaviours",
        {"behaviours": "Diversity", "other": "{other}"},
        {"other": "{other}"},
        run=SAINET,
        other=Wants("autoint"),
        command=SHELF,
    ),
)
