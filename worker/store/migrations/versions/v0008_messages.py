"""The keys by which programs asked for single texts, and how many people each token sent to today."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message_key",
        sa.Column("digest", sqltypes.AutoString(length=64), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("request_digest", sqltypes.AutoString(length=64), nullable=False),
        sa.Column("created_at", sqltypes.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_message_key")),
    )
    op.add_column("api_token", sa.Column("used_on", sa.Date(), nullable=True))
    op.add_column("api_token", sa.Column("used_recipients", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("api_token", schema=None) as batch_op:
        batch_op.drop_column("used_recipients")
        batch_op.drop_column("used_on")
    op.drop_table("message_key")
