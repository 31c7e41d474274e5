"""SAINet: Towards Scenario-adaptive User Behavior Modeling for Multi-scenario Recommendation."""

from msviz.papers.paper import Paper
from msviz.papers.study import PaperStudy, without
from msviz.papers.tile import EXPERIMENT, SHELF, Tile, Wants, of_study

SAINET = Wants("sainet")
PARTS = ("extract", "tailor", "fusion", "tower")
# What the paper trains with.
TRAINING = {"batch_size": 4096, "optimiser": "adam", "learning_rate": 1e-3}
START = "demo-sainet"
ABLATION = PaperStudy(
    "Table 3",
    "Without extracting (SIE), tailoring (STM), fusion (TIF) or the tower's scales (SDT)",
    "sainet",
    START,
    variants=without(*PARTS),
)
CURVES = (
    PaperStudy(
        "Figure 4 (a)",
        "AUC against the number of blocks L",
        "sainet",
        START,
        grid={"blocks": (1, 2, 3, 4)},
        show="Curve",
    ),
    PaperStudy(
        "Figure 4 (b)",
        "AUC against the scaling factor γ",
        "sainet",
        START,
        grid={"gamma": (0.8, 1.2, 1.6, 2.0, 2.4, 2.8)},
        show="Curve",
    ),
    PaperStudy(
        "Figure 4 (c)",
        "AUC against the number of heads h",
        "sainet",
        START,
        grid={"heads": (1, 2, 4, 8, 16)},
        show="Curve",
        note="The paper's 6 and 10 heads do not divide the embedding width of 16.",
    ),
)
STUDIES = (ABLATION, *CURVES)

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
    of_study(ABLATION, title="What each part is worth: extracting, tailoring, fusion, tower"),
    *(of_study(study, {"view": "curve", "setting": next(iter(study.grid))}) for study in CURVES),
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
        "Categories clicked in seven days, and in the items that each model shows for three requests",
        "category_diversity",
        "behaviours",
        {
            "behaviours": "Diversity",
            "other": "{other}",
            "diversitydays": "7",
            "diversityrequests": "3",
            "diversityshow": "Bars",
        },
        {"other": "{other}", "days": 7, "requests": 3},
        {"view": "bars"},
        run=SAINET,
        other=Wants("autoint"),
        command=SHELF,
    ),
)

PAPER = Paper(name="SAINet", tiles=TILES, studies=STUDIES, training=TRAINING, place=3)
