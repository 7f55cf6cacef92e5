"""Conversations: items in the order in which they came, until nobody used them for long enough."""

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, func, insert, select, update

from index.access import Viewer
from index.catalog.answers.records import MAX_CONVERSATION_ITEMS, ConversationRecord, Item
from index.catalog.attributes import check_attributes
from index.catalog.database import Database
from index.catalog.keys.seen import of_own_key
from index.catalog.lookups import AnyRow, Listing, find_row, read_page
from index.catalog.schema import conversation_items, conversations
from index.errors import (
    InvalidConversationError,
    UnknownConversationError,
    UnknownConversationItemError,
)
from index.records import Order, Page


class Conversations(Database):
    """The part of the catalog that keeps conversations; each is of one tenant."""

    def create_conversation(
        self,
        tenant: str,
        *,
        metadata: Mapping[str, str],
        items: Sequence[Item] = (),
        keep_s: int,
    ) -> ConversationRecord:
        """Creates a conversation with these items; it goes when nobody used it for `keep_s`.

        Raises:
            InvalidAttributesError: metadata outside its bounds.
            InvalidConversationError: too many items, or one of them twice.
        """
        check_attributes(metadata)
        now = self._now()
        conversation_id = f"conv_{uuid.uuid4().hex}"
        with self._write() as connection:
            connection.execute(delete(conversations).where(conversations.c.expires_at <= now))
            connection.execute(
                insert(conversations).values(
                    id=conversation_id,
                    tenant=tenant,
                    key_id=self._viewer.key_id,
                    metadata=dict(metadata),
                    created_at=now,
                    expires_at=now + keep_s,
                    keep_s=keep_s,
                )
            )
            append_items(connection, conversation_id, items)
            return _record(
                require_conversation(connection, tenant, conversation_id, now, self._viewer)
            )

    def get_conversation(self, tenant: str, conversation_id: str) -> ConversationRecord:
        """The conversation.

        Raises:
            UnknownConversationError: this tenant has none of this id.
        """
        with self._read() as connection:
            return _record(
                require_conversation(connection, tenant, conversation_id, self._now(), self._viewer)
            )

    def update_conversation(
        self, tenant: str, conversation_id: str, *, metadata: Mapping[str, str]
    ) -> ConversationRecord:
        """Replaces the metadata.

        Raises:
            UnknownConversationError: this tenant has none of this id.
            InvalidAttributesError: metadata outside its bounds.
        """
        check_attributes(metadata)
        with self._write() as connection:
            require_conversation(connection, tenant, conversation_id, self._now(), self._viewer)
            changed = update(conversations).where(conversations.c.id == conversation_id)
            connection.execute(changed.values(metadata=dict(metadata)))
            return _record(
                require_conversation(connection, tenant, conversation_id, self._now(), self._viewer)
            )

    def delete_conversation(self, tenant: str, conversation_id: str) -> None:
        """Deletes a conversation with its items; responses stay.

        Raises:
            UnknownConversationError: this tenant has none of this id.
        """
        with self._write() as connection:
            require_conversation(connection, tenant, conversation_id, self._now(), self._viewer)
            connection.execute(delete(conversations).where(conversations.c.id == conversation_id))

    def add_conversation_items(
        self, tenant: str, conversation_id: str, items: Sequence[Item]
    ) -> None:
        """Appends items; all of them or none.

        Raises:
            UnknownConversationError: this tenant has none of this id.
            InvalidConversationError: too many items, or one that the conversation has already.
        """
        with self._write() as connection:
            row = require_conversation(
                connection, tenant, conversation_id, self._now(), self._viewer
            )
            append_items(connection, conversation_id, items)
            prolong(connection, row, self._now())

    def list_conversation_items(
        self,
        tenant: str,
        conversation_id: str,
        *,
        limit: int = MAX_CONVERSATION_ITEMS,
        order: Order = "desc",
        after: str | None = None,
    ) -> Page[Item]:
        """One page of the items.

        Raises:
            UnknownConversationError: this tenant has none of this id.
            UnknownCursorError: `after` names no item of it.
        """
        of_conversation = conversation_items.c.conversation_id == conversation_id
        with self._read() as connection:
            require_conversation(connection, tenant, conversation_id, self._now(), self._viewer)
            rows, has_more = read_page(
                connection,
                select(conversation_items).where(of_conversation),
                conversation_items,
                Listing(limit=limit, order=order, after=after),
                scope={"conversation_id": conversation_id},
            )
        items = tuple(Item(id=row.id, data=row.data) for row in rows)
        return Page(items=items, has_more=has_more)

    def get_conversation_item(self, tenant: str, conversation_id: str, item_id: str) -> Item:
        """One item.

        Raises:
            UnknownConversationError: this tenant has no such conversation.
            UnknownConversationItemError: it has no such item.
        """
        with self._read() as connection:
            require_conversation(connection, tenant, conversation_id, self._now(), self._viewer)
            row = _require_item(connection, conversation_id, item_id)
        return Item(id=row.id, data=row.data)

    def delete_conversation_item(
        self, tenant: str, conversation_id: str, item_id: str
    ) -> ConversationRecord:
        """Takes an item out, and gives the conversation.

        Raises:
            UnknownConversationError: this tenant has no such conversation.
            UnknownConversationItemError: it has no such item.
        """
        with self._write() as connection:
            row = require_conversation(
                connection, tenant, conversation_id, self._now(), self._viewer
            )
            item = _require_item(connection, conversation_id, item_id)
            connection.execute(
                delete(conversation_items).where(conversation_items.c.seq == item.seq)
            )
            return _record(row)


