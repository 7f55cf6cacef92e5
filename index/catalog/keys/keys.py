"""API keys: made, found, renewed, revoked.

token  rf_<id>_<secret>      shown once
row    id, SHA-256 of the token, of the one before it until a rotation's overlap ends
"""

import hmac
import re
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, true, update

from index.access import access_text
from index.catalog.attributes import check_storable, is_storable
from index.catalog.database import Database
from index.catalog.keys.records import (
    SCOPE_PATTERN,
    TENANT_PATTERN,
    KeyGrant,
    KeyRecord,
    NewKey,
    is_vouched,
    new_key_id,
    new_token,
    token_digest,
)
from index.catalog.keys.tables import api_keys
from index.catalog.lookups import AnyRow, find_row
from index.errors import InvalidKeyError, UnknownKeyError

USE_INTERVAL_S = 60  # `last_used_at` is written at most this often
MAX_OVERLAP_S = 30 * 86_400
MAX_NAME_CHARS = 256
_NOBODY = "0" * 64  # compared with where there is no key, so that it takes as long
_SCOPE = re.compile(SCOPE_PATTERN)
_TENANT = re.compile(TENANT_PATTERN)
_CLASSES = ("priority", "default", "flex")


class Keys(Database):
    """The part of the catalog that keeps API keys."""

    def create_key(self, grant: KeyGrant) -> NewKey:
        """Makes a key; nobody can read its text from here later.

        Raises:
            InvalidKeyError: a scope, name or limit outside its bounds.
        """
        now = self._now()
        _check(grant, now)
        record = KeyRecord(**vars(grant), id=new_key_id(), created_at=now)
        token = new_token(record.id)
        with self._write_beside() as connection:
            connection.execute(
                insert(api_keys).values(row_of(record) | {"digest": token_digest(token)})
            )
        return NewKey(record=record, token=token)

    def authenticate_key(self, key_id: str, digest: str) -> KeyRecord | None:
        """The key with this id, if the digest is that of its text and it may be used; else None.

        Counts as a use, written at most once in `USE_INTERVAL_S`.
        """
        now = self._now()
        with self._read() as connection:
            row = find_row(connection, select(api_keys).where(api_keys.c.id == key_id), key_id)
        is_current = hmac.compare_digest(row.digest if row else _NOBODY, digest)
        previous = (row.previous_digest if row else None) or _NOBODY
        is_previous = hmac.compare_digest(previous, digest)
        if row is None or not (
            is_current or (is_previous and row.previous_until and now < row.previous_until)
        ):
            return None
        record = record_of(row)
        if record.status_at(now) != "active":
            return None
        if now - (record.last_used_at or 0) >= USE_INTERVAL_S:
            with self._write_beside() as connection:
                used = update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=now)
                connection.execute(used)
        # What was taken for the text before must not outlive its overlap in a cache.
        return record if is_current else replace(record, expires_at=_soonest(record))

    def get_key(self, tenant: str | None, key_id: str) -> KeyRecord:
        """The key, revoked or not; `tenant` None means that of any tenant.

        Raises:
            UnknownKeyError: there is none.
        """
        with self._read() as connection:
            return record_of(_require(connection, tenant, key_id))

    def list_keys(self, tenant: str | None) -> tuple[KeyRecord, ...]:
        """All keys of a tenant, oldest first; None means those of all."""
        query = select(api_keys).where(_of(tenant)).order_by(api_keys.c.seq)
        with self._read() as connection:
            return tuple(map(record_of, connection.execute(query)))

    def rotate_key(self, tenant: str | None, key_id: str, *, overlap_s: int) -> NewKey:
        """Gives a key another text; the one before is taken for `overlap_s` more.

        Raises:
            UnknownKeyError: there is no such key.
            InvalidKeyError: it is revoked, or the overlap is outside its bounds.
        """
        if not 0 <= overlap_s <= MAX_OVERLAP_S:
            raise InvalidKeyError(f"overlap_s must be in 0..{MAX_OVERLAP_S}, got {overlap_s}")
        if is_vouched(key_id):
            raise InvalidKeyError(f"{key_id!r} has no key: its identity provider renews its tokens")
        now, token = self._now(), new_token(key_id)
        with self._write() as connection:
            row = _require(connection, tenant, key_id)
            if row.revoked_at is not None:
                raise InvalidKeyError(f"key {key_id!r} is revoked; make another one")
            values = {
                "digest": token_digest(token),
                "previous_digest": row.digest,
                "previous_until": now + overlap_s,
                "rotated_at": now,
            }
            connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(values))
            return NewKey(record=record_of(_require(connection, tenant, key_id)), token=token)

    def revoke_key(self, tenant: str | None, key_id: str) -> KeyRecord:
        """Ends a key for good; done again, it changes nothing.

        Raises:
            UnknownKeyError: there is no such key.
        """
        with self._write() as connection:
            row = _require(connection, tenant, key_id)
            if row.revoked_at is None:
                ended = update(api_keys).where(api_keys.c.id == key_id)
                connection.execute(ended.values(revoked_at=self._now()))
            return record_of(_require(connection, tenant, key_id))


