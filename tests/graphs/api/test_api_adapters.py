"""A generator's LoRA adapters as models: listed, asked by name on every route, unknown ones 404."""

from dataclasses import replace

import pytest
from openai import BadRequestError, NotFoundError

from graphs.config import GatewayConfig
from graphs.failover import ResumingGenerator
from graphs.model_reports import ModelReport
from graphs.pipeline.rag import RagPipeline
from graphs.pipeline.stages import Stages
from models.errors import UnknownAdapterError
from tests.graphs.fake_stages import FakeStages

HELLO = [{"role": "user", "content": "Hello."}]
LEGAL = "local/generator:legal"


class Adapted(FakeStages):
    """A generator that has one adapter."""

    async def stream(self, request, *, slot_s=None):
        if request.adapter not in {"", "legal"}:
            msg = f"the model has no adapter {request.adapter!r}; it has legal"
            raise UnknownAdapterError(msg)
        async for chunk in super().stream(request):
            yield chunk


@pytest.fixture
def adapted(api_app, api_services):
    fake = Adapted()
    stages = Stages(
        embedder=fake, retriever=fake, reranker=fake, judge=fake, safety=fake,
        generator=ResumingGenerator(fake, api_services.config.failover),
    )  # fmt: skip
    config = GatewayConfig(served_names=api_services.config.served_names)
    services = replace(
        api_services, config=config, pipeline=RagPipeline(config, stages), reports=Told()
    )
    api_app.state.services = services
    return fake


class Told:
    """Reports of a generator with two adapters."""

    async def fresh(self):
        return {"generator": ModelReport(phase="serving", phase_s=1.0, adapters=("legal", "de"))}

    def latest(self):
        return {}


async def test_adapters_are_listed_after_their_model(api_openai, adapted):
    models = [model.id async for model in await api_openai.models.list()]
    assert models[:2] == ["rag", "local/generator"]
    assert {LEGAL, "local/generator:de"} <= set(models)
    assert (await api_openai.models.retrieve(LEGAL)).id == LEGAL


async def test_a_chat_names_one(api_openai, adapted):
    reply = await api_openai.chat.completions.create(model=LEGAL, messages=HELLO)
    assert reply.model == LEGAL
    await api_openai.chat.completions.create(model="local/generator", messages=HELLO)
    assert [one.adapter for one in adapted.prompts] == ["legal", ""]


async def test_a_completion_and_a_response_name_one(api_openai, adapted):
    await api_openai.completions.create(model=LEGAL, prompt="Hello.")
    await api_openai.responses.create(model=LEGAL, input="Hello.")
    assert [one.adapter for one in adapted.prompts] == ["legal", "legal"]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_unknown_one_is_no_model(api_openai, adapted, stream):
    with pytest.raises(NotFoundError) as caught:
        await api_openai.chat.completions.create(
            model="local/generator:medical", messages=HELLO, stream=stream
        )
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert "no adapter 'medical'; it has legal" in caught.value.message


async def test_it_searches_nothing_by_itself(api_openai, adapted):
    with pytest.raises(BadRequestError, match="rag needs the model"):
        await api_openai.chat.completions.create(
            model=LEGAL, messages=HELLO, extra_body={"rag": {"top_k": 1}}
        )