def require_conversation(
    connection: Connection, tenant: str, conversation_id: str, now: int, viewer: Viewer
) -> AnyRow:
    """The conversation's row.

    Raises:
        UnknownConversationError: this tenant has none of this id, or it has expired.
    """
    query = select(conversations).where(
        conversations.c.id == conversation_id,
        conversations.c.tenant == tenant,
        conversations.c.expires_at > now,
        *of_own_key(conversations, viewer),
    )
    row = find_row(connection, query, conversation_id)
    if row is None:
        raise UnknownConversationError(f"no conversation {conversation_id!r}")
    return row


def append_items(connection: Connection, conversation_id: str, items: Sequence[Item]) -> None:
    """Appends items, inside a transaction that holds the head.

    Raises:
        InvalidConversationError: too many items, or one that the conversation has already.
    """
    if not items:
        return
    of_conversation = conversation_items.c.conversation_id == conversation_id
    count = connection.execute(select(func.count()).where(of_conversation)).scalar_one()
    if count + len(items) > MAX_CONVERSATION_ITEMS:
        raise InvalidConversationError(
            f"a conversation may have {MAX_CONVERSATION_ITEMS} items, it has {count} "
            f"and got {len(items)} more"
        )
    ids = [item.id for item in items]
    known = select(conversation_items.c.id).where(of_conversation, conversation_items.c.id.in_(ids))
    twice = set(connection.execute(known).scalars()) | {one for one in ids if ids.count(one) > 1}
    if twice:
        raise InvalidConversationError(f"the conversation has the item {min(twice)!r} already")
    rows = [{"conversation_id": conversation_id, "id": one.id, "data": one.data} for one in items]
    connection.execute(insert(conversation_items), rows)


def prolong(connection: Connection, conversation: AnyRow, now: int) -> None:
    """Counts the time until it goes from now on."""
    statement = update(conversations).where(conversations.c.id == conversation.id)
    connection.execute(statement.values(expires_at=now + conversation.keep_s))


def _require_item(connection: Connection, conversation_id: str, item_id: str) -> AnyRow:
    query = select(conversation_items).where(
        conversation_items.c.conversation_id == conversation_id,
        conversation_items.c.id == item_id,
    )
    row = find_row(connection, query, item_id)
    if row is None:
        raise UnknownConversationItemError(
            f"no item {item_id!r} in conversation {conversation_id!r}"
        )
    return row


def _record(row: AnyRow) -> ConversationRecord:
    return ConversationRecord(id=row.id, created_at=row.created_at, metadata=row.metadata)
