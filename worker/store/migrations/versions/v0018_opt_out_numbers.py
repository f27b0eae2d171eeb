"""The history of a person's opt-outs has an index: `why` read all opt-outs, 29 ms for 50,000."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_suppression_number", "suppression", ["number"])


def downgrade() -> None:
    op.drop_index("ix_suppression_number", table_name="suppression")
