"""What will be sent when: the forecasts of all plans together, hour by hour, beside what may be sent."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from typing import Final
from zoneinfo import ZoneInfo

from sqlmodel import Session

from campaigns.definition import Definition
from campaigns.following.course import Course
from campaigns.lifecycle import RecipientState, RunState
from campaigns.timing.recurrence import recurrence_of
from campaigns.timing.sending_hours import hours_of
from scheduler.actions.reading.runs import AT_WORK
from worker.definitions import Definitions
from worker.limits.batch_limits import routes
from worker.limits.limits_in_force import Ceilings
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.runs.repetitions import all_repeating
from worker.store.runs.runs import RunView, list_runs, runs_of_campaigns

HOUR: Final = timedelta(hours=1)
HOUR_SECONDS: Final = 3_600.0

MOST_FIRINGS: Final = 200
"""Of one campaign that repeats: one every hour of a week and some to spare."""

AHEAD: Final = (RunState.SCHEDULED, RunState.RUNNING, RunState.PAUSED)

OVER: Final = 1.01
"""More than the limit by less than this is rounding."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a run will send in each hour of a calendar, in people. `run_id` None: a run that is not planned yet, and is
    expected to be as large as the last one. `per_person`: segments. `step`: its name; then `texts` are the most."""

    campaign: str
    run_id: int | None
    begins: datetime
    state: RunState | None
    texts: tuple[float, ...]
    per_person: float
    step: str = ""

    @property
    def people(self) -> int:
        """Return to how many people it sends in these hours."""
        return round(sum(self.texts))


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour: its place in the texts of each load, when it begins, and what it takes, in segments."""

    place: int
    begins: datetime
    texts: int
    segments: float
    most: float | None

    @property
    def is_over(self) -> bool:
        """Return whether more is planned than may be sent: each forecast supposes that it is alone."""
        return self.most is not None and self.segments > OVER * self.most


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A day of the reader's zone. `most`: segments that the budget of a day allows; `notes`: clocks that change."""

    date: date
    hours: tuple[Hour, ...]
    most: int | None
    notes: tuple[str, ...]

    @property
    def texts(self) -> int:
        """Return how many texts leave on that day."""
        return sum(hour.texts for hour in self.hours)

    @property
    def is_over(self) -> bool:
        """Return whether more is planned than the budget of the day or one of its hours allows."""
        over_day = self.most is not None and sum(hour.segments for hour in self.hours) > OVER * self.most
        return over_day or any(hour.is_over for hour in self.hours)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days, what is sent on them, and by campaign when its window is open on each day."""

    days: tuple[CalendarDay, ...]
    loads: tuple[Load, ...]
    windows: Mapping[str, tuple[tuple[tuple[datetime, datetime], ...] | None, ...]]


def read_calendar(
    store: Store,
    settings: Settings,
    definitions: Definitions,
    ceilings: Ceilings,
    first: date,
    days: int,
    zone: ZoneInfo,
    *,
    now: datetime,
) -> Calendar:
    """Return what all plans that are not over will send on these days, and the runs that campaigns will make."""
    marks = [datetime.combine(first + timedelta(days=place), time(), zone).astimezone(UTC) for place in range(days + 1)]
    begins, ends = marks[0], marks[-1]
    with store.read() as session:
        planned = list_runs(session, AT_WORK)
        found = {run.id: definitions.find(run.definition_id) for run in planned}
        loads = [load for run in planned if (load := _planned(run, begins, ends, now)) is not None]
        loads += _steps(planned, begins, ends)
        expected = list(_expected(session, definitions, planned, begins, ends, now))
    known = {run.campaign: found[run.id] for run in planned} | {load.campaign: of for load, of in expected}
    loads = sorted([*loads, *(load for load, _ in expected)], key=lambda load: (load.begins, load.campaign))
    shown = {load.campaign: known[load.campaign] for load in loads}
    most = _an_hour(ceilings, [of for of in shown.values() if of is not None])
    every = [_hour(place, begins, loads, most) for place in range(round((ends - begins) / HOUR))]
    return Calendar(
        tuple(
            CalendarDay(
                first + timedelta(days=place),
                tuple(hour for hour in every if opens <= hour.begins < closes),
                ceilings.account_daily,
                tuple(_clock_changes(opens, closes, zone, shown.values())),
            )
            for place, (opens, closes) in enumerate(pairwise(marks))
        ),
        tuple(loads),
        {
            campaign: tuple(_open(of, settings, opens, closes) for opens, closes in pairwise(marks))
            for campaign, of in shown.items()
            if of is not None
        },
    )


def _planned(run: RunView, begins: datetime, ends: datetime, now: datetime) -> Load | None:
    """Return what is left of a run, from its forecast; one that did not begin when it was to begins now."""
    stored = run.plan_summary.get("course")
    if not stored or run.state in {RunState.SETTLING, RunState.CANCELLED}:
        return None
    course = Course.from_json(stored, kinds=1)
    late = timedelta(0)
    if run.started_at is None and run.starts_at < now:
        late = now - run.starts_at
    texts = _spread(course, late.total_seconds(), begins, ends)
    if not any(texts):
        return None
    return Load(run.campaign, run.id, run.starts_at + late, run.state, texts, _per_person(run))


def _steps(planned: Sequence[RunView], begins: datetime, ends: datetime) -> Iterator[Load]:
    """Yield the steps that are to come: spread as the text that they follow, to the most people who may get them."""
    roots = {run.id: run.plan_summary for run in planned if run.plan_summary.get("course")}
    for run in planned:
        step, root = run.plan_summary, roots.get(run.root_id or 0)
        if root is None or not step.get("first_send_at") or run.state not in AHEAD:
            continue
        at, most = datetime.fromisoformat(step["first_send_at"]), step["recipients"]["most"]
        later = at - datetime.fromisoformat(root["forecast"]["first_send_at"])
        share = most / (root["counts"].get(RecipientState.PENDING.value) or most)
        course = Course.from_json(root["course"], kinds=1)
        texts = tuple(share * people for people in _spread(course, later.total_seconds(), begins, ends))
        if any(texts):
            yield Load(run.campaign, run.id, at, run.state, texts, step["segments"] / most, run.step)


def _expected(
    session: Session,
    definitions: Definitions,
    planned: Sequence[RunView],
    begins: datetime,
    ends: datetime,
    now: datetime,
) -> Iterator[tuple[Load, Definition]]:
    """Yield the runs that campaigns will make: as large and as long as their last one that was planned."""
    made = {(run.campaign_id, run.fires_at) for run in planned if run.plan_summary.get("course")}
    every = [*all_repeating(session, rehearsal=False), *all_repeating(session, rehearsal=True)]
    for repeating in every:
        definition = definitions.find(repeating.definition_id)
        recurrence = recurrence_of(definition.schedule) if definition is not None else None
        before = [run for run in runs_of_campaigns(session, [repeating.campaign_id]) if run.plan_summary.get("course")]
        last = max(before, key=lambda run: run.starts_at, default=None)
        if definition is None or recurrence is None:
            continue
        course, model = _model(last)
        for at in islice(recurrence.between(max(now, begins), ends), MOST_FIRINGS):
            if (repeating.campaign_id, at) not in made:
                texts = _spread(course, (at - model).total_seconds(), begins, ends)
                yield Load(repeating.campaign, None, at, None, texts, _per_person(last)), definition


def _model(last: RunView | None) -> tuple[Course, datetime]:
    """Return the course of a campaign's last run, and its moment; an empty one before its first plan."""
    if last is None or last.fires_at is None:
        return Course(1), datetime.min.replace(tzinfo=UTC)
    return Course.from_json(last.plan_summary["course"], kinds=1), last.fires_at


