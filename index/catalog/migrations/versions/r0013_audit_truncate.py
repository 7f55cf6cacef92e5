"""The audit log is not emptied at once either, which triggers of rows do not see."""

from alembic import op

revision = "0013"
down_revision = "0012"

_POSTGRES_TRIGGER = (
    """
    CREATE FUNCTION audit_log_is_not_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit log is append-only; rows may be deleted after a day';
    END $$
    """,
    """
    CREATE TRIGGER audit_log_untruncated BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_not_truncated()
    """,
)


def upgrade() -> None:
    """Adds the trigger; SQLite has no such statement."""
    if op.get_bind().dialect.name != "sqlite":
        for statement in _POSTGRES_TRIGGER:
            op.execute(statement)
