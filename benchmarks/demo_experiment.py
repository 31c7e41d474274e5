"""Writes data/demo-experiment.csv, a simulated A/B log, and beside it the lifts that were planted.

    python benchmarks/demo_experiment.py [--out data/demo-experiment.csv] [--seed 0]

Four weeks in the shop of the planted world, after one week in which both arms ran the same, with a promotion
of five days in the third week. Treatment changes clicks, purchases and money in every scenario by a known
factor, another one while the promotion lasts; days differ in traffic and in how readily people click, in both
arms together and a little in each arm alone, so that counts vary more than coins do.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

SAME, DAYS = 7, 35
PROMOTION = range(21, 26)
# scenario: impressions a day in each arm, click rate, purchases per click, mean price,
# lifts of clicks, purchases per click and price on normal days, and of clicks in the promotion
SCENARIOS = {
    "Home feed": (70_000, 0.20, 0.045, 38.0, (0.015, 0.00, 0.00), 0.040),
    "Search": (40_000, 0.32, 0.080, 52.0, (0.030, 0.02, 0.00), 0.030),
    "Cart page": (18_000, 0.42, 0.150, 47.0, (0.00, 0.05, 0.00), 0.00),
    "Live stream": (12_000, 0.13, 0.060, 25.0, (-0.025, 0.00, 0.06), 0.070),
    "Flash sale": (4_500, 0.27, 0.120, 21.0, (0.080, 0.00, 0.00), 0.120),
}
DAY, OWN = 0.05, 0.004  # deviations of log click rate by day, and by day and arm


def simulate(seed: int) -> tuple[pd.DataFrame, dict[str, object]]:
    """Return the log and what was planted: the lift of expected sums by scenario and metric."""
    random = np.random.default_rng(seed)
    first = np.datetime64("2025-05-05")
    lines, expected = [], {}
    for scenario, (size, rate, buys, price, lifts, hot) in SCENARIOS.items():
        expected[scenario] = np.zeros((2, 4))
        for day in range(DAYS):
            sale = day in PROMOTION
            traffic = size * (1 + 0.2 * (day % 7 >= 5)) * (1.6 if sale else 1) * random.normal(1, 0.03)
            mood = random.normal(0.06 * sale, DAY)
            for arm in (0, 1):
                on = arm * (day >= SAME)
                factor = np.array(
                    [1 + on * (hot if sale else lifts[0]), 1 + on * lifts[1], 1 + on * lifts[2]]
                )
                click = rate * np.exp(mood) * factor[0]
                shown = random.poisson(traffic)
                clicks = random.binomial(shown, click * np.exp(random.normal(0, OWN)))
                bought = random.binomial(clicks, buys * factor[1])
                amount = random.gamma(1.5, price * factor[2] / 1.5, bought).sum()
                users = random.binomial(shown, 0.28)
                name = "A/A" if day < SAME else "Anniversary sale" if sale else "normal days"
                lines.append(
                    (str(first + day), name, scenario, ("control", "treatment")[arm], shown, users,
                     clicks, bought, round(float(amount), 2))
                )  # fmt: skip
                if day >= SAME:
                    click_sum = traffic * click
                    expected[scenario][arm] += (
                        traffic, click_sum, click_sum * buys * factor[1],
                        click_sum * buys * factor[1] * price * factor[2],
                    )  # fmt: skip
    columns = ["date", "period", "scenario", "arm", "impressions", "users", "clicks", "purchases", "amount"]
    log = pd.DataFrame(lines, columns=columns).sort_values(["date", "scenario", "arm"])
    planted = {name: _lifts(sums) for name, sums in expected.items()}
    planted["All scenarios"] = _lifts(np.sum(list(expected.values()), 0))
    del planted["All scenarios"]["Clicks per user"]
    return log, {"simulated": True, "seed": seed, "lift": planted}


def _lifts(sums: np.ndarray) -> dict[str, float]:
    """Return the lift of every metric from expected impressions, clicks, purchases, amount (2, 4)."""
    shown, clicks, bought, amount = sums.T
    ratios = {
        "CTR": clicks / shown,
        "Purchases per click": bought / clicks,
        "Amount per mille impressions": amount / shown,
        "Clicks per user": clicks / shown,
    }
    return {name: round(float(both[1] / both[0] - 1), 6) for name, both in ratios.items()}


def main() -> None:
    """Write the log and its truth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("data/demo-experiment.csv"))
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    log, truth = simulate(asked.seed)
    log.to_csv(asked.out, index=False, lineterminator="\n")
    truth["log_sha256"] = hashlib.sha256(asked.out.read_bytes()).hexdigest()
    beside = asked.out.with_name(f"{asked.out.stem}.truth.json")
    beside.write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {asked.out} ({len(log):,} lines) and {beside.name}")


if __name__ == "__main__":
    main()
