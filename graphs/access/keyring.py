"""The keys and tokens that were asked with lately, so that not every request asks the catalog."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from graphs.access.tokens import ExpiredTokenError
from index.catalog.keys.records import KeyRecord, is_vouched, token_digest, token_id

MAX_ENTRIES = 10_000  # wrong keys are remembered, too; the oldest go first

Authenticate = Callable[[str, str], Awaitable[KeyRecord | None]]
Find = Callable[[str], Awaitable[KeyRecord | None]]


@dataclass(frozen=True)
class _Entry:
    """What the catalog said, and when it was asked, by the monotonic clock."""

    asked_at: float
    found: KeyRecord | None


class Keyring:
    """Tells whose key a text is; it asks the catalog again when what it knows has become old.

    So a key that is revoked or changed anywhere is obeyed here after `fresh_s` at the latest. Keys
    are known by their digests: memory holds no key.

    Args:
        authenticate: asks the catalog.
        fresh_s: gives for how long an answer counts.
        find_token: says who comes with a text that is no key of ours (`graphs.access.tokens`).
    """

    def __init__(
        self,
        authenticate: Authenticate,
        fresh_s: Callable[[], float],
        *,
        find_token: Find | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authenticate = authenticate
        self._find_token = find_token
        self._fresh_s = fresh_s
        self._clock = clock
        self._known: OrderedDict[str, _Entry] = OrderedDict()
        self._asking: dict[str, asyncio.Task[KeyRecord | None]] = {}

    async def find(self, token: str) -> KeyRecord | None:
        """Gives the key of this text; None if there is none that may be used.

        Raises:
            GraphError: the catalog does not answer; nobody is let in meanwhile.
            CorpusError: nor does the database.
            ExpiredTokenError: it is a token of the identity provider whose time is over.
        """
        if token_id(token) is None and self._find_token is None:
            return None
        digest = token_digest(token)
        entry = self._known.get(digest)
        if entry is None or self._clock() - entry.asked_at >= self._fresh_s():
            found = await self._ask(token, digest)
        else:
            found = entry.found
        status = None if found is None else found.status_at(time.time())
        if found is not None and status == "expired" and is_vouched(found.id):
            raise ExpiredTokenError
        return found if status == "active" else None

    async def _ask(self, token: str, digest: str) -> KeyRecord | None:
        """Asks once, however many requests wait for it."""
        task = self._asking.get(digest)
        if task is None:
            task = asyncio.create_task(self._asked(token, digest))
            self._asking[digest] = task
            task.add_done_callback(lambda done: self._forget(digest, done))
        return await asyncio.shield(task)

    def _forget(self, digest: str, task: "asyncio.Task[KeyRecord | None]") -> None:
        del self._asking[digest]
        if not task.cancelled():
            task.exception()  # whoever waited got it; if nobody does, it is of no interest

    async def _asked(self, token: str, digest: str) -> KeyRecord | None:
        asked_at = self._clock()
        key_id = token_id(token)
        if key_id is not None:
            found = await self._authenticate(key_id, digest)
        else:
            found = None if self._find_token is None else await self._find_token(token)
            if found is None:  # made up in any number, and told from the text alone
                self._known.pop(digest, None)
                return None
        self._known[digest] = _Entry(asked_at, found)
        self._known.move_to_end(digest)
        while len(self._known) > MAX_ENTRIES:
            self._known.popitem(last=False)
        return found
