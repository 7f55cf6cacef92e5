"""`llama-index`: its model and embeddings for servers that are like OpenAI's."""

import pytest
from conftest import ANSWER, QUESTION
from llama_index.core.llms import ChatMessage
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

ASKED = [ChatMessage(role="system", content="Be short."), ChatMessage(content=QUESTION)]


@pytest.fixture
def model(base_url, key):
    return OpenAILike(
        model="rag", api_base=base_url, api_key=key, is_chat_model=True, timeout=120,
        max_retries=0, context_window=4096,
    )  # fmt: skip


@pytest.mark.quote
def test_a_chat_whole_and_streamed(model):
    assert ANSWER in model.chat(ASKED).message.content
    pieces = list(model.stream_chat(ASKED))
    assert ANSWER in pieces[-1].message.content
    assert "".join(piece.delta or "" for piece in pieces) == pieces[-1].message.content


@pytest.mark.quote
async def test_a_chat_is_awaited(model):
    assert ANSWER in (await model.achat(ASKED)).message.content
    assert ANSWER in str(await model.acomplete(QUESTION))


@pytest.mark.free
def test_a_completion_of_a_model_that_does_not_chat(base_url, key):
    model = OpenAILike(
        model="generator", api_base=base_url, api_key=key, is_chat_model=False, max_tokens=8
    )
    assert isinstance(model.complete("The capital of France is").text, str)


def test_embeddings(base_url, key):
    model = OpenAILikeEmbedding(model_name="embedder", api_base=base_url, api_key=key)
    texts = model.get_text_embedding_batch(["a cat", "a kitten", "tax law"])
    assert [len(one) for one in texts] == [384] * 3
    assert len(model.get_query_embedding("a cat")) == 384
