"""The tables of usage, quotas and audit; they belong to those of index/catalog/schema.py.

usage            tokens and generations by day (UTC), tenant, key and model
usage_once       what was counted for answers that may be made again; a repetition adds the rest
account_writers  up to which parcel a Gateway's journal is in these tables
quotas           what was granted of a limit: an amount for each second, or for the month
quota_holders    how many requests of a subject each Gateway has open, and until when it says so
audit_log        who did what; rows are only added, and deleted when they are old (see r0008)
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    Integer,
    String,
    Table,
    Text,
)

from index.catalog.schema import RowNumber, metadata

usage = Table(
    "usage",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("num_calls", BigInteger, nullable=False),
    Column("num_prompt_tokens", BigInteger, nullable=False),
    Column("num_completion_tokens", BigInteger, nullable=False),
)

usage_once = Table(
    "usage_once",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("num_prompt_tokens", BigInteger, nullable=False),
    Column("num_completion_tokens", BigInteger, nullable=False),
    Column("at", Float, nullable=False, index=True),
)

account_writers = Table(
    "account_writers",
    metadata,
    Column("writer", String(64), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
)

quotas = Table(
    "quotas",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("amounts", JSON, nullable=False),
    Column("at", Float, nullable=False),
)

quota_holders = Table(
    "quota_holders",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("holder", String(64), primary_key=True),
    Column("num_open", Integer, nullable=False),
    Column("until", Float, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", RowNumber, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("event", String(16), nullable=False),
    Column("request_id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("status", Integer),
    Column("documents", JSON, nullable=False),
    sqlite_autoincrement=True,
)
