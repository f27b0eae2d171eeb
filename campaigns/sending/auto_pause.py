"""When a run pauses itself and asks: the gateway refuses too many people, or fails for no known reason."""

import math
from typing import Final

from campaigns.codes import FailureCode

REFUSED_SHARE: Final = 0.02
REFUSALS_AT_LEAST: Final = 10
"""A run pauses itself each time the gateway has refused another such share of its audience, and at least this many."""

FAILURES_IN_A_ROW: Final = 5
"""A run also pauses each time this many requests in a row were answered with an error and nothing of them was stored.

Otherwise, if no text can be sent at all, each request would be made four times and then held, one after another.
"""

UNEXPLAINED: Final = frozenset({FailureCode.FAILURE_UNKNOWN, FailureCode.SERVER_FAILED})
"""The failures that count for that. For the others it is known what to do."""


def is_refused_too_often(*, refused: int, just_now: int, audience: int) -> bool:
    """Return whether `just_now` refusals, of `refused` in all, complete another 2 % of the audience (at least 10)."""
    step = max(REFUSALS_AT_LEAST, math.ceil(audience * REFUSED_SHARE))
    return refused // step != (refused - just_now) // step


def is_failing(in_a_row: int) -> bool:
    """Return whether the last request completed another five unexplained failures in a row."""
    return in_a_row > 0 and in_a_row % FAILURES_IN_A_ROW == 0


def refusals_told(*, refused: int, audience: int) -> str:
    """Return the message about a run in which the gateway refused too many people."""
    return f"the gateway refused {refused:,} of {audience:,} recipients; check the reasons, then resume"


def failures_told(in_a_row: int, *, status: int | None, fingerprint: str) -> str:
    """Return the message about a run whose requests fail. `fingerprint` is that of an unknown error, or empty."""
    return (
        f"the last {in_a_row} requests failed, and the gateway stored nothing from them; {_advice(status, fingerprint)}"
    )


def _advice(status: int | None, fingerprint: str) -> str:
    if not fingerprint:
        return f"it answered with HTTP {status}; check what is wrong with the gateway, then resume"
    # Its words stay in `held`: this goes to logs, status files, webhooks and mail, and a gateway may quote a text.
    return (
        "it answered with an error that is not known here (`campaigns held NAME` shows its words);"
        " if that has a cause, correct it; if it means that the account or the request is refused, "
        f"set CAMPAIGNS_ERROR_TEXTS={fingerprint}=account or =refused; then resume"
    )
