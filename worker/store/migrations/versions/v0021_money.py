"""What texts cost, and what was spent of budgets of money; batches wait for prices, and budgets pause runs."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

from worker.store.kept import counting, phones

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_PAUSED_BY = ("", "person", "gateway", "alarm", "quarantine", "new_gateway", "relocation")
_WAITS_FOR = (
    "", "throttle", "budget", "window", "doubt", "number", "cap", "cap_passed", "opt_outs", "back_off", "retry"
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "charge",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=True),
        sa.Column("is_refunded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "recipient_id", "attempt_id", name=op.f("pk_charge")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "spent_money",
        sa.Column("scope", sqltypes.AutoString(length=40), nullable=False),
        sa.Column("starts_at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("ends_at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("millionths", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "starts_at", "ends_at", name=op.f("pk_spent_money")),
        sqlite_with_rowid=False,
    )
    op.add_column("account", sa.Column("currency", sqltypes.AutoString(length=3), nullable=True))
    counting.install(op.get_bind(), (counting.CHARGES,))
    _allow((*_PAUSED_BY, "budget"), (*_WAITS_FOR, "price"))


def downgrade() -> None:
    op.execute("UPDATE batch SET waits_for = '' WHERE waits_for = 'price'")
    for table in ("account", "run"):
        op.execute(f"UPDATE {table} SET paused_by = 'alarm' WHERE paused_by = 'budget'")  # noqa: S608 - constants
    _allow(_PAUSED_BY, _WAITS_FOR)
    op.drop_column("account", "currency")
    counting.remove(op.get_bind(), (counting.CHARGES,))
    op.drop_table("spent_money")
    op.drop_table("charge")


def _allow(paused_by: tuple[str, ...], waits_for: tuple[str, ...]) -> None:
    """Let codes have these values. SQLite writes the tables anew for that: the triggers that know them go meanwhile."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if is_sqlite:
        counting.remove(op.get_bind())
        phones.remove(op.get_bind())
    for table, column, values in (
        ("account", "paused_by", paused_by), ("run", "paused_by", paused_by), ("batch", "waits_for", waits_for)
    ):  # fmt: skip
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_constraint(op.f(f"ck_{table}_{column}"), type_="check")
            batch_op.create_check_constraint(op.f(f"ck_{table}_{column}"), sa.column(column).in_(values))
    if is_sqlite:
        counting.install(op.get_bind())
        phones.install(op.get_bind())
