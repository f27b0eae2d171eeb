"""When a run pauses itself and asks: the gateway refuses too many, or fails in a way that nobody explained to us."""

import math
from typing import Any, Final

from sqlmodel import Session

from campaigns.codes import FAILURE, FailureCode
from campaigns.decisions import Decision
from worker.store import doubts
from worker.store.doubts import Doubt

REFUSED_SHARE: Final = 0.02
REFUSALS_AT_LEAST: Final = 10
"""A run pauses itself at every further so large a share, or number, of its audience that the gateway refused."""

FAILURES_IN_A_ROW: Final = 5
"""And at every further so many requests in a row that were answered with an error and of which nothing was stored.

Else each of them were made four times and then held, one after another, where no text can be sent at all.
"""

_ERRORS: Final = frozenset({FailureCode.FAILURE_UNKNOWN, FailureCode.SERVER_FAILED})


def reason_to_ask(session: Session, doubt: Doubt, decided: Decision) -> str:
    """Why the run of a request that was just decided should stop and ask; else ""."""
    return _too_many_refusals(session, doubt.run_id, len(decided.fail)) or _too_many_errors(session, doubt)


def _too_many_refusals(session: Session, run_id: int, refused_now: int) -> str:
    """A further 2 % of its audience, at least 10 people, were refused."""
    if not refused_now:
        return ""
    failed, audience = doubts.refused(session, run_id)
    step = max(REFUSALS_AT_LEAST, math.ceil(audience * REFUSED_SHARE))
    if failed // step == (failed - refused_now) // step:
        return ""
    return f"the gateway refused {failed:,} of {audience:,} recipients; look at the reasons, then resume"


def _too_many_errors(session: Session, doubt: Doubt) -> str:
    """Another 5 requests in a row came back with an error, and the gateway has nothing of them."""
    if doubt.evidence.get(FAILURE) not in _ERRORS:
        return ""
    in_a_row = doubts.missed_in_a_row(session, doubt.run_id, _ERRORS)
    if not in_a_row or in_a_row % FAILURES_IN_A_ROW:
        return ""
    return f"the last {in_a_row} requests failed, and the gateway has nothing of them; {_advice(doubt.evidence)}"


def _advice(evidence: dict[str, Any]) -> str:
    fingerprint = evidence.get("error_fingerprint")
    if not fingerprint:
        return f"it answered with HTTP {evidence.get('status')}; see what is wrong with the gateway, then resume"
    # Its words stay in `held`: this is told to logs, status files, webhooks and mail, and a gateway may quote a text.
    return (
        "it answered with an error that is not known here (`campaigns held NAME` shows its words);"
        " if that has a cause, mend it; if it means that the account or the request is refused, "
        f"set CAMPAIGNS_ERROR_TEXTS={fingerprint}=account or =refused; then resume"
    )
