"""SAINet: Towards Scenario-adaptive User Behavior Modeling for Multi-scenario Recommendation."""

from msviz.papers._study import DEMO, Study, without
from msviz.papers._tile import EXPERIMENT, SHELF, Tile, Wants, commands

SAINET = Wants("sainet")
PARTS = ("extract", "tailor", "fusion", "tower")
# What the paper trains with.
TRAINING = {"batch_size": 4096, "optimiser": "adam", "learning_rate": 1e-3}
BASE = {**DEMO, "hidden": "128,64", "initial_deviation": 0.2}
STUDIES = (
    Study(
        "Table 3",
        "Without extracting (SIE), tailoring (STM), fusion (TIF) or the tower's scales (SDT)",
        "sainet",
        BASE,
        variants=without(*PARTS),
    ),
    Study(
        "Figure 4 (a)",
        "AUC against the number of blocks L",
        "sainet",
        BASE,
        {"blocks": (1, 2, 3, 4)},
        show="Curve",
    ),
    Study(
        "Figure 4 (b)",
        "AUC against the scaling factor γ",
        "sainet",
        BASE,
        {"gamma": (0.8, 1.2, 1.6, 2.0, 2.4, 2.8)},
        show="Curve",
    ),
    Study(
        "Figure 4 (c)",
        "AUC against the number of heads h",
        "sainet",
        BASE,
        {"heads": (1, 2, 4, 8, 16)},
        show="Curve",
        note="The paper's 6 and 10 heads do not divide the embedding width of 16.",
    ),
)


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
        study="Table 3",
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
        study="Figure 4 (a)",
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
