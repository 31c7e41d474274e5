"""The data that a run was trained on, or other data that means the same by its ids; found without torch."""

import os
from pathlib import Path

from msviz.data.regroup import match_run
from msviz.dataset import Dataset, open_data
from msviz.errors import MsvizError, invalid, one_of
from msviz.run import Run
from msviz.schema import Schema


def find_data(run: Run, data: Dataset | Path | str | None = None) -> Dataset:
    """Return the data to look at a run with: the given, or that which the run was trained on.

    Its scenarios are what the run knows as such, which need not be the log's own (`scenario_fields`).
    Without `data`, the place that the run remembers is tried, then the folder of the same name in
    $MSVIZ_DATA or data/; only the same fingerprint counts. Raises MsvizError when none fits, or when
    the given data means something else by its ids.
    """
    if data is not None:
        given = data if isinstance(data, Dataset) else open_data(data)
        _same_words(run, given.schema)
        given = match_run(given, run.schema)
        if given.schema.scenarios != run.schema.scenarios:
            raise MsvizError(f"data: its scenarios are not those that run {run.name} was trained on")
        return given
    known = run.card.data
    shelf = Path(os.environ.get("MSVIZ_DATA", "data"))
    places = [run.path / known.path] if known.path else []
    for place in [*places, shelf / known.name]:
        if (place / "dataset.json").is_file():
            found = open_data(place)
            if found.fingerprint == known.fingerprint:
                return match_run(found, run.schema)
    raise invalid(
        "data",
        known.name,
        f"the data that run {run.name} was trained on is not in {shelf}/ (or changed since); "
        "pass its folder as --data",
    )


def _same_words(run: Run, schema: Schema) -> None:
    """Raise MsvizError where ids of `schema` do not mean what the run's ids mean."""
    ours = {field.name: field for field in run.schema.features}
    theirs = {field.name: field for field in schema.features}
    if list(ours) != list(theirs):
        differing = next((n for n in [*theirs, *ours] if (n in ours) != (n in theirs)), "their order")
        raise invalid("data: fields", differing, f"run {run.name} was trained with {one_of(ours)}")
    for name, field in ours.items():
        if (field.vocabulary, field.edges) != (theirs[name].vocabulary, theirs[name].edges):
            raise MsvizError(
                f"data: field {name} has other values than the one run {run.name} was trained on"
            )
