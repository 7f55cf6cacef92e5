"""A stream says at once that its answer moved, and is resumed as if it had not."""

import json

import pytest

from graphs.pipeline.events import Moved

BODY = {
    "model": "rag", "messages": [{"role": "user", "content": "Where?"}], "stream": True,
    "rag": {"debug": True},
}  # fmt: skip
KEY = {"Idempotency-Key": "order-67"}


async def frames_of(api_http, headers):
    reply = await api_http.post("/v1/chat/completions", json=BODY, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply.text.split("\n\n")[:-2]


@pytest.fixture
def script(api_pipeline):
    first, *rest = api_pipeline.script
    api_pipeline.script = [first, rest[0], Moved(num_migrations=1), *rest[1:]]
    return api_pipeline


async def test_a_move_is_a_chunk_without_choices_and_without_an_id(api_http, script):
    frames = await frames_of(api_http, KEY)
    (at,) = (place for place, one in enumerate(frames) if one.startswith("data:"))
    chunk = json.loads(frames[at].removeprefix("data:"))
    assert (chunk["choices"], chunk["rag"]) == ([], {"num_migrations": 1})
    assert "Requests wait in a" in frames[at - 1]
    assert script.requests[-1].tells_moves


async def test_the_rest_after_a_move_is_exact_though_the_next_making_does_not_move(
    api_http, script, api_pipeline
):
    whole = [one for one in await frames_of(api_http, KEY) if one.startswith("id:")]
    api_pipeline.script = [one for one in api_pipeline.script if not isinstance(one, Moved)]
    for index, frame in enumerate(whole):
        event_id = frame.partition("\n")[0].removeprefix("id:").strip()
        assert await frames_of(api_http, KEY | {"Last-Event-ID": event_id}) == whole[index + 1 :]


@pytest.mark.parametrize(
    "change",
    [{"rag": {"debug": False}}, {"stream": False}, {"n": 2}],
    ids=["plain", "whole", "two"],
)
async def test_moves_are_told_only_to_who_reads_a_stream_and_asked(api_http, api_pipeline, change):
    await api_http.post("/v1/chat/completions", json=BODY | change)
    assert not api_pipeline.requests[-1].tells_moves


async def test_openai_s_client_reads_the_chunk(api_openai, script):
    body = {key: value for key, value in BODY.items() if key != "rag"}
    stream = await api_openai.chat.completions.create(**body, extra_body={"rag": BODY["rag"]})
    chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "Requests wait in a bounded queue. [1]"
