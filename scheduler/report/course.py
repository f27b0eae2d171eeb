"""How far a run is over time beside its forecast, and how much it is off."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.counting import amount
from campaigns.following.course import BOTTLENECKS, Bottleneck, Bottlenecks, Course, Line, behind_seconds
from campaigns.lifecycle import NOT_AT_THE_GATEWAY, RunState
from scheduler.report.summary import RunProgress, waits_for
from worker.store.runs.runs import RunView

STAGE_WORDS: Final = ("handed over", "sent by a phone", "delivered")
"""What the counts of a course are: `worker.store.reports.courses.STAGES`."""

ON_TIME_SECONDS: Final = 60.0
"""Less than this is no delay: nobody waits for a second."""

TELLING_SECONDS, TELLING_SHARE = 60.0, 0.01
"""Before a run has taken this long or sent this share, its first requests say nothing of its pace."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A time during which one thing kept a run back. In seconds since 1970."""

    since: float
    until: float
    bottleneck: Bottleneck


@dataclass(frozen=True, slots=True)
class SeenCourse:
    """What is shown of a run over time: a line for each of `STAGE_WORDS`, its forecast, and what kept it back.

    `behind` moves the forecast to where the run is now, in seconds. `ahead_until`: when it will end; None: it has, or
    nobody knows. The picture has what of the forecast falls between the beginning and that end.
    """

    lines: tuple[Line, ...]
    forecast: Line = ()
    behind: float = 0.0
    ahead_until: float | None = None
    kept: tuple[Kept, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing to show yet."""
        return not any(self.lines)

    @property
    def ends(self) -> tuple[float, float]:
        """Return where the picture begins and ends."""
        moments = [at for line in self.lines for at, _ in line]
        moments += [at for each in self.kept for at in (each.since, each.until)]
        moments += [self.ahead_until] if self.ahead_until else []
        first, last = min(moments), max(moments)
        return first, max(last, first + 1.0)

    @property
    def seen_until(self) -> float:
        """Return up to when it is known."""
        ends = [line[-1][0] for line in self.lines if line]
        return max([*ends, *(each.until for each in self.kept)])

    @property
    def most(self) -> int:
        """Return the largest count."""
        return max(1, *(count for line in (*self.lines, self.forecast) for _, count in line))


def forecast_of(run: RunView) -> Line:
    """Return how many people the plan of a run would have sent to over time; empty for a plan of an older version."""
    stored = run.plan_summary.get("course")
    return Course.from_json(stored, kinds=1).line() if stored else ()


def spans(known: Bottlenecks, first: float, until: float) -> tuple[Kept, ...]:
    """Return for how long what kept a run back, between two moments."""
    marks = [(max(first, since), bottleneck) for since, bottleneck in known if since < until]
    ends = [since for since, _ in marks[1:]] + [until]
    return tuple(Kept(since, end, bottleneck) for (since, bottleneck), end in zip(marks, ends, strict=False))


def seen_course(
    seen: RunProgress, run: RunView, lines: tuple[Line, ...], known: Bottlenecks, now: datetime
) -> SeenCourse:
    """Return what is shown of a run, given its lines and what kept it back."""
    first, until = ((at or now).timestamp() for at in (run.started_at, run.finished_at))
    found = pace(seen, now)
    is_open = run.started_at is not None and run.finished_at is None
    ahead = found.ends_at.timestamp() if is_open and found.ends_at is not None else None
    return SeenCourse(lines, forecast_of(run), found.behind_seconds or 0.0, ahead, spans(known, first, until))


def reason(seen: RunProgress, bottleneck: Bottleneck | None, zone: ZoneInfo) -> str:
    """Return what a run waits for, or else what keeps it from sending faster; empty if nothing does."""
    return waits_for(seen, zone) or (f"kept back by {BOTTLENECKS[bottleneck]}" if bottleneck is not None else "")


@dataclass(frozen=True, slots=True)
class Pace:
    """When the last text of a run is expected to leave, or left, and how many seconds later than forecast that is.

    `ends_at` None: nobody knows, as while it is paused. `behind_seconds` None: it has hardly begun, or has no forecast.
    """

    ends_at: datetime | None
    behind_seconds: float | None = None

    @property
    def words(self) -> str:
        """How far it is off its forecast; empty if that is not known, or if nobody knows when it ends."""
        if self.behind_seconds is None or self.ends_at is None:
            return ""
        minutes = round(abs(self.behind_seconds) / 60)
        if abs(self.behind_seconds) < ON_TIME_SECONDS:
            return "as forecast"
        return f"{amount(minutes, 'minute')} {'later' if self.behind_seconds > 0 else 'earlier'} than forecast"


def pace(seen: RunProgress, now: datetime) -> Pace:
    """Return how a run keeps its forecast."""
    run, forecast = seen.run, forecast_of(seen.run)
    stored = run.plan_summary.get("forecast", {}).get("last_send_at")
    planned = datetime.fromisoformat(stored) if stored else None
    if run.day or run.started_at is None or not forecast:  # the books of reminders are those of all days
        return Pace(run.finished_at or planned)
    left = sum(seen.books.by_state.get(state, 0) for state in NOT_AT_THE_GATEWAY)
    if left and run.state in {RunState.CANCELLED, RunState.FAILED, RunState.COMPLETED}:
        return Pace(seen.books.last_send_at)
    at = now if left or seen.books.last_send_at is None else seen.books.last_send_at
    everybody = forecast[-1][1]
    done = max(0, everybody - left)
    if left and (now - run.started_at).total_seconds() < TELLING_SECONDS and done < TELLING_SHARE * everybody:
        return Pace(None if run.state is RunState.PAUSED else planned)
    behind = behind_seconds(forecast, done, at.timestamp())
    if not left:
        return Pace(seen.books.last_send_at, behind)
    if run.state is RunState.PAUSED or planned is None:
        return Pace(None, behind)
    return Pace(datetime.fromtimestamp(max(now.timestamp(), planned.timestamp() + behind), UTC), behind)
