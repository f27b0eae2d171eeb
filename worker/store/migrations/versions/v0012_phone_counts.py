"""What phones sent is kept, not counted; replies that wait, and the audit by actor or action, have an index.

As with the counts of runs, the triggers come first: nothing changes between the count and the first change.
"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

from worker.store.kept import phones

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

WAITS = sa.text("reviewed_at IS NULL AND meaning IN ('review', 'stop')")


def upgrade() -> None:
    op.create_table(
        "phone_count",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("device", sa.Integer(), nullable=False),
        sa.Column("sim", sa.Integer(), nullable=False),
        sa.Column("figure", sqltypes.AutoString(length=10), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sqltypes.UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "device", "sim", "figure", "shard", name=op.f("pk_phone_count")),
        sqlite_with_rowid=False,
    )
    phones.install(op.get_bind())
    phones.fill(op.get_bind())
    op.create_index("ix_inbound_waiting", "inbound", ["id"], sqlite_where=WAITS, postgresql_where=WAITS)
    op.drop_index("ix_audit_entry_campaign", table_name="audit_entry")
    for column in ("campaign", "action", "actor"):
        op.create_index(f"ix_audit_entry_{column}", "audit_entry", [column, "id"])


def downgrade() -> None:
    for column in ("actor", "action", "campaign"):
        op.drop_index(f"ix_audit_entry_{column}", table_name="audit_entry")
    op.create_index("ix_audit_entry_campaign", "audit_entry", ["campaign"])
    op.drop_index("ix_inbound_waiting", table_name="inbound")
    phones.remove(op.get_bind())
    op.drop_table("phone_count")
