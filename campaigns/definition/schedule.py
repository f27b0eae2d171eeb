"""When a campaign starts, and at which times it may send."""

import re
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from campaigns.calendar.cron import Cron, InvalidCron, parse_cron
from campaigns.calendar.localtime import ZoneName, to_utc
from campaigns.definition.part import Part
from campaigns.definition.sources import MAX_ENTRIES, as_list, at_most
from campaigns.definition.windows import TimeOfDay, Window
from campaigns.timing.dates import DayOrder
from campaigns.values.durations import Duration, format_duration, parse_duration
from campaigns.values.scalars import Scalar, Text, choice, refuse, shown, whole_number

START: Final = re.compile(r"(\d{4}-\d\d-\d\d)[ Tt](\d\d?)(:\d\d(?::\d\d)?) ?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
HINT: Final = "write 2026-12-01 09:00 (by the clocks of the campaign's zone), 2026-12-01T09:00+01:00, or now"

HINT_UNTIL: Final = "write the last day, such as 2027-03-01, or a date and time"


def parse_start(text: str) -> datetime | None:
    """Parse a start: None for `now`, naive without an offset, aware with one. Raises ValueError."""
    if text.casefold() == "now":
        return None
    match = START.fullmatch(text)
    if not match:
        dated = re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII)
        refuse(f"has no time of day: {shown(text)}" if dated else f"must be a date and time, not {shown(text)}", HINT)
    day, hour, rest, offset = match.groups(default="")
    try:
        start = datetime.fromisoformat(f"{day}T{hour:0>2}{rest}{offset.upper()}")
    except ValueError:
        return refuse(f"is not a valid date and time: {shown(text)}", HINT)
    # Other years are typos, and zone arithmetic could leave the calendar.
    if not 2000 <= start.year <= 2099:
        refuse(f"must be between the years 2000 and 2099, not {shown(text)}")
    return start


def format_start(start: datetime | None) -> str:
    """Return `start` in the form that `parse_start` reads."""
    return start.isoformat(" ") if start else "now"


Start = Annotated[
    datetime | None,
    Scalar(datetime, parse_start, format_start, {"type": "string", "minLength": 3}),
]


class Otherwise(StrEnum):
    """What becomes of a text that is too late."""

    SKIP = "skip"  # nothing is sent
    HOLD = "hold"  # a person decides


class LocalTime(StrEnum):
    """Whose clocks the start and the window follow."""

    CAMPAIGN = "campaign"  # those of the campaign's zone
    RECIPIENT = "recipient"  # those of each recipient's own zone


class Keeper(StrEnum):
    """What waits for a start in the future."""

    SERVICE = "service"  # this service: requests are made when the start has come
    GATEWAY = "gateway"  # the gateway: it gets everything at once, with the start time


class IfLate(Part):
    """What to do with texts that missed their moment."""

    within: Duration = Field(description="Still send if it is at most this late.", examples=["2h"])
    otherwise: Annotated[Otherwise, choice(Otherwise)] = Field(
        Otherwise.SKIP, description="Skip it, or hold it for a person to decide.", examples=["skip"]
    )


def _read_cron(text: str) -> Cron:
    try:
        return parse_cron(text)
    except InvalidCron as error:
        return refuse(error.problem, error.hint)


CronLine = Annotated[Cron, Scalar(Cron, _read_cron, str, {"type": "string", "minLength": 6})]


def parse_until(text: str) -> date | datetime:
    """Parse an end: a whole day, or a date and time as in `parse_start`."""
    is_day = re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) is not None
    until = parse_start(f"{text} 00:00" if is_day else text)
    if until is None:
        refuse("must be a day, not now", HINT_UNTIL)
    return until.date() if is_day else until


Until = Annotated[
    date | datetime, Scalar(date, parse_until, lambda until: until.isoformat(), {"type": "string", "minLength": 10})
]


class Repeat(Part):
    """A run at each of these times."""

    cron: CronLine = Field(description="Minute, hour, day, month, weekday, as in a crontab.", examples=["0 9 * * mon"])
    until: Until | None = Field(None, description="The last day, or moment, included.", examples=["2027-03-01"])


Offsets = Annotated[
    tuple[Duration, ...],
    BeforeValidator(at_most(MAX_ENTRIES)),
    BeforeValidator(as_list, json_schema_input_type=tuple[Duration, ...] | Duration),
]


