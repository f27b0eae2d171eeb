"""Moving: every row, and never two databases that send."""

import re
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel, col, select

from campaigns.access import Role
from campaigns.codes import PausedBy
from campaigns.lifecycle import BatchState, RecipientState
from tests.store.store_world import NOW, SOON, World, people
from worker.store.engine import Store
from worker.store.errors import StoreError
from worker.store.events import EventName, record_event
from worker.store.migrate import migrate
from worker.store.models import (
    Account,
    Alert,
    ApiToken,
    AppUser,
    Attempt,
    AuditEntry,
    AuditHead,
    CallOut,
    Ceiling,
    Event,
    IdempotentCall,
    Lease,
    MessageKey,
    ReplyAnswer,
    Run,
    WebSession,
)
from worker.store.relocation import copying, handover
from worker.store.relocation.handover import MoveStage
from worker.store.reports.counts import books_of, counts_unlike_rows
from worker.store.runs import inbox_files
from worker.store.sending import accounts
from worker.store.sending.claim import NoIntent, load_work
from worker.store.sending.intent import record_intent

OVER = SOON + timedelta(seconds=1)
"""No request that was promised at `NOW` is still written."""


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A new database with its tables."""
    is_file = request.param == "sqlite"
    store = Store(f"sqlite:///{tmp_path / 'new.db'}" if is_file else request.getfixturevalue("postgres_url"))
    migrate(store)
    yield store
    store.close()


def fill(world: World) -> int:
    """A campaign in flight, with a row in every table: one request accepted, one on its way, one left."""
    run_id = world.run([*people(9), *people(1, first=20, state=RecipientState.INVALID)], per_request=3)
    first, second, _ = world.batches(run_id)
    accepted = world.intent(first)
    world.accept(accepted, world.placed(accepted))
    world.intent(second)
    with world.store.write() as session:
        record_event(
            session, EventName.LATE_ACCEPTANCE, NOW, run_id=run_id, detail={"text": "naïve \u2028 'quoted' \t"}
        )
        inbox_files.remember_file(session, "spring.yaml", fingerprint="f", run_id=run_id, problem="", now=NOW)
        session.add(Ceiling(account_id=world.account_id, scope="account", source="person", rate="5/minute", set_at=NOW))
        session.add_all(of_doors())
        session.add(Lease(name="clock", holder="somebody", token=7, expires_at=SOON))
    return run_id


def of_doors() -> list[SQLModel]:
    """A row of each table that the doors have."""
    return [
        AppUser(
            id=7, name="ann", role=Role.AUTHOR, password_hash="$", created_at=NOW, created_by="root", password_at=NOW
        ),
        WebSession(digest="d", user_id=7, name="ann", role=Role.AUTHOR, created_at=NOW, seen_at=NOW),
        ApiToken(name="ci", prefix="smc_1234", digest="d", scopes=["read"], created_at=NOW, created_by="root"),
        AuditEntry(at=NOW, actor_kind="cli", actor="root", action="users.add", previous="", digest="d"),
        AuditHead(id=1, entries=1, last_id=1, digest="d"),
        IdempotentCall(caller="token:ci", key="k", request_digest="d", answer="{}", created_at=NOW),
        Alert(name="no_tick", raised_at=NOW),
        MessageKey(digest="d", recipient_id=1, request_digest="d", created_at=NOW),
        ReplyAnswer(reply_id=1, place=1, recipient_id=1, answered_by="ann", answered_at=NOW),
        CallOut(notice_id=1, at=NOW, channel="webhook", event="run.started", seconds=0.25),
    ]


def copy(source: Store, target: Store) -> dict[str, int]:
    with source.read() as here, target.write() as there:
        copying.hold_still(here)
        return dict(copying.copy_all(here, there, lambda _table, _count: None))


def content(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table except who works on it, what each database counts for itself, and the name, which a copy
    gets when it replaces the other one."""
    own = {"lease", "service_process", "installation", "run_count", "phone_count"}
    tables = [table for table in SQLModel.metadata.sorted_tables if table.name not in own]
    with store.read() as session:
        return {t.name: [tuple(r) for r in session.execute(sa.select(t).order_by(*t.primary_key))] for t in tables}


