"""Which web pages may use `/mcp`: a page must not reach a server that only its reader can reach.

A page of `evil.example` that has its name resolved to 127.0.0.1 (DNS rebinding) speaks to this
server as to its own, so CORS does not stop it. Browsers send `Origin` with every POST, and that
still names the page. So an origin has to be the server's own, known from its settings or by a name
that cannot be rebound, or one of `http.cors_origins`. Programs send none.
"""

from urllib.parse import urlsplit

from fastapi import Request

from graphs.api.errors import OriginError
from graphs.config import HttpSettings

_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}


def check_origin(request: Request, settings: HttpSettings) -> None:
    """Lets programs and trusted pages pass.

    Raises:
        OriginError: the request comes from another page.
    """
    origin = request.headers.get("origin")
    if origin is None or not {origin, "*"}.isdisjoint(settings.cors_origins):
        return
    host = request.headers.get("host", "")
    is_loopback = host.rpartition(":")[0] in _LOOPBACK or host in _LOOPBACK
    own = {f"http://{host}", f"https://{host}"} if is_loopback else set()
    if settings.public_url is not None:
        public = urlsplit(settings.public_url)
        own.add(f"{public.scheme}://{public.netloc}")
    if origin.lower() not in {one.lower() for one in own}:
        msg = (
            f"pages of {origin[:100]!r} may not use this server; "
            "`http.cors_origins` or `http.public_url` of its settings would have to name them"
        )
        raise OriginError(msg)
