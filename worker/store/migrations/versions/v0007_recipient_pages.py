"""The recipients of a run are read a page at a time, in the order of the audience."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INDEX = "ix_recipient_run_id_id"


def upgrade() -> None:
    op.create_index(INDEX, "recipient", ["run_id", "id"])


def downgrade() -> None:
    op.drop_index(INDEX, table_name="recipient")
