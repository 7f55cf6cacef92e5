"""Reconnecting with `Last-Event-ID` gives the exact rest, whoever answers."""

import json
from dataclasses import replace

import pytest

from graphs.api.chat.resume import resumption_of
from graphs.caller import DEFAULT_CALLER, Caller
from graphs.pipeline.events import Retrieved
from models.errors import ModelChangedError

BODY = {"model": "rag", "messages": [{"role": "user", "content": "Where?"}], "stream": True}
KEY = {"Idempotency-Key": "order-66"}


async def frames_of(api_http, headers, body=BODY):
    reply = await api_http.post("/v1/chat/completions", json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    frames = reply.text.split("\n\n")[:-1]
    return [tuple(frame.removeprefix("id: ").partition("\ndata: ")[::2]) for frame in frames[:-1]]


async def test_every_cut_is_met_exactly(api_http):
    whole = await frames_of(api_http, KEY)
    assert len(whole) >= 5
    for index, (event_id, _) in enumerate(whole):
        rest = await frames_of(api_http, KEY | {"Last-Event-ID": event_id})
        assert rest == whole[index + 1 :]


async def test_the_same_key_gives_the_same_seed_and_reply_id(api_http, api_pipeline):
    ids = [json.loads((await frames_of(api_http, h))[0][1])["id"] for h in (KEY, KEY, {}, {})]
    assert ids[0] == ids[1]
    assert len({*ids}) == 3
    seeds = [request.sampling.seed for request in api_pipeline.requests]
    assert seeds[0] == seeds[1] is not None
    assert seeds[2:] == [None, None]


async def test_a_seed_of_the_client_goes_before_the_key(api_http, api_pipeline):
    await frames_of(api_http, KEY, BODY | {"seed": 3})
    assert api_pipeline.requests[0].sampling.seed == 3


async def test_the_seed_of_a_key_has_to_be_kept_only_where_an_answer_goes_on(
    api_http, api_pipeline
):
    event_id = (await frames_of(api_http, KEY))[2][0]
    await frames_of(api_http, KEY | {"Last-Event-ID": event_id})
    await frames_of(api_http, {"Idempotency-Key": "order-67"}, BODY | {"seed": 3})
    drawn = [request.sampling.seed_is_drawn for request in api_pipeline.requests]
    assert drawn == [True, False, False]


async def test_another_question_under_the_same_key_is_not_resumed(api_http):
    event_id = (await frames_of(api_http, KEY))[2][0]
    body = BODY | {"messages": [{"role": "user", "content": "When?"}]}
    await refused(api_http, body, KEY | {"Last-Event-ID": event_id}, 409, "resume_mismatch")


async def test_changed_passages_are_not_resumed(api_http, api_pipeline):
    event_id = (await frames_of(api_http, KEY))[2][0]
    first = api_pipeline.script[0]
    assert isinstance(first, Retrieved)
    passages = (replace(first.passages[0], chunk_id="other"),)
    api_pipeline.script[0] = replace(first, passages=passages)
    await refused(api_http, BODY, KEY | {"Last-Event-ID": event_id}, 409, "resume_mismatch")


MODEL = "00ff" * 4


def of_model(api_pipeline, identity):
    api_pipeline.script[0] = replace(api_pipeline.script[0], identity=identity)


async def test_the_rest_is_asked_of_the_model_that_wrote_the_events(api_http, api_pipeline):
    of_model(api_pipeline, MODEL)
    whole = await frames_of(api_http, KEY)
    event_id = whole[2][0]
    assert event_id.split("-")[2] == MODEL
    assert await frames_of(api_http, KEY | {"Last-Event-ID": event_id}) == whole[3:]
    assert [request.identity for request in api_pipeline.requests] == [None, MODEL]


async def test_events_without_a_model_are_not_gone_on_with_by_one(api_http, api_pipeline):
    of_model(api_pipeline, "")
    event_id = (await frames_of(api_http, KEY))[1][0]
    of_model(api_pipeline, MODEL)
    await refused(api_http, BODY, KEY | {"Last-Event-ID": event_id}, 409, "resume_mismatch")


async def test_a_model_that_is_gone_is_told_and_not_to_be_asked_again(api_http, api_pipeline):
    of_model(api_pipeline, MODEL)
    event_id = (await frames_of(api_http, KEY))[2][0]
    api_pipeline.script.insert(0, ModelChangedError("begun by 00ff, but 11ee is served here"))
    headers = KEY | {"Last-Event-ID": event_id}
    reply = await refused(api_http, BODY, headers, 409, "model_changed")
    assert reply.headers["x-should-retry"] == "false"
    assert "11ee" not in reply.text


@pytest.mark.parametrize("identity", ["11ee" * 4, ""])
async def test_the_events_of_another_model_are_not_gone_on_with(api_http, api_pipeline, identity):
    of_model(api_pipeline, MODEL)
    event_id = (await frames_of(api_http, KEY))[2][0]
    of_model(api_pipeline, identity)
    await refused(api_http, BODY, KEY | {"Last-Event-ID": event_id}, 409, "resume_mismatch")


async def refused(api_http, body, headers, status, code):
    reply = await api_http.post("/v1/chat/completions", json=body, headers=headers)
    assert reply.status_code == status
    assert reply.json()["error"]["code"] == code
    return reply


@pytest.mark.parametrize(
    "headers",
    [
        {"Last-Event-ID": "1-0123456789abcdef-3"},
        KEY | {"Last-Event-ID": "7"},
        KEY | {"Last-Event-ID": "x" * 5000},
        {"Idempotency-Key": "k" * 256},
        {"Idempotency-Key": ""},
    ],
)
async def test_headers_that_make_no_sense_are_refused(api_http, headers):
    await refused(api_http, BODY, headers, 400, "invalid_value")


def be(monkeypatch, **caller):
    """Makes every request one of this caller, as long as the border knows no keys."""
    place = "graphs.api.border.request_caller.DEFAULT_CALLER"
    monkeypatch.setattr(place, Caller(**caller))


@pytest.mark.parametrize("other", [{"tenant": "b"}, {"tenant": "a", "key_id": "k2"}])
async def test_two_callers_with_the_same_key_and_body_share_no_answer(
    api_http, api_pipeline, monkeypatch, other
):
    be(monkeypatch, tenant="a")
    frames = await frames_of(api_http, KEY)
    be(monkeypatch, **other)
    others = await frames_of(api_http, KEY)
    first, second = api_pipeline.requests
    assert first.sampling.seed != second.sampling.seed
    assert json.loads(frames[0][1])["id"] != json.loads(others[0][1])["id"]
    last = {"Last-Event-ID": frames[2][0]}
    await refused(api_http, BODY, KEY | last, 409, "resume_mismatch")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b", "c"), ("a", "", "bc")),
        (("a", "b", "c"), ("ab", "", "c")),
        (("a", "", "None"), ("a", "", None)),
    ],
)
def test_names_that_run_together_are_told_apart(one, other):
    def fingerprint(tenant, key_id, key):
        headers = {} if key is None else {"idempotency-key": key}
        return resumption_of(headers, b"{}", Caller(tenant=tenant, key_id=key_id)).fingerprint

    assert fingerprint(*one) != fingerprint(*other)


async def test_the_pipeline_is_told_who_asks(api_http, api_pipeline, monkeypatch):
    await frames_of(api_http, {})
    be(monkeypatch, tenant="b", key_id="k")
    await frames_of(api_http, {})
    assert [request.caller for request in api_pipeline.requests] == [
        DEFAULT_CALLER,
        Caller(tenant="b", key_id="k"),
    ]
