from index.searching.recent_queries import MAX_CHARS, MAX_STORES, QUERIES_A_STORE, RecentQueries


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
