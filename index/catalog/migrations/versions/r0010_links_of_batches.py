"""Under which URL links in the results of a batch lead to this server."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Adds the column; links of older batches stay as they were."""
    op.add_column("batches", sa.Column("public_url", sa.Text))
