"""Messages that a database lost and the gateway still has; and which installation the database is."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sqltypes.AutoString(length=16), nullable=False),
        sa.Column("since", sqltypes.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "accepted_before",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("gateway_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sqltypes.AutoString(length=32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("group_id", sqltypes.AutoString(), nullable=True),
        sa.Column("device", sa.Integer(), nullable=True),
        sa.Column("sim", sa.Integer(), nullable=True),
        sa.Column("sent_at", sqltypes.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_accepted_before_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accepted_before")),
        sa.UniqueConstraint("account_id", "gateway_id", name=op.f("uq_accepted_before_account_id_gateway_id")),
    )
    op.create_index("ix_accepted_before_number", "accepted_before", ["account_id", "number"])


def downgrade() -> None:
    op.drop_table("accepted_before")
    op.drop_table("installation")
