"""`cohere`: reranking and embeddings by both of its APIs."""

import cohere
import pytest

DOCUMENTS = ["Bees hum.", "The server listens on port 8000."]


@pytest.fixture(params=[cohere.Client, cohere.ClientV2])
def client(request, url):
    return request.param(api_key="none", base_url=url)


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
