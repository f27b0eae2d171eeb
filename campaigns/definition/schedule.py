"""When a campaign starts, and at which times it may send."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import Field

from campaigns.definition.durations import Duration
from campaigns.definition.localtime import ZoneName, to_utc
from campaigns.definition.part import Part
from campaigns.definition.scalars import Scalar, Text, choice, refuse, shown
from campaigns.definition.windows import Window

START: Final = re.compile(r"(\d{4}-\d\d-\d\d)[ Tt](\d\d?)(:\d\d(?::\d\d)?) ?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
HINT: Final = "write 2026-12-01 09:00 (by the clocks of the campaign's zone), 2026-12-01T09:00+01:00, or now"


def parse_start(text: str) -> datetime | None:
    """The start that `text` names: None for `now`, naive without an offset, aware with one; else ValueError."""
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
        return refuse(f"is no date and time that exists: {shown(text)}", HINT)
    # Beyond these years is a slip of the keyboard, and the arithmetic of zones could leave the calendar.
    if not 2000 <= start.year <= 2099:
        refuse(f"must be between the years 2000 and 2099, not {shown(text)}")
    return start


def format_start(start: datetime | None) -> str:
    """`start` as `parse_start` reads it."""
    return start.isoformat(" ") if start else "now"


Start = Annotated[
    datetime | None,
    Scalar(datetime, parse_start, format_start, {"type": "string", "minLength": 3}),
]


class Otherwise(StrEnum):
    """What becomes of a moment that was missed by too much."""

    SKIP = "skip"  # nothing is sent
    HOLD = "hold"  # a person decides


class LocalTime(StrEnum):
    """Whose clocks the start and the window go by."""

    CAMPAIGN = "campaign"  # those of the campaign's zone
    RECIPIENT = "recipient"  # those of each recipient's own zone


class IfLate(Part):
    """What to do with a moment that was missed."""

    within: Duration = Field(description="Still send when it is later than planned by at most this.", examples=["2h"])
    otherwise: Annotated[Otherwise, choice(Otherwise)] = Field(
        Otherwise.SKIP, description="Skip it, or hold it for a person to decide.", examples=["skip"]
    )


class Repeat(Part):
    """A run each time."""

    cron: Text = Field(description="Minute, hour, day, month, weekday, as in a crontab.", examples=["0 9 * * mon"])
    until: Text | None = Field(None, description="The last day.", examples=["2027-03-01"])


class Remind(Part):
    """One text per person and offset, around a date of theirs."""

    column: Text = Field(description="The column that holds the date.", examples=["appointment_at"])
    before: tuple[Duration, ...] = Field((), description="How long before it.", examples=[["24h", "2h"]])
    after: tuple[Duration, ...] = Field((), description="How long after it.", examples=[["1d"]])


class Schedule(Part):
    """When the campaign starts, and at which times it may send."""

    start: Start = Field(
        None,
        description="When it starts: by the clocks of the zone, or with an offset, or now.",
        examples=["2026-12-01 09:00"],
    )
    timezone: ZoneName = Field("UTC", description="The zone of start and window.", examples=["Europe/Rome"])
    window: Window | None = Field(None, description="The only times at which anything is sent.")
    local_time: Annotated[LocalTime, choice(LocalTime)] = Field(
        LocalTime.CAMPAIGN, description="Whose clocks start and window go by.", examples=["campaign"]
    )
    spread: Duration | None = Field(
        None, description="Even out over this time instead of as fast as the rate allows.", examples=["3h"]
    )
    if_late: IfLate | None = Field(None, description="What to do with a moment that was missed.")
    repeat: Repeat | None = Field(None, description="A run each time.")
    remind: Remind | None = Field(None, description="One text per person and offset, around a date of theirs.")

    @property
    def zone(self) -> ZoneInfo:
        """The campaign's zone."""
        return ZoneInfo(self.timezone)

    def start_at(self, zone: ZoneInfo | None = None) -> datetime | None:
        """When the campaign starts, in UTC; None for at once.

        A start without an offset goes by the clocks of `zone`, by default those of the campaign's zone. Where they
        skip that time it is the first moment after the gap, where they repeat it the first of the two.
        """
        if self.start is None:
            return None
        return self.start.astimezone(UTC) if self.start.tzinfo else to_utc(self.start, zone or self.zone)
