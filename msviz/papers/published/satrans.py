"""SATrans: Scenario-Adaptive Feature Interaction for Click-Through Rate Prediction (KDD 2023)."""

from msviz.papers.paper import Paper
from msviz.papers.study import PaperStudy
from msviz.papers.tile import EXPERIMENT, SHELF, Tile, Wants, of_study

SATRANS, AUTOINT = Wants("satrans"), Wants("autoint")
# What the paper (batch, Adam) and its published code (l2) train with. The code adds its 1e-5 once a batch;
# ours is added for every row in it, which is 4,096 times as much.
TRAINING = {"batch_size": 8192, "optimiser": "adam", "learning_rate": 1e-3, "l2": 1e-5 / 4096}
START = "demo-satrans"
MODULES = PaperStudy(
    "Table 3 (a)",
    "Scenario encoder by scenario-adaptive attention",
    "satrans",
    START,
    grid={"encoder": ("ie", "en", "enp"), "attention": ("gate", "bilinear", "meta")},
    variants=({"attention": "none"},),
    show="Grid",
)
PLACES = PaperStudy(
    "Table 3 (b)",
    "Where the MetaNet stands: queries, keys or values",
    "satrans",
    START,
    grid={"meta_on": ("q", "k", "v", "qk", "qv", "kv", "qkv")},
    variants=({"attention": "none"},),
)
INDICATOR = PaperStudy(
    "RQ3",
    "Which fields say what a scenario is",
    "satrans",
    START,
    grid={
        "scenario_fields": (
            "", "consumption_grade", "shopping_depth", "city_tier", "consumption_grade,shopping_depth",
        )
    },
    show="Curve",
    note="The first is the log's own scenario.",
)  # fmt: skip
CURVES = tuple(
    PaperStudy(
        f"Figures 9 and 10, {title}",
        f"AUC against {words}",
        "satrans",
        START,
        grid={name: values},
        show="Curve",
    )
    for title, words, name, values in (
        ("embedding width", "the embedding width d", "width", (8, 16, 32, 64, 128)),
        ("layers", "the number of interacting layers L", "layers", (1, 2, 3, 4, 5)),
        ("MetaNet depth", "the depth P of the MetaNet", "depth", (1, 2, 3, 4)),
    )
)
STUDIES = (MODULES, PLACES, INDICATOR, *CURVES)

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
    of_study(MODULES, {"view": "grid", "setting": "encoder", "second": "attention"}),
    of_study(PLACES),
    of_study(INDICATOR, {"view": "curve", "setting": "scenario_fields"}),
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
    *(of_study(study, {"view": "curve", "setting": next(iter(study.grid))}) for study in CURVES),
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
        command=EXPERIMENT,
    ),
)

PAPER = Paper(name="SATrans", tiles=TILES, studies=STUDIES, training=TRAINING, place=1)
