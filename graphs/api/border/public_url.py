"""Under which URL clients know this server, so that links in replies open wherever they are shown.

It is `http.public_url` of the settings, else what the request was sent to: the `X-Forwarded-*` of a
proxy before us go before its own host, if the proxy is one of `http.trusted_proxies`. A line of a
batch was sent to nothing: there it is the URL that the batch was asked for under. Where keys are
needed, links to files are signed (graphs/access/links.py). Pure ASGI.
"""

import logging
import re
from contextvars import ContextVar

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from graphs.access.links import Links, Signer
from graphs.api.border.addresses import comes_from_proxy
from graphs.api.services import Services
from graphs.caller import Caller
from graphs.errors import GraphError
from index.errors import CorpusError

logger = logging.getLogger(__name__)

_PLAIN_HOST = re.compile(r"[A-Za-z0-9._-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?")
_PLAIN_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
ASKED_UNDER = "asked_under"  # of a scope's state: the URL of a request without one of its own
_base: ContextVar[str] = ContextVar("public_url", default="")
_signer: ContextVar[Signer] = ContextVar("signer", default=lambda _: "")


def public_url() -> str:
    """The URL of the request that is answered, without a slash at its end; empty: not known."""
    return _base.get()


def file_url(file_id: str) -> str:
    """The URL at which the file can be read, in a browser too."""
    return f"{public_url()}/v1/files/{file_id}/content{_signer.get()(file_id)}"


class PublicUrl:
    """Settles `public_url` and `file_url` for all that runs for a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] == "http":
            services: Services = scope["app"].state.services
            http = services.config.http
            is_proxied = comes_from_proxy(scope, http.trusted_proxies)
            known = http.public_url or scope.get("state", {}).get(ASKED_UNDER)
            _base.set(known or _asked_url(scope, is_proxied=is_proxied))
            if services.config.auth.keys:
                await _settle_signer(scope)
        await self._app(scope, receive, send)


async def _settle_signer(scope: Scope) -> None:
    """Without the catalog links are not signed: they open with a key alone."""
    links: Links = scope["app"].state.links
    caller: Caller = scope["state"]["caller"]
    try:
        _signer.set(await links.signer(caller.key_id))
    except (GraphError, CorpusError) as error:
        logger.warning("links are not signed: %s", error)


def _asked_url(scope: Scope, *, is_proxied: bool) -> str:
    """Reads the URL from the headers; empty when they hold anything but a plain one."""
    headers = Headers(scope=scope)

    def first(name: str, default: str) -> str:
        # Each proxy adds its own: the first is what the client asked.
        return (headers.get(name, default) if is_proxied else default).partition(",")[0].strip()

    scheme = first("x-forwarded-proto", scope["scheme"]).lower()
    host = first("x-forwarded-host", headers.get("host", ""))
    prefix = first("x-forwarded-prefix", scope.get("root_path", "")).rstrip("/")
    is_plain = (
        scheme in {"http", "https"}
        and _PLAIN_HOST.fullmatch(host)
        and _PLAIN_PREFIX.fullmatch(prefix)
    )
    return f"{scheme}://{host}{prefix}" if is_plain else ""
