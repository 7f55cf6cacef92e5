"""`/v1/responses` with the real openai client: asked, streamed, chained, refused."""

import dataclasses
import json

import openai
import pytest
from openai.types.responses import ResponseFileSearchToolCall, ResponseOutputMessage

from graphs.errors import OverloadedError, StageUnavailableError
from graphs.pipeline.events import Finished, Retrieved, TextDelta, Usage
from index.errors import UnknownStoreError
from models.errors import ContextLengthError

TEXT = "Requests wait in a bounded queue. [1]"
RESULTS = ["file_search_call.results"]
SEARCH = {"type": "file_search", "vector_store_ids": ["vs_1"]}
NOTHING_FOUND = Retrieved(passages=(), search_query=None, timings=())
USAGE = Usage(num_prompt_tokens=3, num_completion_tokens=4)
EVENTS = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.file_search_call.in_progress",
    "response.file_search_call.searching",
    "response.file_search_call.completed",
    "response.output_item.done",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.delta",
    "response.output_text.annotation.added",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


async def read(stream):
    return [event async for event in stream]


async def test_an_answer_has_its_search_its_text_and_its_citations(ask):
    response = await ask(include=RESULTS, metadata={"team": "docs"}, user="u1")
    call, message = response.output
    assert isinstance(call, ResponseFileSearchToolCall)
    assert isinstance(message, ResponseOutputMessage)
    assert call.queries == ["where do requests wait"]
    assert [(one.file_id, one.score, one.text) for one in call.results] == [
        ("file-1", 0.9, "Requests wait in a bounded queue.")
    ]
    assert response.output_text == TEXT
    (citation,) = message.content[0].annotations
    assert (citation.type, citation.file_id, citation.filename) == (
        "file_citation", "file-1", "handbook.md",
    )  # fmt: skip
    assert TEXT[citation.index :].startswith("[1]")
    assert (response.status, response.usage.total_tokens) == ("completed", 29)
    assert (response.metadata, response.user) == ({"team": "docs"}, "u1")


async def test_results_are_shown_only_to_who_asks_for_them(ask, client):
    response = await ask()
    assert response.output[0].results is None
    assert (await client.responses.retrieve(response.id)).output[0].results is None
    shown = await client.responses.retrieve(response.id, include=RESULTS)
    assert shown.output[0].results[0].filename == "handbook.md"


@pytest.mark.parametrize("store", [True, False])
async def test_a_stream_has_every_event_in_its_order(ask, client, store):
    events = await read(await ask(stream=True, store=store))
    assert [event.type for event in events] == EVENTS
    assert [event.sequence_number for event in events] == list(range(len(EVENTS)))
    assert events[0].response.output == []
    final = events[-1].response
    assert final.output_text == TEXT
    if store:
        assert await client.responses.retrieve(final.id) == final
    else:
        with pytest.raises(openai.NotFoundError, match="no response"):
            await client.responses.retrieve(final.id)


async def test_the_stream_helper_puts_the_text_together(client):
    async with client.responses.stream(model="rag", input="Where?") as stream:
        snapshots = [e.snapshot async for e in stream if e.type == "response.output_text.delta"]
        final = await stream.get_final_response()
    assert snapshots == ["Requests wait in a ", TEXT]
    assert final.output_text == TEXT


async def test_the_wire_form_names_its_events_and_has_no_done(api_http):
    reply = await api_http.post(
        "/v1/responses", json={"model": "rag", "input": "Where?", "stream": True}
    )
    frames = reply.text.strip().split("\n\n")
    assert "[DONE]" not in reply.text
    for frame in frames:
        name, data = frame.split("\n")
        assert name == f"event: {json.loads(data.removeprefix('data: '))['type']}"
    created = json.loads(frames[0].split("data: ")[1])["response"]["created_at"]
    assert isinstance(created, int)


async def test_a_chat_of_three_turns_reads_what_was_said(ask, client, api_pipeline):
    first = await ask(instructions="Be brief.")
    second = await ask(input="And then?", previous_response_id=first.id)
    third = await ask(input="Why?", previous_response_id=second.id, instructions="In French.")
    said = [(turn.role, turn.text) for turn in api_pipeline.requests[-1].messages]
    assert said == [
        ("system", "In French."),  # instructions are those of their own request
        ("user", "Where do requests wait?"), ("assistant", TEXT),
        ("user", "And then?"), ("assistant", TEXT), ("user", "Why?"),
    ]  # fmt: skip
    items = [item async for item in await client.responses.input_items.list(third.id, order="asc")]
    kinds = ["message", "file_search_call", "message"]
    assert [item.type for item in items] == [*kinds, *kinds, "message"]
    page = await client.responses.input_items.list(third.id, limit=2, after=items[6].id)
    assert ([item.id for item in page.data], page.has_more) == ([items[5].id, items[4].id], True)


async def test_output_that_is_sent_back_is_read_as_turns(ask, api_pipeline):
    first = await ask()
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "Where?"}]},
        *(item.model_dump(exclude_unset=True) for item in first.output),
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"role": "user", "content": "And then?"},
    ]
    await ask(input=items, store=False)
    said = [turn.text for turn in api_pipeline.requests[-1].messages]
    assert said == ["Where?", TEXT, "And then?"]


async def test_a_chain_that_lacks_a_response_is_refused(ask, client):
    first = await ask()
    second = await ask(previous_response_id=first.id)
    await client.responses.delete(first.id)
    for name in (first.id, second.id, "resp_none"):
        with pytest.raises(openai.BadRequestError) as error:
            await ask(previous_response_id=name)
        assert error.value.param == "previous_response_id"
        assert error.value.code == "previous_response_not_found"


