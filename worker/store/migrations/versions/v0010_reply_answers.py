"""Answers that people gave to replies."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reply_answer",
        sa.Column("reply_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("answered_by", sqltypes.AutoString(length=100), nullable=False),
        sa.Column("answered_at", sqltypes.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("reply_id", "place", name=op.f("pk_reply_answer")),
    )


def downgrade() -> None:
    op.drop_table("reply_answer")
