"""Codes for what code decides by: the kind of a run, what a batch waits for, who paused, how a request failed.

Until now these were sentences for people, names of classes and the shape of a name; they are quoted here alone.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TYPES = ("once", "firing", "reminder_day", "resend", "test", "help")
_PAUSED_BY = ("", "person", "gateway", "alarm", "quarantine", "new_gateway", "relocation")
_WAITS = {
    "waiting for the throttle": "throttle",
    "the budget of the day or month is spent": "budget",
    "outside the window": "window",
    "too many requests in doubt": "doubt",
    "numbers in doubt elsewhere": "number",
    "waits for its frequency cap": "cap",
    "the frequency cap was reached just now": "cap_passed",
    "people who opted out are taken off the contact list first": "opt_outs",
}
"""Reasons that say no more than the code does."""
_SENT_AGAIN = (
    "outcome unknown",
    "the process that sent it ended before the outcome was stored",
    "declared not sent by a person",
    "the database did not answer before the request was written",
    "the campaign or the account was stopped before the request was written",
    "the request was not written in time and will be made again",
    "its sending hours, or its time, ended before the request was written",
)
"""Reasons of batches whose people were in a request before; every other one is why a request failed."""
_CODES = ("", *_WAITS.values(), "back_off", "retry")

_BY_HAND = "paused by hand"
_ASKS = ("the gateway refused % recipients; look at the reasons, then resume", "the last % requests failed, and the %")
_QUARANTINE = (
    "the database is older than what was sent from it (a restored backup or a fail-over); "
    "let the gateway be swept for what it forgot: campaigns recover"
)
_QUARANTINED = "the database is older than what was sent from it (%"  # another one says what a rehearsal can do
_NEW_GATEWAY = (
    "the gateway gave IDs that it had given before: it was set up anew or restored, or another one has its address; "
    "nothing is sent and no receipt believed; if it is the right one, tell it: campaigns resume CAMPAIGN --new-gateway"
)
_MOVED = ("being moved to %", "moved to %")
_SENT_AFTER_ALL = "the text that had failed was sent after all"

_FAILURES = {
    "ConnectFailed": "connect_failed",
    "CertificateRefused": "certificate_refused",
    "Aborted": "aborted",
    "AccountRefused": "account_refused",
    "RequestRefused": "request_refused",
    "DeviceRefused": "device_refused",
    "Throttled": "throttled",
    "TooBig": "too_big",
    "OutcomeUnknown": "outcome_unknown",
    "ReplyLost": "reply_lost",
    "ReplyUnreadable": "reply_unreadable",
    "ReplyTooLong": "reply_too_long",
    "ReplyImplausible": "reply_implausible",
    "ServerFailed": "server_failed",
    "FailureUnknown": "failure_unknown",
    "ProcessLost": "process_lost",
}
_UNDECIDED = ("planned", "queued")

_ADDED = (
    ("account", "paused_by", "paused_by", _PAUSED_BY, ""),
    ("run", "type", "run_type", _TYPES, "once"),
    ("run", "paused_by", "paused_by", _PAUSED_BY, ""),
    ("batch", "waits_for", "waits_for", _CODES, ""),
)
"""Table, column, the name of its check, its values, and what it is at first."""

_RENAMED = (
    ("recipient", "retries", "gateway_retries"),
    ("recipient", "again", "resent_count"),
    ("retry", "retries", "gateway_retries"),
)


def _table(name: str, *columns: str) -> Any:
    return sa.table(name, *(sa.column(column) for column in columns))


_account = _table("account", "paused_by", "paused_reason", "next_probe_at")
_campaign = _table("campaign", "id", "slug")
_run = _table("run", "id", "campaign_id", "parent_id", "moment", "type", "state", "paused_by", "reason")
_batch = _table("batch", "state", "waits_for", "reason")
_recipient = _table("recipient", "run_id", "state", "reason", "is_superseded")


def upgrade() -> None:
    op.drop_index("ix_batch_throttled", table_name="batch")
    for table in dict.fromkeys(table for table, *_ in _ADDED):
        with op.batch_alter_table(table, schema=None) as batch_op:
            for _, column, check, values, first in (added for added in _ADDED if added[0] == table):
                kind = sa.Enum(*values, name=check, native_enum=False, length=20)
                batch_op.add_column(sa.Column(column, kind, nullable=False, server_default=first))
                batch_op.create_check_constraint(op.f(f"ck_{table}_{check}"), sa.column(column).in_(values))
    op.add_column("recipient", sa.Column("is_superseded", sa.Boolean(), nullable=False, server_default=sa.false()))
    for table, before, after in _RENAMED:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {before} TO {after}")
    _tell_runs()
    _tell_pauses()
    _tell_batches()
    of_resend = sa.select(_run.c.id).where(_run.c.type == "resend")
    left_out = (_recipient.c.run_id.in_(of_resend), _recipient.c.state == "cancelled")
    superseded = sa.update(_recipient).where(*left_out, _recipient.c.reason == _SENT_AFTER_ALL)
    op.execute(superseded.values(is_superseded=sa.true()))
    _name_failures("class", "failure", _FAILURES)
    for table in dict.fromkeys(table for table, *_ in _ADDED):
        with op.batch_alter_table(table, schema=None) as batch_op:
            for _, column, *_rest in (added for added in _ADDED if added[0] == table):
                batch_op.alter_column(column, server_default=None)
    is_throttled = sa.text("waits_for = 'throttle'")
    columns = ["run_id", "state", "not_before"]
    op.create_index("ix_batch_throttled", "batch", columns, sqlite_where=is_throttled, postgresql_where=is_throttled)


def _tell_runs() -> None:
    def of_campaign(is_mine: Any) -> Any:
        return _run.c.campaign_id.in_(sa.select(_campaign.c.id).where(is_mine))

    kind = sa.case(
        (_run.c.parent_id.is_not(None), "resend"),
        (of_campaign(_campaign.c.slug.like("test:%")), "test"),
        (of_campaign(_campaign.c.slug == "help-answers"), "help"),
        (_run.c.moment.like("____-__-__T__:__:__Z"), "firing"),
        (_run.c.moment.like("____-__-__"), "reminder_day"),
        else_="once",
    )
    op.execute(sa.update(_run).values(type=kind))
    by = sa.case(
        (_run.c.reason.in_([_BY_HAND, ""]), "person"),
        (sa.or_(*(_run.c.reason.like(asked) for asked in _ASKS)), "alarm"),
        else_="gateway",
    )
    shown = sa.case((_run.c.reason == _BY_HAND, ""), else_=_run.c.reason)
    op.execute(sa.update(_run).where(_run.c.state == "paused").values(paused_by=by, reason=shown))


def _pause_of(reason: Any, next_probe_at: Any) -> tuple[Any, Any]:
    """The code of an account's pause, and what is left to be told of it."""
    by = sa.case(
        (reason == "", ""),
        (reason.like(_QUARANTINED), "quarantine"),
        (reason == _NEW_GATEWAY, "new_gateway"),
        (sa.or_(*(reason.like(moved) for moved in _MOVED)), "relocation"),
        (next_probe_at.is_(None), "alarm"),  # only a person ends it
        else_="gateway",
    )
    return by, sa.case((reason.in_([_QUARANTINE, _NEW_GATEWAY]), ""), else_=reason)


