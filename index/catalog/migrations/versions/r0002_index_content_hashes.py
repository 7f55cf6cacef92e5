"""Passages are found by content hash; names of any length fit their index on PostgreSQL."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds one index, and makes that of the names one of hashes on PostgreSQL."""
    op.create_index("ix_chunks_content_hash", "chunks", ["content_hash"])
    if op.get_context().dialect.name == "postgresql":
        # A row of a btree holds at most 2704 bytes; names are compared for equality alone.
        op.drop_index("ix_vector_stores_name", "vector_stores")
        op.create_index("ix_vector_stores_name", "vector_stores", ["name"], postgresql_using="hash")
