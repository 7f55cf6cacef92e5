"""Models, health and the documentation page."""

from dataclasses import replace

import pytest
from openai import NotFoundError

from graphs.model_reports import ModelReport


async def test_models_are_rag_its_stores_and_the_five(api_openai, api_catalog):
    api_catalog.create_store(name="docs")
    again = api_catalog.create_store(name="docs")
    nameless = api_catalog.create_store(name="")
    models = [model.id async for model in await api_openai.models.list()]
    assert models == [
        "rag",
        "local/generator",
        "bundled:embedder",
        "bundled:reranker",
        "bundled:safety",
        "rag:docs",
        f"rag:{again.id}",
        f"rag:{nameless.id}",
    ]


async def test_a_generator_that_only_quotes_is_not_listed(api_openai, api_app, api_services):
    quoting = api_services.config.model_copy(update={"answers": "quote"})
    api_app.state.services = replace(api_services, config=quoting)
    models = [model.id async for model in await api_openai.models.list()]
    assert models == ["rag", "bundled:embedder", "bundled:reranker", "bundled:safety"]


async def test_one_model_is_described_even_with_a_slash(api_openai):
    model = await api_openai.models.retrieve("local/generator")
    assert (model.id, model.object, model.owned_by) == ("local/generator", "model", "ragfleet")
    with pytest.raises(NotFoundError) as caught:
        await api_openai.models.retrieve("gpt-9")
    assert caught.value.code == "model_not_found"


async def test_liveness_asks_nobody(api_http, api_pipeline):
    api_pipeline.stages["generator"] = False
    reply = await api_http.get("/healthz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})


async def test_readiness_names_the_stages(api_http, api_pipeline):
    reply = await api_http.get("/readyz")
    checks = {"generator": True, "safety": True}
    assert (reply.status_code, reply.json()) == (200, {"status": "ready", "checks": checks})
    api_pipeline.stages["generator"] = False
    reply = await api_http.get("/readyz")
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "not_ready"
    assert reply.json()["error"]["message"] == "not ready: generator"
    assert reply.json()["checks"]["generator"] is False
    assert (reply.headers["retry-after"], reply.headers["retry-after-ms"]) == ("2", "2000")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_load_balancer_may_ask_for_the_head_alone(api_http, api_pipeline, path):
    assert (await api_http.head(path)).status_code == 200
    api_pipeline.stages["generator"] = False
    asked, alone = await api_http.get(path), await api_http.head(path)
    assert alone.status_code == asked.status_code
    assert alone.headers["content-length"] == asked.headers["content-length"]


@pytest.mark.parametrize("optional", ["ingester", "reranker"])
async def test_without_what_no_question_needs_it_is_ready(api_http, api_pipeline, optional):
    api_pipeline.stages[optional] = False
    reply = await api_http.get("/readyz")
    assert (reply.status_code, reply.json()["checks"][optional]) == (200, False)


DIALECT_ERRORS = {"cohere": "CohereError", "text embeddings inference": "TeiError"}


async def test_openapi_promises_the_one_error_shape(api_http):
    description = (await api_http.get("/openapi.json")).json()
    for methods in description["paths"].values():
        for operation in methods.values():
            content = operation["responses"]["default"]["content"]["application/json"]
            name = DIALECT_ERRORS.get(operation["tags"][0], "ErrorReply")
            assert content["schema"] == {"$ref": f"#/components/schemas/{name}"}
            assert "422" not in operation["responses"]
    assert "ChatCompletionBody" in description["components"]["schemas"]


async def test_docs_page_loads_nothing_from_elsewhere(api_http):
    page = await api_http.get("/docs")
    assert page.status_code == 200
    assert "<code>POST /v1/chat/completions</code>" in page.text
    assert "src=" not in page.text
    assert "http" not in page.text.split("<h2>")[0]


class Told:
    """One model of which all is known, and one that has no replica yet."""

    def latest(self):
        return {
            "embedder": ModelReport(
                phase="serving", phase_s=2.0, model="old", failure="new: no such model",
                load_s=1.0, device="cpu", num_gpus=0.0, memory_bytes=7,
            ),
            "generator": ModelReport(phase="starting", phase_s=3.0),
        }  # fmt: skip

    async def fresh(self):
        return self.latest()


async def test_readiness_tells_how_far_each_model_is_and_what_failed(
    api_http, api_app, api_services
):
    api_app.state.services = replace(api_services, reports=Told())
    assert (await api_http.get("/readyz")).json()["models"] == {
        "embedder": {
            "phase": "serving", "seconds": 2.0, "model": "old", "failure": "new: no such model"
        },
        "generator": {"phase": "starting", "seconds": 3.0},
    }  # fmt: skip


async def test_a_model_tells_what_is_served_under_its_name(api_openai, api_app, api_services):
    api_app.state.services = replace(api_services, reports=Told())
    served = (await api_openai.models.retrieve("bundled:embedder")).served
    assert (served["model"], served["device"], served["memory_bytes"]) == ("old", "cpu", 7)
    assert served["failure"] == "new: no such model"
    assert (await api_openai.models.retrieve("local/generator")).served["phase"] == "starting"


@pytest.mark.parametrize("model", ["rag", "local/generator", "rag:first"])
async def test_a_model_is_not_deleted_and_told_why(api_http, api_catalog, model):
    api_catalog.create_store(name="first")
    reply = await api_http.delete(f"/v1/models/{model}")
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, "model")
    assert error["code"] == "model_not_deletable"
    assert ("vector store" in error["message"]) == model.startswith("rag:")
    assert (await api_http.delete("/v1/models/gpt-9")).status_code == 404