async def test_a_search_tool_says_where_and_how_is_searched(ask, api_pipeline):
    ranking = {"score_threshold": 0.25, "ranker": "auto"}
    weights = {"embedding_weight": 0.5, "text_weight": 0.25}
    filters = {"type": "eq", "key": "lang", "value": "en"}
    tool = SEARCH | {
        "max_num_results": 7,
        "filters": filters,
        "ranking_options": ranking | {"hybrid_search": weights},
    }
    response = await ask(model="local/generator", tools=[tool], tool_choice="required")
    request = api_pipeline.requests[-1]
    assert (request.retrieves, request.stores, request.filters.key) == (True, ("vs_1",), "lang")
    settings = request.retrieval
    assert (settings.top_k, settings.rerank, settings.rerank_threshold) == (7, True, 0.25)
    assert (settings.mode, settings.lexical_weight) == ("hybrid", 0.5)
    assert response.tools[0].vector_store_ids == ["vs_1"]
    assert response.tools[0].max_num_results == 7


@pytest.mark.parametrize(
    ("model", "options", "retrieves", "stores"),
    [
        ("rag", {}, True, None),
        ("rag:docs", {}, True, ("docs",)),
        ("local/generator", {}, False, None),
        ("local/generator", {"tools": [SEARCH], "tool_choice": "none"}, False, None),
    ],
)
async def test_a_model_says_what_is_asked(ask, api_pipeline, model, options, retrieves, stores):
    await ask(model=model, **options)
    request = api_pipeline.requests[-1]
    assert (request.retrieves, request.stores) == (retrieves, stores)


async def test_the_sampling_is_that_of_the_request(ask, api_pipeline):
    await ask(max_output_tokens=9, temperature=0.5, top_p=0.5)
    sampling = api_pipeline.requests[-1].sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p) == (9, 0.5, 0.5)
    assert sampling.seed is not None


async def test_an_answer_that_was_cut_is_incomplete(ask, api_pipeline):
    api_pipeline.script = [
        NOTHING_FOUND, TextDelta(text="Half"), Finished(finish_reason="length", usage=USAGE),
    ]  # fmt: skip
    response = await ask()
    assert (response.status, response.output_text) == ("incomplete", "Half")
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output[0].status == "incomplete"
    events = await read(await ask(stream=True))
    assert events[-1].type == "response.incomplete"


@pytest.mark.parametrize("before", [[], [TextDelta(text="Some")]])
async def test_a_blocked_answer_has_a_refusal(ask, client, api_pipeline, before):
    end = Finished(finish_reason="content_filter", usage=USAGE, refusal="Blocked.")
    api_pipeline.script = [NOTHING_FOUND, *before, end]
    response = await ask()
    assert response.incomplete_details.reason == "content_filter"
    assert response.output[0].content[-1].refusal == "Blocked."
    assert len(response.output[0].content) == 1 + len(before)
    async with client.responses.stream(model="rag", input="Where?") as stream:
        kinds = [event.type async for event in stream]
    assert kinds[-6:] == [
        "response.content_part.added", "response.refusal.delta", "response.refusal.done",
        "response.content_part.done", "response.output_item.done", "response.incomplete",
    ]  # fmt: skip


async def test_what_was_left_out_is_told(ask, api_pipeline):
    api_pipeline.script[-1] = Finished(finish_reason="stop", usage=USAGE, degraded=("rerank",))
    assert (await ask()).degraded == ["rerank"]


async def test_who_wrote_it_is_told_and_kept(ask, client, api_pipeline):
    first = api_pipeline.script[0]
    api_pipeline.script[0] = dataclasses.replace(first, writer="fallback", model="other/model")
    response = await ask()
    assert response.written_by == {"generator": "fallback", "model": "other/model"}
    kept = await client.responses.retrieve(response.id)
    assert kept.written_by == response.written_by


@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_before_the_first_event_has_its_own_status(ask, api_pipeline, stream):
    api_pipeline.script = [OverloadedError("the queue of Generator is full")]
    with pytest.raises(openai.InternalServerError) as error:
        await ask(stream=stream)
    assert error.value.status_code == 503
    api_pipeline.script = [UnknownStoreError("no vector store 'gone'")]
    with pytest.raises(openai.NotFoundError) as error:
        await ask(stream=stream, tools=[SEARCH])
    assert error.value.param == "tools[0].vector_store_ids"


async def test_a_stream_that_fails_later_ends_as_failed(ask, client, api_pipeline):
    api_pipeline.script[2:] = [StageUnavailableError("Generator is not available")]
    last = (await read(await ask(stream=True)))[-1]
    assert last.type == "response.failed"
    assert (last.response.status, last.response.error.code) == ("failed", "server_error")
    assert "not available" in last.response.error.message
    stored = await client.responses.retrieve(last.response.id)
    assert (stored.status, stored.error) == ("failed", last.response.error)


async def test_an_input_that_does_not_fit_loses_its_oldest_turns_only_if_told_so(ask, api_pipeline):
    items = [
        {"role": role, "content": f"{n}"} for n in range(3) for role in ("user", "assistant")
    ] + [{"role": "user", "content": "Where?"}]
    fitting, script = api_pipeline.answer, api_pipeline.script

    async def answer(request):
        api_pipeline.script = script
        if len(request.messages) > 4:
            api_pipeline.script = [ContextLengthError("7 turns, 4 fit")]
        async for event in fitting(request):
            yield event

    api_pipeline.answer = answer
    with pytest.raises(openai.BadRequestError, match="4 fit"):
        await ask(input=items, truncation="disabled")
    assert (await ask(input=items, truncation="auto")).output_text == TEXT
    assert [turn.text for turn in api_pipeline.requests[-1].messages] == ["1", "2", "2", "Where?"]
