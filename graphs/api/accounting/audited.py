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
from graphs.api.border.traffic import IN_BATCH
from graphs.api.error_replies import error_response
from graphs.api.services import Services
from graphs.caller import DEFAULT_CALLER, Caller
from index.catalog.accounts.records import AuditRecord

_DECISIONS = {401: "unauthenticated", 403: "forbidden", 404: "not found", 429: "limited"}
_ALWAYS = frozenset({401, 403})  # noted also where reads are not
_PATH_CHARS = 200
_KEY_HEADERS = ("authorization", "api-key", "x-api-key")
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
        if wait_s and digest not in self._good:
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
            self._count(accounts, address, digest, status)
            is_noted = scope["method"] not in READS or services.config.audit.log == "all"
            if is_noted or status in _ALWAYS:
                accounts.note(_record(scope, address, status))

    def _count(self, accounts: Accounts, address: str, digest: bytes | None, status: int) -> None:
        """Counts a refusal, and remembers a key that was let in."""
        if status in _ALWAYS:
            accounts.failures.count(f"address:{address}")
            if digest is not None and status == 401:
                self._good.pop(digest, None)
        elif digest is not None and 0 < status < 400:
            self._good[digest] = None
            self._good.move_to_end(digest)
            if len(self._good) > _MOST_KEYS:
                self._good.popitem(last=False)


def _digest(scope: Scope) -> bytes | None:
    """Stands for the key that came, without being it."""
    headers = Headers(scope=scope)
    sent = next((headers[name] for name in _KEY_HEADERS if name in headers), None)
    return None if sent is None else hashlib.sha256(sent.encode("latin-1")).digest()


def _record(scope: Scope, address: str, status: int) -> AuditRecord:
    caller: Caller = scope["state"].get("caller", DEFAULT_CALLER)
    path = scope["path"].removeprefix(scope.get("root_path", ""))[:_PATH_CHARS]
    return AuditRecord(
        at=time.time(),
        event="request",
        request_id=scope["state"]["request_id"],
        tenant=caller.tenant if "caller" in scope["state"] else "",
        key_id=caller.key_id,
        address=address,
        action=f"{scope['method']} {path.encode('ascii', 'backslashreplace').decode()}",
        decision=_decision(status),
        status=status or None,
    )


def _decision(status: int) -> str:
    if status == 0:
        return "unanswered"  # the client left, or the server ended
    if status < 400:
        return "allowed"
    return _DECISIONS.get(status, "refused" if status < 500 else "failed")
