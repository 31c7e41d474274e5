"""Whether a layout by UMAP or t-SNE comes out the same from another start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from msviz.analyses.question import Question
from msviz.analyses.questions import projection
from msviz.analyses.run import ask
from msviz.analyses.shared import project
from msviz.analyses.shared.words import percent
from msviz.errors import invalid
from msviz.finding import Finding, Provenance

if TYPE_CHECKING:
    from msviz.probing.study import Study

TITLE = "Would this picture come out the same from another start?"


class ProjectionAgreementOptions(projection.ProjectionOptions):
    """The layout that is tried again; its `start` is compared with the next one."""


def analyse(study: Study, options: ProjectionAgreementOptions) -> Finding:
    """Return the share of neighbours, `value`, `low`, `high`, that two starts agree on, and the two layouts.

    `layout` (start, point, axis), the second turned onto the first; `procrustes` is the share of squares in
    which the two agree then. Raises MsvizError for pca, which has no start.
    """
    if options.method == "pca":
        raise invalid("projection_agreement method", options.method, "wanted: umap or tsne; pca has no start")
    request = options.model_dump()
    with study.stage(0.0, 0.5):
        first = ask(study, "projection", request)
    with study.stage(0.5, 0.5):
        second = ask(study, "projection", request | {"start": options.start + 1})
    layouts = [finding.data["layout"].values for finding in (first, second)]
    shared = project.agreement(layouts[0], layouts[1])
    turned, whole = project.aligned(layouts[0], layouts[1])
    data = xr.Dataset(
        {
            "layout": (("start", "point", "axis"), np.stack([layouts[0], turned])),
            "value": ((), shared.value),
            "low": ((), shared.low),
            "high": ((), shared.high),
            "procrustes": ((), whole),
        },
        {"axis": ["x", "y"], "start": [options.start, options.start + 1]},
        {"method": options.method},
    )
    title = projection.TITLES[options.method]
    lesson = (
        "the arrangement as a whole can be believed" if whole > 0.7
        else "believe which points lie together, not where the clusters lie"
    )  # fmt: skip
    return Finding(
        analysis="projection_agreement",
        question=TITLE,
        takeaway=(
            f"{title} from another start: {percent(shared.value, 0)} of a point's ten nearest are the same "
            f"(95 %: {percent(shared.low, 0)} to {percent(shared.high, 0)}), and the two pictures agree in "
            f"{percent(whole, 0)} of their squares when laid over each other: {lesson}."
        ),
        data=data,
        provenance=Provenance(rows=first.provenance.rows),
    )


QUESTION = Question(
    title=TITLE,
    options=ProjectionAgreementOptions,
    analyse=analyse,
    version=1,
    needs=("unit",),
)
