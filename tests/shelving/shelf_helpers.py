"""What lies on a shelf byte for byte, the one line of a refusal, and runs sealed anew."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from msviz.errors import MsvizError
from msviz.run import Run, file_digest
from msviz.run_folder import FILES


def everything(folder: Path) -> dict[str, bytes | None]:
    """Return what lies under a folder, hidden or not: files with their content, folders with None."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def refused(act: Callable[..., Any], *given: Any, **named: Any) -> str:
    """Return the one line with which something is refused."""
    with pytest.raises(MsvizError) as caught:
        act(*given, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def reseal(path: Path, **changes: Any) -> Run:
    """Change a card and make every digest right again, as someone who knows the format would."""
    digests = {file: file_digest(path / file) for file in FILES}
    card = Run.peek(path).card.model_copy(update={**changes, "digests": digests}).sealed()
    (path / "run.json").write_text(json.dumps(card.model_dump(mode="json")), encoding="utf-8")
    return Run(path, card)


def twin(path: Path, name: str, **changes: Any) -> Run:
    """Put another run on the shelf: a copy with changes in its card."""
    place = Path(shutil.copytree(path, path.with_name(name)))
    return reseal(place, **({"seed": 99} | changes))
