"""The only times at which anything is sent: `{days: mon-sat, from: "09:00", to: "20:00"}`."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from campaigns.calendar.closures import Closing
from campaigns.calendar.hours import Hours, Span
from campaigns.definition.part import Part
from campaigns.definition.sources import MAX_ENTRIES, as_list, at_most, not_empty
from campaigns.values.scalars import Scalar, refuse, shown

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT: Final = time()


def parse_days(text: str) -> frozenset[int]:
    """Parse weekdays, Monday being 0: `mon-sat`, `mon,wed,fri`, `daily`. Raises ValueError."""
    days: set[int] = set()
    for part in text.casefold().replace(" ", "").replace("\u2013", "-").split(","):
        match = re.fullmatch("([a-z]+)(?:-([a-z]+))?", part)
        ends = [end for end in match.groups() if end] if match else []
        if part == "daily":
            days.update(range(7))
        elif ends and all(end in DAYS for end in ends):
            first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
            days.update(day % 7 for day in range(first, last + 1 if last >= first else last + 8))
        else:
            hint = f"write mon-sat, or mon,wed,fri, or daily; the days are {', '.join(DAYS)}"
            refuse(f"must name days of the week, not {shown(text)}", hint)
    return frozenset(days)


def format_days(days: frozenset[int]) -> str:
    """Return `days` in the form that `parse_days` reads."""
    return "daily" if len(days) == 7 else ",".join(DAYS[day] for day in sorted(days))


def parse_time(text: str) -> time:
    """Parse a time of day, `24:00` being midnight. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,2}):(\d\d)", text, re.ASCII)
    if match and text == "24:00":
        return MIDNIGHT
    if not match or int(match[1]) > 23 or int(match[2]) > 59:
        refuse(f"must be a time of day, not {shown(text)}", 'write hours and minutes, such as "09:00"')
    return time(int(match[1]), int(match[2]))


Weekdays = Annotated[frozenset[int], Scalar(frozenset, parse_days, format_days, {"type": "string", "minLength": 3})]
TimeOfDay = Annotated[
    time,
    Scalar(time, parse_time, lambda at: at.strftime("%H:%M"), {"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}$"}),
]


def parse_range(text: str) -> tuple[time, time]:
    """Parse the times of day at which a window opens and closes, `09:00-12:30`. Raises ValueError."""
    opens, dash, closes = re.sub(" ?[-\u2013] ?", "-", text).partition("-")
    if not dash:
        refuse(f"must be two times of day, not {shown(text)}", 'write them as "09:00-12:30"')
    span = parse_time(opens), parse_time(closes)
    _refuse_empty(span)
    return span


def format_range(span: tuple[time, time]) -> str:
    """Return `span` in the form that `parse_range` reads."""
    return "-".join(map(format_time, span))


def format_time(at: time) -> str:
    return at.strftime("%H:%M")


def _refuse_empty(span: tuple[time, time], problem: str = "opens and closes at the same time") -> None:
    if span[0] == span[1] != MIDNIGHT:
        refuse(problem, "for whole days write 00:00 to 24:00")


Range = Annotated[
    tuple[time, time],
    Scalar(tuple, parse_range, format_range, {"type": "string", "pattern": "^[0-9: \u2013-]+$"}),
]


