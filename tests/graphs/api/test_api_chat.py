"""Chat through the unmodified OpenAI client."""

import dataclasses
import json

import pytest
from openai import APIError, BadRequestError, InternalServerError, NotFoundError

from graphs.errors import OverloadedError, SafetyUnavailableError
from graphs.pipeline.events import Finished, Retrieved, Usage
from index.errors import UnknownStoreError
from index.searching.filters import parse_filter
from models.constraints import Sampling
from models.errors import ContextLengthError

QUESTION = [{"role": "user", "content": "Where do requests wait?"}]
ANSWER = "Requests wait in a bounded queue. [1]"
URL = "http://ragfleet/v1/files/file-1/content#chunk=7"


async def ask(client, **fields):
    return await client.chat.completions.create(**({"model": "rag", "messages": QUESTION} | fields))


async def test_answer_comes_with_citations_in_three_views(api_openai):
    completion = await ask(api_openai)
    message = completion.choices[0].message
    assert message.content == ANSWER
    assert message.refusal is None
    assert completion.choices[0].finish_reason == "stop"
    (annotation,) = message.annotations
    marker = annotation.url_citation
    assert message.content[marker.start_index : marker.end_index] == "[1]"
    assert (marker.url, marker.title) == (URL, "Queues > Bounds")
    assert message.context["citations"][0] == {
        "content": "Requests wait in a bounded queue.",
        "title": "Queues > Bounds",
        "filepath": "handbook.md",
        "url": URL,
        "chunk_id": "7",
    }
    assert json.loads(message.context["intent"]) == ["where do requests wait"]
    assert completion.search_results[0]["url"] == URL


async def test_completion_has_usage_and_the_model_that_was_asked(api_openai):
    completion = await ask(api_openai)
    usage = completion.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (20, 9, 29)
    assert completion.model == "rag"
    assert completion.id.startswith("chatcmpl-")
    assert "degraded" not in completion.model_extra


async def test_stream_gives_the_same_answer_in_pieces(api_openai):
    stream = await ask(api_openai, stream=True)
    chunks = [chunk async for chunk in stream]
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in deltas) == ANSWER
    assert deltas[0].role == "assistant"
    assert deltas[0].content == ""
    assert deltas[0].context["citations"][0]["chunk_id"] == "7"
    annotated = [delta.annotations for delta in deltas if "annotations" in delta.model_extra]
    assert annotated[0][0]["url_citation"]["start_index"] == 34
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].search_results[0]["file_id"] == "file-1"
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1


