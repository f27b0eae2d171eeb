"""Tries: how often to repeat, at once, a harmless request or one that was provably not sent."""

from typing import Final

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from campaigns.clock import Clock
from worker.gateway.errors import ConnectFailed, GatewayError

READ_TRIES: Final = 5
READ_SECONDS: Final = 30.0
CONNECT_TRIES: Final = 3
CONNECT_SECONDS: Final = 10.0

_exponential: Final = wait_random_exponential(multiplier=0.4, max=5, min=0.2)


def read_tries(clock: Clock) -> Retrying:
    """Return the tries for requests that change nothing if repeated: after transient errors, at most 5 within 30 s."""
    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, GatewayError) and error.transient),
        stop=_Limit(clock, READ_TRIES, READ_SECONDS),
        wait=_wait_seconds,
        sleep=clock.sleep,
        reraise=True,
    )


def send_tries(clock: Clock) -> Retrying:
    """Return the tries for sends: only if no connection was made and the next try may; at most 3 within 10 s."""
    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, ConnectFailed) and error.transient),
        stop=_Limit(clock, CONNECT_TRIES, CONNECT_SECONDS),
        wait=_wait_seconds,
        sleep=clock.sleep,
        reraise=True,
    )


class _Limit:
    """Stops after this many tries, or when the next one would start too late. Uses our clock, which tests can move."""

    def __init__(self, clock: Clock, tries: int, seconds: float) -> None:
        self._clock = clock
        self._tries = tries
        self._last_start = clock.elapsed_seconds() + seconds

    def __call__(self, state: RetryCallState) -> bool:
        next_start = self._clock.elapsed_seconds() + state.upcoming_sleep
        return state.attempt_number >= self._tries or next_start > self._last_start


def _wait_seconds(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, GatewayError) and error.retry_after is not None:
        return error.retry_after.total_seconds()
    return _exponential(state)
