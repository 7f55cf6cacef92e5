"""What the routes need of API keys and tenants; the fourth part of graphs/corpus/protocols.py.

Names, arguments, records and errors are those of index.catalog.keys (keys, vouched, link_secret)
and index.catalog.tenants. Of keys the tenant stands first: None means any.
"""

from typing import Protocol

from index.catalog.keys.records import KeyGrant, KeyRecord, NewKey
from index.catalog.tenants.tenants import TenantRecord


class KeyReads(Protocol):
    """Reads API keys."""

    async def authenticate_key(self, key_id: str, digest: str) -> KeyRecord | None:
        """Gives the key, if the digest is that of its text and it may be used."""

    async def link_secret(self) -> str:
        """Gives the secret that links to files are signed with."""

    async def get_key(self, tenant: str | None, key_id: str) -> KeyRecord:
        """Gives a key, revoked or not."""

    async def list_keys(self, tenant: str | None) -> tuple[KeyRecord, ...]:
        """Gives all keys of a tenant, oldest first."""


class TenantWrites(Protocol):
    """Tells of tenants, and ends them; methods of index.catalog.tenants."""

    async def list_tenants(self, tenant: str | None = None) -> tuple[TenantRecord, ...]:
        """Gives all tenants, or that one."""

    async def tenant_since(self, tenant: str) -> int | None:
        """Gives when its oldest key was made."""

    async def revoke_tenant(self, tenant: str, *, but: str = "") -> int:
        """Ends all keys but one."""

    async def delete_tenant_portion(self, tenant: str) -> int:
        """Deletes some of what there is of it."""

    async def forget_tenant(self, tenant: str) -> None:
        """Deletes its keys."""


class KeyWrites(Protocol):
    """Writes API keys, and who came with a token of an identity provider."""

    async def admit_vouched(self, key_id: str, grant: KeyGrant) -> KeyRecord | None:
        """Gives the record of one whose token is good; None: it was revoked here."""

    async def create_key(self, grant: KeyGrant) -> NewKey:
        """Makes a key."""

    async def rotate_key(self, tenant: str | None, key_id: str, *, overlap_s: int) -> NewKey:
        """Gives a key another text; the one before is taken for a while."""

    async def revoke_key(self, tenant: str | None, key_id: str) -> KeyRecord:
        """Ends a key for good."""
