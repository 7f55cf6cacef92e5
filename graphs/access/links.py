"""Links to cited files that open in a browser, which sends no key: signed, for a while.

    /v1/files/<file>/content?by=<key id>&until=<unix seconds>&signature=<HMAC-SHA256>

Whoever has such a link reads that one file as the key may when the link is opened: not at all once
the key is revoked or the file hidden from it. The secret is the catalog's, one for all Gateways.
"""

import asyncio
import hmac
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from graphs.access.tokens import ExpiredTokenError

_CONTENT = re.compile(r"/v1/files/([^/]+)/content")
_STEP_S = 60  # so that links of one minute are alike

_RETRY_S = 5.0

Signer = Callable[[str], str]


class Links:
    """Signs links, and tells whose link a request came with.

    Args:
        secret: asks the catalog for the secret; asked until it is known, once in `_RETRY_S`.
        links_s: gives for how long a link opens.
        clock: the time in unix seconds.
    """

    def __init__(
        self,
        secret: Callable[[], Coroutine[Any, Any, str]],
        links_s: Callable[[], int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ask_secret = secret
        self._links_s = links_s
        self._clock = clock
        self._asking: asyncio.Task[str] | None = None
        self._asked_at = 0.0

    async def signer(self, key_id: str) -> Signer:
        """Gives what makes the query of a link, from the id of its file, for this key.

        Raises:
            GraphError: the catalog does not answer.
            CorpusError: nor does the database.
        """
        if not key_id or not self._links_s():
            return lambda _: ""
        secret = await self._known_secret()
        until = str(int(self._clock()) // _STEP_S * _STEP_S + _STEP_S + self._links_s())

        def query(file_id: str) -> str:
            signature = _signature(secret, file_id, key_id, until)
            return f"?by={key_id}&until={until}&signature={signature}"

        return query

    async def key_of(self, path: str, query: Mapping[str, str]) -> str | None:
        """Gives the id of the key that a link was made for; None: it is no link of ours.

        Raises:
            ExpiredTokenError: its time is over.
            GraphError: the catalog does not answer.
            CorpusError: nor does the database.
        """
        file = _CONTENT.fullmatch(path)
        key_id, until = query.get("by", ""), query.get("until", "")
        if file is None or not (self._links_s() and "signature" in query):
            return None
        expected = _signature(await self._known_secret(), file[1], key_id, until)
        if not hmac.compare_digest(expected.encode(), query["signature"].encode()):
            return None
        if self._clock() >= int(until):
            raise ExpiredTokenError
        return key_id

    async def _known_secret(self) -> bytes:
        """Asks once for all that wait for it; they fail together, as those soon after."""
        task, now = self._asking, self._clock()
        is_unknown = task is None or (task.done() and (task.cancelled() or task.exception()))
        if task is None or (is_unknown and now - self._asked_at >= _RETRY_S):
            task = self._asking = asyncio.create_task(self._ask_secret())
            self._asked_at = now
        return bytes.fromhex(await asyncio.shield(task))


def _signature(secret: bytes, *parts: str) -> str:
    return hmac.digest(secret, "\n".join(parts).encode(), "sha256").hex()
