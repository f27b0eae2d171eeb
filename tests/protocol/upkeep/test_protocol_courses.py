"""How far a run is over time, what keeps it back, and how it keeps its forecast: written down by the clock."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from campaigns.codes import PausedBy
from campaigns.definition import Definition, Rate
from campaigns.following.course import Bottleneck
from campaigns.lifecycle import RunState
from scheduler.actions.acting import Actor, ActorKind
from scheduler.actions.control import pause
from scheduler.actions.reading.runs import read_course, read_runs
from scheduler.report.course import Pace, SeenCourse
from scheduler.report.course import pace as pace_of
from scheduler.ticks.following.courses import slowest
from tests.protocol.world.harness import Installation
from tests.store.store_world import SMALLEST
from worker.limits.limits_in_force import Ceilings
from worker.store.reports.courses import last_bottlenecks
from worker.store.runs.repetitions import discard_run
from worker.store.sending import accounts
from worker.store.tables import runs

MINUTE, SECOND = Rate(1, timedelta(minutes=1)), Rate(1, timedelta(seconds=1))

ROOT = Actor(ActorKind.CLI, "root")


def course_of(bench: Installation) -> SeenCourse:
    now = bench.clock.now()
    return read_course(bench.store, read_runs(bench.store, "sale", now=now)[0], now=now)


def bottlenecks(bench: Installation, run_ids: list[int]) -> dict[int, Bottleneck]:
    with bench.store.read() as session:
        return last_bottlenecks(session, run_ids)


def pace(bench: Installation) -> Pace:
    now = bench.clock.now()
    return pace_of(read_runs(bench.store, "sale", now=now)[0], now)


def test_a_course_grows_with_the_run_to_its_end(bench_on_both: Installation) -> None:
    bench = bench_on_both
    run_id = bench.campaign(30, per_request=1, more="  rate: 6/minute\n")
    bench.pass_time(120, step=5)
    half = course_of(bench)
    assert 10 <= half.lines[0][-1][1] <= 14
    assert (half.forecast[-1][1], half.most) == (30, 30)
    assert abs(half.behind) < 15
    bench.finish(run_id, within=timedelta(minutes=20))

    whole = course_of(bench)
    assert [line[-1][1] for line in whole.lines] == [30, 30, 30]
    assert next(each.bottleneck for each in whole.kept) is Bottleneck.RATE
    assert whole.ends[1] - whole.ends[0] == pytest.approx(300, abs=60)
    assert pace(bench).words in {"as forecast", ""}


@pytest.mark.parametrize(
    ("more", "bottleneck"),
    [
        ("  rate: 1/minute\n", Bottleneck.RATE),
        ("  daily: 2\n", Bottleneck.BUDGET),
        ("schedule: {window: {from: '03:00', to: '03:01'}}\n", Bottleneck.WINDOW),
        ("schedule: {spread: 2h}\n", Bottleneck.MOMENT),
    ],
)
def test_what_keeps_a_run_back_is_written_down(bench: Installation, more: str, bottleneck: Bottleneck) -> None:
    run_id = bench.campaign(9, per_request=1, more=more)
    bench.pass_time(70, step=5)
    assert bottlenecks(bench, [run_id]) in ({run_id: bottleneck}, {})
    assert {each.bottleneck for each in course_of(bench).kept} >= (
        {bottleneck} if bench.run(run_id).started_at else set()
    )


@pytest.mark.parametrize(
    ("ceilings", "bottleneck"),
    [
        (Ceilings(), Bottleneck.RATE),
        (Ceilings(account_rate=MINUTE), Bottleneck.ACCOUNT),
        (Ceilings(account_rate=SECOND, device_rate=MINUTE), Bottleneck.PHONE),
        (Ceilings(device_rate=SECOND), Bottleneck.RATE),  # two phones: twice as fast
        (Ceilings(campaign_rates={"any": None}), Bottleneck.GATEWAY),
    ],
)
def test_the_lowest_rate_is_the_one_that_is_named(ceilings: Ceilings, bottleneck: Bottleneck) -> None:
    more = {"throughput": {"rate": "90/minute"}, "devices": {"use": [1, 2]}}
    assert slowest(ceilings, Definition.model_validate(SMALLEST | more)) is bottleneck


def test_a_run_that_sent_nothing_yet_is_planned_anew_or_discarded_with_its_course(bench_on_both: Installation) -> None:
    bench = bench_on_both
    pauses = "schedule: {window: {from: '03:00', to: '03:01'}}\n"
    run_id = bench.campaign(3, more=pauses)
    bench.pass_time(20, step=5)
    with bench.store.write() as session:
        session.execute(sa.update(runs).values(started_at=bench.clock.now(), state=RunState.RUNNING))
    bench.call("course")
    assert bottlenecks(bench, [run_id]) == {run_id: Bottleneck.WINDOW}
    bench.campaign(5, more=pauses)
    assert bottlenecks(bench, [run_id]) == {}
    bench.call("course")
    with bench.store.write() as session:
        session.execute(sa.update(runs).values(started_at=bench.clock.now(), state=RunState.RUNNING))
    bench.call("course")
    assert bottlenecks(bench, [run_id]) == {run_id: Bottleneck.WINDOW}
    with bench.store.write() as session:
        assert discard_run(session, run_id)


def test_a_pause_and_a_gateway_that_is_away_are_told_apart(bench: Installation) -> None:
    run_id = bench.campaign(30, per_request=1, more="  rate: 6/minute\n")
    bench.pass_time(70, step=5)
    with bench.store.write() as session:
        accounts.pause_account(
            session, bench.runtime.account_id, PausedBy.GATEWAY, "away", now=bench.clock.now(), probe_at=None
        )
    bench.pass_time(120, step=5)
    assert bottlenecks(bench, [run_id]) == {run_id: Bottleneck.GATEWAY}
    pause(bench.store, ROOT, "sale", now=bench.clock.now())
    bench.pass_time(600, step=30)
    assert bottlenecks(bench, [run_id]) == {run_id: Bottleneck.PAUSE}
    late = pace(bench)
    assert (late.ends_at, late.words) == (None, ""), "nobody knows when a paused run ends"
    assert late.behind_seconds == pytest.approx(720, abs=60)


def test_nothing_is_said_of_the_pace_of_a_run_that_has_hardly_begun(bench: Installation) -> None:
    run_id = bench.campaign(300, per_request=1, more="  rate: 6/minute\n")
    while bench.run(run_id).started_at is None:
        bench.pass_time(1, step=1)
    (seen,), begun = read_runs(bench.store, "sale", now=bench.clock.now()), bench.run(run_id).started_at
    assert begun is not None
    for seconds, says in ((1, False), (59, False), (60, True), (3_600, True)):
        found = pace_of(seen, begun + timedelta(seconds=seconds))
        assert (found.words != "", found.ends_at is not None) == (says, True), seconds
    bench.pass_time(30, step=5)  # three of 300 texts have left by now
    assert pace(bench).words == "as forecast"
