"""Azure's paths and its data sources, by its client of the openai package."""

import httpx2
import openai
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI

from index.errors import UnknownStoreError

ASK = [{"role": "user", "content": "Where do requests wait?"}]


@pytest.fixture
async def azure(api_app):
    transport = httpx2.ASGITransport(app=api_app)
    async with AsyncAzureOpenAI(
        api_key="none",
        azure_endpoint="http://ragfleet",
        api_version="2024-10-21",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=transport),
    ) as client:
        yield client


def source(**parameters):
    parameters = {
        "endpoint": "https://search.example",
        "authentication": {"type": "api_key", "key": "k"},
        "index_name": "handbook",
        **parameters,
    }
    return {"data_sources": [{"type": "azure_search", "parameters": parameters}]}


async def test_a_deployment_is_a_model(azure):
    for model in ("rag", "rag:handbook", "local/generator"):
        reply = await azure.chat.completions.create(model=model, messages=ASK)
        assert (reply.model, reply.choices[0].finish_reason) == (model, "stop")
    vectors = await azure.embeddings.create(model="bundled:embedder", input="a")
    assert len(vectors.data[0].embedding) == 64
    completion = await azure.completions.create(model="local/generator", prompt="Hi")
    assert completion.object == "text_completion"


async def test_the_deployment_goes_before_the_model_of_the_body(api_http):
    path = "/openai/deployments/rag/chat/completions?api-version=2024-02-01"
    for body in ({"messages": ASK}, {"messages": ASK, "model": "gpt-4o"}):
        reply = await api_http.post(path, json=body)
        assert (reply.status_code, reply.json()["model"]) == (200, "rag")


async def test_a_stream_comes_as_from_openai(azure):
    stream = await azure.chat.completions.create(model="rag", messages=ASK, stream=True)
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Requests wait in a bounded queue. [1]"


async def test_other_paths_mean_those_of_openai(azure, api_app, api_http):
    file = await azure.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    assert (await azure.files.retrieve(file.id)).filename == "a.jsonl"
    assert "rag" in [model.id async for model in azure.models.list()]
    store = await azure.vector_stores.create(name="handbook")
    assert (await azure.responses.create(model="rag", input="Hi")).status == "completed"
    transport = httpx2.ASGITransport(app=api_app)
    async with AsyncOpenAI(
        api_key="none",
        base_url="http://ragfleet/openai/v1",
        http_client=httpx2.AsyncClient(transport=transport),
    ) as client:
        assert (await client.vector_stores.retrieve(store.id)).name == "handbook"
        assert (await client.chat.completions.create(model="rag", messages=ASK)).choices
    listed = await api_http.get("/openai/deployments/rag/vector_stores?api-version=1")
    assert listed.json()["data"][0]["id"] == store.id


async def test_an_unknown_deployment_is_told(azure):
    with pytest.raises(openai.NotFoundError) as missing:
        await azure.chat.completions.create(model="gpt-4o", messages=ASK)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        await azure.images.generate(model="dall-e", prompt="a")


async def test_a_data_source_is_a_vector_store(azure, api_pipeline):
    reply = await azure.chat.completions.create(
        model="local/generator",
        messages=ASK,
        extra_body=source(
            top_n_documents=3,
            query_type="vector_semantic_hybrid",
            strictness=4,
            in_scope=True,
            role_information="Be brief.",
        ),
    )
    assert reply.model == "local/generator"
    context = reply.choices[0].message.context
    assert context["citations"][0]["filepath"] == "handbook.md"
    assert context["intent"] == '["where do requests wait"]'
    asked = api_pipeline.requests[0]
    assert (asked.retrieves, asked.stores) == (True, ("handbook",))
    settings = asked.retrieval
    assert (settings.top_k, settings.mode, settings.rerank) == (3, "hybrid", True)
    assert settings.rerank_threshold == 0.7
    assert [turn.content for turn in asked.messages] == ["Be brief.", ASK[0]["content"]]


@pytest.mark.parametrize(
    ("query_type", "mode"), [("simple", "lexical"), ("semantic", "lexical"), ("vector", "dense")]
)
async def test_a_query_type_is_a_mode(azure, api_pipeline, query_type, mode):
    extra = source(query_type=query_type)
    await azure.chat.completions.create(model="rag", messages=ASK, extra_body=extra)
    assert api_pipeline.requests[0].retrieval.mode == mode


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"data_sources": []}, "data_sources"),
        ({"data_sources": [{"type": "elasticsearch", "parameters": {"index_name": "a"}}]},
         "data_sources[0].type"),
        (source(filter="a eq 1"), "data_sources[0].parameters.filter"),
        (source(in_scope=False), "data_sources[0].parameters.in_scope"),
        (source(strictness=6), "data_sources[0].parameters.strictness"),
        (source(index_name=""), "data_sources[0].parameters.index_name"),
        (source(include_contexts=["all_retrieved_documents"]),
         "data_sources[0].parameters.include_contexts[0]"),
        ({**source(), "rag": {"top_k": 1}}, "data_sources"),
    ],
)  # fmt: skip
async def test_what_has_no_counterpart_is_refused_by_name(azure, extra, param):
    with pytest.raises(openai.BadRequestError) as refused:
        await azure.chat.completions.create(model="rag", messages=ASK, extra_body=extra)
    assert refused.value.param == param


async def test_a_store_that_is_not_there_is_told_where_it_was_named(azure, api_pipeline):
    api_pipeline.script = [UnknownStoreError("no vector store has the id or name 'handbook'")]
    with pytest.raises(openai.NotFoundError) as missing:
        await azure.chat.completions.create(model="rag", messages=ASK, extra_body=source())
    assert missing.value.param == "data_sources[0].parameters.index_name"
