"""The HTTP application: routes, borders and error shape put together. A plain FastAPI app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError

from graphs.api import completions, docs, embeddings, health, models, moderations, rerank
from graphs.api.border.cors import Cors
from graphs.api.border.head import HeadAsGet
from graphs.api.border.last_resort import LastResort
from graphs.api.border.limits import BodyLimit
from graphs.api.border.public_url import PublicUrl
from graphs.api.border.request_caller import RequestCaller
from graphs.api.border.request_deadline import RequestDeadline
from graphs.api.border.request_id import RequestId
from graphs.api.border.validation import on_invalid
from graphs.api.chat import chat, stored
from graphs.api.chat.resume import KnownKeys
from graphs.api.corpus import (
    files,
    uploads,
    vector_store_file_batches,
    vector_store_files,
    vector_store_search,
    vector_stores,
)
from graphs.api.dialects import cohere, tei, vllm
from graphs.api.dialects.errors import DialectErrors
from graphs.api.error_replies import ErrorReply, install_error_handlers
from graphs.api.openapi import describe
from graphs.api.responses import conversations, responses
from graphs.api.responses.runs import Runs
from graphs.api.services import Services

_ROUTED = (
    chat,
    stored,
    completions,
    responses,
    conversations,
    models,
    embeddings,
    rerank,
    moderations,
    cohere,
    tei,
    vllm,
    files,
    uploads,
    vector_stores,
    vector_store_files,
    vector_store_file_batches,
    vector_store_search,
    health,
    docs,
)


def build_app(services: Services, *, echo_request_id: bool = True) -> FastAPI:
    """Builds the application over the given services.

    Args:
        services: what the routes call; they live as long as the application.
        echo_request_id: whether replies name the request; off behind Serve's proxy, which does.

    Returns:
        An ASGI application. Where its lifespan is run, it works on responses that wait, of other
        Gateways too.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.runs.start()
        yield
        await app.state.runs.stop()

    app = FastAPI(
        lifespan=lifespan,
        title="Ragfleet",
        description="Retrieval-augmented generation behind an OpenAI-compatible API.",
        docs_url=None,  # FastAPI's page loads its scripts from another host; docs.py needs none
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": {"model": ErrorReply, "description": "Every error has this shape."}},
    )
    app.state.services = services
    app.state.keys = KnownKeys()
    app.state.runs = Runs(lambda: app.state.services)
    for module in _ROUTED:
        app.include_router(module.router)
    install_error_handlers(app)
    describe(app)
    app.add_exception_handler(RequestValidationError, on_invalid)
    # The last one added sees a request first.
    app.add_middleware(BodyLimit)
    app.add_middleware(PublicUrl)
    app.add_middleware(RequestDeadline)
    app.add_middleware(RequestCaller)
    app.add_middleware(LastResort)
    app.add_middleware(DialectErrors)
    app.add_middleware(HeadAsGet)
    app.add_middleware(Cors)
    app.add_middleware(RequestId, echo=echo_request_id)
    return app
