"""Layouts: what they keep, how they are told while they move, and whether they come out again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from msviz.analyses.run import analyse
from msviz.analyses.shared import project
from msviz.analyses.shared.live import Live, layout_in
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.run import Run


def clusters(size: int = 240, groups: int = 4, units: int = 10) -> "tuple[np.ndarray, np.ndarray]":  # type: ignore[type-arg]
    draw = np.random.default_rng(0)
    group = np.arange(size) % groups
    centre = 8 * np.eye(units)[:groups]
    return (centre[group] + draw.normal(size=(size, units))).astype(np.float32), group


@pytest.mark.parametrize("method", [project.umap, project.tsne])
def test_neighbours_stay_together(method) -> None:  # type: ignore[no-untyped-def]
    vectors, group = clusters()
    seen: list[float] = []
    layout = method(vectors, 0, lambda share, now: seen.append(share))
    assert seen == sorted(seen) and seen[-1] == 1
    assert method is project.umap or len(seen) > 20, "t-SNE can be watched"
    near, _ = project.neighbours(layout, 5)
    assert (group[near] == group[:, None]).mean() > 0.98
    true, kept = project.neighbours_kept(vectors, layout)
    assert true.value > 0.9
    flat, flat_kept = project.neighbours_kept(vectors, np.random.default_rng(1).normal(size=(240, 2)))
    assert abs(flat.value - 0.5) < 0.05 and kept.low > flat_kept.high


def test_the_same_seed_gives_the_same_layout_and_another_does_not() -> None:
    vectors, _ = clusters()
    first, second, third = (project.umap(vectors, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, third)


def test_trustworthiness_is_that_of_scikit_learn() -> None:
    from sklearn.manifold import trustworthiness

    vectors, _ = clusters(200)
    layout = project.pca(vectors)[0]
    found = project.neighbours_kept(vectors, layout, 10, sample=200)[0]
    assert found.value == pytest.approx(trustworthiness(vectors, layout, n_neighbors=10), abs=1e-6)
    assert found.low < found.value < found.high


def test_pca_is_that_of_scikit_learn_up_to_signs() -> None:
    from sklearn.decomposition import PCA

    vectors, _ = clusters()
    layout, share = project.pca(vectors)
    peer = PCA(2)
    np.testing.assert_allclose(np.abs(layout), np.abs(peer.fit_transform(vectors)), atol=1e-3)
    np.testing.assert_allclose(share, peer.explained_variance_ratio_, atol=1e-5)
    assert (project.pca(np.ones((5, 1), np.float32))[0] == 0).all()


def test_a_turned_and_stretched_layout_agrees_wholly() -> None:
    layout = np.random.default_rng(2).normal(size=(80, 2))
    turn = np.array([[0.0, -1.0], [-1.0, 0.0]])
    turned, share = project.aligned(layout, 5 * layout @ turn + 3)
    assert share == pytest.approx(1)
    np.testing.assert_allclose(turned, layout, atol=1e-4)
    assert project.agreement(layout, 5 * layout @ turn).value == pytest.approx(1)
    assert project.agreement(layout, np.random.default_rng(3).normal(size=(80, 2))).value < 0.3


def test_a_layout_is_left_beside_the_progress_of_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MSVIZ_PROGRESS", raising=False)
    Live().leave(np.zeros((2, 2)))  # nobody asked
    assert layout_in(tmp_path) is None
    monkeypatch.setenv("MSVIZ_PROGRESS", str(tmp_path / "progress.json"))
    live = Live()
    live.leave(np.ones((3, 2)))
    live.leave(np.zeros((3, 2)))  # too soon after the first
    found = layout_in(tmp_path)
    assert found is not None and (found == 1).all() and found.dtype == np.float32
    Live()
    assert layout_in(tmp_path) is None, "another job forgets the layout of the one before"


def test_a_projection_of_a_trained_model(optmsm: Run, tiny_world: Dataset) -> None:
    options = {"rows": 200, "points": 300}
    source = analyse("representation", optmsm, tiny_world, rows=200)
    finding = analyse("projection", optmsm, tiny_world, method="umap", **options)
    data = finding.data
    assert data.sizes["point"] == 300 and data.sizes["impression"] == 60  # five vectors of each
    # Each point is the vector of the impression and entry that it names.
    place = {int(row): number for number, row in enumerate(source.data["row"].values)}
    rows = data["row"].values[data["of"].values]
    vectors = source.data["vector"].values[[place[int(row)] for row in rows], data["entry"].values]
    kept = project.neighbours_kept(vectors, data["layout"].values)[1].value
    assert float(data["trust"].sel(measure="neighbours kept")) == pytest.approx(kept)
    again = analyse("projection_agreement", optmsm, tiny_world, method="umap", **options)
    assert 0.2 < float(again.data["low"]) < float(again.data["value"]) <= 1
    assert "from another start" in again.takeaway
    fewer = analyse("projection", optmsm, tiny_world, rows=200, points=100)
    assert set(fewer.data["row"].values) < set(data["row"].values)
    assert "all variance" in fewer.takeaway


def test_too_much_and_too_little_are_refused(satrans: Run, optmsm: Run, tiny_world: Dataset) -> None:
    with pytest.raises(MsvizError, match="only pca can lay them out"):
        analyse("projection", satrans, tiny_world, method="tsne", rows=100, points=100)
    with pytest.raises(MsvizError, match="t-SNE takes up to 20,000"):
        analyse("projection", optmsm, tiny_world, method="tsne", points=30_000)
    with pytest.raises(MsvizError, match="pca has no start"):
        analyse("projection_agreement", optmsm, tiny_world, method="pca")


def test_a_layout_is_turned_mirrored_moved_and_scaled_back_by_hand() -> None:
    first = np.array([[0.0, 0], [4, 0], [0, 2]])
    # A quarter turn, a mirror image, half the size, elsewhere: (x, y) -> (y / 2 + 7, x / 2 - 3).
    second = np.stack([first[:, 1] / 2 + 7, first[:, 0] / 2 - 3], 1)
    np.testing.assert_allclose(project.turned(second, second, first), first, atol=1e-5)
    # Points that only the layout has go along: (8, 0) has its image at (7, 1).
    np.testing.assert_allclose(project.turned(np.array([[7.0, 1]]), second, first), [[8, 0]], atol=1e-5)


def test_another_runs_layout_stands_beside_of_the_same_impressions(
    optmsm: Run, train_small: Callable[..., Run], tiny_world: Dataset, tmp_path: Path
) -> None:
    config = {"width": 4, "hidden": "16,8", "tower": "8", "constraint": False}
    free = train_small("optmsm", tiny_world, tmp_path / "free", **config)
    asked = {"rows": 400, "points": 400}
    finding = analyse("projection", optmsm, keep=False, other=str(free.path), **asked)
    data = finding.data
    alone = analyse("projection", optmsm, keep=False, **asked).data
    np.testing.assert_array_equal(data["layout"], alone["layout"])
    theirs = analyse("projection", free, keep=False, **asked).data
    rows = data["row"].values[data["other_of"].values]
    np.testing.assert_array_equal(rows, theirs["row"].values[theirs["of"].values])
    # Turning and scaling keep which is far from which.
    mine, own = data["other_layout"].values, theirs["layout"].values
    apart = [np.linalg.norm(one[1:] - one[:-1], axis=1) for one in (mine, own)]
    assert np.corrcoef(apart[0], apart[1])[0, 1] == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(mine.mean(0), data["layout"].values.mean(0), atol=1e-3)
    assert finding.data.attrs["other"] == "free" and "by two runs" in finding.takeaway
    itself = analyse("projection", optmsm, keep=False, other=str(optmsm.path), **asked).data
    np.testing.assert_allclose(itself["other_layout"], itself["layout"], atol=1e-3)
