"""Counts that people look at are kept, not counted; and what is still read of rows is at the end of an index.

The triggers come first: on PostgreSQL making them waits for every writer and keeps others out until the end, so nothing
changes between the count and the first change that is counted.
"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

from worker.store.kept import counting

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FAILED = sa.text("state = 'failed'")


def upgrade() -> None:
    op.create_table(
        "run_count",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("figure", sqltypes.AutoString(length=30), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("segments", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "figure", "shard", name=op.f("pk_run_count")),
        sqlite_with_rowid=False,
    )
    counting.install(op.get_bind())
    counting.fill(op.get_bind())
    op.create_index("ix_attempt_run_id_started_at", "attempt", ["run_id", "started_at"])
    op.drop_index("ix_attempt_run_id", table_name="attempt")
    op.create_index("ix_recipient_failed", "recipient", ["run_id"], sqlite_where=FAILED, postgresql_where=FAILED)


def downgrade() -> None:
    op.drop_index("ix_recipient_failed", table_name="recipient")
    op.create_index("ix_attempt_run_id", "attempt", ["run_id"])
    op.drop_index("ix_attempt_run_id_started_at", table_name="attempt")
    counting.remove(op.get_bind())
    op.drop_table("run_count")