def _spread(course: Course, later_seconds: float, begins: datetime, ends: datetime) -> tuple[float, ...]:
    """Return how many people fall into each hour; a step that is longer than an hour is spread evenly."""
    first = begins.timestamp()
    found = [0.0] * round((ends - begins) / HOUR)
    for since, (people,) in course.steps():
        at = since + later_seconds - first
        until = at + course.step_seconds
        place = int(at // HOUR_SECONDS)
        while place * HOUR_SECONDS < until and place < len(found):
            share = min(until, (place + 1) * HOUR_SECONDS) - max(at, place * HOUR_SECONDS)
            if place >= 0:
                found[place] += people * share / course.step_seconds
            place += 1
    return tuple(found)


def _per_person(run: RunView | None) -> float:
    if run is None:
        return 1.0
    people = run.plan_summary.get("counts", {}).get(RecipientState.PENDING.value, 0)
    return float(run.plan_summary.get("segments", people)) / people if people else 1.0


def _hour(place: int, begins: datetime, loads: Sequence[Load], most: float | None) -> Hour:
    texts = sum(load.texts[place] for load in loads)
    return Hour(
        place, begins + place * HOUR, round(texts), sum(load.texts[place] * load.per_person for load in loads), most
    )


def _an_hour(ceilings: Ceilings, shown: Sequence[Definition]) -> float | None:
    """Return how many segments the phones of these campaigns may send in an hour; None: there is no limit."""
    phones = {phone.level_key for of in shown for phone in routes(of, first=0, stuck=ceilings.stuck)}
    rates = [ceilings.device_rates.get(phone, ceilings.device_rate) for phone in phones]
    known = [rate.per_second for rate in rates if rate is not None]
    limits = [sum(known)] if known and len(known) == len(rates) else []
    if ceilings.account_rate is not None:
        limits.append(ceilings.account_rate.per_second)
    return min(limits) * HOUR_SECONDS if limits else None


def _clock_changes(
    opens: datetime, closes: datetime, zone: ZoneInfo, shown: Iterable[Definition | None]
) -> Iterator[str]:
    for each in sorted({zone.key, *(of.schedule.zone.key for of in shown if of is not None)}):
        before, after = (at.astimezone(ZoneInfo(each)).utcoffset() or timedelta(0) for at in (opens, closes))
        if before != after:
            way = "forward" if after > before else "back"
            yield f"the clocks of {each} go {way} by {abs(after - before)}"


def _open(
    definition: Definition, settings: Settings, opens: datetime, closes: datetime
) -> tuple[tuple[datetime, datetime], ...] | None:
    """Return when a campaign may send on a day; None: at any time. On a holiday, never."""
    hours = hours_of(definition.schedule, "", within=settings.policy.hours_in_force(definition))
    if hours is None:
        return None
    found: list[tuple[datetime, datetime]] = []
    at = hours.next_open(opens)
    while at is not None and at < closes:
        until = min(hours.closes_at(at) or closes, closes)
        found.append((at, until))
        at = hours.next_open(until)
    return tuple(found)
