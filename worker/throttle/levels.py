"""What a throttle is asked and what it answers."""

from collections.abc import Callable, Iterable, Sequence
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
class RateLimit:
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
class Budget:
    """Another limit: from `starts_at` on and before `ends_at`, at most `limit_segments` are granted, never more.

    Times are aware; the key as that of a `RateLimit`. A cost above what is left waits for `ends_at`, and so does one
    above the limit itself. `ValueError` if the limit or the times are out of range.
    """

    key: str
    limit_segments: int
    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        if not 1 <= self.limit_segments <= _MAX_LIMIT_SEGMENTS:
            raise ValueError(
                f"The limit of budget {self.key!r} is {self.limit_segments} segments: it must be from 1 to"
                f" {_MAX_LIMIT_SEGMENTS}; to send nothing, pause instead."
            )
        if not self.starts_at < self.ends_at:
            raise ValueError(f"Budget {self.key!r} ends at {self.ends_at}, no later than it starts: {self.starts_at}.")

    @property
    def name(self) -> str:
        """What its sum is kept under: the next period is another budget."""
        return f"{self.key}/{to_microseconds(self.starts_at)}-{to_microseconds(self.ends_at)}"


Limit = RateLimit | Budget

Granted = tuple[datetime, int]
"""A moment and the segments that were granted then."""

Ledger = Callable[[Limit, datetime], Iterable[Granted]]
"""What the records say was granted on a limit and still counts at a moment, in order of time.

Grants of nearly one moment may come as one, at the later of them. Called by a throttle that has no record of its own.
"""


def no_records(_limit: Limit, _now: datetime) -> Iterable[Granted]:
    """The ledger of those who have sent nothing."""
    return ()


PAUSE: Final = timedelta(seconds=2)
"""How long nothing is granted on a limit whose record was lost: by then what was granted before is in the ledger."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The answer: taken on every level at the moment `at`, or on none.

    `wait` is zero if it was taken, and otherwise the time after which the same question is granted if nobody else took
    anything meanwhile. `is_spent`: a budget has no room for it, and `wait` lasts to the end of that. `at` is aware, in
    UTC, on the clock of the throttle.
    """

    wait: timedelta
    at: datetime
    is_spent: bool = False

    @property
    def is_granted(self) -> bool:
        return not self.wait


class Throttle(Protocol):
    """The one question that a sender asks before every request."""

    def reserve(self, cost_segments: int, limits: Sequence[Limit]) -> Reservation:
        """Take `cost_segments` on all `limits` now, or take nothing and say how long to wait.

        A cost above the limit of a level counts as that limit: otherwise it would never pass. `ThrottleUnavailable` if
        there is no answer: then nothing may be sent. `ValueError` for a cost below 1 or a limit named twice.
        """
        ...

    def give_back(self, cost_segments: int, limits: Sequence[Limit], at: datetime) -> None:
        """Nothing came of the grant at the moment `at`: so much of it is free again in its budgets.

        Not on its levels: the others have kept their distance to it already. `ThrottleUnavailable` as `reserve`.
        """
        ...


class ThrottleUnavailable(Exception):
    """No answer from the shared throttle. Whether the slot was taken is unknown, so do not send: ask again later."""


def check_question(cost_segments: int, limits: Sequence[Limit]) -> None:
    """`ValueError` if a throttle cannot answer this."""
    if cost_segments < 1:
        raise ValueError(f"A cost of {cost_segments} segments cannot be reserved: every text costs at least one.")
    names = [limit.name for limit in limits]
    if len(set(names)) < len(names):
        raise ValueError(f"A limit is named twice in one reservation: {', '.join(names)}. Name each limit once.")


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970, exact: `datetime.timestamp()` is a float and is not."""
    return (moment - EPOCH) // MICROSECOND


def from_microseconds(moment_us: int) -> datetime:
    return EPOCH + moment_us * MICROSECOND
