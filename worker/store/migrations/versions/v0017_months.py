"""Calls out are kept by months on PostgreSQL, so that old ones go without being deleted one by one."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from worker.store.kept import months

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    months.install(op.get_bind(), datetime.now(UTC))


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for statement in (
        "ALTER TABLE call_out RENAME TO call_out_by_months",
        "ALTER TABLE call_out_by_months RENAME CONSTRAINT pk_call_out TO pk_call_out_by_months",
        "ALTER INDEX ix_call_out_notice_id RENAME TO ix_call_out_by_months_notice_id",
        "ALTER INDEX ix_call_out_at RENAME TO ix_call_out_by_months_at",
        "CREATE TABLE call_out (LIKE call_out_by_months INCLUDING DEFAULTS)",
        "INSERT INTO call_out SELECT * FROM call_out_by_months",
        "ALTER TABLE call_out ADD CONSTRAINT pk_call_out PRIMARY KEY (id)",
        "CREATE INDEX ix_call_out_notice_id ON call_out (notice_id)",
        "CREATE INDEX ix_call_out_at ON call_out (at)",
        "ALTER SEQUENCE call_out_id_seq OWNED BY call_out.id",
        "DROP TABLE call_out_by_months",
    ):
        op.execute(sa.text(statement))
