"""Pages that were taken out of the settings."""

import sqlalchemy as sa
from alembic import op

from roundsman.repositories.columns import UtcTime

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    with op.batch_alter_table("page_syncs", schema=None) as batch:
        batch.add_column(sa.Column("taken_out_at", UtcTime(), nullable=True))
