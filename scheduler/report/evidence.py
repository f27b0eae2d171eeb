"""What is known about a request, in words for people who have to decide about it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from campaigns.codes import FAILURE, FailureCode
from campaigns.display import shown_time, target_words, utc
from scheduler.report.shown.shapes import EvidencedRequest
from worker.store.models import AttemptState
from worker.store.reports.person import Request

PHASES: Final[Mapping[str, str]] = {
    "connect": "there was no connection, so nothing of it was sent",
    "tls": "the connection was not secured, so nothing of it was sent",
    "write": "the connection broke while it was being written",
    "wait": "all of it was written, and no answer came",
    "read": "all of it was written, and the answer broke off",
    "done": "all of it was written and answered",
}
"""How far a request got, by the phase in its evidence."""

VERDICTS: Final[Mapping[str, str]] = {
    "all_found": "the gateway has the texts of everybody who was looked for",
    "missed": "people who were not found were not stored by the gateway",
    "hold": "what the gateway shows does not decide it",
    "wait": "not yet",
}
"""What the look-ups prove, by the verdict in the evidence."""

LIST_VERDICTS: Final[Mapping[str, str]] = {
    **VERDICTS,
    "all_found": "the gateway has texts of it; the people it has them for are the people of the list",
    "missed": "no text of it was found at the gateway",
}
"""The same for a request to a contact list, whose people only the gateway knows."""

CONTROLS: Final[Mapping[bool | None, str]] = {
    True: "a text that is certainly there was shown",
    False: "a text that is certainly there was not shown, so this look proves nothing",
    None: "there was no text to test the look with",
}
"""What the control message says about the worth of a look-up."""

NOT_SENT: Final = "not_sent"
"""The outcome of a request that sent no byte."""


def request_lines(request: Request, zone: ZoneInfo) -> Iterator[str]:
    """Yield one request: when and to which phone, how it ended, every look-up, the verdict."""
    # For a contact list, whose people only the gateway knows, the count is 0.
    people = {0: "a contact list", 1: "1 person"}.get(request.recipients, f"{request.recipients:,} people")
    device = target_words(request.target) if request.target else "the primary phone"
    started = shown_time(request.started_at, zone, seconds=True)
    yield f"request {request.number} of batch {request.batch_id}: {started}, {people}, {device}"
    yield f"  it ended: {ending_words(request)}"
    for look in request.evidence.get("looks", ()):
        yield f"  {look_words(look, zone)}"
    if conclusion := verdict_words(request, zone):
        yield f"  concluded: {conclusion}"


def ending_words(request: Request) -> str:
    """Return how a request ended, in one line."""
    evidence = request.evidence
    if request.state is AttemptState.OPEN:
        return "not yet; it is under way"
    if "messages" in evidence:
        left_out = evidence.get("left_out", 0)
        return f"the gateway accepted {evidence['messages']:,}" + (f" and left out {left_out:,}" if left_out else "")
    if evidence.get(FAILURE) == FailureCode.PROCESS_LOST:
        return "the process that sent it ended before it could store the outcome"
    parts = [str(evidence.get("problem", "")).rstrip("."), PHASES.get(str(evidence.get("phase", "")), "")]
    if evidence.get("bytes_written"):
        parts.append(f"{evidence['bytes_written']:,} bytes written")
    if "status" in evidence:
        parts.append(f"HTTP {evidence['status']}")
    if evidence.get("error_text"):
        parts.append(f"the gateway said \u201c{evidence['error_text']}\u201d (code {evidence.get('error_code')})")
    return "; ".join(filter(None, parts)) or "its end is not known"


def look_words(look: Mapping[str, Any], zone: ZoneInfo) -> str:
    """Return one look-up at the gateway, in one line."""
    at = shown_time(datetime.fromisoformat(look["at"]), zone, seconds=True)
    if not look["complete"]:
        return f"looked up {at}: the gateway did not answer every question; found {look['found']:,}"
    return f"looked up {at}: found {look['found']:,}; {CONTROLS[look['control']]}"


def verdict_words(request: Request, zone: ZoneInfo) -> str:
    """Return the conclusion about a request in doubt; empty if it was never in doubt."""
    if request.state is AttemptState.UNKNOWN:
        return f"nothing yet; it is looked up again {shown_time(request.next_check_at, zone, seconds=True)}"
    if request.outcome == NOT_SENT:
        return "proven not sent"
    verdict = str(request.evidence.get("verdict", ""))
    return (VERDICTS if request.recipients else LIST_VERDICTS).get(verdict, verdict)


def request_json(request: Request) -> EvidencedRequest:
    """Return the same for programs, with the evidence as stored: it contains no number, no text and no key."""
    return {
        "batch": request.batch_id,
        "request": request.number,
        "state": request.state.value,
        "started_at": utc(request.started_at),
        "send_by": utc(request.send_by),
        "finished_at": utc(request.finished_at),
        "device": request.target or None,
        "recipients": request.recipients,
        "outcome": request.outcome or None,
        "evidence": _shown(request.evidence),
    }


def _shown(evidence: Mapping[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in evidence.items() if key != FAILURE}
    return {"class": FailureCode(evidence[FAILURE]).shown, **rest} if FAILURE in evidence else rest
