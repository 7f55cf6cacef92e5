"""Paths as clients glue them together: a base URL that ends with a slash, a slash at the end.

A redirect would do for a browser, but many clients follow none for POST. Pure ASGI, before
whatever judges a path, keys among it.
"""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES = re.compile(r"/{2,}")


class PlainPaths:
    """Leads paths with too many slashes to those that they mean."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on under its plain path."""
        if scope["type"] == "http":
            meant = _SLASHES.sub("/", scope["path"]).rstrip("/") or "/"
            if meant != scope["path"]:
                scope = {**scope, "path": meant, "raw_path": meant.encode()}
        await self._app(scope, receive, send)
