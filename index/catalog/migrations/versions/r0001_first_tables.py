"""The tables as they were before revisions were stamped, and the one row of `head`."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_RowNumber = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Creates all tables."""
    _create_uploads_and_stores()
    _create_store_files()
    _create_passages()
    _create_jobs()
    _create_log()


def _create_uploads_and_stores() -> None:
    op.create_table(
        "files",
        sa.Column("seq", _RowNumber, primary_key=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("purpose", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("num_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, index=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "vector_stores",
        sa.Column("seq", _RowNumber, primary_key=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False, index=True),
        sa.Column("description", sa.Text),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_active_at", sa.BigInteger, nullable=False),
        sa.Column("expires_after_days", sa.Integer),
        sa.Column("max_chunk_tokens", sa.Integer),
        sa.Column("chunk_overlap_tokens", sa.Integer),
        sa.Column("fingerprint", sa.Text),
        sa.Column("dim", sa.Integer),
        sqlite_autoincrement=True,
    )


def _create_store_files() -> None:
    op.create_table(
        "store_files",
        sa.Column("seq", _RowNumber, primary_key=True),
        sa.Column(
            "store_id",
            sa.String(64),
            sa.ForeignKey("vector_stores.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column(
            "file_id",
            sa.String(64),
            sa.ForeignKey("files.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("error_code", sa.String(32)),
        sa.Column("error_message", sa.Text),
        sa.Column("attributes", sa.JSON, nullable=False),
        sa.Column("usage_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("max_chunk_tokens", sa.Integer),
        sa.Column("chunk_overlap_tokens", sa.Integer),
        sa.UniqueConstraint("store_id", "file_id"),
        sqlite_autoincrement=True,
    )


def _of_store_file() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["store_id", "file_id"],
        ["store_files.store_id", "store_files.file_id"],
        ondelete="CASCADE",
    )


def _create_passages() -> None:
    op.create_table(
        "chunks",
        sa.Column("id", _RowNumber, primary_key=True, autoincrement=False),
        sa.Column("store_id", sa.String(64), nullable=False),
        sa.Column("file_id", sa.String(64), nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("char_start", sa.Integer, nullable=False),
        sa.Column("char_end", sa.Integer, nullable=False),
        sa.Column("page", sa.Integer),
        sa.Column("content_hash", sa.String(64), nullable=False),
        _of_store_file(),
        sa.UniqueConstraint("store_id", "file_id", "ordinal"),
    )
    op.create_table(
        "vectors",
        sa.Column(
            "chunk_id",
            _RowNumber,
            sa.ForeignKey("chunks.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("fingerprint", sa.Text, primary_key=True),
        sa.Column("vector", sa.LargeBinary, nullable=False),
    )


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", _RowNumber, primary_key=True),
        sa.Column("store_id", sa.String(64), nullable=False),
        sa.Column("file_id", sa.String(64), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_until", sa.Float),
        _of_store_file(),
        sa.UniqueConstraint("store_id", "file_id"),
        sqlite_autoincrement=True,
    )


def _create_log() -> None:
    op.create_table(
        "changes",
        sa.Column("number", _RowNumber, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("store_id", sa.String(64), nullable=False),
        sa.Column("file_id", sa.String(64), nullable=False),
        sa.Index("ix_changes_of_store_file", "store_id", "file_id", "number"),
    )
    head = op.create_table(
        "head",
        sa.Column(
            "id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False
        ),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("next_chunk_id", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "number": 0, "next_chunk_id": 1}])
