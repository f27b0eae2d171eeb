"""Steps: people get theirs once the text before was accepted and its time comes, as far as it is for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from campaigns.definition import Definition
from campaigns.lifecycle import RecipientState, RunState
from campaigns.planning.batching import into_batches
from campaigns.planning.planned import PlannedRecipient
from campaigns.sending.backoff import pause_after
from campaigns.steps.turns import Turn, turn_of
from campaigns.timing.moments import Timetable
from scheduler.ticks.every import Quiet
from worker.limits.planned_limits import limits_of
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.steps import releasing
from worker.store.steps.releasing import OpenStep, WaitingRow

RELEASE_AHEAD: Final = timedelta(minutes=5)
"""How long before their moment people get a batch. By then most of what becomes of the text before has become of it;
and a look at a million people, with the rest after it, takes less."""

LOOKS_FOR_SECONDS: Final = 0.2
"""How long one call looks at a step; the next one goes on where it stopped."""

LOOK_SHARE: Final = 20
"""After a look at all of a step, rest 20 times as long as it took."""

LONGEST_REST_SECONDS: Final = 120.0
SHORT_REST_SECONDS: Final = 1.0
"""The longest rest after a look at a single portion: it is cheap, and took long only if the machine was busy."""

LOOK_AGAIN_SECONDS: Final = 600.0
"""A look at all of a step is made this often even if nothing seems to have changed."""


@dataclass(slots=True)
class _Look:
    """Where the look at a step is, and what the last whole look found."""

    planned_at: datetime | None
    cursor: int = 0
    floor: int = 0  # nobody up to this row waits, as long as nothing changes
    first: int | None = None  # the first row of this look that waits
    next_at: datetime | None = None  # of this look, and then of the last
    token: tuple[Any, ...] | None = None  # as of the begin of the look
    is_whole: bool = False
    took_seconds: float = 0.0
    portions: int = 0
    rests_until: float = 0.0
    again_at: float = 0.0

    def begin(self, token: tuple[Any, ...], *, is_forced: bool) -> None:
        """Begin another look: at all rows if something changed, because somebody may wait again."""
        self.cursor = self.floor if token == self.token and not is_forced else 0
        self.token, self.is_whole, self.first, self.next_at = token, False, None, None
        self.took_seconds, self.portions = 0.0, 0


@dataclass(slots=True)
class StepsTick:
    """Gives people of steps their batches."""

    looks: dict[int, _Look] = field(default_factory=dict)  # by run
    quiet: Quiet = field(default_factory=Quiet)

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        nothing = {"released": 0, "left_out": 0}
        version = runtime.store.version()
        if self.quiet.lasts(version, now):
            return nothing
        with runtime.store.read() as session:
            steps = [
                step
                for step in releasing.open_steps(session, runtime.account_id)
                if runtime.includes(step.run.id) or runtime.includes(step.root_id)
            ]
        self.looks = {step.run.id: self._look_of(step) for step in steps}
        if not steps:
            self.quiet.found_nothing(version, lambda: None)
            return nothing
        done = [self._advance(runtime, step, now) for step in steps]
        return {"released": sum(each[0] for each in done), "left_out": sum(each[1] for each in done)}

    def _look_of(self, step: OpenStep) -> _Look:
        known = self.looks.get(step.run.id)
        return known if known and known.planned_at == step.run.planned_at else _Look(step.run.planned_at)

    def _advance(self, runtime: Runtime, step: OpenStep, now: datetime) -> tuple[int, int]:
        if not step.pending:
            if step.run.state is RunState.SCHEDULED:
                with runtime.store.write("step_empty") as session:
                    releasing.end_unbegun(session, step, now=now)
            return 0, 0
        look, began = self.looks[step.run.id], runtime.clock.elapsed_seconds()
        if look.is_whole and not self._is_due(runtime, step, look, now, began):
            return 0, 0
        definition = runtime.definitions.get(step.run.definition_id)
        released = left = 0
        while True:
            with runtime.store.read() as session:
                if look.is_whole or look.token is None:
                    look.begin(releasing.token_of(session, step), is_forced=began >= look.again_at)
                rows, until = releasing.waiting_rows(session, step, after=look.cursor)
            if until is not None and rows:
                done = self._apply(runtime, step, definition, rows, look, until, now)
                released, left = released + done[0], left + done[1]
            passed = runtime.clock.elapsed_seconds() - began
            if until is None:
                look.is_whole, look.floor = True, (look.first or look.cursor + 1) - 1
                look.took_seconds += passed
                longest = LONGEST_REST_SECONDS if look.portions > 1 else SHORT_REST_SECONDS
                rest = pause_after(look.took_seconds, share=LOOK_SHARE, longest=longest)
                look.rests_until, look.again_at = began + passed + rest, began + passed + LOOK_AGAIN_SECONDS
                break
            look.cursor = until
            look.portions += 1
            if passed >= LOOKS_FOR_SECONDS:
                look.took_seconds += passed
                break
        if released or left:
            get_logger().info(
                "step.released", campaign=step.run.campaign, run=step.run.id, released=released, left_out=left
            )
        return released, left

    def _is_due(self, runtime: Runtime, step: OpenStep, look: _Look, now: datetime, at_seconds: float) -> bool:
        if at_seconds < look.rests_until:
            return False
        if at_seconds >= look.again_at or (look.next_at is not None and look.next_at <= now + RELEASE_AHEAD):
            return True
        with runtime.store.read() as session:
            return releasing.token_of(session, step) != look.token

    def _apply(
        self,
        runtime: Runtime,
        step: OpenStep,
        definition: Definition,
        rows: list[WaitingRow],
        look: _Look,
        until: int,
        now: datetime,
    ) -> tuple[int, int]:
        """Release whose turn it is among these rows; note who waits on."""
        timetable, wait = Timetable(definition.schedule), step.after
        start = definition.schedule.at_gateway
        due, ended, ids = list[PlannedRecipient](), list[int](), list[int]()
        for row in rows:
            turn, counting = turn_of(row.before, is_over=step.is_over)
            if turn is Turn.ENDED:
                ended.append(row.id)
                continue
            if turn is Turn.WAITS or counting is None or counting.accepted_at is None:
                look.first = look.first or row.id
                continue
            moment = max(counting.accepted_at, start or counting.accepted_at) + wait
            if moment > now + RELEASE_AHEAD:
                look.first = look.first or row.id
                look.next_at = min(look.next_at or moment, moment)
                continue
            departure = timetable.departure(counting.zones, moment, now)
            ids.append(row.id)
            due.append(
                PlannedRecipient(
                    row.number, 0, "", 0, RecipientState.PENDING, segments=row.segments, departure=departure
                )
            )
        if not due and not ended:
            return 0, 0
        chunks = list(into_batches(due, limits_of(definition, runtime.settings).request))
        with runtime.store.write("step_release") as session:
            return releasing.release(session, step, chunks, ids, ended, after=look.cursor, until=until)