def leave(store: Store, *, to: str = "new") -> None:
    with store.write() as session:
        handover.leave(session, name="old", to=to, now=OVER)


def arrive(source: Store, target: Store, name: str = "copy-1") -> None:
    copy(source, target)
    with target.write() as session:
        handover.arrive(session, copy=name, source="old", now=OVER)


def go(store: Store, name: str = "copy-1") -> None:
    with store.write() as session:
        handover.go(session, copy=name, to="new", now=OVER)


def give_up(store: Store) -> None:
    with store.write() as session:
        handover.give_up(session, now=OVER)


def open_here(store: Store, name: str = "copy-1") -> bool:
    with store.write() as session:
        return handover.open_here(session, copy=name, source="old", now=OVER)


def place(store: Store) -> MoveStage:
    with store.read() as session:
        return handover.standing(session).place


def sends(store: Store) -> bool:
    """Return whether a process would start on it, and its accounts let texts through."""
    try:
        handover.require_here(store)
    except StoreError:
        return False
    with store.read() as session:
        return session.exec(select(Account.id).where(Account.paused_by == PausedBy.NOBODY)).first() is not None


def test_every_row_of_every_table_is_copied_but_not_who_leads(world: World, target: Store) -> None:
    # given
    fill(world)
    before = content(world.store)
    # when
    rows = copy(world.store, target)
    # then
    assert content(target) == before
    assert rows == {name: len(found) for name, found in before.items() if found}
    assert {
        "recipient",
        "attempt",
        "message_group",
        "inbox_file",
        "ceiling",
        "event",
        *(row.__tablename__ for row in of_doors()),
    } <= rows.keys()
    with target.read() as session:
        assert session.exec(select(Lease)).all() == []
        assert counts_unlike_rows(session) == {}
    with world.store.read() as session, target.read() as there:
        ids = session.exec(select(Run.id)).all()
        assert books_of(there, ids) == books_of(session, ids)


def test_more_rows_than_are_held_in_memory_at_a_time_are_copied(world: World, target: Store) -> None:
    # given
    world.run(people(2 * copying.CHUNK + 1), per_request=500)
    seen: list[tuple[str, int]] = []
    # when
    with world.store.read() as here, target.write() as there:
        copying.copy_all(here, there, lambda table, count: seen.append((table, count)))
    # then
    counts = [count for table, count in seen if table == "recipient"]
    assert counts == [copying.CHUNK, 2 * copying.CHUNK, 2 * copying.CHUNK + 1]


def test_new_rows_get_ids_after_the_copied_ones(world: World, target: Store) -> None:
    # given
    run_id = fill(world)
    copy(world.store, target)
    there = World(target)
    with target.read() as session:
        before = [session.scalar(select(sa.func.max(ids))) for ids in (Attempt.id, Event.id, Account.id)]
    # when
    attempt = there.intent(there.batches(run_id)[2]).attempt_id
    with target.write() as session:
        record_event(session, EventName.DEVICE_STUCK, NOW)
        account = accounts.ensure_account(session, "another-gateway")
        event = session.scalar(select(sa.func.max(Event.id)))
    # then
    assert [attempt, event, account] == [(highest or 0) + 1 for highest in before]


def test_a_copy_that_lacks_something_is_not_kept(world: World, target: Store) -> None:
    # given: a row that was already there, which no count explains
    fill(world)
    with target.write() as session:
        record_event(session, EventName.DEVICE_MOVES, NOW)
        session.execute(sa.update(Event).values(id=900))
    # when
    with pytest.raises(StoreError, match="the copy is incomplete: event has 2 rows there and 1 here"):
        copy(world.store, target)
    # then
    assert [name for name, rows in content(target).items() if rows] == ["event"]


def test_a_database_that_is_left_promises_nothing(world: World) -> None:
    # given
    run_id = fill(world)
    # when
    leave(world.store)
    # then
    assert world.promise(world.batches(run_id)[2], now=OVER) is NoIntent.NOT_DUE
    assert world.account().paused_reason.startswith("being moved to new; finish that")
    assert world.account().next_probe_at is None


