"""Whether a schema fits the columns that an import finds: told before a row is read."""

from collections.abc import Collection, Sequence

from msviz.errors import invalid, one_of
from msviz.schema import Field, Schema

LONGEST = 2**16 - 1  # behaviours of a row: what the dataset's lengths can say


def check(
    schema: Schema, columns: Sequence[str], events: Sequence[str] | None = None, daily: Collection[str] = ()
) -> None:
    """Raise MsvizError when the schema lacks a part that an import needs, or names an absent column.

    `columns` are the log's, `events` those of a table of events, `daily` the signals that come by day.
    """
    for role in ("label", "scenario"):
        if not any(field.role == role for field in schema.fields):
            raise invalid("schema", role, f"no field has this role; give role: {role} to one of the fields")
    for name in needed(log_schema(schema, events is not None, daily)):
        if name not in columns:
            raise invalid("schema: column", name, f"the source does not have it; {one_of(columns)}")
    if schema.split.by == "time" and schema.role("time") is None:
        raise invalid("split: by", "time", "no field has role time; wanted random, given, or such a field")
    if len(schema.sequences) > 1:
        raise invalid(
            "schema: sequences", [f.name for f in schema.sequences], "one behaviour sequence at most"
        )
    for field in schema.sequences:
        _check_sequence(field, schema)
    if events is not None:
        _check_events(schema, events)
    for field in schema.fields:
        if field.role == "time" and field.unit not in (None, "s", "ms", "us", "date"):
            raise invalid(f"schema: {field.name}: unit", field.unit, one_of(("s", "ms", "us", "date")))


def log_schema(schema: Schema, events: bool, daily: Collection[str] = ()) -> Schema:
    """Return the part of the schema that the log's own rows hold."""
    fields = [f for f in schema.fields if f.name not in daily and not (events and f.kind == "sequence")]
    return Schema(fields=fields, split=schema.split)


def needed(schema: Schema) -> list[str]:
    """Return the columns that the schema reads, each once."""
    names = [field.name for field in schema.fields]
    for field in schema.sequences:
        names += [name for name in (*field.sides.values(), field.scenario, field.time) if name]
    if schema.split.by == "given" and schema.split.column:
        names.append(schema.split.column)
    return list(dict.fromkeys(names))


def user_field(schema: Schema) -> Field | None:
    """Return the field that says whose row it is: the first categorical one of role user."""
    return next((f for f in schema.features if f.role == "user" and f.kind == "categorical"), None)


def parts(schema: Schema) -> dict[str, tuple[str, str]]:
    """Return what a behaviour consists of: key -> (its column, the feature whose ids it uses).

    Keys are 'behaviours.0' for the item, 'behaviours.1' on for the sides, 'behaviours.scenario'.
    """
    sequence = schema.sequences[0]
    columns = [
        (sequence.name, str(sequence.of)),
        *((column, side) for side, column in sequence.sides.items()),
    ]
    named = {f"behaviours.{number}": part for number, part in enumerate(columns)}
    if sequence.scenario:
        named["behaviours.scenario"] = (sequence.scenario, schema.scenario_fields[0].name)
    return named


def item_column(schema: Schema, columns: Sequence[str]) -> str:
    """Return the events' column of items: the one called like the sequence, else like the items' field."""
    sequence = schema.sequences[0]
    return sequence.name if sequence.name in columns else str(sequence.of)


def _check_sequence(field: Field, schema: Schema) -> None:
    items = [f.name for f in schema.features if f.kind == "categorical"]
    if field.of not in items:
        raise invalid(f"schema: {field.name}: of", field.of, one_of(items))
    for side in field.sides:
        if side not in items or side == field.of:
            wanted = "wanted categorical features of the items; " + one_of(n for n in items if n != field.of)
            raise invalid(f"schema: {field.name}: sides", side, wanted)
    named = [name for name in (field.name, *field.sides.values(), field.scenario, field.time) if name]
    for name in named:
        if named.count(name) > 1:
            raise invalid(f"schema: {field.name}: column", name, "the sequence names this column twice")
    if field.max > LONGEST:
        raise invalid(f"schema: {field.name}: max", field.max, f"{LONGEST:,} at most")
    if field.time and schema.role("time") is None:
        raise invalid(
            f"schema: {field.name}: time", field.time, "the log itself needs a field with role time"
        )
    if field.scenario and len(schema.scenario_fields) != 1:
        wanted = "behaviours can carry a scenario where exactly one field is the scenario"
        raise invalid(f"schema: {field.name}: scenario", field.scenario, wanted)


def _check_events(schema: Schema, columns: Sequence[str]) -> None:
    """Raise MsvizError when impressions and events cannot be joined by user and time."""
    if not schema.sequences:
        raise invalid("events", "no sequence", "the schema needs a field of role behaviour, kind sequence")
    sequence, user = schema.sequences[0], user_field(schema)
    if schema.role("time") is None:
        raise invalid("events", "no time", "the log needs a field with role time, at which histories are cut")
    if not sequence.time:
        raise invalid(
            f"schema: {sequence.name}: time", sequence.time, f"wanted the events' time; {one_of(columns)}"
        )
    if user is None:
        raise invalid("events", "no user", "the log needs a categorical field with role user")
    item = item_column(schema, columns)
    others = [name for name, _ in parts(schema).values() if name != sequence.name]
    named = [user.name, item, *others, sequence.time]
    for name in named:
        if name not in columns:
            raise invalid("schema: column", name, f"the events do not have it; {one_of(columns)}")
        if named.count(name) > 1:
            raise invalid("schema: column", name, "it is read twice from the events")
