"""How far each run was over time, and what kept it back."""

import sqlalchemy as sa
from alembic import op

from worker.store.column_types import Json

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_course",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("course", Json, nullable=False),
        sa.Column("bottlenecks", Json, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_run_course_run_id")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_course")),
    )


def downgrade() -> None:
    op.drop_table("run_course")
