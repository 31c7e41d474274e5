"""Intervals are made in questions and drawn in pictures: no picture works one out of counts or spreads."""

import ast
from pathlib import Path

import pytest

FIGURES = Path(__file__).parents[2] / "msviz" / "figures"
# What a picture may still ask the statistics for, and why a question cannot answer it beforehand.
ALLOWED = {
    "pictures/sankey.py": {"wilson_interval"},  # of the rows of all scenarios that a reader chose, together
    "pictures/rates_over_time.py": {"wilson_interval"},  # of weeks, which start where a reader's days do
    "pictures/attention_by_scenario.py": {"half_width"},  # bounds of its cells would double an answer
    "pictures/feature_weights.py": {"half_width"},  # of answers kept before bounds were part of them
}
CALLS = {"sqrt", "hypot", "sem", "erf", "erfc", "ppf"}  # an interval of anything has a root in it
TESTS = ("wilson", "jackknife", "delong", "welch", "bootstrap", "placement", "p_value")


def made(source: str, allowed: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """Return what in a source works out how sure a number is, or asks for more than is allowed."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("msviz.statistics"):
            found += [alias.name for alias in node.names if alias.name not in allowed]
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in modules if name.split(".")[0] in ("scipy", "statistics")]
        if isinstance(node, ast.Attribute) and node.attr in CALLS:
            found.append(node.attr)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            found += ["a root"] if ast.unparse(node.right) in ("0.5", "-0.5", "1 / 2") else []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            # rate * (1 - rate), a variance of clicks
            sides = [ast.unparse(side) for side in (node.left, node.right)]
            found += ["p (1 - p)"] if any(f"1 - {a}" == b for a, b in (sides, sides[::-1])) else []
        if isinstance(node, ast.FunctionDef) and any(word in node.name for word in TESTS):
            found.append(node.name)
        if isinstance(node, ast.Constant) and type(node.value) is float and 1.9 < node.value < 2:
            found.append(str(node.value))
    return found


@pytest.mark.parametrize("path", sorted(FIGURES.rglob("*.py")), ids=lambda path: path.stem)
def test_no_picture_makes_an_interval(path: Path) -> None:
    assert not made(path.read_text("utf-8"), ALLOWED.get(path.relative_to(FIGURES).as_posix(), set()))


def test_every_exception_is_needed() -> None:
    for name, allowed in ALLOWED.items():
        assert sorted(made((FIGURES / name).read_text("utf-8"))) == sorted(allowed), name


@pytest.mark.parametrize(
    "line",
    [
        "half = 1.96 * deviation",
        "half = deviation / rows**0.5",
        "error = np.sqrt(rate * (1 - rate) / rows)",
        "p = stats.norm.ppf(0.975)",
        "variance = (1 - rate) * rate / rows",
        "def _wilson(clicks, rows): ...",
        "from scipy.stats import norm",
        "from msviz.statistics.intervals import wilson_interval",
    ],
)
def test_the_rule_sees_what_it_forbids(line: str) -> None:
    assert made(line)