def _tell_pauses() -> None:
    by, reason = _pause_of(_account.c.paused_reason, _account.c.next_probe_at)
    op.execute(sa.update(_account).values(paused_by=by, paused_reason=reason))
    _keep_pauses(lambda kept: _pause_of(kept("paused_reason"), kept("next_probe_at")))


def _tell_batches() -> None:
    codes = _WAITS | dict.fromkeys(_SENT_AGAIN, "retry")
    waits = sa.case(codes, value=_batch.c.reason, else_="back_off")
    reason = sa.case((_batch.c.reason.in_(list(_WAITS)), ""), else_=_batch.c.reason)
    told = sa.update(_batch).where(_batch.c.state.in_(_UNDECIDED), _batch.c.reason != "")
    op.execute(told.values(waits_for=waits, reason=reason))


def _keep_pauses(change: Any) -> None:
    """How the accounts were before a move stands in its event, and is put back from there."""
    event = sa.table("event", sa.column("name"), sa.column("detail", JSONB))
    pause: Any
    if op.get_bind().dialect.name == "sqlite":
        kept = sa.func.json_each(event.c.detail, "$.accounts").table_valued("value", name="kept")
        by, reason = change(lambda key: sa.func.json_extract(kept.c.value, f"$.{key}"))
        pause = sa.func.json_set(kept.c.value, "$.paused_by", by, "$.paused_reason", reason)
        pauses = sa.select(sa.func.json_group_array(pause)).select_from(kept).scalar_subquery()
        detail = sa.func.json_set(event.c.detail, "$.accounts", sa.func.json(pauses))
    else:
        kept = sa.func.jsonb_array_elements(event.c.detail["accounts"]).table_valued(sa.column("value", JSONB))
        kept = kept.render_derived(name="kept")
        by, reason = change(lambda key: kept.c.value[key].astext)
        pause = kept.c.value.op("||")(sa.func.jsonb_build_object("paused_by", by, "paused_reason", reason))
        pauses = sa.select(sa.func.jsonb_agg(pause)).select_from(kept).scalar_subquery()
        of_none = sa.cast(sa.literal_column("'[]'"), JSONB)
        detail = sa.func.jsonb_set(event.c.detail, sa.text("'{accounts}'"), sa.func.coalesce(pauses, of_none))
    op.execute(sa.update(event).where(event.c.name == "database.leaving").values(detail=detail))


