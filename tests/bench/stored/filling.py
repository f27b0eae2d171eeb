"""A large database in minutes: campaigns that were sent, with replies, held requests, messages and an audit.

Everything is made by the database itself (`INSERT ... SELECT`), a campaign at a time, so nothing of it is in memory.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType
from campaigns.definition import Definition
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.optout import Meaning
from worker.store.engine import Store
from worker.store.models import AttemptState
from worker.store.runs import runs, versions
from worker.store.sending import accounts
from worker.store.tables import attempts, audit_entries, batches, events, recipients, replies
from worker.store.tables import runs as run_table

PER_BATCH: Final = 100
FAILED_EVERY: Final = 1_000
HELD_EVERY: Final = 500
"""One request in so many is held, with its people."""

REPLY_EVERY: Final = 50
AUDIT_EVERY: Final = 100

NOW: Final = datetime(2026, 12, 1, 9, tzinfo=UTC)
FIRST_NUMBER: Final = 3_300_000_000

MESSAGES: Final = "messages"
"""The campaign whose recipients are single texts: the last one."""


def fill(store: Store, *, recipients: int, campaigns: int, rehearsal: bool = False) -> None:
    """Fill an empty, migrated database with so many recipients, evenly in campaigns `sale-0`, `sale-1`, ..."""
    each = recipients // campaigns
    for place in range(campaigns):
        slug = f"sale-{place}" if place + 1 < campaigns else MESSAGES
        with store.write() as session:
            _campaign(session, slug, place * each + 1, each, rehearsal=rehearsal)
    if not store.is_sqlite:
        with store.look() as connection:  # as autovacuum does within minutes
            connection.execute(sa.text("ANALYZE"))


def _campaign(session: Session, slug: str, first: int, people: int, *, rehearsal: bool) -> None:
    account_id = accounts.ensure_account(session, "bench")
    said = {"campaign": slug, "message": "Hi", "audience": [{"recipients": [{"number": "1"}]}]}
    definition = Definition.model_validate(said)
    version = versions.register(session, definition, rehearsal=rehearsal, source=f"{slug}.yaml", now=NOW)
    run_id = runs.create_run(
        session, campaign_id=version.campaign_id, account_id=account_id, definition_id=version.definition_id,
        starts_at=NOW, follow_seconds=3_600, kind="marketing", now=NOW,
    )  # fmt: skip
    of_run: dict[str, Any] = {"state": RunState.COMPLETED, "planned_at": NOW, "started_at": NOW, "finished_at": NOW}
    if slug == MESSAGES:
        of_run |= {"type": RunType.MESSAGE, "moment": f"{NOW:%Y-%m-%d}"}
    session.execute(sa.update(run_table).where(run_table.c.id == run_id).values(of_run))
    for table, values, last, step in _rows(run_id, account_id, slug, first, people):
        number = _numbers(session, first, last, step)
        columns = [sa.literal(value, table.c[name].type) if _is_plain(value) else value(number.c.n)
                   for name, value in values.items()]  # fmt: skip
        session.execute(sa.insert(table).from_select(list(values), sa.select(*columns).select_from(number)))


def _is_plain(value: Any) -> bool:
    return not callable(value)


def _numbers(session: Session, first: int, last: int, step: int) -> Any:
    """The numbers from first to last, as a table with a column n."""
    if session.get_bind().dialect.name == "postgresql":
        return sa.func.generate_series(first, last, step).table_valued(sa.column("n", sa.BigInteger)).render_derived()
    table = sa.select(sa.literal(first, sa.BigInteger).label("n")).cte("n", recursive=True)
    return table.union_all(sa.select(table.c.n + step).where(table.c.n + step <= last))


def _rows(
    run_id: int, account_id: int, slug: str, first: int, people: int
) -> Iterator[tuple[sa.Table, Mapping[str, Any], int, int]]:
    """Yield each table, the value of each column (that of row n, or a plain one), its last row, and every how many."""
    last, later = first + people - 1, NOW + timedelta(seconds=9)

    def batch_of(n: Any) -> Any:
        return (n - 1) // PER_BATCH + 1

    def number_of(n: Any) -> Any:
        return sa.literal("+39").concat(sa.cast(FIRST_NUMBER + (n - 1) % max(people, 500_000), sa.String))

    def state_of(n: Any) -> Any:
        return sa.case(
            (batch_of(n) % HELD_EVERY == 0, sa.literal(RecipientState.HELD.value, sa.String)),
            (n % FAILED_EVERY == 0, sa.literal(RecipientState.FAILED.value, sa.String)),
            else_=sa.literal(RecipientState.DELIVERED.value, sa.String),
        )

    def batch_state(n: Any) -> Any:
        is_held = batch_of(n) % HELD_EVERY == 0
        return sa.case((is_held, sa.literal(BatchState.HELD.value, sa.String)), else_=BatchState.ACCEPTED.value)

    yield batches, {
        "id": batch_of, "run_id": run_id, "ordinal": batch_of, "state": batch_state, "zones": "", "moment": NOW,
        "not_before": NOW, "attempt": 1, "recipients": PER_BATCH, "segments": PER_BATCH, "target": "",
        "waits_for": "", "reason": "",
    }, last, PER_BATCH  # fmt: skip
    yield recipients, {
        "id": lambda n: n, "run_id": run_id, "batch_id": batch_of, "number": number_of, "occurrence": 0,
        "slot": "", "source": "people.csv", "line": lambda n: n % 1_000_000, "state": state_of, "reason": "",
        "is_superseded": False, "variant": "", "text": "Hi Anna, our spring sale in Roma starts today.", "segments": 1,
        "gateway_id": lambda n: n, "group_id": lambda n: sa.cast(batch_of(n), sa.String), "device": 2, "sim": 0,
        "attempts": 1, "gateway_retries": 0, "resent_count": 0, "accepted_at": NOW, "sent_at": later,
        "delivered_at": later,
    }, last, 1  # fmt: skip
    yield attempts, {
        "id": batch_of, "run_id": run_id, "batch_id": batch_of, "number": 1, "state": AttemptState.CLOSED,
        "started_at": NOW, "send_by": later, "id_floor": 0, "payload_hash": "", "target": "2",
        "recipients": PER_BATCH, "segments": PER_BATCH, "granted_at": NOW, "outcome": "accepted", "evidence": {},
        "finished_at": later, "next_check_at": later, "checks": 0,
    }, last, PER_BATCH  # fmt: skip
    yield replies, {
        "account_id": account_id, "gateway_id": lambda n: n, "fingerprint": "", "number": number_of, "sender": "",
        "text": "Thank you", "received_at": later, "stored_at": later, "came_by": "poll",
        "meaning": lambda n: sa.case(
            (n % 5_000 < REPLY_EVERY, sa.literal(Meaning.REVIEW.value, sa.String)), else_=Meaning.REPLY.value
        ),
        "reviewed_at": later, "run_id": run_id, "recipient_id": lambda n: n,
    }, last, REPLY_EVERY  # fmt: skip
    yield events, {"at": NOW, "name": "bench", "run_id": run_id, "detail": {}}, last, AUDIT_EVERY
    yield audit_entries, {
        "id": lambda n: (n - 1) // AUDIT_EVERY + 1, "at": NOW, "actor_kind": "token", "actor": "ci", "origin": "",
        "action": "pause", "campaign": slug, "run_id": run_id, "plan_hash": "", "subject": "", "detail": {},
        "previous": "", "digest": "",
    }, last, AUDIT_EVERY  # fmt: skip
