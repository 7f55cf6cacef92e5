"""Feedback in the catalog, on both databases."""

import pytest

from index.errors import UnknownCursorError, UnknownFeedbackError


def test_one_word_an_answer_and_key_is_kept(corpus):
    catalog, clock = corpus.catalog, corpus.clock
    first = catalog.say_feedback("t", "k", "r", {"rating": "up", "contexts": ["a", "b"]})
    assert (first.rating, first.contexts, first.comment) == ("up", ("a", "b"), None)
    clock.now += 5
    second = catalog.say_feedback("t", "k", "r", {"comment": "§ ein Wort"})
    assert (second.id, second.rating, second.comment) == (first.id, "up", "§ ein Wort")
    assert second.updated_at == second.created_at + 5
    assert catalog.say_feedback("t", "k", "r", {"rating": None}).rating is None
    assert catalog.say_feedback("t", "other", "r", {"rating": "down"}).id != first.id
    assert len(catalog.list_feedback("t").items) == 2


def test_a_tenant_reaches_its_own_alone(corpus):
    said = corpus.catalog.say_feedback("t", "", "r", {"rating": "up"})
    assert corpus.catalog.list_feedback("u").items == ()
    with pytest.raises(UnknownFeedbackError):
        corpus.catalog.delete_feedback("u", said.id)
    with pytest.raises(UnknownCursorError):
        corpus.catalog.list_feedback("u", after=said.id)
    corpus.catalog.delete_feedback("t", said.id)
    assert corpus.catalog.list_feedback("t").items == ()


def test_lists_are_paged_in_order(corpus):
    for number in range(4):
        rating = "up" if number % 2 else "down"
        corpus.catalog.say_feedback("t", "", f"r{number}", {"rating": rating})
    page = corpus.catalog.list_feedback("t", limit=3, order="asc")
    assert ([one.response_id for one in page.items], page.has_more) == (["r0", "r1", "r2"], True)
    down = corpus.catalog.list_feedback("t", rating="down")
    assert [one.response_id for one in down.items] == ["r2", "r0"]
