"""Paths as clients glue them together: a base URL that ends with a slash, a slash at the end.

A redirect would do for a browser, but many clients follow none for POST. Slashes within a name,
which come as `%2F`, stay: a store may be named as a URL. Pure ASGI, before whatever judges a path,
keys among it.
"""

import re
from urllib.parse import quote, unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES = re.compile(r"/{2,}")


class PlainPaths:
    """Leads paths with too many slashes to those that they mean."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on under its plain path."""
        if scope["type"] == "http":
            raw: bytes | None = scope.get("raw_path")
            sent = quote(scope["path"]) if raw is None else raw.decode("latin-1")
            meant = _SLASHES.sub("/", sent).rstrip("/")
            if meant == scope.get("root_path", ""):
                meant += "/"
            if meant != sent:
                scope = {**scope, "path": unquote(meant), "raw_path": meant.encode("latin-1")}
        await self._app(scope, receive, send)
