"""`cohere`: reranking and embeddings by both of its APIs, chats with documents by the newer one."""

import cohere
import pytest
from conftest import ANSWER, QUESTION

ASK = [{"role": "user", "content": QUESTION}]
GIVEN = [
    {"id": "limits", "data": {"title": "Limits", "text": "A file may have at most 32 megabytes."}},
    {"id": "bees", "data": {"title": "Bees", "text": "Bees hum when they are content."}},
]
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
DOCUMENTS = ["Bees hum.", "The server listens on port 8000."]


@pytest.fixture(params=[cohere.Client, cohere.ClientV2])
def client(request, url, key):
    return request.param(api_key=key, base_url=url)


def test_reranking(client):
    ranked = client.rerank(model="reranker", query="Which port is used?", documents=DOCUMENTS)
    assert ranked.results[0].index == 1


def test_embeddings(client):
    options = {"embedding_types": ["float"]} if isinstance(client, cohere.ClientV2) else {}
    made = client.embed(
        texts=DOCUMENTS, model="embedder", input_type="search_document", **options
    ).embeddings
    vectors = made.float_ if options else made
    assert [len(vector) for vector in vectors] == [384, 384]


@pytest.fixture
def chats(url, key):
    return cohere.ClientV2(api_key=key, base_url=url)


def test_a_chat_cites_the_documents_that_came_with_it(chats):
    reply = chats.chat(model="rag", messages=ASK, documents=GIVEN)
    text = reply.message.content[0].text
    assert ANSWER in text
    assert "[" not in text
    citation = reply.message.citations[0]
    assert citation.text == text[citation.start : citation.end]
    assert citation.sources[0].id == "limits"
    assert citation.sources[0].document["title"] == "Limits"
    assert reply.finish_reason == "COMPLETE"


def test_a_stream_has_its_text_and_its_citations(chats):
    events = list(chats.chat_stream(model="rag", messages=ASK, documents=GIVEN))
    deltas = [one.delta.message.content.text for one in events if one.type == "content-delta"]
    assert ANSWER in "".join(deltas)
    cited = [one.delta.message.citations for one in events if one.type == "citation-start"]
    assert [one.sources[0].id for one in cited] == ["limits"]
    assert (events[0].type, events[-1].type) == ("message-start", "message-end")
    assert events[-1].delta.finish_reason == "COMPLETE"


def test_without_documents_the_stores_are_asked(chats):
    reply = chats.chat(model="rag:handbook", messages=ASK, tools=[CLOCK], tool_choice="NONE")
    assert ANSWER in reply.message.content[0].text
    assert reply.message.citations[0].sources[0].document["url"].startswith("http")


def test_a_model_that_is_not_there_is_told(chats):
    with pytest.raises(cohere.NotFoundError, match="command-r"):
        chats.chat(model="command-r", messages=ASK)
