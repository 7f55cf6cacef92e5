"""API keys; and whose files, stores and uploads are, and who may see them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Adds the table and the columns; what is there belongs to the tenant `default`."""
    op.create_table(
        "api_keys",
        sa.Column("seq", _ROW_NUMBER, primary_key=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("tenant", sa.Text, nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("previous_digest", sa.String(64)),
        sa.Column("previous_until", sa.BigInteger),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("user_name", sa.Text),
        sa.Column("groups", sa.JSON, nullable=False),
        sa.Column("service_class", sa.String(16), nullable=False),
        sa.Column("limits", sa.JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("rotated_at", sa.BigInteger),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("last_used_at", sa.BigInteger),
        sqlite_autoincrement=True,
    )
    for table in ("files", "vector_stores", "uploads"):
        tenant = sa.Column("tenant", sa.Text, nullable=False, server_default="default")
        op.add_column(table, tenant)
        op.add_column(table, sa.Column("key_id", sa.Text))
        op.add_column(table, sa.Column("access", sa.Text))
    op.add_column("conversations", sa.Column("key_id", sa.Text))
    op.create_index("ix_files_tenant", "files", ["tenant", "seq"])
    op.create_index("ix_vector_stores_tenant", "vector_stores", ["tenant", "seq"])
