"""When a run pauses itself and asks: the gateway refuses too many, or fails in a way that nobody explained to us."""

import math
from typing import Final

from campaigns.codes import FailureCode

REFUSED_SHARE: Final = 0.02
REFUSALS_AT_LEAST: Final = 10
"""A run pauses itself at every further so large a share, or number, of its audience that the gateway refused."""

FAILURES_IN_A_ROW: Final = 5
"""And at every further so many requests in a row that were answered with an error and of which nothing was stored.

Else each of them were made four times and then held, one after another, where no text can be sent at all.
"""

UNEXPLAINED: Final = frozenset({FailureCode.FAILURE_UNKNOWN, FailureCode.SERVER_FAILED})
"""The failures that count for that: of the others it is known what to do."""


def is_refused_too_often(*, refused: int, just_now: int, audience: int) -> bool:
    """Whether `just_now` more refusals, of `refused` in all, made another 2 % of the audience, at least 10 people."""
    step = max(REFUSALS_AT_LEAST, math.ceil(audience * REFUSED_SHARE))
    return refused // step != (refused - just_now) // step


def is_failing(in_a_row: int) -> bool:
    """Whether the last request was another fifth one in a row that failed without an explanation."""
    return in_a_row > 0 and in_a_row % FAILURES_IN_A_ROW == 0


def refusals_told(*, refused: int, audience: int) -> str:
    """What people are told of a run that the gateway refused too many of."""
    return f"the gateway refused {refused:,} of {audience:,} recipients; look at the reasons, then resume"


def failures_told(in_a_row: int, *, status: int | None, fingerprint: str) -> str:
    """What people are told of a run whose requests fail. `fingerprint`: of an error that is not known; else empty."""
    return f"the last {in_a_row} requests failed, and the gateway has nothing of them; {_advice(status, fingerprint)}"


def _advice(status: int | None, fingerprint: str) -> str:
    if not fingerprint:
        return f"it answered with HTTP {status}; see what is wrong with the gateway, then resume"
    # Its words stay in `held`: this is told to logs, status files, webhooks and mail, and a gateway may quote a text.
    return (
        "it answered with an error that is not known here (`campaigns held NAME` shows its words);"
        " if that has a cause, mend it; if it means that the account or the request is refused, "
        f"set CAMPAIGNS_ERROR_TEXTS={fingerprint}=account or =refused; then resume"
    )
