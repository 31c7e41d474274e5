"""Settings that make any model small, also one that no test has heard of."""

from typing import Any

from msviz.nets.base import net_class

SMALLEST = 8  # widths


def small_settings(model: str) -> dict[str, Any]:
    """Return settings that make a model small, whatever its own are called."""
    found: dict[str, Any] = {}
    for name, setting in net_class(model).Config.model_fields.items():
        default = setting.default
        if isinstance(default, int) and not isinstance(default, bool) and default >= 2 * SMALLEST:
            found[name] = SMALLEST
        elif isinstance(default, str) and default.replace(",", "").isdigit():
            found[name] = ",".join(str(16 - k) for k in range(len(default.split(","))))
        elif name == "heads" and default > 2:
            found[name] = 2
        elif isinstance(default, float) and ("dropout" in name or name == "unseen_rate"):
            found[name] = 0.0
    return found
