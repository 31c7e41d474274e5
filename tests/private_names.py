"""What a leading underscore promises: only the own folder uses the name."""

import ast
from pathlib import Path


def private_imports(file: Path, root: Path) -> list[str]:
    """Return the names with a leading underscore that a file of a checkout takes from another folder."""
    names = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or (node.module or "").split(".")[0] not in ("msviz", "app"):
            continue
        for alias in node.names:
            parts = [*str(node.module).split("."), alias.name]
            for k, part in enumerate(parts):
                owner = root.joinpath(*parts[:k])
                folder = owner if owner.is_dir() else owner.parent
                if part.startswith("_") and not part.startswith("__") and folder != file.parent:
                    names.append(".".join(parts))
    return names
