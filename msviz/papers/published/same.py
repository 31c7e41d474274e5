"""SAME: Scenario Adaptive Mixture-of-Experts for Promotion-Aware Click-Through Rate Prediction."""

from msviz.papers.paper import Paper
from msviz.papers.study import PaperStudy
from msviz.papers.tile import EXPERIMENT, SHELF, Tile, Wants, of_study
from msviz.papers.tile import STUDIES as PAPERS

# What the paper trains with.
TRAINING = {"optimiser": "adagrad", "learning_rate": 0.01, "batch_size": 256}
START = "demo-same-2"
EXPERTS = PaperStudy(
    "Table IV",
    "AUC against the number of experts",
    "same",
    START,
    grid={"experts": (2, 3, 4, 5)},
    show="Curve",
)
SINGLE = PaperStudy(
    "Table II",
    "One expert (OSE), and one without LayerNorm on queries and keys (OSE-NoLN)",
    "same",
    START,
    variants=({}, {"experts": 1}, {"experts": 1, "norm": False}),
)
STUDIES = (EXPERTS, SINGLE)


def _same(experts: int, norm: bool = True) -> Wants:
    return Wants("same", {"experts": experts, "norm": norm})


TILES = (
    Tile(
        "Figure 1",
        "How users' click rates are spread, on normal days and around promotions",
        "rate_distribution",
        "gates",
        {"gates": "Rates", "rates": "By user"},
        run=_same(2),
        command=SHELF,
        note="Of clicks: the demo's log has no conversions.",
    ),
    of_study(
        SINGLE,
        title="AUC on promotion days and on normal days: two experts, one, and one without LayerNorm",
        link={"performance_view": "Runs", "runs": "{runs}", "measured": "Promotions"},
        options={"runs": "{runs}", "by": "period"},
        note="Of several seeds, the numbers beside the picture tell mean and deviation.",
    ),
    Tile(
        "Figure 1, day by day",
        "Click rate and predicted rate by day, with promotions marked",
        "rates_over_time",
        "gates",
        {"gates": "Rates"},
        run=_same(2),
        command=SHELF,
        note="Not drawn in the paper.",
    ),
    Tile(
        "Table I",
        "Rows and click rate of every scenario",
        "data_overview",
        "overview",
        run=_same(2),
        command=SHELF,
    ),
    Tile(
        "Figure 3 (a)",
        "Weights of the gate, day by day",
        "gates_over_time",
        "gates",
        run=_same(2),
        command=SHELF,
    ),
    Tile(
        "Figure 3 (b)",
        "What two experts put out",
        "projection",
        "representations",
        {"layout": "t-SNE"},
        {"tap": "output", "method": "tsne"},
        run=_same(2),
        command=SHELF,
    ),
    *(
        Tile(
            f"Figure 4, {count} experts",
            f"What {count} experts put out",
            "projection",
            "representations",
            {"layout": "t-SNE"},
            {"tap": "output", "method": "tsne"},
            run=_same(count),
            command=SHELF,
        )
        for count in (3, 4, 5)
    ),
    of_study(EXPERTS, {"view": "curve", "setting": "experts"}),
    Tile(
        "Figure 5 (a)",
        "Eight heads of one expert over one history, without LayerNorm on queries and keys",
        "behaviour_attention",
        "behaviours",
        {"row": "{row}", "other": "{other}"},
        {"row": "{row}"},
        run=_same(1, norm=False),
        other=_same(1),
        command=f"{PAPERS} PAPER=same",
    ),
    Tile(
        "Figure 5 (b)",
        "Eight heads of one expert over the same history, with it",
        "behaviour_attention",
        "behaviours",
        {"row": "{row}", "other": "{other}"},
        {"row": "{row}"},
        run=_same(1),
        other=_same(1, norm=False),
        command=f"{PAPERS} PAPER=same",
    ),
    Tile(
        "Table III",
        "Online lift by period",
        "online_lift",
        "experiments",
        {"lift-view": "Periods"},
        {"log": "{log}"},
        {"view": "periods"},
        command=EXPERIMENT,
    ),
)

PAPER = Paper(name="SAME", tiles=TILES, studies=STUDIES, training=TRAINING, place=5)
