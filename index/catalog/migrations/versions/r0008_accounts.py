"""Usage, quotas and the audit log, whose rows never change and are deleted when they are old."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_REFUSED = "the audit log is append-only; rows may be deleted after a day"
_SQLITE_TRIGGERS = (
    f"""
    CREATE TRIGGER audit_log_unchanged BEFORE UPDATE ON audit_log
    BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END
    """,
    f"""
    CREATE TRIGGER audit_log_undeleted BEFORE DELETE ON audit_log
    WHEN OLD.at > CAST(strftime('%s', 'now') AS REAL) - 86400
    BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END
    """,
)
_POSTGRES_TRIGGERS = (
    f"""
    CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND OLD.at <= extract(epoch FROM now()) - 86400 THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION '{_REFUSED}';
    END $$
    """,
    """
    CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only()
    """,
)


def upgrade() -> None:
    """Adds the tables, and the triggers of the audit log."""
    _add_usage()
    _add_quotas()
    op.create_table(
        "audit_log",
        sa.Column("seq", _ROW_NUMBER, primary_key=True),
        sa.Column("at", sa.Float, nullable=False, index=True),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("documents", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _SQLITE_TRIGGERS if is_sqlite else _POSTGRES_TRIGGERS:
        op.execute(statement)


def _add_usage() -> None:
    op.create_table(
        "usage",
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("num_calls", sa.BigInteger, nullable=False),
        sa.Column("num_prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("num_completion_tokens", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "usage_once",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("num_prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("num_completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Float, nullable=False, index=True),
    )
    op.create_table(
        "account_writers",
        sa.Column("writer", sa.String(64), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )


def _add_quotas() -> None:
    op.create_table(
        "quotas",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("amounts", sa.JSON, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_table(
        "quota_holders",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("holder", sa.String(64), primary_key=True),
        sa.Column("num_open", sa.Integer, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
    )