class Remind(Part):
    """One text per person and offset, before or after the person's date."""

    column: Text = Field(description="The column that holds the date.", examples=["appointment_at"])
    key: Text | None = Field(
        None,
        description="The column that identifies an appointment; without it, everybody has only one.",
        examples=["appointment_id"],
    )
    cancelled: Text | None = Field(
        None,
        description="The column that says whether it is cancelled; `cancelled` where there is one.",
        examples=["cancelled"],
    )
    before: Offsets = Field((), description="How long before it.", examples=[["24h", "2h"]])
    after: Offsets = Field((), description="How long after it.", examples=[["1d"]])
    at: TimeOfDay = Field(time(9), description="The time of day for a date without one.", examples=["09:00"])
    format: Annotated[DayOrder, choice(DayOrder)] | None = Field(
        None, description="What 01/02/2026 means: dmy (1 February) or mdy (2 January).", examples=["dmy"]
    )


class RampStep(Part):
    """One of the first steps of a spread."""

    share: Annotated[int, whole_number(1, 100)] = Field(description="Percent of the audience.", examples=[10])
    over: Duration = Field(description="Evenly in this time.", examples=["1h"])


class Spread(Part):
    """The time over which a run is spread evenly."""

    over: Duration = Field(description="All of it.", examples=["3h"])
    ramp: Annotated[tuple[RampStep, ...], BeforeValidator(at_most(MAX_ENTRIES))] = Field(
        (), description="How it begins; the rest follows evenly."
    )

    @field_validator("ramp")
    @classmethod
    def _leaves_a_rest(cls, ramp: tuple[RampStep, ...], info: ValidationInfo) -> tuple[RampStep, ...]:
        over = info.data.get("over")
        share, length = sum(step.share for step in ramp), sum((step.over for step in ramp), timedelta())
        if share > 100:
            refuse(f"covers {share} % of the audience", "make its shares add up to 100 % or less")
        if over is None or not ramp:
            return ramp
        rest = 100 - share
        if length > over or (rest > 0 and length == over):
            left = f", and {rest} % are left" if rest else ""
            refuse(f"takes {format_duration(length)} of {format_duration(over)}{left}", "make `over` longer")
        if not rest and length < over:
            hint = f"write over: {format_duration(length)}, or leave a share for the rest"
            refuse(f"reaches everybody after {format_duration(length)} of {format_duration(over)}", hint)
        return ramp


def _read_spread(value: object) -> object:
    """Read `3h` as `{over: 3h}`."""
    return Spread(over=parse_duration(value.strip())) if isinstance(value, str) else value


class Schedule(Part):
    """When the campaign starts, and at which times it may send."""

    start: Start = Field(
        None,
        description="When it starts: by the clocks of the zone, or with an offset, or now.",
        examples=["2026-12-01 09:00"],
    )
    by: Annotated[Keeper, choice(Keeper)] = Field(
        Keeper.SERVICE, description="Who waits for the start: this service, or the gateway.", examples=["service"]
    )
    timezone: ZoneName = Field("UTC", description="The zone of start and window.", examples=["Europe/Rome"])
    window: Window | None = Field(None, description="The only times at which anything is sent.")
    local_time: Annotated[LocalTime, choice(LocalTime)] = Field(
        LocalTime.CAMPAIGN, description="Whose local time start and window follow.", examples=["campaign"]
    )
    spread: Annotated[Spread | None, BeforeValidator(_read_spread, json_schema_input_type=Duration | Spread | None)] = (
        Field(
            None,
            description="Spread evenly over this time, not as fast as the rate allows.",
            examples=["3h"],
        )
    )
    if_late: IfLate | None = Field(None, description="What to do with a moment that was missed.")
    repeat: Repeat | None = Field(None, description="A run each time.")
    remind: Remind | None = Field(None, description="One text per person and offset, around a date of theirs.")

    @property
    def zone(self) -> ZoneInfo:
        """The campaign's zone."""
        return ZoneInfo(self.timezone)

    @property
    def at_gateway(self) -> datetime | None:
        """When the gateway is to send the texts, in UTC. None: at once, because this service waits for the start."""
        return self.start_at() if self.by is Keeper.GATEWAY else None

    def begins_at(self, now: datetime) -> datetime:
        """Return when requests begin, in UTC. If the gateway waits for the start, requests begin before it."""
        return now if self.by is Keeper.GATEWAY else self.start_at() or now

    def start_at(self, zone: ZoneInfo | None = None) -> datetime | None:
        """Return when the campaign starts, in UTC; None for at once.

        A start without an offset is local time in `zone`, by default the campaign's zone. If the clocks skip that time,
        it is the first moment after the gap; if they repeat it, the first of the two.
        """
        if self.start is None:
            return None
        return self.start.astimezone(UTC) if self.start.tzinfo else to_utc(self.start, zone or self.zone)
