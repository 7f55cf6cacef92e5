"""The tables of batches; they belong to those of index/catalog/schema.py."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
)

from index.catalog.schema import RowNumber, metadata

batches = Table(
    "batches",
    metadata,
    Column("seq", RowNumber, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("endpoint", Text, nullable=False),
    Column("input_file_id", String(64), nullable=False),  # no foreign key: files are deleted
    Column("window_s", BigInteger, nullable=False),
    Column("metadata", JSON(none_as_null=True)),
    Column("output_life_s", BigInteger),
    Column("public_url", Text),
    Column("times", JSON, nullable=False),
    Column("faults", JSON, nullable=False),
    Column("model", Text),
    Column("output_file_id", String(64)),
    Column("error_file_id", String(64)),
    Column("num_total", Integer, nullable=False),
    Column("num_completed", Integer, nullable=False),
    Column("num_failed", Integer, nullable=False),
    Column("num_input_tokens", BigInteger, nullable=False),
    Column("num_output_tokens", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", Float),
    sqlite_autoincrement=True,
)

batch_results = Table(
    "batch_results",
    metadata,
    Column("batch_id", ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("is_error", Boolean, nullable=False),
    Column("data", Text, nullable=False),
)
