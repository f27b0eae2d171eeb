"""Plays a scenario on the bench and judges it by wall clocks, with none of the product's arithmetic."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import col

from campaigns.lifecycle import BatchState, RecipientState
from campaigns.planning.batching import NO_LIMIT
from campaigns.sending.sticking import Ranking
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import Stored
from tests.protocol.world.timing_scenarios import MINUTE, Person, Scenario
from worker.store.models import Batch, Recipient, Run
from worker.store.tables import device_months, device_people

P = RecipientState
GRAIN = timedelta(milliseconds=10)
FORECAST_OFF = timedelta(seconds=3)
"""A phone's budget that is first asked for in the middle of sending waits 2 s for what others may have sent with it."""

NEVER_SENT = (P.SKIPPED, P.HELD)


def play(bench: Installation, scenario: Scenario) -> int:
    """Drop the campaign and let time pass until there is nothing of it left to send; return its run."""
    (bench.folder / "sale.csv").write_text(scenario.table)
    run_id = bench.drop(scenario.file).run_id
    for _ in range(2_000):
        work(bench)
        if scenario.forgets:
            forget_people(bench)
        due = next_due(bench)
        if due is None:
            return run_id
        bench.clock.advance(max(due - bench.clock.now(), GRAIN))
    raise AssertionError(f"it does not come to an end: {bench.report()}")


def forget_people(bench: Installation) -> None:
    """Delete what is counted of whom the phones texted."""
    with bench.store.write() as session:
        session.execute(sa.delete(device_people))
        session.execute(sa.delete(device_months))


def work(bench: Installation) -> None:
    """What scheduler and workers do at this moment, as far as time matters."""
    bench.call("start")
    bench.call("late")
    for _ in range(50):
        bench.call("drain")
        if not bench.queue.jobs:
            return
        bench.work()


def next_due(bench: Installation) -> datetime | None:
    """The next moment at which something happens."""
    now, waiting = bench.clock.now(), col(Batch.state).in_([BatchState.PLANNED, BatchState.QUEUED])
    queries = (
        sa.select(sa.func.min(Batch.not_before)).where(waiting, col(Batch.not_before) > now),
        sa.select(sa.func.min(Batch.latest)).where(waiting, col(Batch.latest) >= now - GRAIN),
        sa.select(sa.func.min(Run.starts_at)).where(col(Run.starts_at) > now),
    )
    with bench.store.read() as session:
        moments = [session.scalars(query).one() for query in queries]
        if not session.scalars(sa.select(col(Batch.id)).where(waiting).limit(1)).first():
            return None
    return min((moment for moment in moments if moment is not None and moment > now), default=now)


