"""A key that ends with the work that needs it."""

import contextlib
import time
from collections.abc import Iterator

from index.catalog.catalog import Catalog
from index.catalog.keys.records import KeyGrant


@contextlib.contextmanager
def short_key(database_url: str, *, name: str, life_s: int) -> Iterator[str]:
    """Makes a key of the tenant `default` that asks and ingests; revoked when the block ends."""
    catalog = Catalog(database_url)
    try:
        grant = KeyGrant(
            name=name,
            scopes=frozenset({"query", "ingest"}),
            expires_at=int(time.time()) + life_s,
        )
        new = catalog.create_key(grant)
        try:
            yield new.token
        finally:
            catalog.revoke_key(None, new.record.id)
    finally:
        catalog.close()
