from index.searching.fold import Fold
from index.searching.recent_queries import MAX_CHARS, MAX_STORES, QUERIES_A_STORE, RecentQueries
from index.searching.request import SearchRequest


def test_the_last_queries_of_a_store_are_remembered_each_once():
    recent = RecentQueries()
    recent.note(("one", "two"), "What?")
    recent.note(("one",), "Who?")
    recent.note(("one",), "What?")
    assert recent.of("one") == ("What?", "Who?")
    assert recent.of("two") == ("What?",)
    assert recent.of("three") == ()


def test_what_is_remembered_is_bounded():
    recent = RecentQueries()
    for number in range(QUERIES_A_STORE + 5):
        recent.note(("busy",), f"query {number}")
    assert recent.of("busy")[0] == "query 5"
    assert len(recent.of("busy")) == QUERIES_A_STORE
    for text in ("x" * (MAX_CHARS + 1), " ", ""):
        recent.note(("odd",), text)
    assert recent.of("odd") == ()
    for number in range(MAX_STORES):
        recent.note((f"store {number}",), "What?")
    assert recent.of("busy") == ()
    assert recent.of("store 0") == ("What?",)


def test_a_fold_notes_what_a_store_was_searched_for_by_whatever_name(corpus):
    fold, one, two = Fold(corpus.catalog), corpus.store("one"), corpus.store("two")
    for stores, text in [(("one",), "by name"), ((one,), "by id"), (None, "anywhere")]:
        fold.search(SearchRequest(stores=stores, text=text, mode="lexical"))
    assert fold.recent_queries.of(one) == ("by name", "by id", "anywhere")
    assert fold.recent_queries.of(two) == ("anywhere",)
