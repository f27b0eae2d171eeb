"""Which people each phone texted in a month, for the budget of people of each phone."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

from worker.store.column_types import UnixTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def _key() -> list[sa.Column[object]]:
    return [
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("month", UnixTime(), nullable=False),
        sa.Column("device", sqltypes.AutoString(length=20), nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "device_person",
        *_key(),
        sa.Column("number", sqltypes.AutoString(length=32), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "month", "device", "number", name=op.f("pk_device_person")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_device_person_number", "device_person", ["number"])
    op.create_table(
        "device_month",
        *_key(),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("counted_to", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "month", "device", name=op.f("pk_device_month")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("device_month")
    op.drop_index("ix_device_person_number", table_name="device_person")
    op.drop_table("device_person")
