"""Users, tokens and sessions, the audit, calls that are made once, alerts, calls out; and runs of single texts."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

from worker.store.column_types import BigId, Json

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ROLES = ("viewer", "author", "approver", "operator", "admin")
_TYPES = ("once", "firing", "reminder_day", "resend", "test", "help")


def _text(length: int) -> Any:
    return sqltypes.AutoString(length=length)


def _column(name: str, kind: Any, *, is_optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=is_optional)


def _moment(name: str, *, is_optional: bool = False) -> sa.Column[Any]:
    return _column(name, sqltypes.UTCDateTime(), is_optional=is_optional)


def _role(table: str) -> tuple[sa.Column[Any], sa.CheckConstraint]:
    kind = sa.Enum(*_ROLES, name="role", native_enum=False, length=20)
    return _column("role", kind), sa.CheckConstraint(sa.column("role").in_(_ROLES), name=op.f(f"ck_{table}_role"))


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def upgrade() -> None:
    op.create_table(
        "app_user",
        _column("id", sa.Integer()),
        _column("name", _text(64)),
        *_role("app_user"),
        _column("password_hash", _text(255)),
        _moment("created_at"),
        _column("created_by", _text(100)),
        _moment("password_at"),
        _moment("disabled_at", is_optional=True),
        _key("app_user", "id"),
        _unique("app_user", "name"),
    )
    op.create_table(
        "api_token",
        _column("id", sa.Integer()),
        _column("name", _text(64)),
        _column("prefix", _text(12)),
        _column("digest", _text(64)),
        _column("scopes", Json),
        _column("recipients_daily", sa.Integer(), is_optional=True),
        _moment("created_at"),
        _column("created_by", _text(100)),
        _moment("expires_at", is_optional=True),
        _moment("last_used_at", is_optional=True),
        _moment("ended_at", is_optional=True),
        _key("api_token", "id"),
        _unique("api_token", "name"),
        _unique("api_token", "digest"),
    )
    op.create_table(
        "web_session",
        _column("digest", _text(64)),
        _column("user_id", sa.Integer(), is_optional=True),
        _column("name", _text(100)),
        *_role("web_session"),
        _moment("created_at"),
        _moment("seen_at"),
        _moment("ended_at", is_optional=True),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_web_session_user_id")),
        _key("web_session", "digest"),
    )
    op.create_index("ix_web_session_user_id", "web_session", ["user_id"])
    op.create_table(
        "audit_entry",
        _column("id", BigId),
        _moment("at"),
        _column("actor_kind", _text(20)),
        _column("actor", _text(100)),
        _column("origin", _text(64)),
        _column("action", _text(40)),
        _column("campaign", _text(70)),
        _column("run_id", sa.Integer(), is_optional=True),
        _column("plan_hash", _text(64)),
        _column("subject", _text(200)),
        _column("detail", Json),
        _column("previous", _text(64)),
        _column("digest", _text(64)),
        _key("audit_entry", "id"),
    )
    op.create_index("ix_audit_entry_campaign", "audit_entry", ["campaign"])
    op.create_table(
        "audit_head",
        _column("id", sa.Integer()),
        _column("entries", sa.BigInteger()),
        _column("last_id", sa.BigInteger()),
        _column("digest", _text(64)),
        _key("audit_head", "id"),
    )
    op.create_table(
        "idempotent_call",
        _column("id", BigId),
        _column("caller", _text(120)),
        _column("key", _text(255)),
        _column("request_digest", _text(64)),
        _column("answer", sa.Text()),
        _moment("created_at"),
        _key("idempotent_call", "id"),
        _unique("idempotent_call", "caller", "key"),
    )
    op.create_index("ix_idempotent_call_created_at", "idempotent_call", ["created_at"])
    op.create_table(
        "alert",
        _column("id", BigId),
        _column("name", _text(60)),
        _column("subject", _text(100)),
        _moment("raised_at"),
        _moment("cleared_at", is_optional=True),
        _column("detail", Json),
        _key("alert", "id"),
    )
    is_raised = sa.text("cleared_at IS NULL")
    of_alert = ["name", "subject"]
    op.create_index(
        "uq_alert_raised", "alert", of_alert, unique=True, sqlite_where=is_raised, postgresql_where=is_raised
    )
    op.create_table(
        "call_out",
        _column("id", BigId),
        _column("notice_id", sa.BigInteger()),
        _moment("at"),
        _column("target", _text(200)),
        _column("channel", _text(20)),
        _column("event", _text(40)),
        _column("status", sa.Integer(), is_optional=True),
        _column("problem", sa.Text()),
        _column("seconds", sa.Float()),
        _key("call_out", "id"),
    )
    op.create_index("ix_call_out_notice_id", "call_out", ["notice_id"])
    op.create_index("ix_call_out_at", "call_out", ["at"])
    _let_runs_be((*_TYPES, "message"))


def _let_runs_be(types: tuple[str, ...]) -> None:
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_run_run_type"), type_="check")
        batch_op.create_check_constraint(op.f("ck_run_run_type"), sa.column("type").in_(types))


def downgrade() -> None:
    _let_runs_be(_TYPES)
    for table in (
        "call_out", "alert", "idempotent_call", "audit_head", "audit_entry", "web_session", "api_token", "app_user"
    ):  # fmt: skip
        op.drop_table(table)
