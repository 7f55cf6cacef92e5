"""The openai client over real HTTP, with few and short times."""

import dataclasses
import functools

import pytest
from openai import AsyncOpenAI

from graphs.settings import ResponseSettings
from tests.graphs.serving import serving


@pytest.fixture
def api_config(api_config):
    # No lease runs out by itself, however long this process stands still.
    settings = ResponseSettings(lease_s=600, poll_s=0.1, max_running=2)
    return api_config.model_copy(update={"responses": settings})


@pytest.fixture
async def base_url(api_app):
    async with serving(api_app) as url:
        yield url


@pytest.fixture
async def client(base_url):
    async with AsyncOpenAI(api_key="none", base_url=base_url, max_retries=0) as one:
        yield one


@pytest.fixture
def ask(client):
    """Asks `rag`, unless told otherwise."""
    return functools.partial(client.responses.create, model="rag", input="Where do requests wait?")


@pytest.fixture
def with_config(api_app, api_services):
    """Changes settings of the running server."""

    def change(**updates):
        config = api_services.config.model_copy(update=updates)
        api_app.state.services = dataclasses.replace(api_services, config=config)

    return change