@pytest.mark.parametrize(
    ("later", "problem"),
    [
        (timedelta(seconds=10), r"requests from the database old are under way \(1\); .* try again in 20 s"),
        (timedelta(seconds=29.9), "under way"),
        (timedelta(seconds=30), ""),
    ],
)
def test_a_database_is_not_left_while_a_request_may_still_be_written(
    world: World, later: timedelta, problem: str
) -> None:
    # given
    fill(world)
    # when
    try:
        with world.store.write() as session:
            handover.leave(session, name="old", to="new", now=NOW + later)
        said = ""
    except StoreError as error:
        said = str(error)
    # then
    assert re.search(problem, said) if problem else not said
    assert sends(world.store) is bool(problem)


def test_an_intent_that_is_being_written_is_waited_for(postgres_url: str) -> None:
    # given: an intent whose transaction has looked at the account and is not committed
    store = Store(postgres_url)
    migrate(store)
    world = World(store)
    run_id = world.run(people(3))
    is_written, may_commit = threading.Event(), threading.Event()
    said: list[str] = []

    def intend() -> None:
        with store.write() as session:
            work = load_work(session, world.batches(run_id)[0])
            assert work is not None
            record_intent(session, work, target="", now=NOW, send_by=timedelta(seconds=30))
            is_written.set()
            may_commit.wait(20)

    def move_away() -> None:
        try:
            with store.write() as session:
                handover.leave(session, name="old", to="new", now=NOW)
        except StoreError as error:
            said.append(str(error))

    threads = [threading.Thread(target=intend), threading.Thread(target=move_away)]
    # when
    threads[0].start()
    assert is_written.wait(20)
    threads[1].start()
    threads[1].join(0.5)
    waits = threads[1].is_alive()
    may_commit.set()
    for thread in threads:
        thread.join(20)
    store.close()
    # then
    assert waits
    assert len(said) == 1
    assert "under way (1)" in said[0]


def test_nothing_but_the_move_lets_a_left_database_send(world: World) -> None:
    # given
    fill(world)
    leave(world.store)
    # when
    with world.store.write() as session:
        resumed = accounts.resume_account(session, world.account_id)
        accounts.quarantine(session, world.account_id, now=OVER)
        paused = accounts.pause_account(session, world.account_id, PausedBy.ALARM, "other", now=OVER, probe_at=OVER)
    # then
    assert (resumed, paused) == (False, False)
    assert world.account().paused_reason.startswith("being moved to new")


def test_giving_up_puts_every_account_back_as_it_was(world: World) -> None:
    # given: one account that sends, one that is probed
    fill(world)
    with world.store.write() as session:
        other = accounts.ensure_account(session, "other-account")
        accounts.pause_account(session, other, PausedBy.GATEWAY, "no credits", now=NOW, probe_at=SOON)
    before = content(world.store)["account"]
    # when
    leave(world.store)
    leave(world.store, to="another")
    give_up(world.store)
    # then
    assert content(world.store)["account"] == before
    assert place(world.store) is MoveStage.HERE
    with pytest.raises(StoreError, match="no move"):
        give_up(world.store)


def test_at_every_step_at_most_one_of_the_two_sends(world: World, target: Store) -> None:
    # given
    fill(world)
    steps: list[Callable[[], object]] = [
        lambda: leave(world.store),
        lambda: arrive(world.store, target),
        lambda: go(world.store),
        lambda: open_here(target),
    ]
    seen = []
    # when
    for step in steps:
        step()
        seen.append((sends(world.store), sends(target)))
    # then: before the copy, the target is an empty database without any account
    assert seen == [(False, False), (False, False), (False, False), (False, True)]
    assert (place(world.store), place(target)) == (MoveStage.GONE, MoveStage.HERE)
    assert World(target).account().paused_by is PausedBy.NOBODY


def test_a_database_that_has_gone_never_comes_back(world: World, target: Store) -> None:
    # given
    fill(world)
    leave(world.store)
    arrive(world.store, target)
    go(world.store)
    # when / then
    with pytest.raises(StoreError, match="too late to give up: the database was moved to new"):
        give_up(world.store)
    with pytest.raises(StoreError, match=r"was moved to new on .* set CAMPAIGNS_DATABASE_URL"):
        leave(world.store)
    with pytest.raises(StoreError, match="given up in the meantime"):
        go(world.store)


