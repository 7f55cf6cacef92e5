"""Those whom an identity provider vouches for, on both databases."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event

from index.catalog.keys.keys import USE_INTERVAL_S
from index.catalog.keys.records import KeyGrant, vouched_id

ANN = vouched_id("https://id", "ann", "acme")


@pytest.fixture
def admit(catalog):
    """Lets somebody in by a token of these scopes."""

    def run(*scopes, expires_at=2**31):
        grant = KeyGrant(tenant="acme", scopes=frozenset(scopes), user="ann", expires_at=expires_at)
        return catalog.admit_vouched(ANN, grant)

    return run


def test_who_comes_many_times_at_once_has_one_row(catalog, admit):
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: admit("query"), range(8)))
    assert {one.id for one in told} == {ANN}
    assert [one.id for one in catalog.list_keys("acme")] == [ANN]


def test_the_newest_token_says_what_work_may_that_was_left(catalog, admit):
    admit("query", "ingest", expires_at=2**31 + 5)
    admit("query")
    kept = catalog.get_key("acme", ANN)
    assert (kept.scopes, kept.expires_at) == (frozenset({"query"}), 2**31 + 5)


def test_who_is_known_waits_for_no_writer_of_the_corpus(catalog, admit, clock):
    admit("query")
    asked = []
    event.listen(
        catalog._engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: asked.append(statement),
    )
    clock.now += USE_INTERVAL_S
    assert admit("query").last_used_at == clock.now
    assert any("UPDATE api_keys" in one for one in asked)
    assert not any("FROM head" in one for one in asked)


def test_who_was_shut_out_stays_out_until_the_row_is_gone(catalog, admit):
    admit("query")
    catalog.revoke_key("acme", ANN)
    assert admit("query", "admin") is None
    assert catalog.get_key("acme", ANN).scopes == frozenset({"query"})
    catalog.forget_tenant("acme")
    assert admit("query").id == ANN