class Opening(Part):
    """Times of day, and the days on which the window opens then.

    A time that ends before it begins is overnight, and `days` name the day on which it opens. 00:00 to 24:00 is the
    whole day. On a date in `except` nothing is sent from midnight to midnight, and that evening's window does not open.
    """

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["from", "to"]}, {"required": ["ranges"]}]},
    )

    days: Weekdays = Field(
        frozenset(range(7)), description="Days on which it opens.", examples=["mon-sat", "mon,wed,fri"]
    )
    ranges: Annotated[
        tuple[Range, ...],
        BeforeValidator(at_most(MAX_ENTRIES)),
        BeforeValidator(as_list, json_schema_input_type=tuple[Range, ...] | Range),
    ] = Field((), description="Several times, instead of `from` and `to`.", examples=[["09:00-12:30", "15:00-20:00"]])
    opens: TimeOfDay | None = Field(
        None, alias="from", description="When it opens, by the clock.", examples=["09:00"], validate_default=True
    )
    closes: TimeOfDay | None = Field(
        None, alias="to", description="When it closes; 24:00 is midnight.", examples=["20:00"], validate_default=True
    )
    closed_on: Annotated[
        tuple[Closing, ...],
        BeforeValidator(at_most(MAX_ENTRIES)),
        BeforeValidator(as_list, json_schema_input_type=tuple[Closing, ...] | Closing),
    ] = Field(
        (),
        alias="except",
        description="Dates, or countries for their public holidays: closed all day.",
        examples=[["IT", "2026-12-24"]],
    )

    @model_validator(mode="before")
    @classmethod
    def _has_times(cls, value: Any) -> Any:
        """Report missing times of day as one mistake, not one for `from` and one for `to`."""
        if isinstance(value, dict) and {key for key, item in value.items() if item is not None} <= {"days", "except"}:
            refuse("has no times of day", 'write from: "09:00" and to: "20:00", or ranges')
        return value

    @field_validator("opens", "closes")
    @classmethod
    def _is_given_once(cls, at: time | None, info: ValidationInfo) -> time | None:
        if at is not None and info.data.get("ranges"):
            refuse("contradicts `ranges`", "write either `from` and `to`, or `ranges`")
        if at is None and info.data.get("ranges") == ():
            raise PydanticCustomError("missing", "is missing")
        return at

    @field_validator("closes")
    @classmethod
    def _is_not_empty(cls, closes: time | None, info: ValidationInfo) -> time | None:
        opens = info.data.get("opens")
        if closes is not None and opens is not None:
            _refuse_empty((opens, closes), "must differ from `from`")
        return closes

    def widened(self, *, earlier: int = 0, later: int = 0) -> "Opening":
        """Return it with its first time beginning, or its last one ending, so many minutes `earlier` or `later`.

        Neither goes beyond midnight; a time over midnight ends a minute before it begins at the latest.
        """
        spans = [*self.spans]
        opens, closes = spans[0]
        spans[0] = _earlier(opens, earlier, _minutes(closes) + 1 if opens > closes != MIDNIGHT else 0), closes
        opens, closes = spans[-1]
        spans[-1] = opens, _later(closes, later, _minutes(opens) - 1 if opens > closes != MIDNIGHT else 24 * 60)
        times = {"ranges": tuple(spans)} if self.ranges else {"opens": spans[0][0], "closes": spans[0][1]}
        return self.model_copy(update=times)

    @property
    def spans(self) -> tuple[tuple[time, time], ...]:
        """The times of day between which it is open."""
        return self.ranges or (((self.opens or MIDNIGHT), (self.closes or MIDNIGHT)),)

    def is_closed_on(self, day: date) -> bool:
        return any(closure.covers(day) for closure in self.closed_on)

    def spans_on(self, day: date) -> Iterator[Span]:
        """Yield what opens on `day`, in naive local time."""
        if day.weekday() not in self.days or self.is_closed_on(day):
            return
        midnight = datetime.combine(day + timedelta(days=1), MIDNIGHT)
        for opens, closes in self.spans:
            begins = datetime.combine(day, opens)
            if opens < closes:
                yield begins, datetime.combine(day, closes)
            elif self.is_closed_on(midnight.date()):
                yield begins, midnight
            else:
                yield begins, datetime.combine(midnight.date(), closes)

    def __str__(self) -> str:
        times = " and ".join(
            f"{format_time(opens)} to {'24:00' if closes == MIDNIGHT else format_time(closes)}"
            for opens, closes in self.spans
        )
        but = f" except {', '.join(map(str, self.closed_on))}" if self.closed_on else ""
        return f"{format_days(self.days)} {times}{but}"


def _minutes(at: time) -> int:
    return 60 * at.hour + at.minute


def _earlier(at: time, minutes: int, bound: int) -> time:
    moved = max(min(bound, _minutes(at)), _minutes(at) - minutes)
    return time(moved // 60, moved % 60)


def _later(at: time, minutes: int, bound: int) -> time:
    if at == MIDNIGHT:
        return at
    moved = min(max(bound, _minutes(at)), _minutes(at) + minutes) % (24 * 60)
    return time(moved // 60, moved % 60)


class NeverOpens(Exception):
    """A window that stays closed for the next 400 days."""


class Window(
    RootModel[
        Annotated[
            tuple[Opening, ...],
            BeforeValidator(not_empty),
            BeforeValidator(at_most(MAX_ENTRIES)),
            BeforeValidator(as_list, json_schema_input_type=tuple[Opening, ...] | Opening),
        ]
    ]
):
    """When sending is allowed: while one of its openings is open, in the local time of a zone."""

    model_config = ConfigDict(frozen=True)

    @model_serializer(mode="wrap")
    def _single_without_list(self, handler: SerializerFunctionWrapHandler) -> Any:
        """Write a single opening without a list, so that a file looks the same as before there were lists."""
        openings = handler(self)
        return openings[0] if len(openings) == 1 else openings

    def widened(self, *, earlier: int = 0, later: int = 0) -> "Window":
        """Return it with each of its openings `Opening.widened`."""
        return self.model_copy(update={"root": tuple(each.widened(earlier=earlier, later=later) for each in self.root)})

    def hours(self, *zones: ZoneInfo) -> Hours:
        """Return when it is open in all `zones`: one instance for each window and set of zones."""
        return _hours(self, zones)

    def contains(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Return whether sending is allowed at `moment` (aware)."""
        return self.hours(zone).allowed(moment)

    def next_open(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """Return the first moment at or after `moment` at which sending is allowed, in UTC.

        Raises NeverOpens; `hours(zone).next_open` returns None instead.
        """
        opening = self.hours(zone).next_open(moment)
        if opening is None:
            raise NeverOpens(f"the window ({self}) does not open in the next 400 days: shorten its `except`")
        return opening

    def closes_at(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """Return the first moment at or after `moment` when sending is not allowed, in UTC; None if it always is."""
        return self.hours(zone).closes_at(moment)

    def spans_on(self, day: date) -> Iterator[Span]:
        """Yield what opens on `day`, in naive local time."""
        for opening in self.root:
            yield from opening.spans_on(day)

    def __str__(self) -> str:
        return "; ".join(map(str, self.root))


@lru_cache(maxsize=256)
def _hours(window: Window, zones: tuple[ZoneInfo, ...]) -> Hours:
    return Hours(window.spans_on, zones)
