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
        dataset = data if isinstance(data, Dataset) else open_data(data)
        _same_words(run, dataset.schema)
        dataset = match_run(dataset, run.schema)
        if dataset.schema.scenarios != run.schema.scenarios:
            raise MsvizError(f"data: its scenarios are not those that run {run.name} was trained on")
        return dataset
    card = run.card.data
    shelf = Path(os.environ.get("MSVIZ_DATA", "data"))
    places = [run.path / card.path] if card.path else []
    for folder in [*places, shelf / card.name]:
        if (folder / "dataset.json").is_file():
            dataset = open_data(folder)
            if dataset.fingerprint == card.fingerprint:
                return match_run(dataset, run.schema)
    raise invalid(
        "data",
        card.name,
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
