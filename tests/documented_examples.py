"""The examples of docs/add_a_*.md, laid out as $MSVIZ_PLUGINS expects them."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
TASKS = sorted(DOCS.glob("add_a_*.md"))
EXAMPLE = re.compile(r"^`(\S+\.py)`:\n\n```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def examples(*tasks: Path) -> dict[str, str]:
    """Return the code of every example by the file that it is to be."""
    return dict(pair for task in tasks or TASKS for pair in EXAMPLE.findall(task.read_text("utf-8")))


def write_examples(folder: Path) -> Path:
    """Write every example into a folder, the page below `page`."""
    for name, code in examples().items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code, "utf-8")
    return folder
