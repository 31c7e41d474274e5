"""A shelf of many runs: seconds the server needs for a page, opened first and again.

    python benchmarks/shelf_speed.py [--runs 1000]

Runs are clones of the demo's with other names, settings, days and notes (tests/app/many_runs.py). Each page
is first opened on the demo's own shelf, which pays for imports; nothing is computed that pages ask for.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests" / "app"))
PAGES: dict[str, tuple[str, dict[str, str]]] = {
    "Shelf": ("shelf", {}),
    "Shelf, searched and sorted": ("shelf", {"find": "experts=3 sweep", "shelf_sort": "Best AUC"}),
    "Overview": ("overview", {}),
    "Train": ("train", {}),
    "Performance, all runs": ("performance", {"performance_view": "Runs"}),
    "Attention of a run without it": ("attention", {"run": "optmsm-0001"}),
    "Gates of a run without one": ("gates", {"run": "autoint-0000"}),
    "Gallery": ("gallery", {}),
}


def opened(page: str, link: dict[str, str]) -> list[float]:
    """Return the seconds in which a page was opened, and run again."""
    from streamlit.testing.v1 import AppTest

    sys.path.insert(0, str(ROOT / "tests" / "app"))
    from opened_pages import open_page

    at = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=120)
    for key, value in link.items():
        at.query_params[key] = value
    if page != "overview":
        open_page(at, page)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        at.run()
        times.append(time.perf_counter() - begin)
        assert not at.exception, at.exception
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=1_000)
    asked = parser.parse_args()
    from many_runs import clone

    from msviz.jobs import Queue

    Queue.dispatch = lambda queue: False  # type: ignore[method-assign]  # what pages ask for waits
    os.environ.update(MSVIZ_ENGINE="off", MSVIZ_DATA=str(ROOT / "data"))
    with tempfile.TemporaryDirectory(dir=ROOT / "models", prefix=".many-") as place:  # for hard links
        os.environ["MSVIZ_JOBS"] = f"{place}/jobs"
        clone(sorted((ROOT / "models").glob("demo-*")), Path(place) / "models", asked.runs)
        print(f"| page, {asked.runs:,} runs | opened first, s | again, s |\n|---|---|---|")
        for name, (page, link) in PAGES.items():
            os.environ["MSVIZ_MODELS"] = str(ROOT / "models")
            opened(page, {key: value for key, value in link.items() if key != "run"})
            os.environ["MSVIZ_MODELS"] = f"{place}/models"
            first, *again = opened(page, link)
            print(f"| {name} | {first:.2f} | {min(again):.2f} |", flush=True)


if __name__ == "__main__":
    main()
