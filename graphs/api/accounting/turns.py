"""Classes of service: requests wait for their turn where too many want in. Pure ASGI.

A request has the class of its key, or a lower one that its `service_tier` names. Lines of batches
do not pass here: they have turns of their own (graphs/api/batches/turns.py).
"""

from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import replace

from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphs.accounts.turnstile import Turnstile, served_class
from graphs.accounts.weight import weighing
from graphs.api.border.traffic import IN_BATCH
from graphs.api.error_replies import error_response
from graphs.caller import Caller
from graphs.errors import OverloadedError
from index.catalog.keys.records import ServiceClass

_MODELS = (
    "/v1/chat/", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/moderations",
    "/rerank", "/v1/rerank", "/v2/rerank", "/v1/embed", "/v2/embed", "/v2/chat", "/embed",
    "/score", "/v1/score", "/mcp", "/openai/deployments/",
)  # fmt: skip
_TIERED = ("/chat/completions", "/v1/responses")  # the ends of their paths
# What OpenAI's names ask for; `auto` is the class of the key.
_OF_TIER: dict[str, ServiceClass] = {
    "flex": "flex", "default": "default",
    "scale": "priority", "priority": "priority", "fast": "priority",
}  # fmt: skip


class ClassTurns:
    """Gives each request that wants a model its turn."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on when it may run."""
        if scope["type"] != "http" or scope["method"] != "POST" or not _wants_model(scope):
            await self._app(scope, receive, send)
            return
        turnstile: Turnstile = scope["app"].state.turnstile
        caller: Caller = scope["state"]["caller"]
        try:
            if _path(scope).endswith(_TIERED):
                messages = await _whole(receive)
                receive = _again(messages, receive)
                body = b"".join(message.get("body", b"") for message in messages)
                asked = await scope["app"].state.body_turns.read(body, _asked_class)
                own = served_class(caller.service_class, asked)
                caller = scope["state"]["caller"] = replace(caller, service_class=own)
            await turnstile.enter(caller.service_class)
        except (OverloadedError, HTTPException) as error:
            await error_response(error)(scope, receive, send)
            return
        own = caller.service_class
        with turnstile.left_after(own), weighing(turnstile.weight(own)):
            await self._app(scope, receive, send)


async def _whole(receive: Receive) -> list[Message]:
    """Reads a body to its end, or until its client leaves.

    Raises:
        HTTPException: it is too large, too slow or not of its coding.
    """
    messages = [await receive()]
    while messages[-1].get("more_body", False):
        messages.append(await receive())
    return messages


def _again(messages: Sequence[Message], receive: Receive) -> Receive:
    """Gives what was read once more, then what comes after it."""
    left = iter(messages)

    async def receive_again() -> Message:
        message = next(left, None)
        return await receive() if message is None else message

    return receive_again


def _asked_class(body: bytes) -> ServiceClass | None:
    """Reads the class from a body; None: it names none, or the route will refuse it."""
    if b'"service_tier"' not in body:
        return None
    try:
        asked = from_json(body.removeprefix(BOM_UTF8))
    except ValueError:
        return None
    tier = asked.get("service_tier") if isinstance(asked, dict) else None
    return _OF_TIER.get(tier) if isinstance(tier, str) else None


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _wants_model(scope: Scope) -> bool:
    path = _path(scope)
    if scope["state"].get(IN_BATCH) or path.endswith("/cancel"):  # of a response
        return False
    is_search = path.startswith("/v1/vector_stores/") and path.endswith("/search")
    return is_search or path.startswith(_MODELS)
