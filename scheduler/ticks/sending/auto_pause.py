"""Why a run should pause itself after one of its requests was decided: the counts for
`campaigns.sending.auto_pause`.
"""

from sqlmodel import Session

from campaigns.codes import FAILURE
from campaigns.protocol.decisions import Decision
from campaigns.sending.auto_pause import UNEXPLAINED, failures_told, is_failing, is_refused_too_often, refusals_told
from worker.store.sending import doubts
from worker.store.sending.doubts import Doubt


def reason_to_pause(session: Session, doubt: Doubt, decided: Decision) -> str:
    """Why the run of a request that was just decided should stop and ask; else ""."""
    just_now = len(decided.fail)
    if just_now:
        refused, audience = doubts.refused(session, doubt.run_id)
        if is_refused_too_often(refused=refused, just_now=just_now, audience=audience):
            return refusals_told(refused=refused, audience=audience)
    if doubt.evidence.get(FAILURE) in UNEXPLAINED:
        in_a_row = doubts.missed_in_a_row(session, doubt.run_id, UNEXPLAINED)
        if is_failing(in_a_row):
            fingerprint = doubt.evidence.get("error_fingerprint") or ""
            return failures_told(in_a_row, status=doubt.evidence.get("status"), fingerprint=fingerprint)
    return ""
