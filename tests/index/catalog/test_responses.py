"""Responses and conversations as the catalog keeps them, on both databases."""

from dataclasses import replace

import pytest

from index.catalog.answers.records import Item, Lease, Outcome, StoredResponse
from index.errors import (
    ExistingResponseError,
    InvalidConversationError,
    LostLeaseError,
    UnknownConversationError,
    UnknownConversationItemError,
    UnknownCursorError,
    UnknownResponseError,
)

KEEP_S = 1000
ASKED = StoredResponse(
    id="resp_1", tenant="acme", key_id="", created_at=1, status="queued", request="{}",
    items=(Item(id="msg_1", data='"a\\u0000"'),), body="{}",
)  # fmt: skip
DONE = Outcome(status="completed", body='{"done": 1}')


@pytest.fixture
def catalog(corpus):
    return corpus.catalog


def test_a_response_is_kept_for_its_tenant_alone(catalog):
    catalog.create_response(ASKED, keep_s=KEEP_S)
    assert catalog.get_response("acme", "resp_1") == ASKED
    for tenant, response_id in (("other", "resp_1"), ("acme", "resp_2"), ("acme", "\0")):
        with pytest.raises(UnknownResponseError):
            catalog.get_response(tenant, response_id)
    with pytest.raises(UnknownResponseError):
        catalog.delete_response("other", "resp_1")
    catalog.delete_response("acme", "resp_1")
    with pytest.raises(UnknownResponseError):
        catalog.get_response("acme", "resp_1")


def test_a_response_goes_when_its_time_is_over_unless_one_follows_it(catalog, clock):
    catalog.create_response(ASKED, keep_s=KEEP_S)
    catalog.create_response(replace(ASKED, id="resp_alone"), keep_s=KEEP_S)
    clock.now += KEEP_S - 1
    catalog.create_response(replace(ASKED, id="resp_2", previous_id="resp_1"), keep_s=KEEP_S)
    clock.now += 1
    assert [one.id for one in catalog.response_chain("acme", "resp_2")] == ["resp_1", "resp_2"]
    with pytest.raises(UnknownResponseError):
        catalog.get_response("acme", "resp_alone")


def test_a_chain_with_a_gap_is_none(catalog):
    catalog.create_response(ASKED, keep_s=KEEP_S)
    catalog.create_response(replace(ASKED, id="resp_2", previous_id="resp_1"), keep_s=KEEP_S)
    catalog.delete_response("acme", "resp_1")
    with pytest.raises(UnknownResponseError, match="resp_1"):
        catalog.response_chain("acme", "resp_2")


def test_work_is_handed_out_once_kept_and_ended(catalog):
    catalog.create_response(ASKED, keep_s=KEEP_S)
    run = catalog.claim_response("a", 60)
    assert (run.id, run.status, run.attempt) == ("resp_1", "in_progress", 1)
    assert catalog.claim_response("b", 60) is None
    assert catalog.keep_response(run, first_number=0, events=["e0", "e1"], lease_s=60)
    catalog.finish_response(run, replace(DONE, first_number=2, events=("e2",)))
    seen = catalog.response_events("acme", "resp_1", 1)
    assert (seen.status, seen.body, seen.events) == ("completed", '{"done": 1}', ("e1", "e2"))
    assert catalog.claim_response("b", 60) is None


def test_a_lease_that_ran_out_is_taken_over_and_its_old_holder_refused(catalog, clock):
    catalog.create_response(
        replace(ASKED, status="in_progress", attempt=1),
        keep_s=KEEP_S,
        lease=Lease(owner="a", seconds=60),
    )
    old = replace(ASKED, attempt=1)
    assert catalog.claim_response("b", 60) is None
    clock.now += 60
    new = catalog.claim_response("b", 60)
    assert (new.id, new.attempt) == ("resp_1", 2)
    assert not catalog.keep_response(old, first_number=0, events=["late"], lease_s=60)
    with pytest.raises(LostLeaseError):
        catalog.finish_response(old, DONE)
    assert catalog.response_events("acme", "resp_1", 0).events == ()


