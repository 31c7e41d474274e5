"""The gallery's page: what is missing is made by one job, and offered again where that did not help."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

Open = Callable[..., AppTest]
NOBODY = 2**22 + 1  # no process has this number


def test_missing_pictures_are_made_by_one_job_and_then_offered(
    app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    def start(folder: Path, arguments: list[str], warm: Path | None = None) -> int:
        started.append(arguments)
        (folder / "exit.json").write_text(json.dumps({"code": 0}))
        return NOBODY

    monkeypatch.setattr("msviz.jobs._queue.start_process", start)
    at = app("gallery", paper="HierRec")
    assert not at.exception
    assert len(started) == 1 and started[0][:3] == ["gallery", "--paper", "hierrec"]
    # The job has ended and the pictures are still not there: it is not started over and over.
    at.button(key="start-gallery-hierrec").click().run()
    assert len(started) == 2 and not at.exception
    said = "\n".join(caption.value for caption in at.caption)
    assert "Not drawn yet" in said and "This shelf cannot show it" in said
