"""`litellm`: chats, responses, embeddings and reranking through its own shapes."""

import litellm
import pytest
from conftest import ANSWER, QUESTION

ASKED = [{"role": "user", "content": QUESTION}]


@pytest.fixture
def server(base_url, key):
    return {"api_base": base_url, "api_key": key, "timeout": 120, "num_retries": 0}


@pytest.mark.quote
def test_a_chat_keeps_its_citations(server):
    message = litellm.completion("openai/rag", ASKED, **server).choices[0].message
    assert ANSWER in message.content
    assert message.annotations[0]["url_citation"]["title"]


@pytest.mark.quote
def test_a_stream_is_put_together_again(server):
    chunks = list(
        litellm.completion(
            "openai/rag", ASKED, stream=True, stream_options={"include_usage": True}, **server
        )
    )
    whole = litellm.stream_chunk_builder(chunks, messages=ASKED)
    assert ANSWER in whole.choices[0].message.content
    assert whole.usage.total_tokens > 0


@pytest.mark.quote
async def test_responses_are_awaited(server):
    answer = await litellm.aresponses(input=QUESTION, model="openai/rag", **server)
    assert ANSWER in answer.output[-1].content[0].text


def test_embeddings(server):
    made = litellm.embedding("openai/embedder", ["a cat", "a kitten"], **server)
    assert len(made.data[0]["embedding"]) == 384


def test_reranking_in_the_shapes_of_cohere(url, key):
    ranked = litellm.rerank(
        model="cohere/reranker", query="Which port is used?", api_base=f"{url}/v2/rerank",
        documents=["Bees hum.", "The server listens on port 8000."], top_n=1, api_key=key,
    )  # fmt: skip
    assert ranked.results[0]["index"] == 1


def test_errors_have_their_classes(server):
    with pytest.raises(litellm.NotFoundError):
        litellm.completion("openai/gpt-5", ASKED, **server)
