"""Feedback over HTTP: said, changed, listed, forgotten; refused where it says nothing."""

from dataclasses import replace

import pytest

from graphs.api.border import request_caller
from graphs.caller import DEFAULT_CALLER

SAID = {
    "response_id": "chatcmpl-1", "rating": "down", "question": "How large?", "answer": "Very. [1]",
    "model": "rag", "contexts": ["A file may have 32 megabytes."],
}  # fmt: skip


async def say(http, **fields):
    reply = await http.post("/v1/feedback", json=fields)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_the_last_word_about_an_answer_counts_and_the_rest_stays(api_http):
    first = await say(api_http, **SAID)
    assert first["object"] == "feedback"
    assert {name: first[name] for name in SAID} == SAID
    second = await say(api_http, response_id="chatcmpl-1", corrected_answer="32 MB")
    assert (second["id"], second["rating"], second["question"]) == (
        first["id"],
        "down",
        "How large?",
    )
    back = await say(api_http, response_id="chatcmpl-1", rating=None)
    assert (back["rating"], back["corrected_answer"]) == (None, "32 MB")
    listed = (await api_http.get("/v1/feedback")).json()
    assert [one["id"] for one in listed["data"]] == [first["id"]]


async def test_lists_are_paged_and_filtered_by_rating(api_http):
    for number in range(5):
        await say(api_http, response_id=f"r{number}", rating="up" if number % 2 else "down")
    page = (await api_http.get("/v1/feedback", params={"order": "asc", "limit": 2})).json()
    assert ([one["response_id"] for one in page["data"]], page["has_more"]) == (["r0", "r1"], True)
    rest = await api_http.get("/v1/feedback", params={"order": "asc", "after": page["last_id"]})
    assert [one["response_id"] for one in rest.json()["data"]] == ["r2", "r3", "r4"]
    up = (await api_http.get("/v1/feedback", params={"rating": "up"})).json()
    assert [one["response_id"] for one in up["data"]] == ["r3", "r1"]


async def test_feedback_is_forgotten_on_demand(api_http):
    said = await say(api_http, **SAID)
    gone = await api_http.delete(f"/v1/feedback/{said['id']}")
    assert gone.json() == {"id": said["id"], "object": "feedback.deleted", "deleted": True}
    again = await api_http.delete(f"/v1/feedback/{said['id']}")
    assert (again.status_code, again.json()["error"]["code"]) == (404, "feedback_not_found")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_id": "r"}, None),
        ({"rating": "up"}, "response_id"),
        ({"response_id": " ", "rating": "up"}, "response_id"),
        ({"response_id": "r", "rating": "fine"}, "rating"),
        ({"response_id": "r", "comment": "x" * 32_769}, "comment"),
        ({"response_id": "r", "comment": "a\0b"}, "comment"),
        ({"response_id": "r", "rating": "up", "contexts": ["x"] * 65}, "contexts"),
    ],
)
async def test_what_says_nothing_or_too_much_is_refused(api_http, fields, param):
    reply = await api_http.post("/v1/feedback", json=fields)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


async def test_tenants_do_not_see_each_others_feedback(api_http, monkeypatch):
    ours = await say(api_http, **SAID)
    other = replace(DEFAULT_CALLER, tenant="other", key_id="k")
    monkeypatch.setattr(request_caller, "DEFAULT_CALLER", other)
    assert (await api_http.get("/v1/feedback")).json()["data"] == []
    assert (await api_http.delete(f"/v1/feedback/{ours['id']}")).status_code == 404
    theirs = await say(api_http, **SAID)
    assert theirs["id"] != ours["id"]


async def test_a_key_sees_its_own_and_an_admin_all_of_its_tenant(api_http, monkeypatch):
    def become(key_id, *scopes):
        caller = replace(DEFAULT_CALLER, key_id=key_id, scopes=frozenset(scopes))
        monkeypatch.setattr(request_caller, "DEFAULT_CALLER", caller)

    async def seen():
        return [one["id"] for one in (await api_http.get("/v1/feedback")).json()["data"]]

    become("one", "query")
    first = (await say(api_http, **SAID))["id"]
    become("two", "query")
    second = (await say(api_http, **SAID))["id"]
    assert await seen() == [second]
    assert (await api_http.delete(f"/v1/feedback/{first}")).status_code == 404
    become("three", "query", "admin")
    assert await seen() == [second, first]
    assert (await api_http.delete(f"/v1/feedback/{first}")).status_code == 200
