"""People can be erased: the key of their hashes is recognised, and those who have to wait are noted."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "privacy_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("check_value", sqltypes.AutoString(length=32), nullable=False),
        sa.Column("since", sqltypes.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_key")),
    )
    op.create_table(
        "erasure",
        sa.Column("number", sqltypes.AutoString(length=32), nullable=False),
        sa.Column("asked_at", sqltypes.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_erasure")),
    )
    op.add_column("run", sa.Column("texts_emptied_at", sqltypes.UTCDateTime(), nullable=True))
    op.add_column("run", sa.Column("people_erased_at", sqltypes.UTCDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("run", "people_erased_at")  # not as a new table: triggers name it
    op.drop_column("run", "texts_emptied_at")
    op.drop_table("erasure")
    op.drop_table("privacy_key")