def test_only_the_copy_that_took_the_place_is_opened(world: World, target: Store, tmp_path: Path) -> None:
    # given: two copies of one move
    fill(world)
    leave(world.store)
    spare = Store(f"sqlite:///{tmp_path / 'spare.db'}")
    migrate(spare)
    arrive(world.store, spare, "copy-0")
    arrive(world.store, target)
    go(world.store)
    # when / then
    with pytest.raises(StoreError, match="not the database that took the place"):
        open_here(spare)
    assert open_here(target) is True
    assert open_here(target) is False
    assert (sends(spare), sends(target)) == (False, True)
    spare.close()


def test_a_new_account_keeps_a_database_from_going(world: World, target: Store) -> None:
    # given
    fill(world)
    leave(world.store)
    arrive(world.store, target)
    with world.store.write() as session:
        accounts.ensure_account(session, "another-gateway")
    # when / then
    with pytest.raises(StoreError, match="began to work"):
        go(world.store)
    # when: it is started again
    leave(world.store)
    with target.write() as session:
        copying.clear(session)
    arrive(world.store, target, "copy-2")
    go(world.store, "copy-2")
    open_here(target, "copy-2")
    # then
    with target.read() as session:
        reasons = session.exec(select(Account.paused_reason).order_by(col(Account.id))).all()
    assert list(reasons) == ["", ""]


@pytest.mark.parametrize("history", ["empty", "spare", "given up", "opened", "works", "another's"])
def test_only_an_unfinished_copy_of_this_database_is_written_over(world: World, target: Store, history: str) -> None:
    # given
    fill(world)
    if history != "empty":
        leave(world.store)
        arrive(world.store, target)
    with target.write() as session:
        if history == "opened":
            handover.open_here(session, copy="copy-1", source="old", now=OVER)
        if history == "works":
            accounts.ensure_account(session, "another-gateway")
        if history == "another's":
            session.execute(sa.update(Event).where(col(Event.name) == MoveStage.LEAVING).values(at=NOW))
    if history == "given up":
        give_up(world.store)
    # when
    with target.read() as there, world.store.read() as here:
        spare = handover.is_spare_copy(there, here)
    # then
    assert spare is (history in {"spare", "given up"})


def test_a_process_is_told_where_campaigns_are_sent_from(world: World, target: Store) -> None:
    # given
    fill(world)
    handover.require_here(world.store)
    # when / then
    leave(world.store)
    with pytest.raises(StoreError, match="is being moved to new; finish that with campaigns move --to, or"):
        handover.require_here(world.store)
    arrive(world.store, target)
    with pytest.raises(StoreError, match="is a copy of old whose move is not finished"):
        handover.require_here(target)
    go(world.store)
    with pytest.raises(StoreError, match=r"was moved to new on 2026-12-01 09:00 UTC and no longer sends anything"):
        handover.require_here(world.store)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///campaigns.db", "sqlite:///campaigns.db"),
        ("postgresql+psycopg://me:secret@db/c", "postgresql+psycopg://me:***@db/c"),
        ("postgresql+psycopg://me@db/c?password=secret&sslmode=require", "postgresql+psycopg://me@db/c"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, name: str) -> None:
    assert handover.shown(sa.make_url(url)) == name


def test_the_batches_of_a_copy_go_on_where_they_were(world: World, target: Store) -> None:
    # given
    run_id = fill(world)
    leave(world.store)
    arrive(world.store, target)
    go(world.store)
    # when
    open_here(target)
    # then
    there = World(target)
    first, second, third = there.batches(run_id)
    assert there.batch_state(first) is BatchState.ACCEPTED
    assert there.promise(second, now=OVER) is NoIntent.NOT_DUE  # its outcome has to be looked up first
    assert there.intent(third, now=OVER).addressees
    assert there.states(run_id)[RecipientState.IN_DOUBT] == 6
