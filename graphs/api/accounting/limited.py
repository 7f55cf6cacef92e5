"""The limits of key and tenant: 429 for what is over them, and how they stand. Pure ASGI.

Reads (GET) are not counted, but their streams are among what runs at once (`held`). See
graphs/accounts for how Gateways share a limit.
"""

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphs.accounts.accounts import Accounts, Admission, key_subject
from graphs.accounts.quotas import Standing
from graphs.api.border.traffic import IN_BATCH
from graphs.api.error_replies import error_response
from graphs.api.errors import LimitedError
from graphs.caller import Caller

READS = frozenset({"GET", "HEAD", "OPTIONS"})
_WORDS = {"requests": "requests a minute", "tokens": "tokens a minute"}
_MONTH = "tokens a calendar month"
_BUSY_S = 1.0  # until one of the requests that run may have ended


class Limited:
    """Lets requests in as far as the limits of their caller allow."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers when it may come again."""
        if scope["type"] != "http" or scope["method"] in READS:
            await self._app(scope, receive, send)
            return
        accounts: Accounts = scope["app"].state.accounts
        caller: Caller = scope["state"]["caller"]
        is_batch = bool(scope["state"].get(IN_BATCH))
        wait_s = accounts.failures.wait_s(key_subject(caller)) if caller.key_id else 0.0
        if wait_s and not is_batch:
            message = "Too many answers to this key were refused by the safety filter."
            await error_response(too_many(message, wait_s))(scope, receive, send)
            return
        admission = await accounts.admit(caller, _declared(scope), is_batch=is_batch)
        headers = dict(_told(admission))
        if (refusal := _refusal(admission)) is not None:
            reply = error_response(refusal)
            reply.headers.update(headers)
            await reply(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers if headers else send)
        finally:
            admission.close()


@asynccontextmanager
async def held(request: Request) -> AsyncIterator[None]:
    """Counts a stream that is read (GET) among the requests of its key that run at once.

    Raises:
        LimitedError: too many run.
    """
    accounts: Accounts = request.app.state.accounts
    admission = await accounts.hold(request.state.caller)
    if (refusal := _refusal(admission)) is not None:
        raise refusal
    try:
        yield
    finally:
        admission.close()


def too_many(reason: str, wait_s: float, *, again: bool = True) -> LimitedError:
    """Makes a 429; `again`: whether clients that retry by themselves should."""
    headers = {
        "retry-after": str(math.ceil(wait_s)),
        "retry-after-ms": str(math.ceil(wait_s * 1000)),
    }
    if not again:
        headers["x-should-retry"] = "false"
    return LimitedError(429, f"{reason} Try again in {_span(wait_s)}.", headers)


def _refusal(admission: Admission) -> LimitedError | None:
    if admission.num_open is not None:
        reason = f"The limit of {admission.num_open} requests at once is reached."
        return too_many(reason, _BUSY_S)
    if admission.refused is None:
        return None
    standing = admission.refused
    claim = standing.claim
    whose = "key" if claim.subject.startswith("key:") else "tenant"
    what = _WORDS.get(claim.kind, _MONTH)
    reason = f"The limit of {claim.limit} {what} of this {whose} is reached."
    return too_many(reason, standing.wait_s, again=claim.window == "minute")


def _told(admission: Admission) -> Iterator[tuple[str, str]]:
    """The headers of OpenAI's API, for the limit that is nearest to its end."""
    nearest: dict[str, Standing] = {}
    for standing in admission.standings:
        kind = standing.claim.kind
        if standing.claim.window == "month":
            continue
        known = nearest.get(kind)
        if known is None or standing.remaining < known.remaining:
            nearest[kind] = standing
    for kind, standing in nearest.items():
        yield f"x-ratelimit-limit-{kind}", str(standing.claim.limit)
        yield f"x-ratelimit-remaining-{kind}", str(standing.remaining)
        yield f"x-ratelimit-reset-{kind}", _span(standing.reset_s)


def _span(time_s: float) -> str:
    """A time as OpenAI's headers have it: `1s`, `6m0s`."""
    whole_s = max(1, math.ceil(time_s))
    minutes, seconds = divmod(whole_s, 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def _declared(scope: Scope) -> int:
    declared = Headers(scope=scope).get("content-length", "")
    return int(declared[:12]) if declared.isascii() and declared.isdecimal() else 0
