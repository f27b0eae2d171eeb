"""Nothing is sent before somebody approves exactly the plan that would be sent."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col

from campaigns.lifecycle import RecipientState, RunState
from campaigns.planning.approval import to_approve
from scheduler.intake.approving import awaited
from tests.protocol.world.harness import Installation, exactly_once
from worker.store.events import EventName
from worker.store.models import Notice, Run
from worker.store.runs import approvals, runs

HOUR = timedelta(hours=1)
FILE = "campaign: sale\nmessage: Ciao\naudience: {file: sale.csv}\napproval: true\n"
REPEATED = FILE + "schedule: {timezone: UTC, repeat: {cron: '0 12 * * *'}}\n"


def drop(bench: Installation, people: int = 3, *, text: str = FILE) -> int:
    (bench.folder / "sale.csv").write_text("number\n" + "".join(f"+39333{place:07}\n" for place in range(people)))
    return bench.drop(text).run_id


def approve(bench: Installation, run_id: int) -> str:
    """Approve exactly what the run waits for."""
    wanted = waits_for(bench, run_id)
    with bench.store.write() as session:
        approvals.approve(session, run_id, wanted, by="anna", now=bench.clock.now())
    return wanted


def waits_for(bench: Installation, run_id: int) -> str:
    run = bench.run(run_id)
    return awaited(run, bench.runtime.definitions.get(run.definition_id))


def all_runs(bench: Installation) -> list[runs.RunView]:
    with bench.store.read() as session:
        return runs.campaign_runs(session, "sale")


def test_nothing_is_sent_before_it_is_approved_and_everything_after(bench: Installation) -> None:
    run_id = drop(bench)
    bench.pass_time(HOUR, step=600)
    assert bench.run(run_id).state is RunState.AWAITING_APPROVAL
    assert bench.gateway.stored == []

    approve(bench, run_id)
    bench.finish(run_id)

    assert exactly_once(bench, run_id)
    assert {EventName.PLAN_WAITS, EventName.PLAN_APPROVED} <= set(bench.events())
    with bench.store.read() as session:
        assert "run.awaiting_approval" in session.scalars(sa.select(col(Notice.event))).all()


def test_it_starts_at_its_moment_and_not_when_it_is_approved(bench: Installation) -> None:
    run_id = drop(bench, text=FILE + "schedule: {start: 2026-12-01 12:00, timezone: UTC}\n")
    approve(bench, run_id)

    bench.finish_from_due_to_due(run_id)

    assert {message.at for message in bench.gateway.stored} == {datetime(2026, 12, 1, 12, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("people", "text", "change"),
    [
        (3, FILE.replace("Ciao", "Salve"), "the file was changed"),
        (4, FILE, "4 audience instead of 3, 4 pending instead of 3"),
        (3, FILE + "description: the same for everybody\n", "the file was changed"),
    ],
)
def test_any_change_makes_another_plan_that_waits_again(
    bench: Installation, people: int, text: str, change: str
) -> None:
    # given an approved plan whose start is in the future
    start = "schedule: {start: 2026-12-01 12:00, timezone: UTC}\n"
    run_id = drop(bench, text=FILE + start)
    old = approve(bench, run_id)
    assert bench.run(run_id).state is RunState.SCHEDULED

    assert drop(bench, people, text=text + start) == run_id

    assert bench.run(run_id).state is RunState.AWAITING_APPROVAL
    with bench.store.read() as session:
        first, second = approvals.approvables(session, run_id)
    assert (first.approval, second.approval) == (old, waits_for(bench, run_id))
    assert second.changes(first) == change
    bench.pass_time(4 * HOUR, step=1_800)
    assert bench.gateway.stored == []


def test_planned_again_without_a_change_it_stays_approved(bench: Installation) -> None:
    run_id = drop(bench)
    approve(bench, run_id)
    drop(bench)

    bench.finish(run_id)

    assert exactly_once(bench, run_id)


def test_somebody_whose_number_and_text_are_the_same_in_another_table_changes_nothing(bench: Installation) -> None:
    run_id = drop(bench)
    old = waits_for(bench, run_id)
    (bench.folder / "sale.csv").write_text("number,note\n" + "".join(f"+39333{n:07},x\n" for n in range(3)))

    bench.drop(FILE)

    assert waits_for(bench, run_id) == old


def test_what_was_not_approved_does_not_start_however_it_came_to_be_scheduled(bench: Installation) -> None:
    # given a run that a pause, an edit and a resume took past the wait for approval
    run_id = drop(bench)
    with bench.store.write() as session:
        session.execute(sa.update(Run).values(state=RunState.SCHEDULED, approved_hash="0" * 64))

    bench.pass_time(60)

    assert bench.run(run_id).state is RunState.AWAITING_APPROVAL
    assert bench.gateway.stored == []


# Campaigns whose exclusion tables cannot be read in full.

EXCLUDING = FILE.replace("approval: true", "exclude: {file: stop.csv}")


def test_exclude_unread_in_part_waits_whatever_the_file_says(bench: Installation) -> None:
    stop = bench.folder / "stop.csv"
    stop.write_text("number\n+393330000002\n3.93331E+11\n")
    run_id = drop(bench, text=EXCLUDING)
    bench.pass_time(60)
    assert bench.run(run_id).state is RunState.AWAITING_APPROVAL
    warnings = bench.run(run_id).plan_summary["warnings"]
    assert warnings == ["1 row of stop.csv contains no phone number and so excludes nobody (first: row 3)"]

    # when it is approved, and one more row cannot be read
    first = approve(bench, run_id)
    stop.write_text("number\n+393330000002\n3.93331E+11\nBea\n")
    drop(bench, text=EXCLUDING)
    assert waits_for(bench, run_id) not in ("", first)

    # when it was scheduled all the same
    with bench.store.write() as session:
        session.execute(sa.update(Run).values(state=RunState.SCHEDULED))
    bench.pass_time(60)
    assert bench.run(run_id).state is RunState.AWAITING_APPROVAL
    assert bench.gateway.stored == []

    # when that is approved as well
    approve(bench, run_id)
    bench.finish(run_id)
    assert bench.states(run_id) == {RecipientState.DELIVERED: 2, RecipientState.EXCLUDED: 1}

    # then nobody is added before it is fixed
    drop(bench, 5, text=EXCLUDING)
    bench.pass_time(60)
    assert len(bench.gateway.stored) == 2


def test_exclude_unread_in_part_and_mended_goes(bench: Installation) -> None:
    stop = bench.folder / "stop.csv"
    stop.write_text("number\n+393330000002\nx\n")
    run_id = drop(bench, text=EXCLUDING)
    assert bench.run(run_id).state is RunState.AWAITING_APPROVAL

    stop.write_text("number\n+393330000002\n+393330000001\n")
    drop(bench, text=EXCLUDING)
    bench.finish(run_id)

    assert bench.states(run_id) == {RecipientState.DELIVERED: 1, RecipientState.EXCLUDED: 2}


# Campaigns that repeat.


def test_of_a_campaign_that_repeats_the_file_is_approved_once(bench: Installation) -> None:
    run_id = drop(bench, text=REPEATED)
    approve(bench, run_id)

    bench.live_until(datetime(2026, 12, 3, 13, tzinfo=UTC))

    assert [message.at.day for message in bench.gateway.stored] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    definition = bench.runtime.definitions.get(bench.run(run_id).definition_id)
    assert {run.approved_hash for run in all_runs(bench)} == {to_approve(definition, "")}


def test_runs_that_nobody_approved_in_time_are_never_sent(bench: Installation) -> None:
    first = drop(bench, text=REPEATED)
    bench.live_until(datetime(2026, 12, 3, 13, tzinfo=UTC))
    states = [run.state for run in all_runs(bench)]
    assert states == [RunState.CANCELLED, RunState.CANCELLED, RunState.AWAITING_APPROVAL, RunState.SCHEDULED]
    assert bench.run(first).reason == approvals.NOT_IN_TIME

    # when the one that waits is approved, an hour late
    approve(bench, all_runs(bench)[2].id)
    bench.live_until(datetime(2026, 12, 4, 13, tzinfo=UTC))

    assert [(message.at.day, message.at.hour) for message in bench.gateway.stored] == [(3, 13)] * 3 + [(4, 12)] * 3
    assert bench.states(first) == {RecipientState.CANCELLED: 3}


def test_another_version_of_a_file_that_repeats_waits_again(bench: Installation) -> None:
    approve(bench, drop(bench, text=REPEATED))
    drop(bench, text=REPEATED.replace("Ciao", "Salve"))

    bench.live_until(datetime(2026, 12, 1, 13, tzinfo=UTC))

    assert bench.gateway.stored == []
    assert [run.state for run in all_runs(bench)] == [RunState.AWAITING_APPROVAL, RunState.SCHEDULED]
