"""The tables of API keys and of secrets; they belong to those of index/catalog/schema.py."""

from sqlalchemy import JSON, BigInteger, Column, String, Table, Text

from index.catalog.schema import RowNumber, metadata

api_keys = Table(
    "api_keys",
    metadata,
    Column("seq", RowNumber, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("tenant", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False),  # SHA-256 of what clients send
    Column("previous_digest", String(64)),
    Column("previous_until", BigInteger),
    Column("scopes", JSON, nullable=False),
    Column("user_name", Text),
    Column("groups", JSON, nullable=False),
    Column("service_class", String(16), nullable=False),
    Column("limits", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("rotated_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
    sqlite_autoincrement=True,
)

# What only the servers of this catalog know together.
secrets = Table(
    "secrets",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
