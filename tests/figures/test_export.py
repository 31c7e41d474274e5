"""Pictures that leave the app stand alone, ask nobody for anything, and say what they need."""

import re

import findings as make
import pytest

from msviz.errors import MsvizError
from msviz.figures import export


def test_a_dressed_picture_says_question_takeaway_and_source() -> None:
    finding = make.attention()
    plain = finding.figure()
    figure = export.dressed(plain, finding)
    assert finding.question in figure.layout.title.text
    assert finding.takeaway in figure.layout.title.subtitle.text.replace("<br>", " ")
    assert "demo-satrans" in figure.layout.title.subtitle.text
    assert figure.layout.height > plain.layout.height
    assert plain.layout.title.text is None, "the page's picture stays bare"


def test_html_is_whole_and_offers_no_upload() -> None:
    html = export.to_html(make.overview().figure())
    assert "Plotly.newPlot" in html and len(html) > 1_000_000
    assert '"showSendToCloud": false' in html
    assert not re.search(r'<(script|link)[^>]+(src|href)="http', html)


def test_without_a_browser_images_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    with pytest.raises(MsvizError, match=r"Chrome or Chromium.*BROWSER_PATH"):
        export.to_image(make.overview().figure(), "png")
