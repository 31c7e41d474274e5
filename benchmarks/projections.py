"""How fast vectors are laid out, and how many neighbours stay, beside scikit-learn's t-SNE.

    python benchmarks/projections.py [RUN] [--points 5000] [--peers]

One thread, the same vectors for all, one after the other. `--peers` also runs scikit-learn's t-SNE.
Prints Markdown.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from msviz.analyses.questions.projection import points_of
from msviz.analyses.run import analyse
from msviz.analyses.shared import project

Array = np.ndarray[Any, Any]


def main() -> None:
    """Time every way once and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", default="models/demo-optmsm")
    parser.add_argument("--points", type=int, default=5_000)
    parser.add_argument("--peers", action="store_true")
    asked = parser.parse_args()
    source = analyse("representation", asked.run)
    vectors = points_of(source.data, asked.points, 0)[0]
    ways: dict[str, Callable[[Array], Array]] = {
        "PCA": lambda x: project.pca(x)[0],
        "UMAP (umap-learn, first in a process)": lambda x: project.umap(x, 0),
        "UMAP (umap-learn, compiled, as in the app's jobs)": lambda x: project.umap(x, 0),
        "t-SNE (openTSNE)": lambda x: project.tsne(x, 0),
    }
    if asked.peers:
        ways |= {
            "t-SNE (scikit-learn)": _scikit,
        }
    print(f"{len(vectors):,} vectors of {vectors.shape[1]} units, {asked.run}\n")
    print("| layout | seconds | of the 10 nearest kept | trustworthiness |\n|---|---|---|---|")
    for name, way in ways.items():
        start = time.perf_counter()
        layout = way(vectors)
        seconds = time.perf_counter() - start
        true, kept = project.neighbours_kept(vectors, layout)
        share = f"{kept.value:.3f} ({kept.low:.3f} to {kept.high:.3f})"
        print(f"| {name} | {seconds:.2f} | {share} | {true.value:.3f} |", flush=True)


def _scikit(vectors: Array) -> Array:
    from sklearn.manifold import TSNE

    found: Array = TSNE(random_state=0, n_jobs=1).fit_transform(vectors)
    return found


if __name__ == "__main__":
    main()
