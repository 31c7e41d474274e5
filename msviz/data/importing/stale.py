"""What lies where a dataset is to be written: one that must stay, and what killed imports left behind."""

import os
import shutil
from pathlib import Path

from msviz.errors import invalid


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise MsvizError when `path` exists and must stay."""
    if path.exists() and not overwrite:
        raise invalid("out", str(path), "it exists already; name another folder or pass --overwrite")


def remove_stale(path: Path, kind: str = "partial") -> None:
    """Remove what a killed import of `path` left behind: hidden folders of processes that are gone."""
    for folder in path.parent.glob(f".{path.name}.{kind}-*"):
        owner = folder.name.rsplit(f"{kind}-", 1)[1].split("-")[0]
        if not (owner.isdigit() and Path(f"/proc/{owner}").exists()) or owner == str(os.getpid()):
            shutil.rmtree(folder, ignore_errors=True)
