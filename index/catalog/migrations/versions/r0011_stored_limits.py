"""How many passages a file has in a store, and what is summed up to hold a tenant to its limits."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_COUNTED = """
    UPDATE store_files SET num_passages = (
        SELECT count(*) FROM chunks
        WHERE chunks.store_id = store_files.store_id AND chunks.file_id = store_files.file_id
    )
"""


def upgrade() -> None:
    """Adds two columns and their indexes, and counts what is stored."""
    counted = sa.Column("num_passages", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("store_files", counted)
    op.add_column("jobs", sa.Column("most_passages", sa.BigInteger))
    op.execute(_COUNTED)
    op.create_index("ix_store_files_passages", "store_files", ["store_id", "num_passages"])
    op.create_index("ix_files_stored", "files", ["tenant", "expires_at", "num_bytes"])
