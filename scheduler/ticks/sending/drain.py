"""Keeps the queue filled with what is due, and little more: the queue may lose its jobs without harm.

When several campaigns want the same account or the same phones, their turns are decided here
(`campaigns.sending.sharing`): there is little in the queue at any moment, so nothing urgent waits behind much else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from sqlmodel import Session

from campaigns.definition import Definition, Rate
from campaigns.planning.batching import NO_LIMIT
from campaigns.policy import Policy
from campaigns.sending.sharing import Contender, Portion, Room, Turns
from campaigns.timing.sending_hours import hours_of
from scheduler.rush import Rush
from scheduler.ticks.every import RESTS, Every, Quiet
from worker.limits.batch_limits import routes
from worker.limits.limits_in_force import Ceilings
from worker.limits.planned_limits import allowances
from worker.runtime import Runtime
from worker.store.runs import run_ends
from worker.store.sending import queue
from worker.store.sending.batch_splits import split_batch
from worker.store.sending.queue import Demand, Due

OWN_SECONDS: Final = 1.0
"""How much work of a campaign with a rate is under way, including what sleeps in a thread or waits for the throttle."""

SHARED_SECONDS: Final = 2.0
"""How much work of all campaigns under one account or phone is under way."""

MOST_QUEUED: Final = 256
"""The most requests in the queue: a tick's worth of small ones and some to spare."""

AHEAD_A_RUN: Final = timedelta(seconds=0.005)
"""How much longer the lead is for each run that begins: as long as queueing its first requests takes."""

PAUSE_SHARE: Final = 3
LONGEST_PAUSE_SECONDS: Final = 0.5
"""When the queue is more than half full, a round is followed by a pause three times as long, up to this: for 100
campaigns a round takes 20 ms of processor time, which the queued requests need more."""

NEVER_OPENS: Final = timedelta(days=1)
"""When to look again at a window that does not open in the next 400 days: its file may be fixed by then."""


Closed: TypeAlias = dict[tuple[int, str], datetime]
"""By run and zones: when sending is allowed again."""


@dataclass(slots=True)
class DrainTick:
    """Queues due batches of running runs in an open window, each run its share; the others wait until it opens."""

    rush: Rush = field(default_factory=Rush)
    turns: Turns = field(default_factory=Turns)  # how much each got, to keep shares fair from tick to tick
    look: Every = field(default_factory=Every)
    quiet: Quiet = field(default_factory=Quiet)

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        began = runtime.clock.elapsed_seconds()
        if not self.look.is_due(began):
            return RESTS
        version = runtime.store.version()
        if self.quiet.lasts(version, now):
            return {"enqueued": 0, "idle": 1}
        with runtime.store.read() as session:
            if not run_ends.any_at_work(session, runtime.account_id):
                self.quiet.found_nothing(version, lambda: None)
                return {"enqueued": 0, "idle": 1}
            lead, everybody = self._demands(runtime, session, now)
        demands = [demand for demand in everybody if runtime.includes(demand.run_id)]
        done = self._queue(runtime, demands, lead, now)
        if sum(demand.queued_batches for demand in demands) + done["enqueued"] > MOST_QUEUED // 2:
            took = runtime.clock.elapsed_seconds() - began
            self.look.rest(began + took, min(LONGEST_PAUSE_SECONDS, PAUSE_SHARE * took))
        return done

    def _demands(self, runtime: Runtime, session: Session, now: datetime) -> tuple[timedelta, list[Demand]]:
        """Return all demands, and the lead: longer than usual if only runs that begin demand anything."""
        beginning = self.rush.beginning(runtime.clock.elapsed_seconds())
        if beginning:
            lead = min(queue.LONGEST_LEAD, queue.ENQUEUE_AHEAD + AHEAD_A_RUN * len(beginning))
            found = queue.demands(session, runtime.account_id, now=now, lead=lead)
            # A thread that has a request ahead of its moment waits with it: no other run's request may be queued behind
            # that.
            others = (demand for demand in found if demand.run_id not in beginning)
            if not any(demand.has_due or demand.queued_batches or demand.asleep_segments for demand in others):
                return lead, found
        return queue.ENQUEUE_AHEAD, queue.demands(session, runtime.account_id, now=now)

    def _queue(self, runtime: Runtime, demands: Sequence[Demand], lead: timedelta, now: datetime) -> dict[str, int]:
        if not any(demand.has_due for demand in demands):
            return {"enqueued": 0}  # spares an idle service a write transaction ten times a second
        chosen, closed = self._choose(runtime, demands, lead, now)
        if not chosen and not closed:
            return {"enqueued": 0}
        with runtime.store.write("queue") as session:
            for (run_id, zones), opens in closed.items():
                queue.wait_for_opening(session, run_id, zones, until=opens, now=now, lead=lead)
            queued = queue.queue_batches(session, [portion.id for _, portion in chosen], now=now)
            for _, portion in chosen:
                if portion.id in queued and portion.is_cut:
                    # A limit was lowered after planning. The throttle counts a request that exceeds a limit as that
                    # limit, or it could never be sent: it would break the limit. The rest is due as well.
                    split_batch(session, portion.id, until=now, most_segments=portion.segments)
        try:
            for contender, portion in chosen:
                if portion.id in queued:
                    runtime.queue.enqueue([portion.id], contender.kind)
        except Exception:
            # Redis is away. A job that got there all the same is harmless; a batch without one would wait for rescue.
            with runtime.store.write("queue_undone") as session:
                queue.give_back(session, queued)
            raise
        return {"enqueued": len(queued)}

    def _choose(
        self, runtime: Runtime, demands: Sequence[Demand], lead: timedelta, now: datetime
    ) -> tuple[list[tuple[Contender, Portion]], Closed]:
        """Return what goes now, and what is due but outside its window."""
        ceilings = runtime.ceilings.current()
        shared = _Shared(ceilings)
        most: dict[int, int] = {}
        waiting: list[tuple[Demand, Definition, Room, tuple[Room, ...]]] = []
        for demand in demands:
            definition = runtime.definitions.find(demand.definition_id)
            if definition is None:
                continue  # the others continue
            rate = ceilings.campaign_rates.get(demand.campaign, definition.throughput.rate)
            lanes = shared.lanes(definition)
            shared.count(demand, rate, lanes)
            if demand.has_due:
                own = _room(rate, OWN_SECONDS)
                own.used = _under_way(demand, own) + demand.asleep_segments
                most[demand.run_id] = _most_segments(runtime, ceilings, definition, rate)
                waiting.append((demand, definition, own, lanes))
        free = MOST_QUEUED - sum(demand.queued_batches for demand in demands)
        found = _due(runtime, waiting, shared, free, lead, now)
        policy = runtime.settings.policy
        closed = {
            (demand.run_id, zones): opens
            for demand, definition, _, _ in waiting
            for zones, opens in _closed(definition, policy, found.get(demand.run_id, ()), now + lead)
        }
        due = {
            run_id: [batch for batch in batches if (run_id, batch.zones) not in closed]
            for run_id, batches in found.items()
        }
        chosen = self.turns.share(
            shared.account,
            [
                Contender(
                    demand.run_id,
                    definition.kind,
                    ceilings.weights.get(demand.campaign, 1),
                    [_portion(batch, most[demand.run_id]) for batch in due.get(demand.run_id, ())],
                    own,
                    lanes,
                )
                for demand, definition, own, lanes in waiting
            ],
            requests=free,
        )
        return chosen, closed


