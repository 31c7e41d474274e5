"""Numbers as people read them in a takeaway."""

from collections.abc import Sequence


def percent(share: float, digits: int = 1) -> str:
    """Return 0.3141 as '31.4 %'; small shares keep two significant digits."""
    value = 100 * share
    if value and abs(value) < 10**-digits:
        return f"{value:.2g} %"
    return f"{value:.{digits}f} %"


def span(low: float, high: float) -> str:
    """Return '95 %: 12.0–14.1 %'."""
    return f"95 %: {percent(low).removesuffix(' %')}–{percent(high)}"


def points(share: float) -> str:
    """Return the half-width of an interval in percentage points, without a unit: '± 0.42'."""
    return f"± {100 * share:.2g}"


def rows(count: int) -> str:
    """Return '8,112 rows', or '1 row'."""
    return f"{count:,} row" + ("" if count == 1 else "s")


def listed(parts: Sequence[str]) -> str:
    """Return 'a, b and c'."""
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]
