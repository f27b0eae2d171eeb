"""What a throttle is asked and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

MICROSECOND: Final = timedelta(microseconds=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Lua counts in doubles: with costs and limits below 2**26 every product of the arithmetic stays below 2**53, exact.
_MAX_LIMIT_SEGMENTS: Final = 2**26
_MIN_PER: Final = timedelta(milliseconds=1)
_MAX_PER: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Level:
    """One limit: in any window of length `per`, at most `limit_segments` are granted.

    Levels with the same `key` and the same `per` are one and the same, whoever asks; the key names an account, a device
    or a campaign, and never a number or a secret. `ValueError` if the limit or `per` is out of range.
    """

    key: str
    limit_segments: int
    per: timedelta

    def __post_init__(self) -> None:
        if not 1 <= self.limit_segments <= _MAX_LIMIT_SEGMENTS:
            raise ValueError(
                f"The limit of level {self.key!r} is {self.limit_segments} segments: it must be from 1 to"
                f" {_MAX_LIMIT_SEGMENTS}; to send nothing, pause instead."
            )
        if not _MIN_PER <= self.per <= _MAX_PER:
            raise ValueError(f"The time of level {self.key!r} is {self.per}: it must be from 1 ms to 366 days.")

    @property
    def per_us(self) -> int:
        return self.per // MICROSECOND

    @property
    def name(self) -> str:
        """What its history is kept under: a level over another time is another level."""
        return f"{self.key}/{self.per_us}"


@dataclass(frozen=True, slots=True)
class Reservation:
    """The answer: taken on every level at the moment `at`, or on none.

    `wait` is zero if it was taken, and otherwise the time after which the same question is granted if nobody else took
    anything meanwhile. `at` is aware, in UTC, on the clock of the throttle.
    """

    wait: timedelta
    at: datetime

    @property
    def is_granted(self) -> bool:
        return not self.wait


class Throttle(Protocol):
    """The one question that a sender asks before every request."""

    def reserve(self, cost_segments: int, levels: Sequence[Level]) -> Reservation:
        """Take `cost_segments` on all `levels` now, or take nothing and say how long to wait.

        A cost above a limit counts as that limit: otherwise it would never pass. `ThrottleUnavailable` if there is no
        answer: then nothing may be sent. `ValueError` for a cost below 1 or a level named twice.
        """
        ...


class ThrottleUnavailable(Exception):  # noqa: N818 - a state to wait for and not a mistake; named so in the protocol
    """No answer from the shared throttle. Whether the slot was taken is unknown, so do not send: ask again later."""


def check_question(cost_segments: int, levels: Sequence[Level]) -> None:
    """`ValueError` if a throttle cannot answer this."""
    if cost_segments < 1:
        raise ValueError(f"A cost of {cost_segments} segments cannot be reserved: every text costs at least one.")
    names = [level.name for level in levels]
    if len(set(names)) < len(names):
        raise ValueError(f"A level is named twice in one reservation: {', '.join(names)}. Name each level once.")


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970, exact: `datetime.timestamp()` is a float and is not."""
    return (moment - EPOCH) // MICROSECOND


def from_microseconds(moment_us: int) -> datetime:
    return EPOCH + moment_us * MICROSECOND
