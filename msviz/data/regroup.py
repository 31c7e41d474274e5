"""A dataset with other scenarios: the same rows and ids, grouped by other fields (SATrans, RQ3).

What was the scenario becomes context, which a model still reads; `specific` stays where the schema says it,
and a scenario field is specific by its role (`InputSpec`). Behaviours tell in which of the log's own
scenarios they happened, which says nothing of another kind of scenario: here they tell none.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from msviz.dataset import Dataset, RegroupedDataset
from msviz.errors import invalid, one_of
from msviz.schema import Field, Schema, mixed_radix

MOST = 100_000  # scenarios: nets and findings keep something of each
CHUNK = 1_000_000


def regroup(dataset: Dataset, scenario_fields: Sequence[str]) -> Dataset:
    """Return the dataset whose scenarios are the combinations of these features in its train split, by id.

    Features go by column name or title; their order does not matter. The log's own scenario fields give the
    dataset as it lies. Raises MsvizError for what is no feature, and for more than 100,000 combinations.
    """
    dataset = dataset.logged
    schema = dataset.schema
    columns = {schema.index(_feature(schema, name).name) for name in scenario_fields}
    if not columns:
        raise invalid("scenario_fields", list(scenario_fields), "wanted: one field or more")
    if sorted(columns) == sorted(schema.scenario_columns):
        return dataset
    fields = [schema.features[column] for column in sorted(columns)]
    return RegroupedDataset(
        dataset, _regroup(schema, [field.name for field in fields], _find_combinations(dataset, fields))
    )


def match_run(dataset: Dataset, schema: Schema) -> Dataset:
    """Return the dataset with the scenarios of a run's own schema; itself where these are the log's.

    The schema decides, so that a log of other days is grouped as the run was trained. Fields of the two must
    be the same. Scenarios that merely differ from the log's in their list are left to the caller to refuse.
    """
    own = _names(schema)
    if dataset.scenario_of and (own, schema.scenarios) == (_names(dataset.schema), dataset.schema.scenarios):
        return dataset
    if own == _names(dataset.logged.schema):
        return dataset.logged
    return RegroupedDataset(dataset.logged, _regroup(dataset.logged.schema, own, schema.scenarios))


def _feature(schema: Schema, name: str) -> Field:
    """Return the feature called `name`; raise MsvizError where it cannot be the scenario."""
    field = next((feature for feature in schema.features if name in (feature.name, feature.title)), None)
    if field is None:
        raise invalid("scenario_fields", name, one_of(feature.name for feature in schema.features))
    users = [feature.name for feature in schema.features if feature.role == "user"]
    if users and field.name == users[0] and len(users) > 1:
        # The next field of role user would be taken for the user's id wherever users are counted.
        wanted = "it is the field that tells users apart; " + one_of(
            feature.name for feature in schema.features if feature.name != field.name
        )
        raise invalid("scenario_fields", name, wanted)
    return field


def _find_combinations(dataset: Dataset, fields: list[Field]) -> list[list[int]]:
    """Return the combinations of ids in the train split, rising; raise MsvizError for too many."""
    part, sizes = dataset.split("train"), [field.size for field in fields]
    columns = [part.column(field.name) for field in fields]
    keys = np.zeros(0, np.int64)
    for start in range(0, part.rows, CHUNK):
        rows = slice(start, start + CHUNK)
        keys = np.union1d(keys, mixed_radix(np.stack([column[rows] for column in columns], 1), sizes))
        if len(keys) > MOST:
            raise invalid(
                "scenario_fields",
                ",".join(field.name for field in fields),
                f"they make more than {MOST:,} scenarios; wanted: fewer fields, or such with fewer values",
            )
    digits = []
    for size in reversed(sizes):
        keys, last = np.divmod(keys, size)
        digits.append(last)
    return np.stack(digits[::-1], 1).tolist() if digits else []


def _regroup(schema: Schema, names: list[str], scenarios: list[list[int]]) -> Schema:
    """Return the schema with role scenario at these columns; order, vocabularies and all else stay."""
    changes: dict[str, dict[str, Any]] = {
        **{field.name: {"scenario": None} for field in schema.sequences},
        **{field.name: {"role": "context"} for field in schema.scenario_fields},
        **{name: {"role": "scenario"} for name in names},
    }
    fields = [field.model_copy(update=changes.get(field.name, {})) for field in schema.fields]
    # Built anew: a copy would carry along what the old fields were worked out to.
    return Schema(fields=fields, split=schema.split, scenarios=scenarios)


def _names(schema: Schema) -> list[str]:
    return [field.name for field in schema.scenario_fields]
