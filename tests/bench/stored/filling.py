"""A large database in minutes: campaigns that were sent, with replies, held requests, messages and an audit.

Everything is made by the database itself (`INSERT ... SELECT`), a campaign at a time, so nothing of it is in memory.
Indexes and counts are made when all rows are there, as migrations make them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.alerts.figures import AlertName
from campaigns.codes import RunType
from campaigns.definition import Definition
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.optout import Meaning
from worker.store.engine import Store
from worker.store.kept import counting, phones
from worker.store.models import AttemptState
from worker.store.people import audience_sources, run_answers
from worker.store.runs import runs, versions
from worker.store.sending import accounts
from worker.store.tables import (
    alerts,
    attempts,
    audit_entries,
    batches,
    events,
    groups,
    recipients,
    replies,
    suppressions,
)
from worker.store.tables import runs as run_table

ACCOUNT: Final = "bench"
WRITERS: Final = 2
PER_BATCH: Final = 100
FAILED_EVERY: Final = 1_000
SENT_EVERY: Final = 7
HELD_EVERY: Final = 500
"""One request in so many is held, with its people."""

REPLY_EVERY: Final = 50
AUDIT_EVERY: Final = 100
FIRST_ENTRY: Final = 1_000
"""What is done before has the first ones."""


NOW: Final = datetime(2026, 12, 1, 9, tzinfo=UTC)
FIRST_NUMBER: Final = 3_300_000_000

MESSAGES: Final = "messages"
"""The campaign whose recipients are single texts: the last one."""

LISTS: Final = 20
LIST_PEOPLE: Final = 1_000
"""Small campaigns beside the large ones: what people export."""

SOURCE: Final = "people.csv"
PHONES: Final = 20
OPTED_OUT_EVERY: Final = 200
SPLIT_EVERY: Final = 10
"""The people of one campaign in so many were divided between two variants."""

ALERTS: Final = 500
RAISED: Final = 5
ACTORS: Final = ("ci", "anna", "ben")
ACTIONS: Final = ("pause", "resume", "throttle", "approve")


def fill(
    store: Store, *, recipients: int, campaigns: int, running: int = 0, lists: int = 0, rehearsal: bool = False
) -> None:
    """Fill an empty, migrated database with so many recipients, evenly in campaigns `sale-0`, `sale-1`, ...

    The first `running` campaigns have sent to half of their people, the others to all of them. `lists`: so many more
    campaigns, `list-0` and so on, of 1,000 people each.
    """
    each = recipients // campaigns
    with store.write() as session:
        counting.remove(session.connection())
        phones.remove(session.connection())
        for index in _indexes():
            index.drop(session.connection())
        accounts.ensure_account(session, ACCOUNT)

    def campaign(place: int) -> None:
        slug = f"sale-{place}" if place + 1 < campaigns else MESSAGES
        with store.write() as session:
            _campaign(session, slug, place, each, is_running=place < running, rehearsal=rehearsal)

    with ThreadPoolExecutor(1 if store.is_sqlite else WRITERS) as pool:
        list(pool.map(campaign, range(campaigns)))
    for number in range(lists):
        place = -(-recipients // LIST_PEOPLE) + number
        with store.write() as session:
            _campaign(session, f"list-{number}", place, LIST_PEOPLE, is_running=False, rehearsal=rehearsal)
    with store.write() as session:
        _insert(session, _of_the_installation(recipients), 1)
    for index in _indexes():
        with store.write() as session:
            if not store.is_sqlite:
                session.execute(sa.text("SET LOCAL maintenance_work_mem = '512MB'"))
            index.create(session.connection())
    if not store.is_sqlite:
        with store.look() as connection:  # as autovacuum does within minutes
            connection.execute(sa.text("VACUUM ANALYZE"))
    with store.write() as session:
        run_answers.fill(session)
    with store.write() as session:
        for kept in (counting, phones):
            kept.install(session.connection())
            kept.fill(session.connection())


def _indexes() -> list[sa.Index]:
    return [index for table in (batches, recipients, groups, attempts, replies, events, audit_entries)
            for index in sorted(table.indexes, key=lambda index: str(index.name))]  # fmt: skip


def _campaign(session: Session, slug: str, place: int, people: int, *, is_running: bool, rehearsal: bool) -> None:
    account_id = accounts.ensure_account(session, ACCOUNT)
    said = {"campaign": slug, "message": "Hi", "audience": [{"recipients": [{"number": "1"}]}]}
    definition = Definition.model_validate(said)
    version = versions.register(session, definition, rehearsal=rehearsal, source=f"{slug}.yaml", now=NOW)
    run_id = runs.create_run(
        session, campaign_id=version.campaign_id, account_id=account_id, definition_id=version.definition_id,
        starts_at=NOW, follow_seconds=3_600, kind="marketing", now=NOW,
    )  # fmt: skip
    of_run: dict[str, Any] = {"state": RunState.COMPLETED, "planned_at": NOW, "started_at": NOW, "finished_at": NOW}
    if is_running:
        of_run |= {"state": RunState.RUNNING, "finished_at": None}
    if slug == MESSAGES:
        of_run |= {"type": RunType.MESSAGE, "moment": f"{NOW:%Y-%m-%d}"}
    elif place % SPLIT_EVERY == 0:
        of_run["plan_summary"] = {"cuts": [1]}
    session.execute(sa.update(run_table).where(run_table.c.id == run_id).values(of_run))
    first = place * people + 1
    sent = people // 2 if is_running else people
    source_id = audience_sources.ids_of(session, [SOURCE])[SOURCE]
    _insert(session, _rows(run_id, account_id, source_id, slug, first, people, sent=sent), first)


Rows = Iterator[tuple[sa.Table, Mapping[str, Any], int, int]]
"""Each table, the value of each column (that of row n, or a plain one), its last row, and every how many."""


def _insert(session: Session, rows: Rows, first: int) -> None:
    for table, values, last, step in rows:
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


def _number(n: Any, of: int) -> Any:
    return sa.literal("+39").concat(sa.cast(FIRST_NUMBER + (n - 1) % of, sa.String))


def _batch_of(n: Any) -> Any:
    return (n - 1) // PER_BATCH + 1


def _one_of(n: Any, words: Sequence[str]) -> Any:
    rest = sa.literal(words[-1], sa.String)
    return sa.case(*((n % len(words) == place, sa.literal(word, sa.String)) for place, word in enumerate(words[:-1])),
                   else_=rest)  # fmt: skip


def _rows(run_id: int, account_id: int, source_id: int, slug: str, first: int, people: int, *, sent: int) -> Rows:
    last, last_sent, later = first + people - 1, first + sent - 1, NOW + timedelta(seconds=9)

    def state_of(n: Any) -> Any:
        return sa.case(
            (n > last_sent, sa.literal(RecipientState.PENDING.value, sa.String)),
            (_batch_of(n) % HELD_EVERY == 0, sa.literal(RecipientState.HELD.value, sa.String)),
            (n % FAILED_EVERY == 0, sa.literal(RecipientState.FAILED.value, sa.String)),
            (n % SENT_EVERY == 0, sa.literal(RecipientState.SENT.value, sa.String)),
            else_=sa.literal(RecipientState.DELIVERED.value, sa.String),
        )

    def batch_state(n: Any) -> Any:
        return sa.case(
            (n > last_sent, sa.literal(BatchState.PLANNED.value, sa.String)),
            (_batch_of(n) % HELD_EVERY == 0, sa.literal(BatchState.HELD.value, sa.String)),
            else_=BatchState.ACCEPTED.value,
        )

    def number_of(n: Any) -> Any:
        return _number(n, max(people, 500_000))

    def once_sent(value: Callable[[Any], Any]) -> Any:
        return lambda n: sa.case((n <= last_sent, value(n)))

    def at(moment: datetime) -> Callable[[Any], Any]:
        return lambda _: sa.literal(moment, recipients.c.accepted_at.type)

    yield batches, {
        "id": _batch_of, "run_id": run_id, "ordinal": _batch_of, "state": batch_state, "zones": "", "moment": NOW,
        "not_before": later, "attempt": 1, "recipients": PER_BATCH, "segments": PER_BATCH, "target": "",
        "waits_for": "", "reason": "",
    }, last, PER_BATCH  # fmt: skip
    yield recipients, {
        "id": lambda n: n, "run_id": run_id, "batch_id": _batch_of, "number": number_of, "occurrence": 0, "slot": "",
        "source_id": source_id, "line": lambda n: n % 1_000_000, "state": state_of,
        "reason": lambda n: sa.case((n % FAILED_EVERY == 0, "no such number"), else_=""), "is_superseded": False,
        "variant": lambda n: _one_of(n, "AB"), "text": "Hi Anna, our spring sale in Roma starts today.", "segments": 1,
        "gateway_id": once_sent(lambda n: n), "message_group_id": once_sent(_batch_of),
        "device": once_sent(lambda n: 1 + _batch_of(n) % PHONES), "sim": once_sent(lambda _: sa.literal(0)),
        "attempts": 1, "gateway_retries": 0, "resent_count": 0, "accepted_at": once_sent(at(NOW)),
        "sent_at": once_sent(at(later)), "delivered_at": once_sent(at(later)),
    }, last, 1  # fmt: skip
    yield groups, {
        "id": _batch_of, "run_id": run_id, "batch_id": _batch_of,
        "group_id": lambda n: sa.cast(_batch_of(n), sa.String), "accepted_at": NOW, "messages": PER_BATCH, "polls": 1,
    }, last_sent, PER_BATCH  # fmt: skip
    yield attempts, {
        "id": _batch_of, "run_id": run_id, "batch_id": _batch_of, "number": 1, "state": AttemptState.CLOSED,
        "started_at": NOW, "send_by": later, "id_floor": 0, "payload_hash": "", "target": "2",
        "recipients": PER_BATCH, "segments": PER_BATCH, "granted_at": NOW, "outcome": "accepted", "evidence": {},
        "finished_at": later, "next_check_at": later, "checks": 0,
    }, last_sent, PER_BATCH  # fmt: skip
    yield replies, {
        "account_id": account_id, "gateway_id": lambda n: n, "fingerprint": "",
        "number": number_of, "sender": "", "text": "Thank you",
        "received_at": later, "stored_at": later, "came_by": "poll",
        "meaning": lambda n: sa.case(
            (n % 5_000 < REPLY_EVERY, sa.literal(Meaning.REVIEW.value, sa.String)), else_=Meaning.REPLY.value
        ),
        # Of those that may mean stop, one in a hundred still waits.
        "reviewed_at": lambda n: sa.case(
            (n % 500_000 >= REPLY_EVERY, sa.literal(later, replies.c.reviewed_at.type))
        ),
        "run_id": run_id, "recipient_id": lambda n: n,
    }, last_sent, REPLY_EVERY  # fmt: skip
    yield events, {"at": NOW, "name": "bench", "run_id": run_id, "detail": {}}, last, AUDIT_EVERY
    yield audit_entries, {
        "id": lambda n: (n - 1) // AUDIT_EVERY + FIRST_ENTRY, "at": NOW, "actor_kind": "token",
        "actor": lambda n: _one_of((n - 1) // AUDIT_EVERY, ACTORS), "origin": "",
        "action": lambda n: _one_of((n - 1) // AUDIT_EVERY, ACTIONS), "campaign": slug, "run_id": run_id,
        "plan_hash": "", "subject": "", "detail": {}, "previous": "", "digest": "",
    }, last, AUDIT_EVERY  # fmt: skip


def _of_the_installation(recipients_: int) -> Rows:
    yield suppressions, {
        "number": lambda n: _number(n, 100_000_000), "kind": "", "reason": "STOP", "source": "reply", "since": NOW,
    }, recipients_ // OPTED_OUT_EVERY, 1  # fmt: skip
    yield alerts, {
        "name": AlertName.PHONE_STUCK, "subject": lambda n: sa.cast(n, sa.String), "raised_at": NOW,
        "cleared_at": lambda n: sa.case((n > RAISED, sa.literal(NOW, alerts.c.cleared_at.type))), "detail": {},
    }, ALERTS, 1  # fmt: skip
