from collections.abc import Callable
from pathlib import Path

import pytest

from msviz.data.sources import table
from msviz.dataset import Dataset

SCHEMA = """
fields:
  - {name: click, role: label}
  - {name: tab, role: scenario, title: Tab, names: {a: Alpha}}
  - {name: item, role: item}
  - {name: price, role: item, kind: numeric, bins: 2, unit: s}
split: {by: given, column: part}
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Dataset]:
    """Import a table from text or bytes under a schema; report lines end up in `load.lines`."""

    def run(
        content: str | bytes, schema: str | None = SCHEMA, name: str = "log.csv", **options: object
    ) -> Dataset:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        if schema is not None:
            (tmp_path / "schema.yaml").write_text(schema)
            options["schema"] = tmp_path / "schema.yaml"
        run.lines.clear()  # type: ignore[attr-defined]
        settings = table.TableOptions.model_validate(options)
        return table.import_log(str(tmp_path / name), tmp_path / "out", settings, run.lines.append)  # type: ignore[attr-defined]

    run.lines = []  # type: ignore[attr-defined]
    return run
