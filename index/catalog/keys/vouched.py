"""Those whom an identity provider vouches for: a row each beside the keys, without a key.

So what they own, use and are limited by is counted as of a key, work that they left is done in
their name, and `revoke_key` shuts them out whatever tokens they have.
"""

from dataclasses import replace

from sqlalchemy import insert, select, update

from index.catalog.database import Database
from index.catalog.keys.keys import USE_INTERVAL_S, record_of, row_of
from index.catalog.keys.records import KeyGrant, KeyRecord
from index.catalog.keys.tables import api_keys
from index.catalog.lookups import find_row

_NO_DIGEST = ""  # of no text
# What the newest token says goes for those that are waiting, too.
_TOLD = ("scopes", "user", "groups")


class Vouched(Database):
    """The part of the catalog that keeps who came with a token of an identity provider."""

    def admit_vouched(self, key_id: str, grant: KeyGrant) -> KeyRecord | None:
        """The record of one whose token is good; None: an administrator revoked it here.

        Written when it comes for the first time, when its token says something else than the one
        before, and else at most once in `USE_INTERVAL_S`.

        Args:
            key_id: as `index.catalog.keys.records.vouched_id` makes it.
            grant: what the token says; `expires_at`: when work that it left ends.
        """
        now = self._now()
        query = select(api_keys).where(api_keys.c.id == key_id)
        with self._read() as connection:
            row = find_row(connection, query, key_id)
        known = None if row is None else record_of(row)
        if known is not None and known.revoked_at is not None:
            return None
        if known is not None and _is_told(known, grant, now):
            return known
        if known is None:
            with self._write() as connection:  # one of those that come at once
                if find_row(connection, query, key_id) is None:
                    new = KeyRecord(**vars(grant), id=key_id, created_at=now, last_used_at=now)
                    values = row_of(new) | {"digest": _NO_DIGEST}
                    connection.execute(insert(api_keys).values(values))
                    return new
        # As the use of a key is written: whoever is known waits for no writer of the corpus.
        with self._write_beside() as connection:
            row = find_row(connection, query.with_for_update(), key_id)
            known = None if row is None else record_of(row)
            if known is None or known.revoked_at is not None:
                return None
            told = {name: getattr(grant, name) for name in _TOLD}
            ends = max(known.expires_at or 0, grant.expires_at or 0)
            newer = replace(known, **told, expires_at=ends, last_used_at=now)
            changed = update(api_keys).where(api_keys.c.id == key_id).values(row_of(newer))
            connection.execute(changed)
            return newer


def _is_told(known: KeyRecord, grant: KeyGrant, now: int) -> bool:
    """Whether the row says what the token says, and was used lately."""
    is_same = all(getattr(known, name) == getattr(grant, name) for name in _TOLD)
    return is_same and now - (known.last_used_at or 0) < USE_INTERVAL_S
