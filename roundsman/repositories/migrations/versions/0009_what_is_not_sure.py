"""Pages that were taken out of the settings, and looks that were held for want of certainty."""

import sqlalchemy as sa
from alembic import op

from roundsman.repositories.columns import BigId, UtcTime

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    with op.batch_alter_table("page_syncs", schema=None) as batch:
        batch.add_column(sa.Column("taken_out_at", UtcTime(), nullable=True))

    op.create_table(
        "held_looks",
        sa.Column("id", BigId, sa.Identity(always=False), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("looked_at", UtcTime(), nullable=False),
        sa.Column("certain_until", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held_looks")),
    )
    with op.batch_alter_table("held_looks", schema=None) as batch:
        batch.create_index("ix_held_looks_looked_at", ["looked_at"], unique=False)
