"""How the house reads: counts over the source of one checkout or several, side by side.

    python benchmarks/house.py [CHECKOUT ...]

Private names that one folder takes from another, class names that occur twice, how many of all assigned names
are among ten words that say nothing, files without Streamlit in app/, files a folder; and what it costs to
find and to read a kept answer (processor seconds and peak memory of a process of its own, median of three).
"""

import argparse
import ast
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from private_names import private_imports

FILLERS = ("found", "told", "one", "place", "known", "said", "heed", "given", "mine", "made")
# The names of before and of today: each is tried, the first that is there is measured.
FIND = """
try:
    from msviz.analyses.answers import find_answer
except ImportError:
    from msviz.analyses import cached as find_answer
path = find_answer("attention_by_scenario", Path("models/demo-satrans"))
"""
READ = """
from msviz.finding import Finding
Finding.load(next(Path("models/demo-satrans/findings").glob("attention_by_scenario-*.nc")))
"""
MEASURE = """
import resource
import time
from pathlib import Path

begin = time.process_time()
{work}
print(time.process_time() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def sources(root: Path, *folders: str) -> dict[Path, ast.Module]:
    """Return the parsed files below some folders of a checkout."""
    files = [file for folder in folders for file in sorted((root / folder).rglob("*.py"))]
    return {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}


def count_private_imports(root: Path) -> str:
    """Return how many names with a leading underscore a file takes from another folder."""
    files = sources(root, "msviz", "app", "tests", "benchmarks")
    return str(sum(len(private_imports(file, root)) for file in files))


def repeated_classes(root: Path) -> dict[str, int]:
    """Return the class names that occur more than once, with how often."""
    trees = sources(root, "msviz", "app").values()
    names = [node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {name: count for name, count in Counter(names).items() if count > 1}


def filler_share(root: Path) -> float:
    """Return which share of all assigned names says nothing."""
    names = Counter(
        node.id
        for tree in sources(root, "msviz", "app").values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    return sum(names[word] for word in FILLERS) / names.total()


def without_streamlit(root: Path) -> str:
    """Return how many files of the app import no Streamlit, and how many there are."""
    texts = [file.read_text(encoding="utf-8") for file in (root / "app").rglob("*.py") if file.stat().st_size]
    return f"{sum('import streamlit' not in text for text in texts)} of {len(texts)}"


def largest_folders(root: Path) -> str:
    """Return the three folders with the most files."""
    count = Counter(str(file.parent.relative_to(root)) for file in sources(root, "msviz", "app"))
    return ", ".join(f"{folder} {files}" for folder, files in count.most_common(3))


def cost(root: Path, work: str) -> str:
    """Return processor seconds and peak memory of a process that does this in a checkout."""
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE.format(work=work)],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        runs.append([float(number) for number in done.stdout.split()])
    seconds, memory = (statistics.median(values) for values in zip(*runs, strict=True))
    return f"{seconds:.2f} s, {memory:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("roots", nargs="*", type=Path, default=[Path()], metavar="CHECKOUT")
    roots = [root.resolve() for root in parser.parse_args().roots]
    lines = {
        "private names imported across folders": count_private_imports,
        "class names that occur more than once": lambda root: str(len(repeated_classes(root))),
        "share of assigned names that say nothing": lambda root: f"{filler_share(root):.1%}",
        "files of app/ without Streamlit": without_streamlit,
        "largest folders, files": largest_folders,
        "finding a kept answer": lambda root: cost(root, FIND),
        "reading a kept answer": lambda root: cost(root, READ),
    }
    print("| | " + " | ".join(root.name for root in roots) + " |")
    print("|---|" + "---|" * len(roots))
    for title, measure in lines.items():
        print(f"| {title} | " + " | ".join(measure(root) for root in roots) + " |", flush=True)


if __name__ == "__main__":
    main()
