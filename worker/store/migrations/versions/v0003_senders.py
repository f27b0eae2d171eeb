"""Replies with the number they came from, and with the same ID as others: a gateway set up anew begins with 1."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BY_ID = "uq_inbound_account_id_gateway_id"
_BY_CONTENT = "uq_inbound_account_id_gateway_id_fingerprint"


def upgrade() -> None:
    with op.batch_alter_table("inbound", schema=None) as batch_op:
        for name in ("fingerprint", "sender"):
            batch_op.add_column(sa.Column(name, sqltypes.AutoString(length=32), nullable=False, server_default=""))
        batch_op.drop_constraint(_BY_ID, type_="unique")
        batch_op.create_unique_constraint(_BY_CONTENT, ["account_id", "gateway_id", "fingerprint"])
    with op.batch_alter_table("inbound", schema=None) as batch_op:
        for name in ("fingerprint", "sender"):
            batch_op.alter_column(name, server_default=None)
    # A stop without this waits for a person: only those do that come from now on, and of nobody known.
    op.execute("UPDATE inbound SET reviewed_at = stored_at WHERE meaning = 'stop'")


def downgrade() -> None:
    # Of several replies with one ID the oldest stays: the old schema knows one.
    op.execute("DELETE FROM inbound WHERE id NOT IN (SELECT min(id) FROM inbound GROUP BY account_id, gateway_id)")
    with op.batch_alter_table("inbound", schema=None) as batch_op:
        batch_op.drop_constraint(_BY_CONTENT, type_="unique")
        batch_op.create_unique_constraint(_BY_ID, ["account_id", "gateway_id"])
        for name in ("sender", "fingerprint"):
            batch_op.drop_column(name)
