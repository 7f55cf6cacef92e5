"""Classes of service: requests wait for their turn where too many want in. Pure ASGI.

Lines of batches do not pass here: they have turns of their own (graphs/api/batches/turns.py).
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from graphs.accounts.turnstile import Turnstile
from graphs.api.border.traffic import IN_BATCH
from graphs.api.error_replies import error_response
from graphs.caller import Caller
from graphs.errors import OverloadedError

_MODELS = (
    "/v1/chat/", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/moderations",
    "/rerank", "/v1/rerank", "/v2/rerank", "/v1/embed", "/v2/embed", "/v2/chat", "/embed",
    "/score", "/v1/score", "/mcp", "/openai/deployments/",
)  # fmt: skip


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
            await turnstile.enter(caller.service_class)
        except OverloadedError as error:
            await error_response(error)(scope, receive, send)
            return
        with turnstile.left_after():
            await self._app(scope, receive, send)


def _wants_model(scope: Scope) -> bool:
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    if scope["state"].get(IN_BATCH) or path.endswith("/cancel"):  # of a response
        return False
    is_search = path.startswith("/v1/vector_stores/") and path.endswith("/search")
    return is_search or path.startswith(_MODELS)