async def test_stream_ends_with_usage_if_asked(api_openai):
    stream = await ask(api_openai, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 29
    assert all("usage" in chunk.model_fields_set for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_stream_has_no_usage_key_unless_asked(api_openai):
    chunks = [chunk async for chunk in await ask(api_openai, stream=True)]
    assert not any("usage" in chunk.model_fields_set for chunk in chunks)


async def test_bare_generator_is_asked_without_retrieval(api_openai, api_pipeline):
    api_pipeline.script[0] = Retrieved(passages=(), search_query=None, timings=())
    completion = await ask(api_openai, model="local/generator")
    assert not api_pipeline.requests[0].retrieves
    assert "context" not in completion.choices[0].message.model_extra
    assert "search_results" not in completion.model_extra


async def test_rag_searches_every_store_unless_one_is_the_default(
    api_openai, api_app, api_services, api_pipeline
):
    await ask(api_openai)
    http = api_services.config.http.model_copy(update={"default_store": "docs"})
    config = api_services.config.model_copy(update={"http": http})
    api_app.state.services = dataclasses.replace(api_services, config=config)
    await ask(api_openai)
    assert [request.stores for request in api_pipeline.requests] == [None, ("docs",)]


async def test_model_names_a_store(api_openai, api_pipeline):
    completion = await ask(api_openai, model="rag:docs")
    assert api_pipeline.requests[0].stores == ("docs",)
    assert completion.model == "rag:docs"


async def test_rag_options_and_sampling_reach_the_pipeline(api_openai, api_pipeline, api_config):
    filters = {"type": "eq", "key": "lang", "value": "en"}
    options = {
        "vector_store_ids": ["docs", "vs_1", "docs"], "top_k": 3, "mode": "dense", "rerank": False,
        "expand": "hyde", "diversity": 0.5, "neighbours": 2,
    }  # fmt: skip
    await ask(
        api_openai, temperature=0, max_completion_tokens=9, seed=5, stop="END", user="harmless",
        extra_body={"top_k": 4, "rag": {**options, "score_threshold": 0.5, "filters": filters}},
    )  # fmt: skip
    (request,) = api_pipeline.requests
    assert request.stores == ("docs", "vs_1")
    assert request.filters == parse_filter(filters)
    chosen = {name: options[name] for name in ("top_k", "mode", "rerank", "expand", "diversity")}
    thresholds = {"rerank_threshold": 0.5, "dense_threshold": 0.5}
    wanted = {**chosen, "neighbours": 2, **thresholds}
    assert request.retrieval == api_config.retrieval.model_copy(update=wanted)
    assert request.sampling == Sampling(max_tokens=9, temperature=0, top_k=4, seed=5, stop=("END",))


async def test_messages_may_be_parts_and_earlier_answers(api_openai, api_pipeline):
    first = (await ask(api_openai)).choices[0].message
    parts = [{"type": "text", "text": "And"}, {"type": "text", "text": "then?"}]
    await ask(
        api_openai,
        messages=[
            {"role": "developer", "content": "Be short."},
            *QUESTION,
            first,
            {"role": "user", "content": parts},
        ],
    )
    messages = api_pipeline.requests[1].messages
    assert [message.role for message in messages] == ["developer", "user", "assistant", "user"]
    assert [message.text for message in messages[2:]] == [ANSWER, "And\nthen?"]


@pytest.mark.parametrize("stream", [False, True])
async def test_blocked_answer_is_told_the_same_streamed_or_not(
    api_openai, api_pipeline, api_http, stream
):
    usage = Usage(num_prompt_tokens=20, num_completion_tokens=2)
    blocked = Finished(finish_reason="content_filter", usage=usage, refusal="I can't say that.")
    api_pipeline.script[2:] = [blocked]
    if stream:
        async with api_openai.chat.completions.stream(model="rag", messages=QUESTION) as events:
            async for _ in events:
                pass
            completion = events.current_completion_snapshot
    else:
        completion = await ask(api_openai)
    choice = completion.choices[0]
    assert choice.finish_reason == "content_filter"
    assert choice.message.refusal == "I can't say that."
    assert choice.message.content == "Requests wait in a "


@pytest.mark.parametrize("stream", [False, True])
async def test_degraded_stages_and_debug_are_shown(api_openai, api_pipeline, stream):
    last = dataclasses.replace(api_pipeline.script[-1], degraded=("rerank",))
    api_pipeline.script[-1] = last
    reply = await ask(api_openai, stream=stream, extra_body={"rag": {"debug": True}})
    if stream:
        reply = [chunk async for chunk in reply][-1]
    assert reply.degraded == ["rerank"]
    assert reply.rag["timings"] == {"retrieve": 4.2, "generate": 90.0}
    assert reply.rag["search_query"] == "where do requests wait"


@pytest.mark.parametrize("stream", [False, True])
async def test_who_wrote_an_answer_is_told_and_no_folder_of_ours(api_openai, api_pipeline, stream):
    first = api_pipeline.script[0]
    named = dataclasses.replace(first, writer="GeneratorSmall", model="/srv/models/tiny")
    api_pipeline.script[0] = named
    raw = await api_openai.chat.completions.with_raw_response.create(
        model="rag", messages=QUESTION, stream=stream
    )
    assert raw.headers["x-written-by"] == "GeneratorSmall"
    reply = raw.parse()
    if stream:
        reply = [chunk async for chunk in reply][-1]
    assert reply.written_by == {"generator": "GeneratorSmall", "model": "tiny"}


async def test_server_timing_has_one_entry_a_stage(api_openai):
    whole = await api_openai.chat.completions.with_raw_response.create(
        model="rag", messages=QUESTION
    )
    assert whole.headers["server-timing"] == "retrieve;dur=4.2, generate;dur=90.0"
    streamed = await api_openai.chat.completions.with_raw_response.create(
        model="rag", messages=QUESTION, stream=True
    )
    assert streamed.headers["server-timing"] == "retrieve;dur=4.2"
    assert streamed.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "kind", "status", "code"),
    [
        (OverloadedError("queue is full"), InternalServerError, 503, "overloaded"),
        (SafetyUnavailableError("no filter"), InternalServerError, 503, "safety_unavailable"),
        (ContextLengthError("too long"), BadRequestError, 400, "context_length_exceeded"),
        (RuntimeError("/secret/path"), InternalServerError, 500, "server_error"),
    ],
)
async def test_error_before_the_first_event_keeps_its_status(  # noqa: PLR0917 - parametrised
    api_openai, api_pipeline, stream, error, kind, status, code
):
    api_pipeline.script = [error]
    with pytest.raises(kind) as caught:
        await ask(api_openai, stream=stream)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert "/secret/path" not in caught.value.message
    if code == "overloaded":
        assert caught.value.response.headers["retry-after"] == "1"
        assert caught.value.response.headers["retry-after-ms"] == "1000"


async def test_error_inside_a_stream_is_an_event_without_done(api_openai, api_pipeline, api_http):
    api_pipeline.script[2:] = [RuntimeError("/secret/path")]
    with pytest.raises(APIError, match="x-request-id"):
        [chunk async for chunk in await ask(api_openai, stream=True)]
    body = {"model": "rag", "messages": QUESTION, "stream": True}
    reply = await api_http.post("/v1/chat/completions", json=body)
    assert reply.status_code == 200
    *_, last, empty = reply.text.split("\n\n")
    assert (empty, "[DONE]" in reply.text) == ("", False)
    error = json.loads(last.removeprefix("data: "))["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "server_error"


async def test_unknown_model_and_store_are_404(api_openai, api_pipeline):
    with pytest.raises(NotFoundError) as caught:
        await ask(api_openai, model="gpt-9")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    api_pipeline.script = [UnknownStoreError("no vector store is named 'nowhere'")]
    with pytest.raises(NotFoundError) as caught:
        await ask(api_openai, model="rag:nowhere")
    assert caught.value.code == "vector_store_not_found"


async def test_pipeline_that_never_finishes_properly_is_a_500(api_openai, api_pipeline):
    api_pipeline.script.pop()
    with pytest.raises(InternalServerError):
        await ask(api_openai)


async def test_replies_name_the_model_that_wrote_them(api_openai, api_pipeline):
    api_pipeline.script[0] = dataclasses.replace(api_pipeline.script[0], identity="abc")
    assert (await ask(api_openai)).system_fingerprint == "fp_abc"
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = [chunk async for chunk in await ask(api_openai, **options)]
    assert {chunk.system_fingerprint for chunk in chunks} == {"fp_abc"}


async def test_replies_of_an_unknown_model_have_no_fingerprint(api_openai):
    assert "system_fingerprint" not in (await ask(api_openai)).model_fields_set
