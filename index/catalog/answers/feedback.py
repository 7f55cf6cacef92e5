"""What people say of answers: one row an answer and key, the newest word of it counts."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

from index.catalog.database import Database
from index.catalog.lookups import AnyRow, Listing, find_row, read_page
from index.catalog.schema import RowNumber, metadata
from index.errors import UnknownFeedbackError
from index.records import Order, Page

Rating = Literal["up", "down"]

feedback = Table(
    "feedback",
    metadata,
    Column("seq", RowNumber, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("response_id", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("rating", String(8)),
    Column("comment", Text),
    Column("corrected_answer", Text),
    Column("question", Text),
    Column("answer", Text),
    Column("model", Text),
    Column("contexts", JSON, nullable=False),
    UniqueConstraint("tenant", "key_id", "response_id"),
    sqlite_autoincrement=True,
)
# What a second word about the same answer may change.
_SAID = ("rating", "comment", "corrected_answer", "question", "answer", "model", "contexts")


@dataclass(frozen=True, kw_only=True)
class FeedbackRecord:
    """What one key said of one answer.

    Attributes:
        tenant: whose it is; nobody else sees it.
        key_id: the public name of the key that said it; empty without keys.
        response_id: of the chat or response that gave the answer.
        rating: None: neither thumb.
        corrected_answer: what should have been answered.
        question: what was asked, as the client tells it.
        model: what was asked, such as `rag:manuals`.
        contexts: the texts of the passages that the answer stood on.
    """

    id: str
    tenant: str
    key_id: str
    response_id: str
    created_at: int
    updated_at: int
    rating: Rating | None
    comment: str | None
    corrected_answer: str | None
    question: str | None
    answer: str | None
    model: str | None
    contexts: tuple[str, ...]


class Feedback(Database):
    """The part of the catalog that keeps feedback; each is of one tenant."""

    def say_feedback(
        self, tenant: str, key_id: str, response_id: str, said: Mapping[str, Any]
    ) -> FeedbackRecord:
        """Keeps what a key says of an answer; what it said before stays where nothing new is said.

        Args:
            tenant: whose it is.
            key_id: who says it.
            response_id: the answer that is meant.
            said: fields of FeedbackRecord by name; None takes a field back.
        """
        now = self._now()
        changed = {name: said[name] for name in _SAID if name in said} | {"updated_at": now}
        named = _scope(tenant, key_id) | {"response_id": response_id}
        query = select(feedback).where(*_in(named))
        with self._write() as connection:
            row = find_row(connection, query, response_id)
            if row is None:
                made = {"id": f"fb_{uuid.uuid4().hex}", "created_at": now, "contexts": []}
                connection.execute(insert(feedback).values(**named, **made | changed))
            else:
                connection.execute(update(feedback).where(feedback.c.id == row.id).values(changed))
            return _record(connection.execute(query).one())

    def list_feedback(
        self,
        tenant: str,
        *,
        key_id: str | None = None,
        rating: Rating | None = None,
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
    ) -> Page[FeedbackRecord]:
        """One page of what was said, in the order of the first word about each answer.

        Args:
            tenant: whose it is.
            key_id: who said it; None: any key of the tenant.
            rating: only these.
            limit: most of a page.
            order: "desc" is newest first.
            after: the last id of the page before.

        Raises:
            UnknownCursorError: `after` names no feedback of this tenant or key.
        """
        scope = _scope(tenant, key_id)
        query = select(feedback).where(*_in(scope))
        if rating is not None:
            query = query.where(feedback.c.rating == rating)
        listing = Listing(limit=limit, order=order, after=after)
        with self._read() as connection:
            rows, has_more = read_page(connection, query, feedback, listing, scope=scope)
        return Page(items=tuple(map(_record, rows)), has_more=has_more)

    def delete_feedback(self, tenant: str, feedback_id: str, *, key_id: str | None = None) -> None:
        """Forgets what was said of an answer; `key_id` None: by any key of the tenant.

        Raises:
            UnknownFeedbackError: this tenant, or key, has none of this id.
        """
        query = select(feedback).where(*_in(_scope(tenant, key_id) | {"id": feedback_id}))
        with self._write() as connection:
            row = find_row(connection, query, feedback_id)
            if row is None:
                raise UnknownFeedbackError(f"no feedback {feedback_id!r}")
            connection.execute(delete(feedback).where(feedback.c.id == row.id))


def _scope(tenant: str, key_id: str | None) -> dict[str, str]:
    return {"tenant": tenant} if key_id is None else {"tenant": tenant, "key_id": key_id}


def _in(named: Mapping[str, str]) -> list[ColumnElement[bool]]:
    return [feedback.c[name] == value for name, value in named.items()]


def _record(row: AnyRow) -> FeedbackRecord:
    fields = {name: value for name, value in row._mapping.items() if name != "seq"}
    return FeedbackRecord(**fields | {"contexts": tuple(row.contexts)})