def _check(grant: KeyGrant, now: int) -> None:
    if not _TENANT.fullmatch(grant.tenant):
        raise InvalidKeyError(
            "tenant must have 1..64 of the characters A-Z a-z 0-9 . _ -, and begin with a letter "
            f"or digit, got {grant.tenant[:80]!r}"
        )
    if len(grant.name) > MAX_NAME_CHARS:
        raise InvalidKeyError(
            f"name must have at most {MAX_NAME_CHARS} characters, got {len(grant.name)}"
        )
    check_storable(grant.name)
    wrong = sorted(one for one in grant.scopes if not _SCOPE.fullmatch(one))
    if wrong or not grant.scopes:
        raise InvalidKeyError(
            "scopes must be some of query, ingest, admin, metrics, read:<store id> and "
            f"write:<store id>, got {repr(wrong[0][:80]) if wrong else 'none'}"
        )
    if grant.service_class not in _CLASSES:
        raise InvalidKeyError(
            f"service_class must be one of {', '.join(_CLASSES)}, got {grant.service_class!r}"
        )
    for name, most in grant.limits.items():
        if most < 1:
            raise InvalidKeyError(f"{name} must be at least 1, got {most}")
    if grant.expires_at is not None and grant.expires_at <= now:
        raise InvalidKeyError(f"expires_at must be after now ({now}), got {grant.expires_at}")
    access_text(f"group:{one}" for one in grant.groups)
    access_text([] if grant.user is None else [f"user:{grant.user}"])


def row_of(record: KeyRecord) -> dict[str, Any]:
    """The columns of a key, but for its digests."""
    row = {**vars(record), "user_name": record.user, "scopes": sorted(record.scopes)}
    row |= {"groups": sorted(record.groups), "limits": dict(record.limits)}
    del row["user"]
    return row


def record_of(row: AnyRow) -> KeyRecord:
    """Reads a row."""
    return KeyRecord(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        scopes=frozenset(row.scopes),
        user=row.user_name,
        groups=frozenset(row.groups),
        service_class=row.service_class,
        limits=row.limits,
        created_at=row.created_at,
        expires_at=row.expires_at,
        rotated_at=row.rotated_at,
        previous_until=row.previous_until,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def _soonest(record: KeyRecord) -> int | None:
    ends = [one for one in (record.expires_at, record.previous_until) if one is not None]
    return min(ends, default=None)


def _of(tenant: str | None) -> ColumnElement[bool]:
    return true() if tenant is None else api_keys.c.tenant == tenant


def _require(connection: Connection, tenant: str | None, key_id: str) -> AnyRow:
    query = select(api_keys).where(api_keys.c.id == key_id, _of(tenant))
    row = find_row(connection, query, key_id) if is_storable(tenant or "") else None
    if row is None:
        raise UnknownKeyError(f"no key {key_id!r}")
    return row
