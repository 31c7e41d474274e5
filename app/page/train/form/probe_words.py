"""What a timed probe of a training printed, in words; nothing here needs Streamlit."""

import json
from typing import Any

from app.markdown import escape_markdown


def parse_probe(log: str) -> dict[str, Any] | None:
    """Return the numbers that a probe printed into its log, None where it printed none."""
    try:
        numbers: dict[str, Any] = json.loads(log[log.index("{") : log.rindex("}") + 1])
    except ValueError:
        return None
    return numbers


def describe_probe(numbers: dict[str, Any], count: int) -> str:
    """Return 'about 45 s at most at 7,116 rows a second, 120 MiB of memory (cpu)' for so many trainings."""
    each = f" for all {count} trainings" if count > 1 else ""
    memory = f", {numbers['memory']:,.0f} MiB of memory" if numbers["memory"] is not None else ""
    return (
        f"about **{describe_seconds(numbers['seconds'] * count)}** at most{each} at "
        f"{numbers['rows_per_second']:,.0f} rows a second{memory} ({escape_markdown(numbers['device'])})"
    )


def describe_seconds(seconds: float) -> str:
    """Return '45 s', '3 min' or '2.5 h'."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
