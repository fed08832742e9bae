"""the identity of the store, and the settings by which a daemon drives runs."""

import sqlalchemy as sa
from alembic import op

from roundsman.repositories.columns import Json

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "store_identity",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_store_identity")),
    )
    with op.batch_alter_table("daemons", schema=None) as batch_op:
        batch_op.add_column(sa.Column("driving", Json, nullable=True))
