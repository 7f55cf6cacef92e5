"""Says who asks: the place where keys will be checked. Pure ASGI."""

from starlette.types import ASGIApp, Receive, Scope, Send

from graphs.caller import DEFAULT_CALLER


class RequestCaller:
    """Puts the caller at `request.state.caller`.

    It stands before everything that reads a body, so that a stranger costs no more than a header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on with its caller."""
        if scope["type"] == "http":
            # A line of a batch comes with the caller of its batch.
            scope.setdefault("state", {}).setdefault("caller", DEFAULT_CALLER)
        await self._app(scope, receive, send)
