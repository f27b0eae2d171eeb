"""An idle service on SQLite asks nothing of a database that has not changed, and is late for nothing by that."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa

from scheduler.actions.access.signing_in import FIRST_NAME
from scheduler.actions.acting import Actor, ActorKind
from scheduler.actions.submitting import submit
from scheduler.intake.taking import read_file
from scheduler.ticks.account_probe import is_probe_due, probe
from scheduler.ticks.every import Quiet, WhenDue
from scheduler.ticks.following.courses import CourseTick
from scheduler.ticks.following.follow import FollowTick
from scheduler.ticks.following.retry import is_retry_due, retry
from scheduler.ticks.notices import NoticesTick
from scheduler.ticks.replies import RepliesTick
from scheduler.ticks.sending.drain import DrainTick
from scheduler.ticks.sending.missed import is_any_late, late
from scheduler.ticks.sending.reconcile import ReconcileTick
from scheduler.ticks.sending.rescue import RescueTick
from scheduler.ticks.sending.start import StartTick
from scheduler.ticks.table import Work
from scheduler.ticks.unsubscribe import UnsubscribeTick, is_unsubscribe_due
from tests.support.clocks import START, FakeClock
from worker.building import build_runtime
from worker.definitions import AHEAD
from worker.runtime import Runtime
from worker.settings.settings import load_settings

MOMENT: Final = START + timedelta(days=1)
CAMPAIGN: Final = f"""\
campaign: spring-sale
message: Our spring sale starts today.
audience:
  - recipients:
      - {{number: "+39 333 100 0001"}}
schedule: {{start: {MOMENT:%Y-%m-%dT%H:%M:%SZ}}}
"""
TICKS: Final[Sequence[Callable[[], Work]]] = (
    StartTick, DrainTick, FollowTick, ReconcileTick, NoticesTick, CourseTick, RescueTick, RepliesTick,
    partial(WhenDue, late, is_any_late), partial(WhenDue, retry, is_retry_due), partial(WhenDue, probe, is_probe_due),
    lambda: WhenDue(UnsubscribeTick(), is_unsubscribe_due),
)  # fmt: skip


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def runtime(folder: Path, migrated: Callable[[Path], None], clock: FakeClock) -> Iterator[Runtime]:
    """A real runtime, with a campaign that starts the next day. The gateway need not be there."""
    migrated(folder)
    made = build_runtime(load_settings(gateway_url="http://127.0.0.1:9", api_key="unused"), clock=clock)
    path = folder / "spring.yaml"
    path.write_text(CAMPAIGN)
    submit(made, Actor(ActorKind.CLI, FIRST_NAME), read_file(path, made.settings), source=path.name)
    yield made
    made.close()


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements that the block executes, on any connection."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        seen.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def asks(tick: Work, runtime: Runtime) -> bool:
    """Whether a call of the tick executes anything."""
    with statements() as seen:
        tick(runtime, runtime.clock.now())
    return bool(seen)


@pytest.mark.parametrize("kind", TICKS)
def test_what_has_not_changed_is_not_asked_again_until_something_is_committed(
    runtime: Runtime, kind: Callable[[], Work]
) -> None:
    tick = kind()
    for _ in range(3):  # what is there is done first; then two looks at the same version
        tick(runtime, runtime.clock.now())
    assert not asks(tick, runtime)

    with runtime.store.write() as session:
        session.execute(sa.text("UPDATE account SET failures = failures + 1"))

    assert [asks(tick, runtime) for _ in range(3)] == [True, True, False]


def test_a_run_that_starts_is_looked_at_in_time(runtime: Runtime, clock: FakeClock) -> None:
    tick = StartTick()
    for _ in range(2):
        tick(runtime, clock.now())
    clock.advance(MOMENT - AHEAD - timedelta(milliseconds=1) - clock.now())
    assert not asks(tick, runtime)
    clock.advance(timedelta(milliseconds=1))
    assert asks(tick, runtime)


AT: Final = datetime(2026, 12, 1, 9, tzinfo=UTC)
SOON: Final = AT + timedelta(seconds=10)


@pytest.mark.parametrize(
    ("version", "now", "lasts"),
    [
        ((1, 7), AT, True),
        ((1, 7), SOON, False),  # it is due
        ((1, 8), AT, False),  # something was committed
        ((2, 7), AT, False),  # the figure of another connection
        (None, AT, False),  # nobody can tell
    ],
)
def test_quiet_lasts_until_a_change_or_a_moment(version: tuple[int, int] | None, now: datetime, lasts: bool) -> None:
    quiet = Quiet()
    for _ in range(2):
        quiet.found_nothing((1, 7), lambda: SOON)
    assert quiet.lasts(version, now) is lasts


def test_what_is_due_next_is_not_asked_while_everything_changes() -> None:
    quiet = Quiet()
    for version in ((1, 1), (1, 2), (1, 3), None, None):
        quiet.found_nothing(version, lambda: pytest.fail("asked"))
