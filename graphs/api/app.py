"""The HTTP application: routes, borders and error shape put together. A plain FastAPI app."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError

from graphs.access.keyring import Keyring
from graphs.access.links import Links
from graphs.access.tokens import Tokens
from graphs.accounts.accounts import Accounts
from graphs.accounts.turnstile import Turnstile
from graphs.api import (
    completions,
    docs,
    embeddings,
    feedback,
    health,
    models,
    moderations,
    requests,
    rerank,
)
from graphs.api.accounting.audited import Audited
from graphs.api.accounting.limited import Limited
from graphs.api.accounting.turns import ClassTurns
from graphs.api.admin import keys as admin_keys
from graphs.api.admin import tenants as admin_tenants
from graphs.api.admin import usage as admin_usage
from graphs.api.batches import batches
from graphs.api.batches.batch_runs import BatchRuns
from graphs.api.border.bodies.limits import BodyLimit
from graphs.api.border.bodies.turns import BodyTurns
from graphs.api.border.cors import Cors
from graphs.api.border.head import HeadAsGet
from graphs.api.border.known_pages import KnownPages
from graphs.api.border.last_resort import LastResort
from graphs.api.border.public_url import PublicUrl
from graphs.api.border.request_caller import RequestCaller
from graphs.api.border.request_deadline import RequestDeadline
from graphs.api.border.request_id import RequestId
from graphs.api.border.trace_context import TraceContext
from graphs.api.border.traffic import CountedTraffic, Traffic
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
from graphs.api.dialects import azure, cohere, cohere_chat, tei, vllm, vllm_tokens
from graphs.api.dialects.azure import AzurePaths
from graphs.api.dialects.errors import DialectErrors
from graphs.api.dialects.paths import PlainPaths
from graphs.api.error_replies import ErrorReply, install_error_handlers
from graphs.api.mcp import route as mcp
from graphs.api.openapi import describe
from graphs.api.page import page, plan, system
from graphs.api.responses import conversations, responses
from graphs.api.responses.runs import Runs
from graphs.api.services import Services
from graphs.caller import DEFAULT_CALLER
from index.catalog.keys.records import KeyGrant, KeyRecord

_ROUTED = (
    chat,
    stored,
    completions,
    responses,
    conversations,
    batches,
    feedback,
    models,
    embeddings,
    rerank,
    moderations,
    azure,
    cohere,
    cohere_chat,
    tei,
    vllm,
    vllm_tokens,
    files,
    uploads,
    vector_stores,
    vector_store_files,
    vector_store_file_batches,
    vector_store_search,
    mcp,
    admin_keys,
    admin_tenants,
    admin_usage,
    requests,
    page,
    system,
    plan,
    health,
    docs,
)


def build_app(services: Services, *, echo_request_id: bool = True) -> FastAPI:
    """Builds the application over the given services.

    Args:
        services: what the routes call; they live as long as the application.
        echo_request_id: whether replies name the request; off behind Serve's proxy, which does.

    Returns:
        An ASGI application. Where its lifespan is run, it works on responses and batches that
        wait, of other Gateways too.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.runs.start()
        app.state.batches.start()
        yield
        await app.state.batches.stop()
        await app.state.runs.stop()
        await app.state.accounts.stop()

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
    app.state.traffic = Traffic()
    app.state.body_turns = BodyTurns()
    app.state.keyring = keyring_over(lambda: app.state.services)
    app.state.links = links_over(lambda: app.state.services)
    app.state.accounts = accounts_over(lambda: app.state.services)
    app.state.turnstile = Turnstile(lambda: app.state.services.config.classes)
    app.state.runs = Runs(lambda: app.state.services)
    app.state.batches = BatchRuns(lambda: app.state.services, app, app.state.traffic)
    for module in _ROUTED:
        app.include_router(module.router)
    install_error_handlers(app)
    describe(app)
    app.add_exception_handler(RequestValidationError, on_invalid)
    _add_borders(app, echo_request_id=echo_request_id)
    return app


def keyring_over(services: Callable[[], Services]) -> Keyring:
    """Makes the memory of API keys and tokens; services may be replaced."""

    async def authenticate(key_id: str, digest: str) -> KeyRecord | None:
        corpus = services().corpus.of(DEFAULT_CALLER)
        return await corpus.authenticate_key(key_id, digest)

    async def admit(key_id: str, grant: KeyGrant) -> KeyRecord | None:
        return await services().corpus.of(DEFAULT_CALLER).admit_vouched(key_id, grant)

    tokens = Tokens(lambda: services().config.auth.jwt, admit)
    return Keyring(authenticate, lambda: services().config.auth.fresh_s, find_token=tokens.find)


def links_over(services: Callable[[], Services]) -> Links:
    """Makes what signs links to files; services may be replaced."""

    async def secret() -> str:
        return await services().corpus.of(DEFAULT_CALLER).link_secret()

    return Links(secret, lambda: services().config.auth.links_s)


def accounts_over(services: Callable[[], Services]) -> Accounts:
    """Makes the accounts of a Gateway; services may be replaced."""
    return Accounts(
        lambda: services().corpus,
        lambda: services().config.limits,
        lambda: services().config.audit,
    )


def _add_borders(app: FastAPI, *, echo_request_id: bool) -> None:
    """Puts what every request passes before the routes."""
    # The last one added sees a request first.
    app.add_middleware(PublicUrl)
    app.add_middleware(RequestDeadline)
    app.add_middleware(ClassTurns)  # reads some bodies
    app.add_middleware(BodyLimit)
    app.add_middleware(CountedTraffic, traffic=app.state.traffic)  # of those who are let in
    app.add_middleware(Limited)
    app.add_middleware(RequestCaller)
    app.add_middleware(KnownPages)
    app.add_middleware(LastResort)
    app.add_middleware(Audited)
    app.add_middleware(DialectErrors)
    app.add_middleware(HeadAsGet)
    app.add_middleware(AzurePaths)
    app.add_middleware(PlainPaths)
    app.add_middleware(Cors)
    app.add_middleware(TraceContext)
    app.add_middleware(RequestId, echo=echo_request_id)