class Judge:
    """One scenario that was played."""

    def __init__(self, bench: Installation, scenario: Scenario, run_id: int) -> None:
        self.scenario = scenario
        self.sent: dict[str, Stored] = {message.number: message for message in bench.gateway.stored}
        self.copies = bench.gateway.copies()
        self.rows: dict[str, Recipient] = {row.number: row for row in bench.recipients(run_id) if row.occurrence == 0}
        self.states = bench.states(run_id)
        self.moments = {batch.id: batch.moment for batch in bench.batches(run_id)}
        self.attempts = bench.attempts(run_id)
        self.plan: dict[str, Any] = bench.run(run_id).plan_summary

    def problems(self) -> Iterator[str]:
        """Every promise that was broken."""
        yield from self._everybody_once()
        for person in self.scenario.people:
            if person.phone in self.sent:
                yield from self._at_its_time(person, self.sent[person.phone].at)
        yield from self._limits()
        yield from self._people()
        yield from self._as_forecast()

    def _everybody_once(self) -> Iterator[str]:
        if max(self.copies.values(), default=1) > 1:
            yield "somebody got it twice"
        for person in self.scenario.people:
            state = self.rows[person.phone].state
            if (state is P.ACCEPTED) != (person.phone in self.sent):
                yield f"{person.phone} is {state}, and the gateway says otherwise"
            if state not in {P.ACCEPTED, *NEVER_SENT}:
                yield f"{person.phone} was forgotten: {state}"
        if self.scenario.within is None and len(self.sent) < len(self.scenario.people):
            yield "somebody was not sent to, and nothing can be too late"
        expected = {P.DUPLICATE: 1, P.INVALID: 1}
        if sum(self.states.values()) != len(self.scenario.people) + 2 or not expected.items() <= self.states.items():
            yield f"the states do not add up: {self.states}"

    def _at_its_time(self, person: Person, at: datetime) -> Iterator[str]:
        scenario, zone = self.scenario, self.scenario.zone_of(person)
        if scenario.window and not scenario.window.is_open(at.astimezone(zone).replace(tzinfo=None)):
            yield f"{person.phone}: sent outside of its hours, {at.astimezone(zone)}"
        begins = max(scenario.now, first_of(scenario.start, zone)) if scenario.start else scenario.now
        moment = self.moments[self.rows[person.phone].batch_id or 0]
        if not begins <= moment <= at:
            yield f"{person.phone}: sent {at}, its turn was {moment}, it begins {begins}"
        opens = begins if scenario.window is None else next_opening(scenario, zone, begins)
        turn = open_minutes(scenario, zone, opens, moment)
        if not abs(turn - self._turn_of(person)) <= MINUTE:
            yield f"{person.phone}: its turn is {turn} after its hours began, not {self._turn_of(person)}"
        asked = first_of(scenario.start, zone) if scenario.start else scenario.now
        if scenario.within and at > asked + scenario.within + (moment - opens) + GRAIN:
            yield f"{person.phone}: sent too late, {at}"

    def _turn_of(self, person: Person) -> timedelta:
        """How much open time after its beginning: in the order of the audience, among people with the same clocks."""
        if self.scenario.spread is None:
            return timedelta()
        same = [
            other for other in self.scenario.people if self.scenario.zone_of(other) == self.scenario.zone_of(person)
        ]
        placed = [other for other in same if self.rows[other.phone].batch_id is not None]
        return self.scenario.spread * placed.index(person) / len(placed)

    @property
    def _cost(self) -> dict[str, int]:
        return {person.phone: person.segments for person in self.scenario.people}

    def _limits(self) -> Iterator[str]:
        cost = self._cost
        sent = sorted((message.at, cost[message.number]) for message in self.sent.values())
        if self.scenario.rate is not None:
            yield from too_fast(sent, self.scenario.rate[0], timedelta(seconds=self.scenario.rate[1]))
        if self.scenario.daily is not None:
            yield from too_many(self._per_day(), self.scenario.daily)
        for phone in {attempt.target for attempt in self.attempts}:
            by_phone = [(at.started_at, at.segments) for at in self.attempts if at.target == phone]
            if self.scenario.phone_rate is not None:
                yield from too_fast(by_phone, self.scenario.phone_rate, MINUTE)
            if self.scenario.phone_daily is not None:
                days = Counter[date]()
                for at, segments in by_phone:
                    days[at.date()] += segments
                yield from too_many(days, self.scenario.phone_daily)

    def _people(self) -> Iterator[str]:
        """No phone texts more people in a month than it may, and with `stick` nobody is texted by a lower one."""
        by_month = Counter[tuple[str, int, int]]()
        phones = {message.number: message.device for message in self.sent.values()}
        for message in self.sent.values():
            by_month[message.device, message.at.year, message.at.month] += 1
        most = self.scenario.people_monthly
        if most is not None:
            yield from (
                f"{key} texted {people} people, where {most} are allowed"
                for key, people in by_month.items()
                if people > most
            )
        if self.scenario.sticks and self.scenario.phones > 1 and most is None:
            ranking = Ranking([str(phone) for phone in range(1, self.scenario.phones + 1)])
            yield from (
                f"{number} was texted by phone {phone}"
                for number, phone in phones.items()
                if ranking.first(number) != phone
            )

    def _per_day(self) -> Counter[date]:
        cost, zone, days = self._cost, ZoneInfo(self.scenario.zone), Counter[date]()
        for message in self.sent.values():
            days[message.at.astimezone(zone).date()] += cost[message.number]
        return days

    def _as_forecast(self) -> Iterator[str]:
        forecast, counts = self.plan.get("forecast"), self.plan["counts"]
        if forecast is None:
            if self.sent:
                yield "nothing was to be sent by the plan"
            return
        costs, too_late = set(self._cost.values()), forecast["too_late"]
        # People behind one who waits those 2 s take another phone, or get what was left of a day's budget.
        shares_budgets = self.scenario.phone_daily and len(costs) > 1
        more = len(self.sent) - (counts["pending"] - too_late)
        if more < 0 or (more and not shares_budgets):
            yield f"{counts['pending']} were planned, {too_late} of them too late; {len(self.sent)} were sent"
        if shares_budgets:
            return
        if (self.scenario.sticks or self.scenario.people_monthly) and len(costs) > 1:
            return  # a small text of another phone takes the rest of a day; nobody knows what a part of a batch costs
        if self.scenario.phones > 1 and len(costs) > 1 and max(costs) >= (self.scenario.phone_rate or NO_LIMIT):
            return  # a text that takes a phone's whole minute keeps small ones out of gaps that the forecast gives them
        expected_days = {day["date"]: day["segments"] for day in forecast["days"]}
        happened_on = {day.isoformat(): segments for day, segments in self._per_day().items()}
        if expected_days != happened_on:
            yield f"segments were expected on {expected_days}, and left on {happened_on}"
        if self.sent:
            happened = [message.at for message in self.sent.values()]
            for name, at in (("first", min(happened)), ("last", max(happened))):
                expected = datetime.fromisoformat(forecast[f"{name}_send_at"])
                if abs(at - expected) > FORECAST_OFF:
                    yield f"the {name} was expected {expected} and left {at}"


def too_fast(sent: Sequence[tuple[datetime, int]], count: int, per: timedelta) -> Iterator[str]:
    """Where more segments than `count` left within `per`."""
    for index, (at, _) in enumerate(sent):
        within = sum(segments for other, segments in sent[index:] if other < at + per)
        if within > count:
            yield f"{within} segments in {per} from {at} on, where {count} are allowed"


def too_many(days: Mapping[date, int], daily: int) -> Iterator[str]:
    """The days on which more segments than `daily` left."""
    return (
        f"{segments} segments on {day}, where {daily} are allowed" for day, segments in days.items() if segments > daily
    )


def first_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """When clocks in `zone` show `wall` for the first time; in a gap, the first moment after it: minute by minute."""
    moment = wall.replace(tzinfo=UTC) - timedelta(hours=15)
    while moment.astimezone(zone).replace(tzinfo=None) < wall:
        moment += MINUTE
    return moment


def next_opening(scenario: Scenario, zone: ZoneInfo, begins: datetime) -> datetime:
    assert scenario.window is not None
    moment = begins
    while not scenario.window.is_open(moment.astimezone(zone).replace(tzinfo=None)):
        moment += MINUTE
    return moment


def open_minutes(scenario: Scenario, zone: ZoneInfo, opens: datetime, until: datetime) -> timedelta:
    """How much allowed time there is between the two."""
    if scenario.window is None:
        return until - opens
    whole = timedelta()
    moment = opens
    while moment + MINUTE <= until:
        whole += MINUTE if scenario.window.is_open(moment.astimezone(zone).replace(tzinfo=None)) else timedelta()
        moment += MINUTE
    return whole + (until - moment)
