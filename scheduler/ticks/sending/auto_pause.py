"""Whether a run should pause itself after a decision about a request (`campaigns.sending.auto_pause`); and alarms."""

from datetime import datetime

from sqlmodel import Session

from campaigns.codes import FAILURE, OF_SINGLE_TEXTS, PausedBy
from campaigns.protocol.decisions import Decision
from campaigns.sending.auto_pause import UNEXPLAINED, failures_told, is_failing, is_refused_too_often, refusals_told
from worker.logs import get_logger
from worker.store.events import EventName, record_event
from worker.store.sending import accounts, doubts, outcome
from worker.store.sending.doubts import Doubt


def reason_to_pause(session: Session, doubt: Doubt, decided: Decision) -> str:
    """Return why the run of a request that was just decided should pause and ask; else "".

    Never because of a single text: anyone who sends a few that are refused would stop everybody else's. A gateway that
    refuses all of them for another reason is a matter of the account.
    """
    if doubt.run_type in OF_SINGLE_TEXTS:
        return ""
    just_now = len(decided.fail)
    if just_now:
        refused, audience = outcome.refused(session, doubt.run_id)
        if is_refused_too_often(refused=refused, just_now=just_now, audience=audience):
            return refusals_told(refused=refused, audience=audience)
    if doubt.evidence.get(FAILURE) in UNEXPLAINED:
        in_a_row = doubts.missed_in_a_row(session, doubt.run_id, UNEXPLAINED)
        if is_failing(in_a_row):
            fingerprint = doubt.evidence.get("error_fingerprint") or ""
            return failures_told(in_a_row, status=doubt.evidence.get("status"), fingerprint=fingerprint)
    return ""


def alarm(session: Session, doubt: Doubt, name: EventName, reason: str, now: datetime) -> None:
    """Report something that must never happen, and send nothing more on this account until a person has looked."""
    record_event(session, name, now, run_id=doubt.run_id, batch_id=doubt.batch_id, attempt_id=doubt.attempt_id)
    accounts.pause_account(session, doubt.account_id, PausedBy.ALARM, reason, now=now, probe_at=None)
    get_logger().error(name.value, batch=doubt.batch_id, attempt=doubt.number, reason=reason)
