"""Files are put into a store in batches, and know the last one they came with."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds the batches, and to store files the column that names theirs."""
    op.create_table(
        "file_batches",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column(
            "store_id",
            sa.String(64),
            sa.ForeignKey("vector_stores.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("cancelled_at", sa.BigInteger),
    )
    # The same words to both databases: Alembic would copy the whole table on SQLite, which takes a
    # foreign key with a new column as long as its default is NULL.
    op.execute(
        "ALTER TABLE store_files ADD COLUMN batch_id VARCHAR(64) REFERENCES file_batches (id)"
    )
    op.create_index("ix_store_files_batch_id", "store_files", ["batch_id"])
