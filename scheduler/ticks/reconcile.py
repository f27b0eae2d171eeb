"""Looking up requests whose outcome is not known, and deciding what became of them."""

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from sqlmodel import Session

from campaigns.backoff import backoff_after
from campaigns.matching import Candidate, Match, Sought, is_similar, match
from campaigns.verdicts import MOST_ROUNDS, LookUp, Verdict, next_look, verdict
from worker.gateway import GatewayError, MessageStatus, SendOutcome
from worker.gateway.results import Message
from worker.logs import get_logger
from worker.outcomes import listed
from worker.runtime import Runtime
from worker.store import doubts, receipts, runs, sending
from worker.store.doubts import Doubt

LIFE_ORDER: Final = (
    MessageStatus.PENDING,
    MessageStatus.SCHEDULED,
    MessageStatus.QUEUED,
    MessageStatus.SENT,
    MessageStatus.DELIVERED,
    MessageStatus.FAILED,
    MessageStatus.CANCELLED,
)
"""Statuses in the order of a message's life: one that moves on between two reads is seen by the later one."""

MARGIN: Final = timedelta(minutes=10)
"""How far the gateway's clock may be away from ours before a read misses what it should show."""

_REFUSALS: Final = frozenset(
    {SendOutcome.ACCOUNT.value, SendOutcome.REFUSED.value, SendOutcome.THROTTLED.value, SendOutcome.TOO_BIG.value}
)
_OUTCOMES: Final = {Verdict.ALL_FOUND: "found", Verdict.HOLD: "held"}
_rng = Random()  # noqa: S311 - jitter, not a secret


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at the gateway showed; `complete`: every read of it succeeded."""

    messages: dict[int, Message]
    complete: bool
    reads: int


def reconcile(runtime: Runtime, now: datetime) -> dict[str, int]:
    """Look up every attempt in doubt that is due."""
    with runtime.store.read() as session:
        due = [
            d for d in doubts.due_doubts(session, now=now, account_id=runtime.account_id) if runtime.includes(d.run_id)
        ]
    decided = sum(_look_up(runtime, doubt, now) for doubt in due)
    return {"looked_up": len(due), "decided": decided}


def _look_up(runtime: Runtime, doubt: Doubt, now: datetime) -> bool:
    with runtime.store.read() as session:
        sought = doubts.sought(session, doubt)
        known = doubts.known_message(session, runtime.account_id)
    seen = _read(runtime, doubt.started_at - MARGIN, now + MARGIN)
    with runtime.store.read() as session:
        attributed = doubts.attributed_ids(session, runtime.account_id, seen.messages)
    found = _match(runtime, doubt, sought, seen, attributed)
    control: bool | None = None
    reads = seen.reads
    if known is not None:
        control = known.gateway_id in seen.messages
        if not control and len(found.found) < len(sought.recipients):
            older = _read(runtime, known.accepted_at - MARGIN, known.accepted_at + MARGIN)
            control, reads = known.gateway_id in older.messages, reads + older.reads
    look = LookUp(now, seen.complete, len(found.found), control)
    history = [LookUp.from_json(entry) for entry in doubt.evidence.get("looks", [])] + [look]
    settle = timedelta(seconds=runtime.settings.settle_seconds)
    decision = verdict(
        history,
        # A contact list's people are known only from its messages: however many are seen, more may come until `settle`.
        sought=len(sought.recipients)
        if doubt.list_id is None
        else (1 if now >= doubt.send_by + settle else sys.maxsize),
        settled_at=doubt.send_by + settle,
        suspicion_only=doubt.outcome in _REFUSALS,
    )
    evidence = {**doubt.evidence, "looks": [entry.to_json() for entry in history], "verdict": decision.value}
    with runtime.store.write() as session:
        receipts.count_reads(session, {doubt.run_id}, reads)
        if seen.messages:
            sending.raise_floor(session, doubt.account_id, max(seen.messages))
        if decision is Verdict.WAIT:
            until = next_look(now, send_by=doubt.send_by, settle=settle)
            doubts.postpone_check(session, doubt.attempt_id, until=until, evidence=evidence)
            return False
        _decide(runtime, session, doubt, sought, found, decision, evidence, seen, now)
    get_logger().info(
        "doubt.decided", batch=doubt.batch_id, attempt=doubt.number, verdict=decision.value, found=len(found.found)
    )
    return True


def _read(runtime: Runtime, start: datetime, end: datetime) -> Seen:
    """Every message around a request, a status at a time; a read that fails is no information."""
    messages: dict[int, Message] = {}
    for count, status in enumerate(LIFE_ORDER, start=1):
        try:
            messages.update((m.id, m) for m in runtime.gateway.read_status(status, start, end))
        except GatewayError:
            return Seen(messages, complete=False, reads=count)
    return Seen(messages, complete=True, reads=len(LIFE_ORDER))


def _match(runtime: Runtime, doubt: Doubt, sought: Sought, seen: Seen, attributed: set[int]) -> Match:
    candidates = [Candidate(m.id, m.number, m.text, m.group_id) for m in seen.messages.values()]
    if doubt.list_id is None:
        return match(sought, candidates, attributed=attributed)
    text = runtime.definitions.get(doubt.definition_id).message
    mine = [
        c
        for c in candidates
        if c.gateway_id > doubt.id_floor and c.gateway_id not in attributed and is_similar(c.text, text)
    ]
    return Match({c.gateway_id: c for c in mine})


def _decide(
    runtime: Runtime,
    session: Session,
    doubt: Doubt,
    sought: Sought,
    found: Match,
    decision: Verdict,
    evidence: dict[str, Any],
    seen: Seen,
    now: datetime,
) -> None:
    outcome = doubt.outcome if doubt.outcome in _REFUSALS else "not_found"
    if not sending.close_attempt(
        session, doubt.attempt_id, outcome=_OUTCOMES.get(decision, outcome), evidence=evidence, now=now
    ):
        return  # the reply came after all, and decided
    intent = sending.Intent(
        doubt.attempt_id, doubt.batch_id, doubt.run_id, doubt.account_id, doubt.number, doubt.send_by, (), doubt.list_id
    )
    first_poll_at = now + timedelta(seconds=runtime.settings.first_poll_seconds)
    messages = [seen.messages[c.gateway_id] for c in found.found.values()]
    if doubt.list_id is not None:
        _decide_list(runtime, session, doubt, intent, messages, first_poll_at, now)
        return
    placed = [
        sending.Placed(
            recipient_id, c.gateway_id, c.group_id, seen.messages[c.gateway_id].device, seen.messages[c.gateway_id].sim
        )
        for recipient_id, c in found.found.items()
    ]
    unclear = sorted(found.unclear) if decision is not Verdict.ALL_FOUND else []
    sending.hold_in_doubt(
        session, unclear, "the gateway has a message that may be this one, with other people or another text"
    )
    missed = [id_ for id_, _ in sought.recipients.values() if id_ not in found.found and id_ not in found.unclear]
    retry_at = _apply_to_missed(runtime, session, doubt, missed, decision, evidence, now)
    sending.record_accepted(session, intent, placed, now=now, first_poll_at=first_poll_at, retry_at=retry_at)
    if doubt.outcome == SendOutcome.TOO_BIG.value and missed:
        sending.split_batch(session, doubt.batch_id, until=retry_at, reason="the request was too big for the gateway")
    if found.doubled:
        detail = {"gateway_ids": [c.gateway_id for c in found.doubled]}
        runs.record_event(
            session,
            "duplicate_acceptance",
            now,
            run_id=doubt.run_id,
            batch_id=doubt.batch_id,
            attempt_id=doubt.attempt_id,
            detail=detail,
        )
        reason = f"the gateway has texts of batch {doubt.batch_id} twice: something else sends them on this account too"
        sending.pause_account(session, doubt.account_id, reason, now=now, probe_at=now + timedelta(days=36_500))


def _decide_list(
    runtime: Runtime,
    session: Session,
    doubt: Doubt,
    intent: sending.Intent,
    messages: list[Message],
    first_poll_at: datetime,
    now: datetime,
) -> None:
    if messages:
        text = runtime.definitions.get(doubt.definition_id).message
        sending.record_list_accepted(
            session, intent, [listed(m, text) for m in messages], now=now, first_poll_at=first_poll_at
        )
    elif doubt.outcome in _REFUSALS and doubt.outcome != SendOutcome.REFUSED.value:
        sending.postpone_batch(session, doubt.batch_id, until=now, reason=str(doubt.evidence.get("problem", "")))
    elif doubt.outcome == SendOutcome.REFUSED.value:
        _pause_refused(session, doubt)
        sending.postpone_batch(session, doubt.batch_id, until=now, reason=str(doubt.evidence.get("problem", "")))
    else:
        sending.hold_batch(session, doubt.batch_id, "nobody can tell whether the gateway sent to the list")


def _apply_to_missed(
    runtime: Runtime,
    session: Session,
    doubt: Doubt,
    missed: list[int],
    decision: Verdict,
    evidence: dict[str, Any],
    now: datetime,
) -> datetime:
    """What becomes of those who were not found; the moment at which whoever is pending again may be sent."""
    problem = str(evidence.get("problem", ""))
    if not missed:
        return now
    if decision is Verdict.HOLD:
        sending.hold_in_doubt(session, missed, "the gateway's reads do not prove whether it was sent")
    elif doubt.outcome == SendOutcome.REFUSED.value:
        sending.release(session, missed, problem)
        _pause_refused(session, doubt)
    elif doubt.outcome == SendOutcome.THROTTLED.value:
        sending.release(session, missed, problem)
        return now + timedelta(seconds=1) * doubt.number
    elif doubt.outcome in _REFUSALS:
        sending.release(session, missed, problem)
    elif doubts.rounds(session, doubt.batch_id) > MOST_ROUNDS:
        sending.hold_in_doubt(session, missed, f"not found at the gateway after {MOST_ROUNDS} rounds of sending")
    else:
        sending.release(session, missed, "not found at the gateway, sent again")
        return now + backoff_after(doubt.number, _rng) * (runtime.settings.settle_seconds / 300)
    return now


def _pause_refused(session: Session, doubt: Doubt) -> None:
    problem = str(doubt.evidence.get("problem", "the gateway refused the request"))
    if runs.pause_run(session, doubt.run_id, problem):
        get_logger().warning("run.paused", run=doubt.run_id, reason=problem)
