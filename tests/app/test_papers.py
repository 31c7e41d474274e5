"""Papers as pages list them."""

from app.papers import papers_by_title


def test_papers_stand_in_our_order_and_others_under_their_own_names() -> None:
    titles = papers_by_title(["same", "another", "satrans"])
    assert list(titles.items()) == [("SATrans", "satrans"), ("SAME", "same"), ("another", "another")]
