"""`x-request-deadline-ms`: how many milliseconds from now the client will wait. Pure ASGI."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from graphs.api.error_replies import error_response
from graphs.api.errors import BadRequestError
from graphs.api.services import Services
from graphs.deadline import deadline_in

_HEADER = "x-request-deadline-ms"
_MAX_DIGITS = 12


class RequestDeadline:
    """Sets the deadline of everything that runs for a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on with its deadline."""
        if scope["type"] != "http" or (sent := Headers(scope=scope).get(_HEADER)) is None:
            await self._app(scope, receive, send)
            return
        # Cut, since thousands of digits take long to read; 12 are 30 years.
        deadline_ms = int(sent[:_MAX_DIGITS]) if sent.isascii() and sent.isdecimal() else 0
        if deadline_ms == 0:
            msg = f"{_HEADER} must be a whole number of milliseconds above 0, got {sent[:40]!r}"
            await error_response(BadRequestError(msg, param=_HEADER))(scope, receive, send)
            return
        services: Services = scope["app"].state.services
        longest_s = services.config.deadline.longest_s
        with deadline_in(min(deadline_ms / 1000, longest_s)):
            await self._app(scope, receive, send)
