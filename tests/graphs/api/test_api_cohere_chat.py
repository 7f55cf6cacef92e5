"""Cohere's `/v2/chat` by its client: documents, citations, streams, errors."""

import cohere
import pytest
from cohere.errors import BadRequestError, NotFoundError, ServiceUnavailableError

from graphs.api import errors
from graphs.api.dialects.cohere_chat_schema import CohereChatBody
from graphs.errors import OverloadedError
from graphs.pipeline.events import Citation, Finished, Passage, Retrieved, TextDelta, Usage

ASK = [{"role": "user", "content": "Where do requests wait?"}]
DOCUMENTS = [
    {"id": "a", "data": {"title": "Queues", "text": "Requests wait in a queue.", "author": "Bo"}},
    "Pumps hum.",
    {"data": {"snippet": "Queues are bounded.", "url": "https://x.example"}},
    {"id": "a", "data": "Twice."},
]


def passage(file_id, number=1):
    return Passage(
        number=number, chunk_id=f"{number}", file_id=file_id, filename="f", title="T", text="t",
        excerpt="t", char_start=0, char_end=1, score=0.9, attributes={},
    )  # fmt: skip


@pytest.fixture
def answered(api_pipeline):
    """Lets the pipeline answer with these texts and the markers in them."""

    def script(*pieces, files=("a", "doc:1"), reason="stop"):
        passages = tuple(passage(name, number) for number, name in enumerate(files, 1))
        events, num_chars = [], 0
        for piece in pieces:
            if isinstance(piece, int):
                text = f"[{piece}]"
                events += [
                    TextDelta(text=text),
                    Citation(
                        start=num_chars, end=num_chars + len(text), passage=passages[piece - 1]
                    ),
                ]
            else:
                text = piece
                events.append(TextDelta(text=text))
            num_chars += len(text)
        usage = Usage(num_prompt_tokens=20, num_completion_tokens=9)
        api_pipeline.script = [
            Retrieved(passages=passages, search_query="q", timings=()),
            *events,
            Finished(finish_reason=reason, usage=usage),
        ]

    return script


def spans(citations):
    return [
        (one.start, one.end, one.text, [source.id for source in one.sources])
        for one in citations or ()
    ]


TOLD = [
    (0, 25, "Requests wait in a queue.", ["a"]),
    (26, 45, "Queues are bounded.", ["a", "doc:1"]),
]
TEXT = "Requests wait in a queue. Queues are bounded. Bye."


async def test_an_answer_cites_the_documents_by_the_text_itself(api_cohere, api_pipeline, answered):
    answered("Requests wait in a queue. ", 1, " Queues are bounded. ", 1, 2, " Bye.")
    reply = await api_cohere.chat(model="local/generator", messages=ASK, documents=DOCUMENTS)
    assert (reply.finish_reason, reply.message.role) == ("COMPLETE", "assistant")
    assert reply.message.content[0].text == TEXT
    assert spans(reply.message.citations) == TOLD
    source = reply.message.citations[0].sources[0]
    assert source.document == {**DOCUMENTS[0]["data"], "id": "a"}
    assert (reply.usage.tokens.input_tokens, reply.usage.billed_units.output_tokens) == (20, 9)
    asked = api_pipeline.requests[0]
    assert (asked.retrieves, [one.id for one in asked.documents]) == (
        True, ["a", "doc:1", "doc:2", "a:3"]
    )  # fmt: skip
    first, second, third, _ = asked.documents
    assert (first.title, first.text) == ("Queues", "Requests wait in a queue.\n\nauthor: Bo")
    assert (second.title, second.text) == ("", "Pumps hum.")
    assert third.text == "Queues are bounded."


@pytest.mark.parametrize("mode", [None, "FAST", "ACCURATE", "OFF"])
async def test_a_stream_has_the_events_in_cohere_s_order(api_cohere, answered, mode):
    answered("Requests wait in a queue. ", 1, " Queues are bounded. ", 1, 2, " Bye.")
    options = {"citation_options": {"mode": mode}} if mode else {}
    stream = api_cohere.chat_stream(
        model="local/generator", messages=ASK, documents=DOCUMENTS, **options
    )
    events = [event async for event in stream]
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message-start", "content-start"]
    assert kinds[-2:] == ["content-end", "message-end"]
    deltas = [event for event in events if event.type == "content-delta"]
    assert "".join(event.delta.message.content.text for event in deltas) == TEXT
    cited = [event for event in events if event.type == "citation-start"]
    assert spans(event.delta.message.citations for event in cited) == (
        TOLD if mode != "OFF" else []
    )
    assert [event.index for event in cited] == list(range(len(cited)))
    assert kinds.count("citation-end") == len(cited)
    if mode == "ACCURATE":
        assert kinds.index("citation-start") > max(
            place for place, kind in enumerate(kinds) if kind == "content-delta"
        )
    end = events[-1].delta
    assert (end.finish_reason, end.usage.tokens.output_tokens) == ("COMPLETE", 9)


async def test_citations_can_be_left_out(api_cohere, answered):
    answered("Requests wait. ", 1)
    reply = await api_cohere.chat(
        model="rag", messages=ASK, documents=["x"], citation_options={"mode": "DISABLED"}
    )
    assert (reply.message.content[0].text, reply.message.citations) == ("Requests wait.", None)


