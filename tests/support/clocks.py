"""A clock that only the test moves."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


class FakeClock:
    """A `campaigns.clock.Clock` that stands still until `sleep` or `advance` moves it."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._elapsed = timedelta()

    def now(self) -> datetime:
        return self._now

    def elapsed_seconds(self) -> float:
        return self._elapsed.total_seconds()

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, by: timedelta | float) -> None:
        """Let time pass: a duration, or a number of seconds."""
        duration = by if isinstance(by, timedelta) else timedelta(seconds=by)
        self._now += duration
        self._elapsed += duration

    def jump(self, by: timedelta) -> None:
        """Put the wall clock forward or back; no time passes."""
        self._now += by
