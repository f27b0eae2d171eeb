"""Reminders and tables with more people on both databases: what is planned again, moved, withdrawn and left alone."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from campaigns.lifecycle import BatchState, RecipientState
from scheduler.ticks.sending.missed import late
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import LOST, Answers, Send
from tests.store.store_world import World
from tests.support.clocks import FakeClock
from worker.store.runs import runs
from worker.store.runs.held import held_people

P = RecipientState
REMIND = (
    "campaign: visits\nmessage: 'see you {{ at }}'\naudience: {file: visits.csv}\nfollow: {until: 1h}\n"
    "schedule: {timezone: UTC, remind: {column: at, before: [2h]}}\n"
)
HOLDING = REMIND.replace("[2h]}", "[2h]}, if_late: {within: 30m, otherwise: hold}").replace(
    "1h", "1h, on_unknown: hold"
)
PLAIN = "campaign: visits\nmessage: Ciao\naudience: {file: visits.csv}\n"
ANNA, BOB, CARL = "+393330000001", "+393330000002", "+393330000003"


@pytest.fixture
def bench(world: World, tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path, world.store, FakeClock())
    yield made
    made.close()


def drop(bench: Installation, *rows: str, text: str = REMIND) -> None:
    (bench.folder / "visits.csv").write_text("\n".join(["number,at,cancelled", *rows, ""]))
    bench.drop(text, "visits")


def rows_of(bench: Installation) -> dict[tuple[str, str], list[RecipientState]]:
    """(day, number) -> the states of its rows."""
    found: dict[tuple[str, str], list[RecipientState]] = {}
    with bench.store.read() as session:
        of_campaign = runs.campaign_runs(session, "visits")
    for run in of_campaign:
        for row in bench.recipients(run.id):
            found.setdefault((run.moment, row.number), []).append(row.state)
    return found


def test_dates_move_stand_and_are_cancelled(bench: Installation) -> None:
    drop(bench, f"{ANNA},2026-12-03 09:00,", f"{BOB},2026-12-03 09:00,", f"{CARL},2026-12-03 09:00,")
    drop(bench, f"{ANNA},2026-12-04 09:00,", f"{BOB},2026-12-03 09:00,", f"{CARL},2026-12-03 09:00,yes")
    drop(bench, f"{BOB},3.12.2026 9:00,", f"{CARL},2026-12-03 09:00,yes")

    assert rows_of(bench) == {
        ("2026-12-03", ANNA): [P.CANCELLED],
        ("2026-12-03", BOB): [P.PENDING],
        ("2026-12-03", CARL): [P.CANCELLED],
        ("2026-12-04", ANNA): [P.PENDING],
    }


def test_a_changed_text_takes_the_place_of_the_old_one_and_its_batch_ends_when_nobody_is_left(
    bench: Installation,
) -> None:
    drop(bench, f"{ANNA},2026-12-03 09:00,", f"{BOB},2026-12-03 09:00,")
    drop(bench, f"{ANNA},2026-12-03 09:00,", text=REMIND.replace("see you", "until"))

    with bench.store.read() as session:
        (run,) = runs.campaign_runs(session, "visits")
    assert sorted(row.text for row in bench.recipients(run.id)) == [
        "see you 2026-12-03 09:00",
        "until 2026-12-03 09:00",
    ]
    assert [(batch.state, batch.recipients) for batch in bench.batches(run.id)] == [
        (BatchState.PLANNED, 1),
        (BatchState.PLANNED, 1),
    ]
    drop(bench, f"{BOB},2026-12-03 09:00,yes")
    assert [(batch.state, batch.recipients) for batch in bench.batches(run.id)] == [
        (BatchState.CANCELLED, 0),
        (BatchState.PLANNED, 1),
    ]


def test_a_plan_that_was_cut_short_is_finished_by_the_next_one(bench: Installation) -> None:
    drop(bench, f"{ANNA},2026-12-03 09:00,", f"{BOB},2026-12-04 09:00,")
    with bench.store.write() as session:  # a process that is killed before it has finished leaves it like this
        session.execute(sa.text("UPDATE run SET planned_at = NULL"))
        session.execute(sa.text("DELETE FROM recipient WHERE number = :number"), {"number": BOB})

    drop(bench, f"{ANNA},2026-12-03 09:00,", f"{BOB},2026-12-04 09:00,")

    assert rows_of(bench) == {("2026-12-03", ANNA): [P.PENDING], ("2026-12-04", BOB): [P.PENDING]}
    with bench.store.read() as session:
        assert all(run.planned_at for run in runs.campaign_runs(session, "visits"))


@pytest.mark.parametrize("is_tried", [False, True])
@pytest.mark.parametrize(
    ("later", "reason"),
    [
        ("2026-12-04 09:00,", "the appointment was moved to 2026-12-04 09:00"),
        ("2026-12-01 11:00,yes", "the appointment was cancelled"),
    ],
)
def test_what_is_held_for_being_late_is_withdrawn_like_what_waits(
    bench: Installation, is_tried: bool, later: str, reason: str
) -> None:
    # given two who are held, because the gateway could not be reached or nobody tried
    drop(bench, f"{ANNA},2026-12-01 11:00,", f"{BOB},2026-12-01 11:00,", text=HOLDING)
    bench.enqueue()
    if is_tried:
        bench.gateway.usual = Send(Answers.NO_CONNECTION)
        bench.work()
    bench.clock.advance(timedelta(minutes=31))
    late(bench.runtime, bench.clock.now())
    assert rows_of(bench) == {("2026-12-01", ANNA): [P.HELD], ("2026-12-01", BOB): [P.HELD]}

    # when the appointment of one of them moves or is cancelled
    drop(bench, f"{ANNA},{later}", text=HOLDING)

    # then a person has to decide only about the other one
    with bench.store.read() as session:
        today = runs.campaign_runs(session, "visits")[0]
        assert [held.number for held in held_people(session, today.id)] == [BOB]
    assert [(row.state, row.reason) for row in bench.recipients(today.id) if row.number == ANNA] == [
        (P.CANCELLED, reason)
    ]
    assert [(batch.state, batch.recipients, batch.segments) for batch in bench.batches(today.id)] == [
        (BatchState.HELD, 1, 1)
    ]
    drop(bench, f"{BOB},{later}", text=HOLDING)
    assert [(batch.state, batch.recipients) for batch in bench.batches(today.id)] == [(BatchState.CANCELLED, 0)]


def test_what_is_held_because_it_may_have_arrived_stays_held(bench: Installation) -> None:
    drop(bench, f"{ANNA},2026-12-01 11:00,", text=HOLDING)
    bench.gateway.script.append(LOST)
    bench.send()
    bench.until(lambda: P.HELD in rows_of(bench)["2026-12-01", ANNA])

    (bench.folder / "visits.csv").write_text(f"number,at,cancelled\n{ANNA},2026-12-04 09:00,\n")
    taken = bench.drop(HOLDING, "visits")

    assert taken.in_doubt == 1
    assert rows_of(bench) == {("2026-12-01", ANNA): [P.HELD], ("2026-12-04", ANNA): [P.PENDING]}


def test_more_people_join_a_run_that_is_sending(bench: Installation) -> None:
    drop(bench, f"{ANNA},,", text=PLAIN)
    bench.send()

    for _ in range(2):
        drop(bench, f"{BOB},,", f"{ANNA},,", f"{BOB},,", text=PLAIN)

    assert rows_of(bench) == {("once", ANNA): [P.ACCEPTED], ("once", BOB): [P.PENDING, P.DUPLICATE]}
