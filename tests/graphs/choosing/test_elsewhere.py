"""Answers of another server, over HTTP: what it says, how it fails, and what it never learns."""

import asyncio
import json
import logging
import socket
import time
from contextlib import aclosing

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse

from graphs.choosing.elsewhere import Elsewhere
from graphs.deadline import deadline_in
from graphs.errors import DeadlineError, OverloadedError, StageUnavailableError
from graphs.pipeline.choices import choice_seed
from graphs.settings import FallbackSettings
from models.constraints import Choices, Sampling
from models.errors import ModelChangedError
from models.generation import GenerationRequest, Message
from tests.graphs.choosing.endpoint import WHOLE, piece

KEY = "sk-never-told-0123456789"
MESSAGES = (
    Message(role="developer", content="Answer from the passages."),
    Message(role="user", content="Which port?"),
)


@pytest.fixture
def elsewhere(served, server):
    def make(**settings):
        return Elsewhere(FallbackSettings(url=served[1], model="other/model", **settings), KEY)

    return make


def request(**fields):
    return GenerationRequest(**{"request_id": "r", "messages": MESSAGES} | fields)


async def chunks_of(stage, asked=None):
    return [chunk async for chunk in stage.stream(asked or request())]


async def test_an_answer_comes_with_its_model_and_its_usage(server, elsewhere):
    stage = elsewhere()
    chunks = await chunks_of(stage)
    assert [chunk.text for chunk in chunks] == ["Port ", "8000. [1]", ""]
    last = chunks[-1]
    assert (last.finish_reason, last.position, last.num_prompt_tokens) == ("stop", 5, 11)
    assert {(one.model, one.identity) for one in chunks} == {("other/model", stage.identity)}
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    (asked,) = server.asked
    assert asked["messages"][0] == {"role": "system", "content": "Answer from the passages."}
    assert asked["max_tokens"] == 1024
    assert {"temperature", "seed", "stop"}.isdisjoint(asked)


async def test_how_tokens_are_picked_is_passed_on(server, elsewhere):
    sampling = Sampling(max_tokens=7, temperature=0.0, seed=3, top_p=0.5, stop=("END",))
    await chunks_of(elsewhere(), request(sampling=sampling))
    given = {"max_tokens": 7, "temperature": 0.0, "seed": 3, "top_p": 0.5, "stop": ["END"]}
    assert given.items() <= server.asked[0].items()


async def test_a_server_that_knows_no_stream_options_is_asked_without(server, elsewhere):
    def reply(body):
        if "stream_options" in body:
            error = {"message": "property 'stream_options' is unsupported"}
            return JSONResponse({"error": error}, status_code=400)
        return None

    server.reply, server.pieces = reply, WHOLE[:-1]
    chunks = await chunks_of(elsewhere())
    assert chunks[-1].position == 2  # pieces, since nobody counts tokens
    assert len(server.asked) == 2


@pytest.mark.parametrize("seed", [2**62 + 12_345, choice_seed(3, 1)])
async def test_a_seed_that_no_client_named_is_not_sent(server, elsewhere, seed):
    await chunks_of(elsewhere(), request(sampling=Sampling(seed=seed)))
    assert "seed" not in server.asked[0]


async def test_what_a_server_calls_otherwise_or_does_not_know_is_asked_again(server, elsewhere):
    """As models that think say it, one at a time."""

    def reply(body):
        for name in ("max_tokens", "seed", "stream_options"):
            if name in body:
                error = {"message": f"Unsupported parameter: '{name}'"}
                return JSONResponse({"error": error}, status_code=400)
        return None

    server.reply = reply
    await chunks_of(elsewhere(), request(sampling=Sampling(max_tokens=7, seed=3)))
    assert len(server.asked) == 4
    assert server.asked[-1]["max_completion_tokens"] == 7


async def test_what_is_refused_again_is_not_asked_for_ever(server, elsewhere):
    error = {"message": "max_tokens, max_completion_tokens, seed and stream_options are wrong"}
    server.reply = lambda _: JSONResponse({"error": error}, status_code=400)
    with pytest.raises(StageUnavailableError, match="said 400"):
        await chunks_of(elsewhere(), request(sampling=Sampling(seed=3)))
    assert len(server.asked) == 4


async def test_only_the_named_key_is_told(server, served, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-ours")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-ours")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    stage = Elsewhere(FallbackSettings(url=served[1], model="m"), None)
    await chunks_of(stage)
    told = {"authorization", "openai-organization", "openai-project"}
    assert told.isdisjoint(server.headers[0])


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, StageUnavailableError), (404, StageUnavailableError), (429, OverloadedError),
     (500, StageUnavailableError), (503, StageUnavailableError)],
)  # fmt: skip
async def test_a_refusal_is_told_in_our_words(server, elsewhere, caplog, status, kind):
    said = {"error": {"message": f"key {KEY} asked Which port?"}}
    server.reply = lambda _: JSONResponse(said, status_code=status)
    with caplog.at_level(logging.DEBUG, logger="graphs"), pytest.raises(kind) as refused:
        await chunks_of(elsewhere())
    ours = [line.getMessage() for line in caplog.records if line.name.startswith("graphs")]
    told = "".join([str(refused.value), *ours])
    assert KEY not in told
    assert "Which port" not in told
    assert refused.value.__cause__ is None
    assert len(server.asked) == 1  # nobody asks again