def _name_failures(before: str, after: str, names: Mapping[str, str]) -> None:
    """Among the evidence of requests: under another name, and the value that belongs to the one that stands there."""
    attempt = sa.table("attempt", sa.column("evidence", JSONB))
    evidence = attempt.c.evidence
    named: Any
    if op.get_bind().dialect.name == "sqlite":
        name = sa.func.json_extract(evidence, f"$.{before}")
        new = sa.case(names, value=name, else_=name)
        named = sa.func.json_set(sa.func.json_remove(evidence, f"$.{before}"), f"$.{after}", new)
    else:
        name = evidence[before].astext
        new = sa.case(names, value=name, else_=name)
        named = evidence.op("-")(sa.cast(before, sa.Text)).op("||")(sa.func.jsonb_build_object(after, new))
    op.execute(sa.update(attempt).where(name.is_not(None)).values(evidence=named))


def downgrade() -> None:
    op.drop_index("ix_batch_throttled", table_name="batch")
    words = {code: said for said, code in _WAITS.items()}
    shown = sa.case(words, value=_batch.c.waits_for, else_=_batch.c.reason)
    op.execute(sa.update(_batch).where(_batch.c.waits_for != "", _batch.c.reason == "").values(reason=shown))
    is_by_hand = (_run.c.paused_by == "person", _run.c.reason == "")
    op.execute(sa.update(_run).where(*is_by_hand).values(reason=_BY_HAND))

    def pause(by: Any, reason: Any) -> Any:
        said = sa.case({"quarantine": _QUARANTINE, "new_gateway": _NEW_GATEWAY}, value=by, else_="")
        return sa.func.coalesce(sa.func.nullif(reason, ""), said)

    op.execute(sa.update(_account).values(paused_reason=pause(_account.c.paused_by, _account.c.paused_reason)))
    _keep_pauses(lambda kept: (kept("paused_by"), pause(kept("paused_by"), kept("paused_reason"))))
    _name_failures("failure", "class", {code: name for name, code in _FAILURES.items()})
    for table, before, after in _RENAMED:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {after} TO {before}")
    op.drop_column("recipient", "is_superseded")
    for table in dict.fromkeys(table for table, *_ in _ADDED):
        with op.batch_alter_table(table, schema=None) as batch_op:
            for _, column, check, *_rest in (added for added in _ADDED if added[0] == table):
                batch_op.drop_constraint(op.f(f"ck_{table}_{check}"), type_="check")
                batch_op.drop_column(column)
    is_throttled = sa.text("reason = 'waiting for the throttle'")
    columns = ["run_id", "state", "not_before"]
    op.create_index("ix_batch_throttled", "batch", columns, sqlite_where=is_throttled, postgresql_where=is_throttled)