async def test_without_documents_rag_answers_from_the_stores(api_cohere, api_pipeline):
    reply = await api_cohere.chat(model="rag:handbook", messages=ASK)
    assert reply.message.content[0].text == "Requests wait in a bounded queue."
    citation = reply.message.citations[0]
    assert (citation.start, citation.end) == (0, 33)
    document = citation.sources[0].document
    assert (citation.sources[0].id, document["filename"]) == ("7", "handbook.md")
    assert document["url"].endswith("/v1/files/file-1/content#chunk=7")
    assert api_pipeline.requests[0].stores == ("handbook",)


async def test_the_bare_generator_cites_nothing_and_keeps_its_brackets(api_cohere, answered):
    answered("a[1] = 2", files=())
    reply = await api_cohere.chat(model="local/generator", messages=ASK)
    assert (reply.message.content[0].text, reply.message.citations) == ("a[1] = 2", None)


async def test_json_keeps_its_brackets_beside_documents(api_cohere, api_pipeline, answered):
    answered('{"a": [1]}')
    reply = await api_cohere.chat(
        model="local/generator", messages=ASK, documents=["x"],
        response_format=cohere.JsonObjectResponseFormatV2(json_schema={"type": "object"}),
    )  # fmt: skip
    assert reply.message.content[0].text == '{"a": [1]}'
    assert api_pipeline.requests[0].constraint is not None


async def test_options_are_those_of_the_generator(api_cohere, api_pipeline, answered):
    answered("Hi", reason="length")
    reply = await api_cohere.chat(
        model="local/generator",
        messages=[{"role": "system", "content": "Be brief."}, *ASK],
        max_tokens=5, stop_sequences=["x"], temperature=0.5, seed=7, k=3, p=0.5,
        frequency_penalty=0.1, presence_penalty=0.2, safety_mode="CONTEXTUAL", tool_choice="NONE",
    )  # fmt: skip
    assert reply.finish_reason == "MAX_TOKENS"
    sampling = api_pipeline.requests[0].sampling
    assert (sampling.max_tokens, sampling.stop, sampling.temperature) == (5, ("x",), 0.5)
    assert (sampling.seed, sampling.top_k, sampling.top_p) == (7, 3, 0.5)
    assert (sampling.frequency_penalty, sampling.presence_penalty) == (0.1, 0.2)
    assert [turn.role for turn in api_pipeline.requests[0].messages] == ["system", "user"]


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tools": [{"type": "function", "function": {"name": "no name"}}]}, "name"),
        ({"tools": [TOOL, TOOL]}, "f"),
        ({"tool_choice": "REQUIRED"}, "tool_choice needs tools"),
        ({"tools": [TOOL], "tool_choice": "f"}, "'REQUIRED' or 'NONE'"),
        ({"logprobs": True}, "logprobs"),
        ({"safety_mode": "STRICT"}, "safety_mode"),
        ({"p": 1.5}, "less than or equal to 0.99"),
        ({"thinking": {"type": "enabled"}}, "type must be 'disabled'"),
        ({"documents": [{"data": {"url": "x"}}]}, "documents[0] has no text"),
        ({"documents": ["long " * 60_000]}, "262144 characters"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "question"),
        ({"citation_options": {"mode": "SOMETIMES"}}, "ENABLED"),
    ],
)
async def test_what_is_not_served_is_refused_in_cohere_s_shape(
    api_cohere, with_big_bodies, options, told
):
    with pytest.raises(BadRequestError) as refused:
        await api_cohere.chat(**{"model": "rag", "messages": ASK, **options})
    assert told in refused.value.body["message"]
    assert refused.value.body["id"]


@pytest.fixture
def with_big_bodies(api_app, api_services):
    import dataclasses

    http = api_services.config.http.model_copy(update={"max_body_bytes": 2**20})
    config = api_services.config.model_copy(update={"http": http})
    api_app.state.services = dataclasses.replace(api_services, config=config)


async def test_errors_keep_their_status(api_cohere, api_pipeline):
    with pytest.raises(NotFoundError) as missing:
        await api_cohere.chat(model="command-r", messages=ASK)
    assert "command-r" in missing.value.body["message"]
    api_pipeline.script = [OverloadedError("the queue is full")]
    with pytest.raises(ServiceUnavailableError):
        await api_cohere.chat(model="rag", messages=ASK, request_options={"max_retries": 0})


async def test_a_stream_that_fails_says_so_at_its_end(api_cohere, api_pipeline, answered):
    answered("Requests ")
    api_pipeline.script[-1] = OverloadedError("the queue is full")
    events = [event async for event in api_cohere.chat_stream(model="rag", messages=ASK)]
    end = events[-1]
    assert (end.type, end.delta.finish_reason) == ("message-end", "ERROR")
    assert "queue" in end.delta.error


async def test_rerank_tells_errors_in_both_shapes(api_cohere, api_http):
    with pytest.raises(NotFoundError) as missing:
        await api_cohere.rerank(model="other", query="a", documents=["b"])
    body = missing.value.body
    assert body["message"] == body["error"]["message"]
    assert body["error"]["code"] == "model_not_found"


def test_documents_of_one_id_are_all_kept():
    documents = [
        {"id": name, "data": f"text {place}"} for place, name in enumerate(("a:2", "a", "a"))
    ]
    body = CohereChatBody.model_validate(
        {"model": "rag", "messages": [{"role": "user", "content": "x"}], "documents": documents}
    )
    assert [one.text for one, _ in body.given(3).values()] == ["text 0", "text 1", "text 2"]
    with pytest.raises(
        errors.BadRequestError, match="documents must have at most 2 entries, got 3"
    ):
        body.given(2)