async def test_a_redirect_is_not_followed(server, elsewhere):
    server.reply = lambda _: RedirectResponse("http://127.0.0.1:9/v1/chat/completions")
    with pytest.raises(StageUnavailableError, match="said 307"):
        await chunks_of(elsewhere())


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [piece("Port ")],
        ["data: {not json\n\n"],
        ["data: " + json.dumps({"error": {"message": "quota", "code": "insufficient"}}) + "\n\n"],
        [{"choices": [{"index": 0, "delta": {"role": "assistant"}}]}, "data: [1, 2\n\n"],
        ["data: [1, 2]\n\n"],
        ['data: "text"\n\n'],
        [{"choices": "none"}],
        [{"choices": {"a": 1}}],
        [piece(["Port "]), piece(finish="stop")],
        [{"usage": 7, "choices": []}, *WHOLE],
        [b"data: \xff\xfe\n\n"],
        ["data: " + "[" * 100_000 + "\n\n"],
        [piece("Port "), piece(finish="content_filter")],
    ],
    ids=[
        "nothing",
        "cut",
        "garbage",
        "an error as an event",
        "garbage after a role",
        "a list",
        "a text",
        "choices as text",
        "choices by name",
        "parts",
        "usage as a number",
        "no UTF-8",
        "nested",
        "filtered",
    ],
)
async def test_what_is_no_whole_answer_is_an_error(server, elsewhere, pieces):
    server.pieces = pieces
    with pytest.raises(StageUnavailableError):
        await chunks_of(elsewhere())


async def test_a_page_in_place_of_an_answer_is_an_error(server, elsewhere):
    server.reply = lambda _: PlainTextResponse("<html>captive portal</html>")
    with pytest.raises(StageUnavailableError):
        await chunks_of(elsewhere())


async def test_odd_pieces_are_read(server, elsewhere):
    server.pieces = [
        {"choices": None}, {"choices": [{"index": 0, "delta": None}]}, ": ping\n\n",
        {"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]},
        piece("a\ud800", usage={"prompt_tokens": None, "completion_tokens": None}),
        piece("b", "stop", usage={"prompt_tokens": "11", "completion_tokens": -5}),
    ]  # fmt: skip
    chunks = await chunks_of(elsewhere())
    assert "".join(chunk.text for chunk in chunks) == "a?b"
    assert chunks[-1].finish_reason == "stop"
    assert (chunks[-1].num_prompt_tokens, chunks[-1].position) == (0, 2)


async def test_nobody_there_is_an_error_at_once():
    free = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    free.close()
    with pytest.raises(StageUnavailableError, match="cannot be reached"):
        await chunks_of(Elsewhere(FallbackSettings(url=url, model="m"), None))


@pytest.mark.parametrize(
    ("pieces", "limit"),
    [([], "first_token_s"), ([piece("Port ")], "next_token_s"),
     ([{"choices": [{"index": 0, "delta": {"role": "assistant"}}]}], "first_token_s")],
)  # fmt: skip
async def test_a_silent_server_is_given_up(server, elsewhere, pieces, limit):
    server.pieces, server.hangs = pieces, True
    began = time.monotonic()
    with pytest.raises(StageUnavailableError, match="silent"):
        await chunks_of(elsewhere(**{limit: 0.3}))
    assert time.monotonic() - began < 10


async def test_the_time_of_the_client_ends_it(server, elsewhere):
    server.pieces, server.hangs = [piece("Port ")], True
    with deadline_in(0.4), pytest.raises(DeadlineError):
        await chunks_of(elsewhere())


async def test_leaving_ends_the_connection(server, elsewhere):
    server.hangs = True
    stage = elsewhere()
    async with aclosing(stage.stream(request())) as chunks:
        await anext(chunks)
        assert len(server.open) == 1
    assert await asyncio.to_thread(server.is_quiet.wait, 10)
    assert stage._num_running == 0


async def test_there_is_a_most_of_answers_at_once(server, elsewhere):
    server.hangs = True
    stage = elsewhere(max_running=1)
    async with aclosing(stage.stream(request())) as chunks:
        await anext(chunks)
        with pytest.raises(OverloadedError, match="1 answers, its most"):
            await chunks_of(stage)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"constraint": Choices(texts=("yes", "no"))}, "a form of the answer"),
        ({"adapter": "law"}, "adapters"),
        ({"sampling": Sampling(top_logprobs=2)}, "logprobs"),
        ({"sampling": Sampling(logit_bias=((1, 2.0),))}, "logit_bias"),
    ],
)
async def test_what_it_cannot_do_is_not_asked_of_it(server, elsewhere, fields, what):
    with pytest.raises(StageUnavailableError, match=what):
        await chunks_of(elsewhere(), request(**fields))
    assert not server.asked


async def test_the_rest_of_an_answer_is_not_asked_of_it(server, elsewhere):
    stage = elsewhere()
    for fields in ({"identity": "ours"}, {"delivered_token_ids": (1,)}):
        with pytest.raises(ModelChangedError):
            await chunks_of(stage, request(**fields))
    assert not server.asked
    # Of several answers the others have the identity of the first.
    assert len(await chunks_of(stage, request(identity=stage.identity))) == 3
