"""Counts of runs are kept by variant and reason, too, and so are replies, and who wrote back or opted out.

An older version has no way back to its triggers: coming up again from 0008 counts anew.
"""

import sqlalchemy as sa
from alembic import op
from sqlmodel import Session
from sqlmodel.sql import sqltypes

from worker.store.kept import counting
from worker.store.people import run_answers

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _counts(*part: sa.Column[str]) -> None:
    key = ("run_id", "figure", *(column.name for column in part), "shard")
    op.create_table(
        "run_count",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("figure", sqltypes.AutoString(length=30), nullable=False),
        *part,
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("segments", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_run_count")),
        sqlite_with_rowid=False,
    )


def upgrade() -> None:
    counting.remove(op.get_bind())
    op.drop_table("run_count")
    _counts(sa.Column("part", sqltypes.AutoString(), nullable=False))
    op.create_table(
        "run_answer",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sqltypes.AutoString(length=10), nullable=False),
        sa.Column("part", sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_run_answer_run_id")),
        sa.PrimaryKeyConstraint("run_id", "recipient_id", "kind", name=op.f("pk_run_answer")),
    )
    # Before there are triggers, which would count each of a million rows.
    with Session(op.get_bind()) as session:
        run_answers.fill(session)
    counting.install(op.get_bind())
    counting.fill(op.get_bind())


def downgrade() -> None:
    counting.remove(op.get_bind())
    op.drop_table("run_answer")
    op.drop_table("run_count")
    _counts()
