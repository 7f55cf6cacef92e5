"""What the catalog keeps of responses and conversations: plain, frozen, picklable.

Bodies, items and events are JSON that whoever answers writes and reads; the catalog looks at none
of it. JSON has every character, NUL too, as one that both databases hold.
"""

from dataclasses import dataclass
from typing import Literal

ResponseStatus = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
UNFINISHED: tuple[ResponseStatus, ...] = ("queued", "in_progress")
MAX_CONVERSATION_ITEMS = 2000
MAX_CHAIN = 500  # responses that go before one, each named by the next


@dataclass(frozen=True, kw_only=True)
class Item:
    """One item of a conversation, or of a response's input."""

    id: str
    data: str


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Who works on a response, and for how long nobody else does."""

    owner: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class StoredResponse:
    """A response as it is kept.

    Attributes:
        tenant: whose it is; nobody else sees it.
        key_id: the public name of the key that it was asked with.
        status: as of now; `body` has that of the last writing.
        request: all that it takes to work on it; empty when it has ended.
        items: its own input, oldest first.
        body: the response as its client sees it.
        previous_id: the response that goes before it.
        conversation_id: the conversation that it reads and goes into.
        attempt: counts those who worked on it, from 1; who is not the newest is refused.
    """

    id: str
    tenant: str
    key_id: str
    created_at: int
    status: ResponseStatus
    request: str
    items: tuple[Item, ...]
    body: str
    previous_id: str | None = None
    conversation_id: str | None = None
    attempt: int = 0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a response ended.

    Attributes:
        events: those that are not kept yet; their numbers go on from `first_number`.
        appended: what goes into its conversation.
    """

    status: ResponseStatus
    body: str
    first_number: int = 0
    events: tuple[str, ...] = ()
    appended: tuple[Item, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StoredEvents:
    """Events of a response, and how it stood when they were read."""

    status: ResponseStatus
    attempt: int
    body: str
    events: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ConversationRecord:
    """A conversation without its items."""

    id: str
    created_at: int
    metadata: dict[str, str]