def test_a_cancelled_response_takes_nothing_more(catalog):
    catalog.create_response(ASKED, keep_s=KEEP_S)
    run = catalog.claim_response("a", 60)
    cancelled = catalog.cancel_response("acme", "resp_1", '{"cancelled": 1}')
    assert (cancelled.status, cancelled.body) == ("cancelled", '{"cancelled": 1}')
    assert not catalog.keep_response(run, first_number=0, events=[], lease_s=60)
    with pytest.raises(LostLeaseError):
        catalog.finish_response(run, DONE)
    assert catalog.cancel_response("acme", "resp_1", "{}").body == '{"cancelled": 1}'


def conversation(catalog, *ids):
    items = [Item(id=one, data=one) for one in ids]
    return catalog.create_conversation("acme", metadata={"a": "b"}, items=items, keep_s=KEEP_S).id


def ids_of(page):
    return [item.id for item in page.items]


def test_an_answer_goes_into_its_conversation_with_its_end(catalog):
    name = conversation(catalog, "msg_0")
    catalog.create_response(replace(ASKED, conversation_id=name), keep_s=KEEP_S)
    run = catalog.claim_response("a", 60)
    catalog.finish_response(run, replace(DONE, appended=(Item(id="msg_1", data="x"),)))
    assert ids_of(catalog.list_conversation_items("acme", name, order="asc")) == ["msg_0", "msg_1"]


def test_an_answer_ends_though_its_conversation_is_gone(catalog):
    name = conversation(catalog)
    catalog.create_response(replace(ASKED, conversation_id=name), keep_s=KEEP_S)
    run = catalog.claim_response("a", 60)
    catalog.delete_conversation("acme", name)
    catalog.finish_response(run, replace(DONE, appended=(Item(id="msg_1", data="x"),)))
    assert catalog.get_response("acme", "resp_1").status == "completed"


def test_items_are_paged_got_and_taken_out(catalog):
    name = conversation(catalog, "a", "b", "c")
    page = catalog.list_conversation_items("acme", name, limit=2, order="asc")
    assert (ids_of(page), page.has_more) == (["a", "b"], True)
    assert ids_of(catalog.list_conversation_items("acme", name, after="b")) == ["a"]
    assert catalog.delete_conversation_item("acme", name, "b").id == name
    with pytest.raises(UnknownConversationItemError, match="'b'"):
        catalog.get_conversation_item("acme", name, "b")
    with pytest.raises(UnknownCursorError):
        catalog.list_conversation_items("acme", name, after="b")
    assert catalog.get_conversation_item("acme", name, "c").data == "c"


def test_a_conversation_refuses_what_it_has_and_too_many(catalog):
    name = conversation(catalog, "a")
    for items in ([Item(id="a", data="")], [Item(id=f"{n}", data="") for n in range(2000)]):
        with pytest.raises(InvalidConversationError):
            catalog.add_conversation_items("acme", name, items)
    catalog.add_conversation_items("acme", name, [Item(id="b", data="")])
    assert ids_of(catalog.list_conversation_items("acme", name)) == ["b", "a"]


def test_a_conversation_is_of_its_tenant_until_nobody_used_it(catalog, clock):
    name = conversation(catalog)
    assert catalog.update_conversation("acme", name, metadata={"c": "d"}).metadata == {"c": "d"}
    with pytest.raises(UnknownConversationError):
        catalog.get_conversation("other", name)
    clock.now += KEEP_S - 1
    catalog.add_conversation_items("acme", name, [Item(id="b", data="")])
    clock.now += KEEP_S - 1
    assert catalog.get_conversation("acme", name).metadata == {"c": "d"}
    clock.now += 1
    with pytest.raises(UnknownConversationError):
        catalog.get_conversation("acme", name)


def test_a_response_is_kept_once(catalog):
    catalog.create_response(ASKED, keep_s=KEEP_S)
    with pytest.raises(ExistingResponseError, match="resp_1"):
        catalog.create_response(ASKED, keep_s=KEEP_S)
