"""What an account's trouble was told as, how often it was tried again, and how far its gateway's clock is off."""

import sqlalchemy as sa
from alembic import op

from worker.store.column_types import Json

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_LISTS = ("told", "clock_offsets")


def upgrade() -> None:
    with op.batch_alter_table("account", schema=None) as batch_op:
        for name in _LISTS:
            batch_op.add_column(sa.Column(name, Json, nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("probes", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("account", schema=None) as batch_op:
        for name in (*_LISTS, "probes"):
            batch_op.alter_column(name, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("account", schema=None) as batch_op:
        for name in (*_LISTS, "probes"):
            batch_op.drop_column(name)
