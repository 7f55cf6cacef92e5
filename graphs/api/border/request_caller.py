"""Says who asks, and lets nobody past who may not. Pure ASGI.

Authorization: Bearer, api-key, x-api-key --> keyring --> Caller --> what the route needs
    | no such key: 401, whatever the path                             | not allowed: 403
a link to a file that was signed for a key (graphs/access/links.py) --> that key's Caller
"""

import time
from dataclasses import replace

from starlette.datastructures import Headers, QueryParams
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from graphs.access.callers import caller_of
from graphs.access.keyring import Keyring
from graphs.access.links import Links
from graphs.access.route_scopes import scopes_for
from graphs.access.tokens import ExpiredTokenError
from graphs.api.error_replies import error_response
from graphs.api.errors import ForbiddenError, UnauthenticatedError
from graphs.api.services import Services
from graphs.caller import DEFAULT_CALLER, Caller
from graphs.errors import GraphError
from index.errors import CorpusError, UnknownKeyError

# The same words for every reason: they tell nobody whether a key was known, or what a path hides.
_UNKNOWN = (
    "A valid API key is needed. Send it as `Authorization: Bearer <key>`, `api-key` or `x-api-key`."
)
_OVER = "This link to a file is over: the same question gives a new one."
_FORBIDDEN = "The API key does not allow this request."
_KEY_HEADERS = ("api-key", "x-api-key")  # of Azure and of others
_BEARER = "bearer "
REFUSED = "refused"  # of a scope's state: its key is missing or wrong, or does not allow this


class RequestCaller:
    """Puts the caller at `request.state.caller`.

    It stands before everything that reads a body, so that a stranger costs no more than a header.
    Without keys (`auth.keys` of the settings) everyone is the same caller, who may do all.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on with its caller, or answers that it may not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            # A line of a batch comes with the caller of its batch.
            caller = scope.setdefault("state", {}).get("caller") or await _recognised(scope)
            services: Services = scope["app"].state.services
            most = services.config.limits.tenant
            if most.stored_bytes is not None or most.stored_passages is not None:
                caller = replace(
                    caller, most_bytes=most.stored_bytes, most_passages=most.stored_passages
                )
            scope["state"]["caller"] = caller
            if services.config.auth.keys:
                _check(scope, caller)
        except (UnauthenticatedError, ForbiddenError, GraphError, CorpusError) as error:
            is_refused = isinstance(error, UnauthenticatedError | ForbiddenError)
            is_late = isinstance(error.__cause__, ExpiredTokenError)  # nobody guesses such a one
            scope["state"][REFUSED] = is_refused and not is_late
            reply = error_response(error)
            if isinstance(error, UnauthenticatedError):
                reply.headers["www-authenticate"] = "Bearer"
            await reply(scope, receive, send)
            return
        await self._app(scope, receive, send)


async def _recognised(scope: Scope) -> Caller:
    """Finds the caller by the key that came; who needs none for this route is nobody special.

    Raises:
        UnauthenticatedError: the key is missing, wrong, expired or revoked.
    """
    services: Services = scope["app"].state.services
    if not services.config.auth.keys:
        return DEFAULT_CALLER
    if is_open(scope):
        return Caller()
    token = sent_token(Headers(scope=scope))
    if token is None:
        return await _linked(scope)
    keyring: Keyring = scope["app"].state.keyring
    try:
        key = await keyring.find(token)
    except ExpiredTokenError as err:
        raise UnauthenticatedError(_UNKNOWN) from err
    if key is None:
        raise UnauthenticatedError(_UNKNOWN)
    return caller_of(key)


async def _linked(scope: Scope) -> Caller:
    """Finds the caller for whom the link was made that came without a key.

    Raises:
        UnauthenticatedError: it is no such link, or over, or its key is.
    """
    services: Services = scope["app"].state.services
    links: Links = scope["app"].state.links
    try:
        key_id = await links.key_of(_path(scope), QueryParams(scope["query_string"]))
        key = None if key_id is None else await services.corpus.of(Caller()).get_key(None, key_id)
    except ExpiredTokenError as err:
        raise UnauthenticatedError(_OVER) from err
    except UnknownKeyError as err:
        raise UnauthenticatedError(_UNKNOWN) from err
    if key is None or key.status_at(time.time()) != "active":
        raise UnauthenticatedError(_UNKNOWN)
    return caller_of(key)


def is_open(scope: Scope) -> bool:
    """Whether a request needs no key."""
    return scopes_for(scope["method"], _path(scope)) == ()


def sent_token(headers: Headers) -> str | None:
    """Gives the key that a request came with, as it stands there."""
    authorization = headers.get("authorization", "")
    if authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip()
    return next((headers[name].strip() for name in _KEY_HEADERS if name in headers), None)


def _check(scope: Scope, caller: Caller) -> None:
    needed = scopes_for(scope["method"], _path(scope))
    if needed is None:
        routes = scope["app"].routes
        if not any(route.matches(scope)[0] is Match.FULL for route in routes):
            return  # 404 or 405
        raise ForbiddenError(_FORBIDDEN)
    if needed and not any(map(caller.may, needed)):
        raise ForbiddenError(_FORBIDDEN)


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