def _closed(
    definition: Definition, policy: Policy, batches: Sequence[Due], now: datetime
) -> Iterator[tuple[str, datetime]]:
    """Yield the zones of these batches in which sending is not allowed now, and when it is again."""
    for zones in {batch.zones for batch in batches}:
        hours = hours_of(definition.schedule, zones, within=policy.hours_in_force(definition))
        if hours is not None and not hours.allowed(now):
            yield zones, hours.next_open(now) or now + NEVER_OPENS


def _portion(batch: Due, most_segments: int) -> Portion:
    is_cut = batch.segments > most_segments
    return Portion(batch.id, min(batch.segments, most_segments), batch.is_back, is_cut)


def _most_segments(runtime: Runtime, ceilings: Ceilings, definition: Definition, own: Rate | None) -> int:
    devices = [ceilings.device_rates.get(r.level_key, ceilings.device_rate) for r in routes(definition, first=0)]
    rates = [rate.count for rate in (ceilings.account_rate, own, *devices) if rate is not None]
    budgets = [allowance.segments for _, allowance in allowances(ceilings, runtime.settings.zone, definition)]
    return min([*rates, *budgets], default=NO_LIMIT)


def _due(
    runtime: Runtime,
    waiting: Sequence[tuple[Demand, Definition, Room, tuple[Room, ...]]],
    shared: "_Shared",
    free: int,
    lead: timedelta,
    now: datetime,
) -> dict[int, list[Due]]:
    """Return the next batches of those that have any room."""
    hungry = [
        demand.run_id
        for demand, _, own, lanes in waiting
        if not own.is_full and (not lanes or not all(lane.is_full for lane in lanes))
    ]
    if not hungry or free <= 0 or shared.account.is_full:
        return {}
    # Twice an even share of the queue: if most of them may take little, the next tick fills the rest.
    most = max(2, 2 * free // len(hungry))
    with runtime.store.read() as session:
        return queue.due_batches(session, hungry, now=now, most=most, lead=lead)


class _Shared:
    """The limits that campaigns share, and what is under way below each of them."""

    def __init__(self, ceilings: Ceilings) -> None:
        self._ceilings = ceilings
        self._rooms: dict[str, Room] = {}
        self.account = _room(ceilings.account_rate, SHARED_SECONDS)

    def lanes(self, definition: Definition) -> tuple[Room, ...]:
        """Return the phones that a campaign can use; none if one of them has no limit."""
        lanes = []
        for route in routes(definition, first=0, stuck=self._ceilings.stuck):
            key = route.level_key
            rate = self._ceilings.device_rates.get(key, self._ceilings.device_rate)
            if rate is None:
                return ()
            lanes.append(self._rooms.setdefault(key, _room(rate, SHARED_SECONDS)))
        return tuple(lanes)

    def count(self, demand: Demand, rate: Rate | None, lanes: Sequence[Room]) -> None:
        """Count what is under way already. Which phone a queued request takes is open, so each one gets a part."""
        for room in (self.account, *lanes):
            # A campaign that is slower than that by itself sleeps for its own limit, and takes no slots from the
            # others.
            is_slower = rate is not None and rate.per_second * SHARED_SECONDS < room.size
            used = _under_way(demand, room) + (0 if is_slower else demand.waking_segments)
            room.used += used if room is self.account else used / len(lanes)


def _under_way(demand: Demand, room: Room) -> float:
    """Return how much of the room the queue takes up, without one room of stale jobs: with no worker they add up."""
    return demand.queued_segments - min(demand.stale_segments, room.size)


def _room(rate: Rate | None, seconds: float) -> Room:
    return Room() if rate is None else Room(max(1.0, rate.per_second * seconds))
