"""Pages of other origins in browsers: none may ask unless `http.cors_origins` names it. Pure ASGI.

See https://fetch.spec.whatwg.org/#http-cors-protocol.
"""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from graphs.api.services import Services

_EXPOSED = (
    "x-request-id", "openai-processing-ms", "openai-version", "openai-poll-after-ms",
    "server-timing", "retry-after", "retry-after-ms", "x-should-retry", "x-written-by",
    "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens",
)  # fmt: skip
_MAX_AGE_S = 600


class Cors:
    """Answers preflights, and marks replies, for the origins of the settings.

    Named origins may send cookies and other credentials of the browser; `*` means whoever asks, so
    it never may.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._origins: tuple[str, ...] = ()
        self._allowing: ASGIApp = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] == "http":
            services: Services = scope["app"].state.services
            if services.config.http.cors_origins != self._origins:
                self._allow(services.config.http.cors_origins)
        await self._allowing(scope, receive, send)

    def _allow(self, origins: tuple[str, ...]) -> None:
        self._origins = origins
        self._allowing = self._app
        if origins:
            self._allowing = CORSMiddleware(
                self._app,
                allow_origins=origins,
                allow_methods=("*",),
                allow_headers=("*",),
                allow_credentials="*" not in origins,
                expose_headers=_EXPOSED,
                max_age=_MAX_AGE_S,
            )
