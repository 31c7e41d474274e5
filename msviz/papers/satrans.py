"""SATrans: Scenario-Adaptive Feature Interaction for Click-Through Rate Prediction (KDD 2023)."""

from msviz.papers._study import DEMO, Study
from msviz.papers._tile import SHELF, Tile, Wants, commands

SATRANS, AUTOINT = Wants("satrans"), Wants("autoint")
# What the paper (batch, Adam) and its published code (l2) train with.
TRAINING = {"batch_size": 8192, "optimiser": "adam", "learning_rate": 1e-3, "l2": 1e-5}
BASE = {**DEMO, "initial_deviation": 0.3}
STUDIES = (
    Study(
        "Table 3 (a)",
        "Scenario encoder by scenario-adaptive attention",
        "satrans",
        BASE,
        {"encoder": ("ie", "en", "enp"), "attention": ("gate", "bilinear", "meta")},
        ({"attention": "none"},),
        show="Grid",
    ),
    Study(
        "Table 3 (b)",
        "Where the MetaNet stands: queries, keys or values",
        "satrans",
        BASE,
        {"meta_on": ("q", "k", "v", "qk", "qv", "kv", "qkv")},
        ({"attention": "none"},),
    ),
    Study(
        "Figures 9 and 10, embedding width",
        "AUC against the embedding width d",
        "satrans",
        BASE,
        {"width": (8, 16, 32, 64, 128)},
        show="Curve",
    ),
    Study(
        "Figures 9 and 10, layers",
        "AUC against the number of interacting layers L",
        "satrans",
        BASE,
        {"layers": (1, 2, 3, 4, 5)},
        show="Curve",
    ),
    Study(
        "Figures 9 and 10, MetaNet depth",
        "AUC against the depth P of the MetaNet",
        "satrans",
        BASE,
        {"depth": (1, 2, 3, 4)},
        show="Curve",
    ),
)


def _train(**runs: str) -> str:
    """Return commands that train the demo's SATrans with one setting changed each."""
    return commands("satrans --epochs 4 --set initial_deviation=0.3", runs)


TILES = (
    Tile(
        "Tables 1 and 2",
        "AUC of the models in every scenario",
        "runs_compared",
        "performance",
        {"performance_view": "Runs"},
        run=SATRANS,
        other=AUTOINT,
        command=SHELF,
    ),
    Tile(
        "Table 3 (a)",
        "What scenario encoder and scenario-adaptive attention are worth",
        "runs_compared",
        "performance",
        {"performance_view": "Runs", "runs": "{runs}"},
        {"runs": "{runs}"},
        several=tuple(Wants("satrans", {"attention": kind}) for kind in ("meta", "bilinear", "gate", "none")),
        command=_train(bilinear="attention=bilinear", gate="attention=gate", none="attention=none"),
        study="Table 3 (a)",
    ),
    Tile(
        "Table 3 (b)",
        "Where the MetaNet stands: queries, keys or values",
        "runs_compared",
        "performance",
        {"performance_view": "Runs", "runs": "{runs}"},
        {"runs": "{runs}"},
        several=tuple(Wants("satrans", {"meta_on": place}) for place in ("qk", "q", "k", "qkv")),
        command=_train(q="meta_on=q", k="meta_on=k", qkv="meta_on=qkv"),
        study="Table 3 (b)",
    ),
    Tile(
        "Table 5",
        "Rows and click rate of every scenario",
        "data_overview",
        "overview",
        run=SATRANS,
        command=SHELF,
    ),
    Tile(
        "Appendix A",
        "How parameters grow with the number of scenarios",
        "model_cost",
        "performance",
        {"performance_view": "Cost", "cost": "Growth with scenarios"},
        choices={"view": "growth"},
        run=SATRANS,
        command=SHELF,
    ),
    Tile(
        "Figure 6",
        "Attention of one impression, with its feature values",
        "attention_instance",
        "impressions",
        {"row": "{row}"},
        {"row": "{row}"},
        run=SATRANS,
        command=SHELF,
    ),
    Tile(
        "Figure 7",
        "Average attention in two scenarios, side by side on one scale",
        "attention_difference",
        "attention",
        {"view": "Difference"},
        choices={"view": "pair"},
        run=SATRANS,
        command=SHELF,
    ),
    Tile(
        "Figure 7, difference",
        "Where the attention of two scenarios differs",
        "attention_difference",
        "attention",
        {"view": "Difference"},
        run=SATRANS,
        command=SHELF,
    ),
    Tile(
        "Figure 8",
        "Attention accumulated by field, in every scenario",
        "attention_importance",
        "attention",
        {"view": "Importance"},
        run=SATRANS,
        command=SHELF,
    ),
    Tile(
        "Figures 9 and 10",
        "AUC against embedding width, layers and MetaNet depth",
        "runs_compared",
        "performance",
        {"performance_view": "Runs", "runs": "{runs}", "runs_show": "Curve"},
        {"runs": "{runs}"},
        {"view": "curve", "setting": "layers"},
        several=tuple(Wants("satrans", {"layers": count}) for count in (1, 2, 3, 4)),
        command=_train(layers_1="layers=1", layers_2="layers=2", layers_4="layers=4"),
        note="One setting at a time: these runs differ in layers; width and depth go the same way.",
        study="Figures 9 and 10, layers",
    ),
    Tile(
        "Section 4.3",
        "Which scenarios the MetaNet's matrices treat alike",
        "scenario_similarity",
        "attention",
        {"view": "Similar scenarios"},
        run=SATRANS,
        command=SHELF,
        note="Not drawn in the paper.",
    ),
    Tile(
        "Figures 11 and 12",
        "Average attention of the first layer over all rows, beside AutoInt's on one scale",
        "attention_difference",
        "attention",
        {"view": "Two runs", "other": "{other}"},
        {"other": "{other}"},
        {"view": "pair"},
        run=SATRANS,
        other=AUTOINT,
        command=SHELF,
    ),
    Tile(
        "Table 4",
        "Online gains in every scenario",
        "online_lift",
        "experiments",
        {"lift-view": "Scenarios"},
        {"log": "{log}"},
        command="python benchmarks/demo_experiment.py",
    ),
)
