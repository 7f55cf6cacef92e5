"""Azure's paths of OpenAI's API: the deployment stands in the path, and is a model of ours.

/openai/deployments/{deployment}/chat/completions?api-version=...      here
/openai/v1/..., /openai/files?api-version=..., and so on               /v1/..., by AzurePaths

The same bodies and replies under both; `api-version` may be any. `data_sources` is read by
graphs/api/chat/data_sources.py.
"""

import re

from fastapi import APIRouter, Request, Response
from openai.types.completion import Completion
from starlette.types import ASGIApp, Receive, Scope, Send

from graphs.api.border.bodies.strict_json import JsonRoute
from graphs.api.border.sse import STREAMED
from graphs.api.chat.chat import create_chat_completion
from graphs.api.chat.chat_schema import ChatCompletionBody
from graphs.api.chat.chat_shape import RagCompletion
from graphs.api.completions import CompletionBody, create_completion
from graphs.api.embeddings import EmbeddingsBody, EmbeddingsReply, create_embeddings
from graphs.api.services import InjectedServices

router = APIRouter(
    tags=["azure"], prefix="/openai/deployments/{deployment:path}", route_class=JsonRoute
)

_OWN = re.compile(r"/openai/deployments/.+/(chat/completions|completions|embeddings)")
# Clients that were given a deployment put it before every path (openai-python, issue 1163).
_ALIAS = re.compile(r"/openai/(?:v1/|deployments/[^/]+/)?(?P<rest>.+)")


class AzureChatBody(ChatCompletionBody):
    """The body of a chat; its model is the deployment."""

    model: str = ""


class AzureCompletionBody(CompletionBody):
    """The body of a completion; its model is the deployment."""

    model: str = ""


class AzureEmbeddingsBody(EmbeddingsBody):
    """The body of an embeddings request; its model is the deployment."""

    model: str = ""


@router.post(
    "/chat/completions",
    response_model=RagCompletion,
    responses=STREAMED,
    summary="Answer a chat (Azure)",
)
async def create_azure_chat(
    request: Request, deployment: str, body: AzureChatBody, services: InjectedServices
) -> Response:
    """Answers as `/v1/chat/completions` does."""
    body.model = deployment
    return await create_chat_completion(request, body, services)


@router.post(
    "/completions",
    response_model=Completion,
    responses=STREAMED,
    summary="Complete prompts (Azure)",
)
async def create_azure_completion(
    request: Request, deployment: str, body: AzureCompletionBody, services: InjectedServices
) -> Response:
    """Answers as `/v1/completions` does."""
    body.model = deployment
    return await create_completion(request, body, services)


@router.post("/embeddings", response_model=EmbeddingsReply, summary="Embed texts (Azure)")
async def create_azure_embeddings(
    request: Request, deployment: str, body: AzureEmbeddingsBody, services: InjectedServices
) -> Response:
    """Embeds as `/v1/embeddings` does."""
    body.model = deployment
    return await create_embeddings(request, body, services)


class AzurePaths:
    """Leads the other paths of Azure's to those that they mean. Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on under its path of OpenAI's API."""
        if scope["type"] == "http":
            root = scope.get("root_path", "")
            path = scope["path"].removeprefix(root)
            alias = None if _OWN.fullmatch(path) else _ALIAS.fullmatch(path)
            if alias is not None:
                meant = f"{root}/v1/{alias['rest']}"
                scope = {**scope, "path": meant, "raw_path": meant.encode()}
        await self._app(scope, receive, send)
