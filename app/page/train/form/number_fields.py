"""How a number box holds a setting: whether it can, and in which steps; nothing here needs Streamlit."""

import math
from typing import Any

from msviz.training.settings import SettingInfo


def fits_number(info: SettingInfo, value: Any) -> bool:
    """Tell whether a number box can hold a value; what a link says may be anything."""
    wanted = int if info.kind == "int" else float
    if info.auto and value is None:
        return True
    if not isinstance(value, wanted) or isinstance(value, bool) or not math.isfinite(value):
        return False
    return (info.low is None or value >= info.low) and (info.high is None or value <= info.high)


def number_step(value: float) -> float:
    """Return a tenth to a half of a number's size: 0.001 goes in steps of 0.0005, 0.3 in steps of 0.1."""
    size = 10.0 ** math.floor(math.log10(abs(value)))
    return float(f"{size if abs(value) > size else size / 2:g}")
