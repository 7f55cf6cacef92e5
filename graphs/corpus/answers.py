"""What the routes need of responses, conversations and feedback; a part of the Protocols here.

Names, arguments, records and errors are those of index.catalog.answers. The tenant stands first:
who asks for another's finds nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from index.catalog.answers.feedback import FeedbackRecord, Rating
from index.catalog.answers.records import (
    MAX_CONVERSATION_ITEMS,
    ConversationRecord,
    Item,
    Lease,
    Outcome,
    StoredEvents,
    StoredResponse,
)
from index.records import Order, Page


class ResponseReads(Protocol):
    """Reads responses."""

    async def get_response(self, tenant: str, response_id: str) -> StoredResponse:
        """Gives the response."""

    async def response_chain(self, tenant: str, response_id: str) -> tuple[StoredResponse, ...]:
        """Gives the response and those that go before it, oldest first."""

    async def response_events(
        self, tenant: str, response_id: str, first_number: int
    ) -> StoredEvents:
        """Gives the events from this number on."""


class ResponseWrites(Protocol):
    """Stores responses, and ends them."""

    async def create_response(
        self,
        response: StoredResponse,
        *,
        keep_s: int,
        lease: Lease | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        """Stores a response; on return it is durable."""

    async def cancel_response(self, tenant: str, response_id: str, body: str) -> StoredResponse:
        """Ends a response that runs or waits."""

    async def delete_response(self, tenant: str, response_id: str) -> None:
        """Deletes a response."""


class ResponseWork(Protocol):
    """Hands out work on responses of all tenants, and takes what comes of it."""

    async def claim_response(self, owner: str, lease_s: float) -> StoredResponse | None:
        """Takes the oldest response that waits, or whose worker is gone."""

    async def keep_response(
        self, run: StoredResponse, *, first_number: int, events: Sequence[str], lease_s: float
    ) -> bool:
        """Appends events and extends the lease; False: the work is lost."""

    async def finish_response(self, run: StoredResponse, outcome: Outcome) -> None:
        """Ends the work."""


class ConversationReads(Protocol):
    """Reads conversations."""

    async def get_conversation(self, tenant: str, conversation_id: str) -> ConversationRecord:
        """Gives the conversation without its items."""

    async def list_conversation_items(
        self,
        tenant: str,
        conversation_id: str,
        *,
        limit: int = MAX_CONVERSATION_ITEMS,
        order: Order = "desc",
        after: str | None = None,
    ) -> Page[Item]:
        """Gives one page of the items."""

    async def get_conversation_item(self, tenant: str, conversation_id: str, item_id: str) -> Item:
        """Gives one item."""


class ConversationWrites(Protocol):
    """Writes conversations."""

    async def create_conversation(
        self,
        tenant: str,
        *,
        metadata: Mapping[str, str],
        items: Sequence[Item] = (),
        keep_s: int,
    ) -> ConversationRecord:
        """Creates a conversation with these items."""

    async def update_conversation(
        self, tenant: str, conversation_id: str, *, metadata: Mapping[str, str]
    ) -> ConversationRecord:
        """Replaces the metadata."""

    async def delete_conversation(self, tenant: str, conversation_id: str) -> None:
        """Deletes a conversation with its items."""

    async def add_conversation_items(
        self, tenant: str, conversation_id: str, items: Sequence[Item]
    ) -> None:
        """Appends items; all of them or none."""

    async def delete_conversation_item(
        self, tenant: str, conversation_id: str, item_id: str
    ) -> ConversationRecord:
        """Takes an item out."""


class FeedbackReads(Protocol):
    """Reads feedback."""

    async def list_feedback(
        self,
        tenant: str,
        *,
        key_id: str | None = None,
        rating: Rating | None = None,
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
    ) -> Page[FeedbackRecord]:
        """Gives one page of what was said."""


class FeedbackWrites(Protocol):
    """Writes feedback."""

    async def say_feedback(
        self, tenant: str, key_id: str, response_id: str, said: Mapping[str, Any]
    ) -> FeedbackRecord:
        """Keeps what a key says of an answer."""

    async def delete_feedback(
        self, tenant: str, feedback_id: str, *, key_id: str | None = None
    ) -> None:
        """Forgets what was said of an answer."""


class AnswerReads(ResponseReads, ConversationReads, FeedbackReads, Protocol):
    """All that changes nothing."""


class AnswerWrites(ResponseWrites, ResponseWork, ConversationWrites, FeedbackWrites, Protocol):
    """All that changes something; what one of them returned from is durable."""
