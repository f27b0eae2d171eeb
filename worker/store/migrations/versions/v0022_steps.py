"""Campaigns have steps: runs that belong to another run, follow the text before, and depend on what became of it."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

from worker.store.kept import counting, phones

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_TYPES = ("once", "firing", "reminder_day", "resend", "test", "help", "message")


def upgrade() -> None:
    _allow((*_TYPES[:3], "step", *_TYPES[3:]), add=True)


def downgrade() -> None:
    # What was planned or sent as a step stays, as runs of a type that the version before knows and never starts.
    op.execute("UPDATE run SET type = 'test' WHERE type = 'step'")
    _allow(_TYPES, add=False)


def _allow(types: tuple[str, ...], *, add: bool) -> None:
    """Let runs be of these types. SQLite writes the table anew for that: triggers that name it go meanwhile."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if is_sqlite:
        counting.remove(op.get_bind())
        phones.remove(op.get_bind())
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_run_run_type"), type_="check")
        batch_op.create_check_constraint(op.f("ck_run_run_type"), sa.column("type").in_(types))
        if add:
            for name in ("root_id", "previous_id"):
                batch_op.add_column(sa.Column(name, sa.Integer(), nullable=True))
                batch_op.create_foreign_key(op.f(f"fk_run_{name}"), "run", [name], ["id"])
            for name in ("unless", "only_if"):
                batch_op.add_column(sa.Column(name, sqltypes.AutoString(length=60), nullable=True))
            batch_op.add_column(sa.Column("followed_at", sqltypes.UTCDateTime(), nullable=True))
        else:
            for name in ("root_id", "previous_id"):
                batch_op.drop_constraint(op.f(f"fk_run_{name}"), type_="foreignkey")
            for name in ("unless", "only_if", "root_id", "previous_id", "followed_at"):
                batch_op.drop_column(name)
    if is_sqlite:
        counting.install(op.get_bind())
        phones.install(op.get_bind())
