"""The question to a throttle, and its answer."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

MICROSECOND: Final = timedelta(microseconds=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Lua computes in doubles: with costs and limits below 2**26 every product of the arithmetic stays below 2**53, exact.
_MAX_LIMIT_SEGMENTS: Final = 2**26
_MIN_PER: Final = timedelta(milliseconds=1)
_MAX_PER: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit: in any window of length `per`, at most `limit_segments` are granted.

    Levels with the same `key` and the same `per` are one level, whoever asks. The key names an account, a device or a
    campaign, never a number or a secret. Raises `ValueError` if the limit or `per` is out of range.
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
        """The name that its history is kept under: a level with another `per` is another level."""
        return f"{self.key}/{self.per_us}"


@dataclass(frozen=True, slots=True)
class Budget:
    """Another kind of limit: at most `limit_segments` are granted from `starts_at` on and before `ends_at`, never more.

    Times are aware; `key` is as in `RateLimit`. A cost above what is left waits for `ends_at`, and so does one above
    the limit itself. Raises `ValueError` if the limit or the times are out of range.
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
        """The name that its sum is kept under: the next period is another budget."""
        return f"{self.key}/{to_microseconds(self.starts_at)}-{to_microseconds(self.ends_at)}"


Limit = RateLimit | Budget

Granted = tuple[datetime, int]
"""A moment, and the segments granted then."""

Ledger = Callable[[Limit, datetime], Iterable[Granted]]
"""Returns what the records say was granted on a limit and still counts at a moment, in order of time.

Grants close in time may be merged into one, at the later moment. Called by a throttle that has no record of its own.
"""


def no_records(_limit: Limit, _now: datetime) -> Iterable[Granted]:
    """The ledger of a sender that has sent nothing."""
    return ()


PAUSE: Final = timedelta(seconds=2)
"""How long nothing is granted on a limit whose record was lost: by then the ledger has all earlier grants."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The answer: taken on every level at the moment `at`, or on none.

    `wait` is zero if it was taken; otherwise it is the time after which the same question is granted if nobody else
    takes anything meanwhile. `is_spent`: a budget has no room for the cost, and `wait` lasts until that budget ends.
    `at` is aware, in UTC, on the clock of the throttle.
    """

    wait: timedelta
    at: datetime
    is_spent: bool = False

    @property
    def is_granted(self) -> bool:
        return not self.wait


class Throttle(Protocol):
    """The one question that a sender asks before every request."""

    def reserve(self, cost_segments: int, limits: Sequence[Limit], *, is_urgent: bool = False) -> Reservation:
        """Take `cost_segments` on all `limits` now, or take nothing and say how long to wait.

        The slot that an urgent request waits for is kept from the others, which keep a tenth of what goes.
        A cost above the limit of a level counts as that limit: otherwise it would never pass. Raises
        `ThrottleUnavailable` if there is no answer: then nothing may be sent. Raises `ValueError` for a cost below 1 or
        a limit named twice.
        """
        ...

    def give_back(self, cost_segments: int, limits: Sequence[Limit], at: datetime) -> None:
        """Give back a grant, made at the moment `at`, that came to nothing: its budgets get `cost_segments` back.

        Its levels do not: other senders have already kept their distance to it. Raises `ThrottleUnavailable` as
        `reserve` does.
        """
        ...


class ThrottleUnavailable(Exception):
    """No answer from the shared throttle. Nobody knows whether the slot was taken, so do not send: ask again later."""


def check_question(cost_segments: int, limits: Sequence[Limit]) -> None:
    """Raise `ValueError` if a throttle cannot answer this."""
    if cost_segments < 1:
        raise ValueError(f"A cost of {cost_segments} segments cannot be reserved: every text costs at least one.")
    names = [limit.name for limit in limits]
    if len(set(names)) < len(names):
        raise ValueError(f"A limit is named twice in one reservation: {', '.join(names)}. Name each limit once.")


def to_microseconds(moment: datetime) -> int:
    """Return exact microseconds since 1970: `datetime.timestamp()` is a float and is not exact."""
    return (moment - EPOCH) // MICROSECOND


def from_microseconds(moment_us: int) -> datetime:
    return EPOCH + moment_us * MICROSECOND
