"""An upgrade to codes: what earlier versions stored as sentences means the same, and campaigns continue with it."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from campaigns.codes import PausedBy, RunType, WaitsFor
from campaigns.lifecycle import RecipientState, RunState
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import ScriptedGateway
from tests.protocol.world.upgrade_world import ACCOUNTS, KINDS, LATE, NO_CREDITS, PAUSES, QUARANTINE, SOON, WAITING, Old
from tests.support.clocks import START, FakeClock
from worker.store.connections.revisions import revisions
from worker.store.engine import Store
from worker.store.migrate import migrate
from worker.store.models import Account, Attempt, Batch, Recipient, Run
from worker.store.relocation import handover
from worker.store.reports.exports import export_pages
from worker.store.reports.waiting import outlook
from worker.store.runs import runs
from worker.store.sending import accounts

LOST_REPLY = {"class": "ReplyLost", "phase": "wait", "bytes_written": 412, "problem": "no complete reply"}
DEVICE_REFUSED = {"class": "DeviceRefused", "phase": "done", "status": 200, "problem": "no such"}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    on_sqlite = request.param == "sqlite"
    return f"sqlite:///{tmp_path / 'old.db'}" if on_sqlite else str(request.getfixturevalue("empty_postgres_url"))


@pytest.fixture
def revision() -> str:
    return "0004"


@pytest.fixture
def old(url: str, revision: str) -> Iterator[Old]:
    """An empty database of an earlier version."""
    with closing(Store(url)) as store:
        yield Old(store, revision)


def test_what_was_stored_as_sentences_becomes_codes_and_is_shown_as_before(old: Old) -> None:
    # given everything that code decides by, in the words of version 0004
    ids = [old.account(f"key {place}", reason, probe_at) for place, (reason, probe_at, *_) in enumerate(ACCOUNTS)]
    kept = [
        {"id": id_, "paused_reason": reason, "paused_at": None, "next_probe_at": probe_at and probe_at.isoformat()}
        for id_, (reason, probe_at, *_) in zip(ids, ACCOUNTS, strict=True)
    ]
    old.add("event", at=START, name="database.leaving", detail={"copy": "", "other": "new", "accounts": kept})
    known: dict[str, int] = {}
    for campaign, moment, parent, _ in KINDS:
        again = {}
        if parent:
            with old.store.engine.connect() as connection:
                mine = sa.select(old.tables.tables["run"]).where(sa.column("id") == known[parent])
                row = connection.execute(mine).one()
            again = {"campaign_id": row.campaign_id, "definition_id": row.definition_id, "parent_id": row.id}
        known[moment if parent else campaign] = old.run(ids[0], campaign, "completed", moment=moment, **again)
    paused = [old.run(ids[0], f"p{place}", "paused", reason=reason) for place, (reason, *_) in enumerate(PAUSES)]
    waiting = old.run(ids[0], "waiting")
    waits = [old.batch(waiting, "planned", reason) for reason, *_ in WAITING]
    over = old.batch(waiting, "cancelled", "outside the window", people="cancelled")
    attempt = old.attempt(waiting, waits[0], "closed", "missed", DEVICE_REFUSED)
    old.attempt(waiting, waits[1], "closed", "accepted", {"messages": 2, "left_out": 0})
    first = old.recipient(known["once"], "sent", gateway_id=5, retries=3, again=1)
    left_out = "the text that had failed was sent after all"
    old.recipient(known["resend-1"], "cancelled", reason=left_out)
    stands = old.recipient(known["resend-1"], "cancelled", reason="cancelled by hand")

    # when it is upgraded
    assert migrate(old.store) == revisions()[-1]

    # then each has its code, and people are shown the same as before
    with old.store.read() as session:
        rows = session.exec(select(Account.paused_by, Account.paused_reason).order_by(col(Account.id))).all()
        assert rows == [(by, left) for _, _, by, left in ACCOUNTS]
        shown = [accounts.account_view(session, id_).paused_reason for id_ in ids]
        assert shown == [reason for reason, *_ in ACCOUNTS]
        types = dict(session.exec(select(Run.id, Run.type)).all())
        assert [types[known[moment if parent else name]] for name, moment, parent, _ in KINDS] == [k for *_, k in KINDS]
        assert [(v.paused_by, v.reason) for v in (runs.run_view(session, id_) for id_ in paused)] == [
            (by, reason) for reason, by, _ in PAUSES
        ]
        assert [session.exec(select(Run.reason).where(Run.id == id_)).one() for id_ in paused] == [
            r for *_, r in PAUSES
        ]
        stored = session.exec(
            select(Batch.waits_for, Batch.reason).where(col(Batch.id).in_(waits)).order_by(col(Batch.id))
        )
        assert list(stored) == [(code, left) for _, code, left in WAITING]
        assert session.exec(select(Batch.waits_for, Batch.reason).where(Batch.id == over)).one() == (
            WaitsFor.NOTHING,
            "outside the window",
        )
        evidence = {id_: found for id_, found in session.exec(select(Attempt.id, Attempt.evidence))}  # noqa: C416 - typed rows
        assert evidence[attempt] == {"failure": "device_refused"} | {
            k: v for k, v in DEVICE_REFUSED.items() if k != "class"
        }
        assert evidence[attempt + 1] == {"messages": 2, "left_out": 0}
        person = session.exec(select(Recipient).where(Recipient.id == first)).one()
        assert (person.gateway_retries, person.resent_count) == (3, 1)
        exported = [row.reason for page in export_pages(session, known["resend-1"]) for row in page]
        assert exported == ["cancelled by hand"]
        assert not session.exec(select(Recipient.is_superseded).where(Recipient.id == stands)).one()
    for batch_id, (reason, *_) in zip(waits, WAITING, strict=True):
        with old.store.write() as session:
            session.execute(sa.update(Batch).where(col(Batch.id) == batch_id).values(not_before=START - timedelta(9)))
            assert outlook(session, waiting).next_reason == reason
            session.execute(sa.update(Batch).where(col(Batch.id) == batch_id).values(not_before=START + timedelta(9)))

    # and a move that is undone restores who had paused
    with old.store.write() as session:
        session.execute(sa.update(Account).values(paused_by=PausedBy.RELOCATION, paused_reason="being moved to new"))
        handover.give_up(session, now=START)
        put_back = session.exec(select(Account.paused_by, Account.paused_reason).order_by(col(Account.id))).all()
    assert put_back == rows

    # and a run may be of a type that came later
    with old.store.write() as session:
        session.execute(sa.update(Run).values(type=RunType.MESSAGE))


@pytest.mark.parametrize("revision", [pytest.param("0001", marks=pytest.mark.proof), "0004"])
def test_campaigns_in_flight_go_on_after_the_upgrade(old: Old, tmp_path: Path) -> None:
    # given an account that sends, and a campaign in each state, two people in each request
    clock = FakeClock(START + timedelta(seconds=30))
    account = old.account("bench", told=(NO_CREDITS,))
    before = old.run(account, "before", "completed", finished_at=START, sent_at=START)
    old.recipient(before, "delivered", gateway_id=1_000, accepted_at=START - timedelta(minutes=1), attempts=1)
    waiting = {
        reason: old.run(account, f"w{place}")
        for place, (reason, *_) in enumerate(WAITING)
        if "contact list" not in reason
    }
    for reason, run_id in waiting.items():
        old.batch(run_id, "planned", reason, not_before=SOON)
    queued = old.run(account, "queued")
    old.batch(queued, "queued", "waiting for the throttle")
    gateway = ScriptedGateway(clock)
    gateway.stored = []
    doubtful, lost = old.run(account, "doubtful"), old.run(account, "lost")
    stored = old.batch(doubtful, "unknown", "outcome unknown", people="in_doubt", attempt=1)
    old.attempt(doubtful, stored, "unknown", "unknown", LOST_REPLY, id_floor=1_000)
    died = old.batch(lost, "sending", people="in_doubt", attempt=1)
    old.attempt(lost, died, "open", "", {}, id_floor=1_000)
    paused = [old.run(account, f"p{place}", "paused", reason=reason) for place, (reason, *_) in enumerate(PAUSES)]
    for run_id in paused:
        old.batch(run_id, "planned")
    held = old.run(account, "held")
    old.batch(held, "held", "the gateway's reads do not prove whether it was sent", people="held", attempt=1)

    # when it is upgraded while the gateway has the texts of the request whose reply was lost
    migrate(old.store)
    with old.store.read() as session:
        texts = session.exec(select(Recipient.number, Recipient.text).where(Recipient.batch_id == stored)).all()
        (was,) = session.exec(select(Recipient.number, Recipient.text).where(Recipient.run_id == before)).all()
    gateway.store([was])
    gateway.stored[0].id, gateway.stored[0].at = 1_000, START - timedelta(minutes=1)
    gateway.store(texts)
    bench = Installation(tmp_path, old.store, clock, gateway)
    sending = [*waiting.values(), queued, doubtful, lost]
    bench.finish(*sending)

    # then they are over, and everybody has one text; what is paused or held waits for a person
    def copies() -> dict[str, int]:
        return {number: count for number, count in bench.gateway.copies().items() if number != was[0]}

    def people(*run_ids: int) -> dict[str, int]:
        return {row.number: 1 for run_id in run_ids for row in bench.recipients(run_id)}

    assert copies() == people(*sending)
    assert [bench.run(run_id).state for run_id in paused] == [RunState.PAUSED] * len(paused)
    assert bench.states(held) == {RecipientState.HELD: 2}

    # and they continue when they are resumed
    for run_id in paused:
        bench.resume(run_id)
    bench.resolve_not_sent(held)
    bench.finish(*paused, held)
    assert copies() == people(*sending, *paused, held)
    bench.close()


@pytest.mark.long
@pytest.mark.parametrize(
    ("reason", "probe_at", "goes_on_by_itself"),
    [(NO_CREDITS, SOON, True), (LATE, None, False), (QUARANTINE, None, False)],
    ids=["no credits", "alarm", "quarantine"],
)
def test_an_account_that_is_paused_stays_so_until_its_pause_ends(
    old: Old, tmp_path: Path, reason: str, probe_at: datetime | None, goes_on_by_itself: bool
) -> None:
    clock = FakeClock(START)
    account = old.account("bench", reason, probe_at, told=(reason,))
    run_id = old.run(account, "sale")
    old.batch(run_id, "planned", "waiting for the throttle")
    migrate(old.store)
    bench = Installation(tmp_path, old.store, clock, ScriptedGateway(clock))

    bench.tick()
    assert (bench.paused_because(), bench.gateway.copies()) == (reason, {})
    if not goes_on_by_itself:
        bench.pass_time(timedelta(minutes=5), step=60)
        assert not bench.gateway.copies()
        with old.store.write() as session:
            assert accounts.resume_account(session, account)

    bench.finish(run_id)
    assert set(bench.gateway.copies().values()) == {1}
    assert len(bench.gateway.copies()) == 2
    bench.close()


def test_many_rows_are_told_in_sets(old: Old) -> None:
    """The upgrade makes a few statements for each version, however many rows there are."""
    account = old.account("bench")
    run_id = old.run(account, "sale")
    rows = [
        {
            "run_id": run_id, "ordinal": place, "state": "planned", "zones": "", "moment": START, "not_before": SOON,
            "attempt": 0, "recipients": 0, "segments": 0, "target": "", "reason": WAITING[place % len(WAITING)][0],
        }
        for place in range(1_200)
    ]  # fmt: skip
    with old.store.engine.begin() as connection:
        connection.execute(old.tables.tables["batch"].insert(), rows)
    statements: list[str] = []
    sa.event.listen(old.store.engine, "before_cursor_execute", lambda _c, _cursor, said, *_: statements.append(said))

    migrate(old.store)

    with old.store.read() as session:
        found = session.exec(select(Batch.waits_for, sa.func.count()).group_by(col(Batch.waits_for))).all()
    assert sum(count for _, count in found) == 1_200
    assert dict(found)[WaitsFor.THROTTLE] == 100
    assert sum(said.lstrip().upper().startswith("UPDATE") for said in statements) < 2 * len(revisions())
