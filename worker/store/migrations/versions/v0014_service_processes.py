"""Which processes of the service are there."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

from worker.store.column_types import BigId

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "service_process",
        sa.Column("id", BigId, nullable=False),
        sa.Column("role", sqltypes.AutoString(length=20), nullable=False),
        sa.Column("host", sqltypes.AutoString(length=100), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sqltypes.AutoString(length=40), nullable=False),
        sa.Column("started_at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("seen_at", sqltypes.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_process")),
    )


def downgrade() -> None:
    op.drop_table("service_process")
