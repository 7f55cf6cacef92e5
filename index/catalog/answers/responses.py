"""Responses as they are kept: asked, found, deleted, and the chain of those that go before one."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from index.access import OPERATOR, Viewer
from index.catalog.answers.conversations import append_items, prolong, require_conversation
from index.catalog.answers.records import (
    MAX_CHAIN,
    UNFINISHED,
    Item,
    Lease,
    Outcome,
    ResponseStatus,
    StoredEvents,
    StoredResponse,
)
from index.catalog.database import Database
from index.catalog.keys.seen import of_own_key
from index.catalog.lookups import AnyRow, find_row
from index.catalog.schema import response_events, responses
from index.errors import (
    ExistingResponseError,
    InvalidChainError,
    UnknownConversationError,
    UnknownResponseError,
)


class Responses(Database):
    """The part of the catalog that keeps responses; each is of one tenant."""

    def create_response(
        self,
        response: StoredResponse,
        *,
        keep_s: int,
        lease: Lease | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        """Stores a response; on return it is durable.

        Args:
            response: as it stands.
            keep_s: for how long it is kept; what goes before it is kept as long.
            lease: who works on it already; None: nobody.
            outcome: how it ended already.

        Raises:
            InvalidConversationError: its conversation is full.
            ExistingResponseError: one of its id is kept already.
        """
        now = self._now()
        row: dict[str, Any] = {
            name: value for name, value in vars(response).items() if name not in ("items",)
        }
        row |= {
            "items": _items_json(response.items),
            "expires_at": now + keep_s,
            "lease_owner": lease and lease.owner,
            "lease_until": lease and self._clock() + lease.seconds,
        }
        with self._write() as connection:
            connection.execute(delete(responses).where(responses.c.expires_at <= now))
            same = select(responses.c.id).where(responses.c.id == response.id)
            if connection.execute(same).first() is not None:
                raise ExistingResponseError(f"the response {response.id!r} is kept already")
            connection.execute(insert(responses).values(**row))
            ancestors = _ancestors(connection, response.tenant, response, now)
            kept = update(responses).where(responses.c.id.in_(ancestors))
            connection.execute(kept.values(expires_at=now + keep_s))
            if outcome is not None:
                write_outcome(connection, response, outcome, now)

    def get_response(self, tenant: str, response_id: str) -> StoredResponse:
        """The response.

        Raises:
            UnknownResponseError: this tenant has none of this id.
        """
        with self._read() as connection:
            return response_of(
                require_response(connection, tenant, response_id, self._now(), self._viewer)
            )

    def response_chain(self, tenant: str, response_id: str) -> tuple[StoredResponse, ...]:
        """The response and those that go before it, oldest first.

        Raises:
            UnknownResponseError: this tenant has none of this id, or lacks one before it.
            InvalidChainError: too many go before it.
        """
        with self._read() as connection:
            now = self._now()
            last = response_of(require_response(connection, tenant, response_id, now, self._viewer))
            before = _chain(connection, tenant, last, now, self._viewer)
            if len(before) >= MAX_CHAIN:
                raise InvalidChainError(
                    f"at most {MAX_CHAIN} responses may go before one, got {len(before) + 1}: "
                    "begin anew, or use a conversation"
                )
            return (*reversed(before), last)

    def response_events(self, tenant: str, response_id: str, first_number: int) -> StoredEvents:
        """The events from this number on.

        Raises:
            UnknownResponseError: this tenant has none of this id.
        """
        query = (
            select(response_events.c.data)
            .where(
                response_events.c.response_id == response_id,
                response_events.c.number >= first_number,
            )
            .order_by(response_events.c.number)
        )
        with self._read() as connection:
            row = require_response(connection, tenant, response_id, self._now(), self._viewer)
            events = tuple(connection.execute(query).scalars())
        return StoredEvents(status=row.status, attempt=row.attempt, body=row.body, events=events)

    def cancel_response(self, tenant: str, response_id: str, body: str) -> StoredResponse:
        """Ends a response that runs or waits; one that has ended stays as it is.

        Raises:
            UnknownResponseError: this tenant has none of this id.
        """
        with self._write() as connection:
            row = require_response(connection, tenant, response_id, self._now(), self._viewer)
            if row.status in UNFINISHED:
                end = update(responses).where(responses.c.id == response_id)
                connection.execute(
                    end.values(
                        status="cancelled",
                        body=body,
                        request="",
                        lease_until=None,
                        attempt=row.attempt + 1,
                    )
                )
            return response_of(
                require_response(connection, tenant, response_id, self._now(), self._viewer)
            )

    def delete_response(self, tenant: str, response_id: str) -> None:
        """Deletes a response; whoever works on it finds it gone.

        Raises:
            UnknownResponseError: this tenant has none of this id.
        """
        with self._write() as connection:
            require_response(connection, tenant, response_id, self._now(), self._viewer)
            connection.execute(delete(responses).where(responses.c.id == response_id))


def require_response(
    connection: Connection, tenant: str, response_id: str, now: int, viewer: Viewer
) -> AnyRow:
    """The response's row.

    Raises:
        UnknownResponseError: this tenant has none of this id, or it has expired.
    """
    query = select(responses).where(
        responses.c.id == response_id,
        responses.c.tenant == tenant,
        responses.c.expires_at > now,
        *of_own_key(responses, viewer),
    )
    row = find_row(connection, query, response_id)
    if row is None:
        raise UnknownResponseError(f"no response {response_id!r}")
    return row


def write_outcome(
    connection: Connection, response: StoredResponse, outcome: Outcome, now: int
) -> None:
    """Ends a response, inside a transaction that holds the head."""
    add_events(connection, response.id, outcome.first_number, outcome.events)
    ended = update(responses).where(responses.c.id == response.id)
    connection.execute(
        ended.values(status=outcome.status, body=outcome.body, request="", lease_until=None)
    )
    if response.conversation_id is None:
        return
    try:
        found = require_conversation(
            connection, response.tenant, response.conversation_id, now, OPERATOR
        )
    except UnknownConversationError:  # it was deleted meanwhile; the answer is still one
        return
    append_items(connection, found.id, outcome.appended)
    prolong(connection, found, now)


def add_events(
    connection: Connection, response_id: str, first_number: int, events: Sequence[str]
) -> None:
    """Appends events, numbered from `first_number` on; those that are there already stay.

    They are, when the reply to an earlier call was lost.
    """
    if not events:
        return
    of_response = response_events.c.response_id == response_id
    last = connection.execute(select(func.max(response_events.c.number)).where(of_response))
    kept = last.scalar_one()
    rows = [
        {"response_id": response_id, "number": number, "data": data}
        for number, data in enumerate(events, start=first_number)
        if kept is None or number > kept
    ]
    if rows:
        connection.execute(insert(response_events), rows)


def _chain(
    connection: Connection, tenant: str, last: StoredResponse, now: int, viewer: Viewer
) -> list[StoredResponse]:
    """What goes before a response, newest first.

    Raises:
        UnknownResponseError: one of them is gone.
    """
    before: list[StoredResponse] = []
    previous_id = last.previous_id
    while previous_id is not None and len(before) < MAX_CHAIN:
        row = require_response(connection, tenant, previous_id, now, viewer)
        before.append(response_of(row))
        previous_id = row.previous_id
    return before


def _ancestors(connection: Connection, tenant: str, last: StoredResponse, now: int) -> list[str]:
    """The ids of what goes before a response, newest first, as far as it is kept."""
    found: list[str] = []
    before = last.previous_id
    while before is not None and len(found) < MAX_CHAIN:
        query = select(responses.c.id, responses.c.previous_id).where(
            responses.c.id == before, responses.c.tenant == tenant, responses.c.expires_at > now
        )
        row = connection.execute(query).one_or_none()
        if row is None:
            break
        found.append(row.id)
        before = row.previous_id
    return found


def _items_json(items: Sequence[Item]) -> str:
    return json.dumps([[item.id, item.data] for item in items])


def response_of(row: AnyRow) -> StoredResponse:
    """The record of a row."""
    status: ResponseStatus = row.status
    return StoredResponse(
        id=row.id,
        tenant=row.tenant,
        key_id=row.key_id,
        created_at=row.created_at,
        status=status,
        request=row.request,
        items=tuple(Item(id=one[0], data=one[1]) for one in json.loads(row.items)),
        body=row.body,
        previous_id=row.previous_id,
        conversation_id=row.conversation_id,
        attempt=row.attempt,
    )
