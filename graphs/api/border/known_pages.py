"""Which web pages may use this server: a page must not reach what only its reader can reach.

A browser lets a page of another origin send, if not read: a form, an upload, a text. And a page of
`evil.example` that has its name resolved to 127.0.0.1 (DNS rebinding) speaks to this server as to
its own, so CORS does not stop it. Two headers still tell, which no page can set:

    Host     the name that was asked for. One that a public name server can answer is refused where
             the request came in by loopback, unless the settings know it: nobody asks for it there
             but such a page, or a proxy on this machine, whose name belongs into the settings.
    Origin   the page. Browsers send it with whatever may change something. It has to be the
             server's own, by a name that cannot be rebound, or one that the settings know.

Programs send no `Origin`. A link to a file is a GET without one, so it opens from any page. Pure
ASGI; the names are those of RFC 6761, RFC 6762 and ICANN's `.internal`.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from graphs.api.error_replies import error_response
from graphs.api.errors import HostError, OriginError
from graphs.api.services import Services
from graphs.config import HttpSettings

_NOT_PUBLIC = ("localhost", "local", "internal")
_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})


class KnownPages:
    """Refuses requests of pages that the settings do not trust."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers 403."""
        app = self._app
        if scope["type"] == "http":
            services: Services = scope["app"].state.services
            error = _refusal(scope, services.config.http)
            if error is not None:
                app = error_response(error)
        await app(scope, receive, send)


def _refusal(scope: Scope, settings: HttpSettings) -> HostError | OriginError | None:
    if "*" in settings.cors_origins:
        return None
    headers = Headers(scope=scope)
    host, origin = headers.get("host", ""), headers.get("origin")
    is_known = not host or _is_known(host, settings)
    if not is_known and _came_by_loopback(scope):
        msg = (
            f"this server is not known as {host[:100]!r}; "
            "`http.allowed_hosts` or `http.public_url` of its settings would have to name it"
        )
        return HostError(msg)
    if origin is None or scope["method"] in _HARMLESS or origin in settings.cors_origins:
        return None
    own = {f"http://{host}", f"https://{host}"} if is_known else set()
    if settings.public_url is not None:
        public = urlsplit(settings.public_url)
        own.add(f"{public.scheme}://{public.netloc}")
    if origin.lower() in {one.lower() for one in own}:
        return None
    msg = (
        f"pages of {origin[:100]!r} may not use this server; "
        "`http.cors_origins` or `http.public_url` of its settings would have to name them"
    )
    return OriginError(msg)


def _is_known(host: str, settings: HttpSettings) -> bool:
    """Tells whether no stranger can make that name mean this server, or the settings name it."""
    name = _name(host)
    if _is_address(name) or "." not in name or name.rpartition(".")[2] in _NOT_PUBLIC:
        return True
    public = urlsplit(settings.public_url or "").netloc
    return name in {_name(one) for one in (*settings.allowed_hosts, public)}


def _came_by_loopback(scope: Scope) -> bool:
    """Tells whether the address that was connected to is one of this machine alone."""
    address = (scope.get("server") or ("", 0))[0].removeprefix("::ffff:")
    return _is_address(address) and ip_address(address).is_loopback


def _name(host: str) -> str:
    """Gives a host without its port, as names are compared."""
    name = host.lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    return name.rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
