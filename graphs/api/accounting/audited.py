"""Notes who asked for what and what was decided, and lets whoever is refused again and again wait.

Pure ASGI. It stands before the border that recognises callers, so it sees strangers as well.
"""

import hashlib
import time
from collections import OrderedDict

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphs.accounts.accounts import Accounts
from graphs.api.accounting.limited import READS, too_many
from graphs.api.border.addresses import client_address
from graphs.api.border.request_caller import REFUSED, is_open, sent_token
from graphs.api.border.traffic import IN_BATCH
from graphs.api.error_replies import error_response
from graphs.api.services import Services
from graphs.caller import DEFAULT_CALLER, Caller
from index.catalog.accounts.records import AuditRecord

_DECISIONS = {401: "unauthenticated", 403: "forbidden", 404: "not found", 429: "limited"}
_ALWAYS = frozenset({401, 403})  # noted also where reads are not
_PATH_CHARS = 200
_MOST_KEYS = 4096


class Audited:
    """Watches how requests end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._good: OrderedDict[bytes, None] = OrderedDict()  # keys that were let in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http" or scope["state"].get(IN_BATCH):
            await self._app(scope, receive, send)
            return
        accounts: Accounts = scope["app"].state.accounts
        services: Services = scope["app"].state.services
        address = client_address(scope, services.config.http.trusted_proxies)
        digest = _digest(scope)
        wait_s = accounts.failures.wait_s(f"address:{address}")
        if wait_s and digest not in self._good and not is_open(scope):
            reply = error_response(too_many("Too many refused keys from this address.", wait_s))
            await reply(scope, receive, send)
            return
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            if scope["state"].get(REFUSED):
                self._refused(scope, f"address:{address}", digest, status)
            elif digest is not None and _caller(scope).key_id and 0 < status < 400:
                self._let_in(digest)
            is_noted = scope["method"] not in READS or services.config.audit.log == "all"
            if is_noted or status in _ALWAYS:
                accounts.note(_record(scope, address, status))

    def _refused(self, scope: Scope, name: str, digest: bytes | None, status: int) -> None:
        """Counts a refusal; not one of a preflight, which any page makes a browser send."""
        if digest is None and scope["method"] == "OPTIONS":
            return
        accounts: Accounts = scope["app"].state.accounts
        accounts.failures.count(name)
        if digest is not None and status == 401:
            self._good.pop(digest, None)

    def _let_in(self, digest: bytes) -> None:
        """Remembers a key."""
        self._good[digest] = None
        self._good.move_to_end(digest)
        if len(self._good) > _MOST_KEYS:
            self._good.popitem(last=False)


def _digest(scope: Scope) -> bytes | None:
    """Stands for the key that came, without being it."""
    token = sent_token(Headers(scope=scope))
    return None if token is None else hashlib.sha256(token.encode("latin-1")).digest()


def _caller(scope: Scope) -> Caller:
    caller: Caller = scope["state"].get("caller", DEFAULT_CALLER)
    return caller


def _record(scope: Scope, address: str, status: int) -> AuditRecord:
    caller = _caller(scope)
    path = scope["path"].removeprefix(scope.get("root_path", ""))[:_PATH_CHARS]
    shown = path.encode("unicode_escape").decode()  # databases refuse NUL, terminals obey others
    return AuditRecord(
        at=time.time(),
        event="request",
        request_id=scope["state"]["request_id"],
        tenant=caller.tenant if "caller" in scope["state"] else "",
        key_id=caller.key_id,
        address=address,
        action=f"{scope['method']} {shown}",
        decision=_decision(status),
        status=status or None,
    )


def _decision(status: int) -> str:
    if status == 0:
        return "unanswered"  # the client left, or the server ended
    if status < 400:
        return "allowed"
    return _DECISIONS.get(status, "refused" if status < 500 else "failed")
