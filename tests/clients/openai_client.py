"""The `openai` package: chats, responses, helpers, uploads, stores."""

from typing import Literal

import openai
import pytest
from conftest import ANSWER, QUESTION
from pydantic import BaseModel

ASKED = [{"role": "user", "content": QUESTION}]
TOOL = {"type": "file_search", "max_num_results": 4}


class Limit(BaseModel):
    """What an answer may be held to."""

    number: int
    unit: Literal["kilobytes", "megabytes", "gigabytes"]


@pytest.fixture(scope="module")
def client(base_url, key):
    with openai.OpenAI(base_url=base_url, api_key=key, timeout=120, max_retries=0) as one:
        yield one


@pytest.mark.quote
def test_a_chat_is_cited(client):
    choice = client.chat.completions.create(model="rag", messages=ASKED).choices[0]
    (cited,) = choice.message.annotations
    place = cited.url_citation
    assert ANSWER in choice.message.content
    assert choice.message.content[place.start_index : place.end_index] == "[1]"


@pytest.mark.quote
def test_the_stream_helper_gives_the_whole_chat(client):
    whole = client.chat.completions.create(model="rag", messages=ASKED, seed=1)
    with client.chat.completions.stream(model="rag", messages=ASKED, seed=1) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert "content.delta" in kinds
    assert "content.done" in kinds


@pytest.mark.free
def test_parse_gives_an_object(client):
    parsed = client.chat.completions.parse(
        model="generator", messages=ASKED, response_format=Limit, temperature=0
    )
    assert isinstance(parsed.choices[0].message.parsed, Limit)
    with client.chat.completions.stream(
        model="generator", messages=ASKED, response_format=Limit, temperature=0
    ) as stream:
        stream.until_done()
        assert stream.get_final_completion().choices[0].message.parsed == (
            parsed.choices[0].message.parsed
        )


@pytest.mark.free
def test_functions_are_called(client):
    tool = openai.pydantic_function_tool(Limit, name="set_limit")
    options = {"model": "generator", "messages": ASKED, "temperature": 0, "tools": [tool]}
    parsed = client.chat.completions.parse(tool_choice="required", **options).choices[0].message
    assert isinstance(parsed.tool_calls[0].function.parsed_arguments, Limit)
    with client.chat.completions.stream(tool_choice="required", **options) as stream:
        kinds = {event.type for event in stream}
        streamed = stream.get_final_completion().choices[0].message
    assert "tool_calls.function.arguments.done" in kinds
    assert streamed.tool_calls[0].function.arguments == parsed.tool_calls[0].function.arguments
    result = {"role": "tool", "tool_call_id": parsed.tool_calls[0].id, "content": "done"}
    call = parsed.model_dump(include={"role", "content", "tool_calls"})
    after = client.chat.completions.create(
        model="generator", messages=[*ASKED, call, result], tools=[tool], temperature=0
    )
    assert after.choices[0].finish_reason in {"stop", "tool_calls", "length"}


@pytest.mark.free
def test_responses_in_a_form(client):
    parsed = client.responses.parse(
        model="generator", input=QUESTION, text_format=Limit, temperature=0
    )
    assert isinstance(parsed.output_parsed, Limit)
    with client.responses.stream(
        model="generator", input=QUESTION, text_format=Limit, temperature=0
    ) as stream:
        stream.until_done()
        assert stream.get_final_response().output_parsed == parsed.output_parsed


@pytest.mark.quote
def test_a_server_that_quotes_refuses_parse_by_its_name(client):
    with pytest.raises(openai.BadRequestError, match="answers: free") as refused:
        client.chat.completions.parse(model="rag", messages=ASKED, response_format=Limit)
    assert refused.value.param == "response_format"


@pytest.mark.quote
def test_a_response_is_cited_and_goes_on(client):
    first = client.responses.create(model="rag", input=QUESTION)
    assert ANSWER in first.output_text
    assert first.output[-1].content[0].annotations[0].filename == "documents.md"
    second = client.responses.create(model="rag", input=QUESTION, previous_response_id=first.id)
    assert second.previous_response_id == first.id
    items = client.responses.input_items.list(second.id)
    assert items.data[0].content[0].text == QUESTION


@pytest.mark.quote
def test_file_search_gives_its_results(client, handbook):
    response = client.responses.create(
        model="rag",
        input=QUESTION,
        tools=[TOOL | {"vector_store_ids": [handbook]}],
        include=["file_search_call.results"],
    )
    call, message = response.output
    assert (call.type, call.status, message.type) == ("file_search_call", "completed", "message")
    assert call.results[0].filename == "documents.md"


@pytest.mark.quote
def test_the_stream_helper_gives_the_whole_response(client, handbook):
    with client.responses.stream(
        model="rag", input=QUESTION, tools=[TOOL | {"vector_store_ids": [handbook]}]
    ) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert ANSWER in final.output_text
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "response.output_text.annotation.added" in kinds


def test_a_conversation_keeps_what_was_said(client):
    talk = client.conversations.create(metadata={"topic": "limits"})
    client.responses.create(model="rag", input=QUESTION, conversation=talk.id)
    items = list(client.conversations.items.list(talk.id, order="asc"))
    assert [item.type for item in items] == ["message", "file_search_call", "message"]
    assert [items[0].role, items[-1].role] == ["user", "assistant"]
    assert client.conversations.delete(talk.id).deleted


def test_large_files_are_uploaded_in_parts_and_searched(client):
    text = b"# Zoo\n\nThe zebra is called Ludwig.\n\n" + b"Nothing of interest.\n\n" * 9000
    upload = client.uploads.upload_file_chunked(
        file=text, filename="zoo.md", bytes=len(text),
        mime_type="text/markdown", purpose="assistants", part_size=64 * 1024,
    )  # fmt: skip
    assert upload.status == "completed"
    store = client.vector_stores.create(name="zoo")
    batch = client.vector_stores.file_batches.create_and_poll(
        store.id, file_ids=[upload.file.id], poll_interval_ms=200
    )
    assert batch.file_counts.completed == 1
    found = client.vector_stores.search(store.id, query="What is the zebra called?")
    assert "Ludwig" in found.data[0].content[0].text
    client.vector_stores.delete(store.id)
    client.files.delete(upload.file.id)


def test_lists_are_walked_page_by_page(client):
    files = list(client.files.list(limit=3))
    assert len({file.id for file in files}) == len(files) > 3
    assert {"rag", "rag:handbook"} <= {model.id for model in client.models.list()}


def test_embeddings_and_moderations_are_read(client):
    texts = client.embeddings.create(model="embedder", input=["a cat", "a kitten"])
    assert len(texts.data[0].embedding) == 384
    assert not client.moderations.create(input="Kill the process.").results[0].flagged


def test_errors_have_their_classes(client):
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-5", messages=ASKED)
    assert unknown.value.param == "model"
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve("file-gone")
