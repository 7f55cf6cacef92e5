"""Reconnecting to an answer: event ids, `Last-Event-ID` and `Idempotency-Key`.

No journal is kept. An answer is a pure function of the request, the passages and the seed, and the
seed of a request with a key comes from that key. So whichever Gateway a client reconnects to has
the answer written again by the same model, checks that it stands on the same passages, and leaves
out what the client has.

    id: <created>-<digest>-<identity>-<number>     on every event but `[DONE]` and errors

`<identity>-` is left out when no generator was called.
"""

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphs.api.errors import BadRequestError, KeyReusedError, ResumeMismatchError
from graphs.caller import Caller
from graphs.pipeline.events import Retrieved

_EVENT_ID = re.compile(r"(\d{1,12})-([0-9a-f]{16})-(?:([0-9a-f]{16})-)?(\d{1,9})")
_MAX_KEY_CHARS = 255


@dataclass(frozen=True, kw_only=True)
class ResumePoint:
    """The last event that a client has.

    Attributes:
        created: when the reply was made, in seconds since 1970; repeated in its chunks.
        digest: of what the answer stands on.
        identity: digest of the model that wrote the event; None: none did.
        number: counts the events of the stream from 0.
    """

    created: int
    digest: str
    identity: str | None
    number: int


@dataclass(frozen=True, kw_only=True)
class Resumption:
    """What a request says of reconnecting.

    Attributes:
        fingerprint: of caller, key and body; requests that share it ask for the same answer.
        key: of caller and `Idempotency-Key`; None when the client sent none.
        last: where to go on; None: from the start.
    """

    fingerprint: bytes
    key: bytes | None
    last: ResumePoint | None

    @property
    def has_key(self) -> bool:
        """Whether the client sent an `Idempotency-Key`."""
        return self.key is not None

    @property
    def once(self) -> str:
        """Names the answer, however often it is asked for with its key; empty without one."""
        return self.fingerprint.hex()[:48] if self.has_key else ""

    @property
    def seed(self) -> int | None:
        """The seed of a request that names none: the same for the same key, 0..2^63-1."""
        return int.from_bytes(self.fingerprint[:8]) >> 1 if self.has_key else None

    def seed_of(self, named: int | None) -> dict[str, Any]:
        """Gives the fields of `Sampling` that say the seed; `named`: by the client.

        From the start any other seed would do, where nobody named one; not where it goes on.
        """
        is_drawn = self.has_key and named is None and self.last is None
        return {"seed": self.seed if named is None else named, "seed_is_drawn": is_drawn}


def resumption_of(
    headers: Mapping[str, str], body: bytes, caller: Caller, *, resumes: bool = True
) -> Resumption:
    """Reads the headers of a request; `resumes`: whether its stream goes on by `Last-Event-ID`.

    The caller is part of the fingerprint, so that no two of them ever share an answer.

    Raises:
        BadRequestError: the key is too long, the id is not one of ours, or it comes without key.
    """
    key = headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= _MAX_KEY_CHARS:
        msg = f"Idempotency-Key must have 1 to {_MAX_KEY_CHARS} characters, got {len(key)}"
        raise BadRequestError(msg, param="Idempotency-Key")
    last_id = headers.get("last-event-id") if resumes else None
    if last_id and key is None:
        msg = "Last-Event-ID needs the Idempotency-Key that the first request was sent with"
        raise BadRequestError(msg, param="Last-Event-ID")
    # JSON, since only a notation with quotes keeps ["a", "b"] and ["ab", ""] apart.
    asked_by = json.dumps([caller.tenant, caller.key_id, key]).encode()
    return Resumption(
        fingerprint=hashlib.sha256(asked_by + body).digest(),
        key=None if key is None else hashlib.sha256(asked_by).digest(),
        last=_point(last_id) if last_id else None,
    )


def _point(event_id: str) -> ResumePoint:
    match = _EVENT_ID.fullmatch(event_id)
    if match is None:
        msg = f"Last-Event-ID must be the id of an event of this server, got {event_id[:80]!r}"
        raise BadRequestError(msg, param="Last-Event-ID")
    created, digest, identity, number = match.groups()
    return ResumePoint(created=int(created), digest=digest, identity=identity, number=int(number))


class KnownKeys:
    """Remembers which body a key came with, to tell a client that uses one key for two.

    Best effort, as it is of one Gateway and of its newest keys: an answer does not depend on it,
    since another body gives another answer under the same key.
    """

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._fingerprints: OrderedDict[bytes, bytes] = OrderedDict()

    def check(self, resumption: Resumption) -> None:
        """Takes note of a request; one that is resumed is compared by `EventIds`.

        Raises:
            KeyReusedError: its key came with another body before.
        """
        if resumption.key is None or resumption.last is not None:
            return
        known = self._fingerprints.setdefault(resumption.key, resumption.fingerprint)
        self._fingerprints.move_to_end(resumption.key)
        if len(self._fingerprints) > self._limit:
            self._fingerprints.popitem(last=False)
        if known != resumption.fingerprint:
            msg = "this Idempotency-Key came with another body before; send a new key for it"
            raise KeyReusedError(msg)


class EventIds:
    """Numbers the events of one stream and says which of them the client lacks."""

    def __init__(self, resumption: Resumption, created: int, retrieved: Retrieved | None) -> None:
        """Settles the digest.

        Raises:
            ResumeMismatchError: the client's events belong to another answer.
        """
        self._created = created
        self._digest = _digest(resumption.fingerprint, retrieved)
        self._identity = retrieved.identity if retrieved else ""
        self._last = resumption.last
        self._number = -1
        if self._last is not None and not self._is_same(self._last):
            msg = (
                "the answer cannot be resumed: its request, or what it stands on, has changed; "
                "ask again without Last-Event-ID"
            )
            raise ResumeMismatchError(msg)

    def next(self) -> str | None:
        """Gives the id of the next event; None when the client has that event."""
        self._number += 1
        if self._last is not None and self._number <= self._last.number:
            return None
        parts = (self._created, self._digest, self._identity, self._number)
        return "-".join(str(part) for part in parts if part != "")

    def _is_same(self, last: ResumePoint) -> bool:
        is_same_model = (last.identity or "") == self._identity
        return last.digest == self._digest and is_same_model


def _digest(fingerprint: bytes, retrieved: Retrieved | None) -> str:
    digest = hashlib.sha256(fingerprint)
    for passage in retrieved.passages if retrieved else ():
        digest.update(f"{passage.number}\0{passage.chunk_id}\0{passage.excerpt}\0".encode())
    return digest.hexdigest()[:16]
