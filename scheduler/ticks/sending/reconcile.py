"""Looks up requests whose outcome is not known, and decides what became of them."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlmodel import Session

from campaigns.codes import FAILURE, OF_SINGLE_TEXTS, FailureCode, PausedBy, WaitsFor
from campaigns.definition import OnUnknown
from campaigns.protocol.decisions import Decision, Ending, SendAgain, decide, decide_list
from campaigns.protocol.matching import Match, Sought
from campaigns.protocol.verdicts import SWEEPS, LookUp, Verdict, next_look, verdict
from campaigns.sending.backoff import backoff_after, blind_look_after
from scheduler.ticks.every import Quiet
from scheduler.ticks.lookups.reads import LookResult, read_known, read_request, shows_neighbours, watching
from scheduler.ticks.lookups.windows import WindowMemory
from scheduler.ticks.sending.auto_pause import alarm, reason_to_pause
from scheduler.ticks.sending.settled import count_settled, is_sought_by, match_to
from worker.gateway.results import Message
from worker.limits.bills import list_bill
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.sending.outcomes import PROBE_LATER, listed, placed_of
from worker.servers.conditions import trouble_of
from worker.store.events import EventName
from worker.store.following import receipts
from worker.store.following.clock_offsets import FARTHEST, MARGIN
from worker.store.leases import LostLease
from worker.store.money import charges
from worker.store.notifications import outbox
from worker.store.runs import runs
from worker.store.sending import accounts, control_messages, doubts, next_looks
from worker.store.sending.batch_splits import split_batch
from worker.store.sending.control_messages import ControlMessage
from worker.store.sending.doubts import Doubt
from worker.store.sending.intent import Intent
from worker.store.sending.outcome import (
    close_attempt,
    fail_in_doubt,
    hold_batch,
    hold_in_doubt,
    postpone_batch,
    record_accepted,
    record_list_accepted,
    release,
)

_rng = Random()  # noqa: S311 - jitter, not a secret


@dataclass(slots=True)
class ReconcileTick:
    """Looks up every attempt in doubt that is due."""

    windows: WindowMemory = field(default_factory=WindowMemory)
    quiet: Quiet = field(default_factory=Quiet)

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        version = runtime.store.version()
        if self.quiet.lasts(version, now):
            return {"looked_up": 0, "decided": 0}
        with runtime.store.read() as session:
            due = doubts.due_doubts(session, now=now, account_id=runtime.account_id, only=runtime.only_runs)
            if not due:
                self.quiet.found_nothing(version, lambda: next_looks.next_check(session, runtime.account_id))
            elif accounts.is_another_gateway(session, runtime.account_id):
                due = []  # it never had what was sent to the previous gateway
        decided = 0
        for doubt in due:
            source = f"doubt {doubt.attempt_id}"
            try:
                decided += _look_up(runtime, self.windows, doubt, now)
            except LostLease:
                raise
            except Exception as error:
                if trouble_of(error) is not None:  # the whole database: it passes, no doubt is worse than another
                    raise
                runtime.troubles.failed(source, error, event="doubt.failed", batch=doubt.batch_id, attempt=doubt.number)
                _put_off(runtime, doubt, error, now)
            else:
                runtime.troubles.worked(source)
        return {"looked_up": len(due), "decided": decided}


def _put_off(runtime: Runtime, doubt: Doubt, error: Exception, now: datetime) -> None:
    """Look at the others first: what failed for this one would fail again at once, and repeat all of its reads."""
    ended = runtime.clock.now()
    evidence = {
        **doubt.evidence,
        "looks": [*_looks_to_keep(doubt, now, ended), LookUp(ended, complete=False, found=0, control=None).to_json()],
        doubts.UNREAD: f"looking it up failed on this side ({type(error).__name__}); the log says where.",
    }
    with runtime.store.write("doubt_put_off") as session:
        until = ended + backoff_after(doubt.checks + 1, _rng, settle=timedelta(seconds=runtime.settings.settle_seconds))
        doubts.postpone_check(session, doubt.attempt_id, until=until, evidence=evidence)


def _looks_to_keep(doubt: Doubt, began: datetime, ended: datetime) -> list[dict[str, object]]:
    """Keep only the last failed look: a gateway that is away overnight must not fill the database."""
    looks = doubt.evidence.get("looks", []) if ended >= began else []  # after a clock put back, they seem too late
    return [look for look in looks if LookUp.from_json(look).complete]


def _look_up(runtime: Runtime, windows: WindowMemory, doubt: Doubt, now: datetime) -> bool:
    settle = timedelta(seconds=runtime.settings.settle_seconds)
    with runtime.store.read() as session:
        sought = doubts.sought(session, doubt)
        known = control_messages.known_message(session, runtime.account_id)
        near = control_messages.neighbours(session, doubt, until=now - settle)
    is_sought = is_sought_by(runtime, doubt, sought)
    seen = _look_at_gateway(runtime, windows, doubt, [*near, known] if known else near, is_sought, now)
    with runtime.store.read() as session:
        # Asked again, after the look: not for strangers, which keep a group from being the request's alone.
        mine = {id_ for id_, message in seen.messages.items() if is_sought(message)}
        attributed = doubts.attributed_ids(session, runtime.account_id, mine)
    found = match_to(runtime, doubt, sought, seen, attributed)
    control: bool | None = None
    reads = seen.reads
    if known is not None:
        control = known.gateway_id in seen.shown
        if not control and len(found.found) < len(sought.recipients):
            older = read_known(runtime, windows, known)
            control, reads = known.gateway_id in older.shown, reads + older.reads
    if control and len(found.found) < len(sought.recipients):
        control = shows_neighbours(runtime, near, seen)
    ended = runtime.clock.now()
    look = LookUp(min(now, ended), seen.complete, len(found.found), control)
    history = [*map(LookUp.from_json, _looks_to_keep(doubt, now, ended)), look]
    ending = Ending(doubt.outcome)
    policy = runtime.definitions.get(doubt.definition_id).follow.on_unknown
    concluded = verdict(
        history,
        # A contact list's people are known only from its messages: however many are seen, more may come until `settle`.
        sought=len(sought.recipients)
        if doubt.list_id is None
        else (1 if seen.complete and now >= doubt.send_by + settle else sys.maxsize),
        settled_at=doubt.send_by + settle,
        suspicion_only=ending.is_refusal or (policy is OnUnknown.RESEND and doubt.list_id is None),
    )
    evidence = {
        **doubt.evidence,
        "looks": [entry.to_json() for entry in history],
        "verdict": concluded.value,
        doubts.UNREAD: seen.problem,
    }
    conclusion = _Conclusion(doubt, sought, found, seen, concluded, policy, evidence)
    with runtime.store.write("verdict") as session:
        decision = _record(runtime, session, conclusion, ended)
        # Last: every intent of the run waits for the transaction that writes its row, and every reply for the
        # account's.
        receipts.count_reads(session, {doubt.run_id: reads})
        if seen.newest:
            accounts.raise_floor(session, doubt.account_id, seen.newest)
        # A command that works on its own runs ends by itself, and says why.
        if seen.problem and now >= doubt.send_by + settle and runtime.only_runs is None:
            reason = f"requests in doubt cannot be looked up, because the gateway cannot be read: {seen.problem}"
            until = ended + PROBE_LATER
            accounts.pause_account(session, doubt.account_id, PausedBy.GATEWAY, reason, now=ended, probe_at=until)
    if decision is not None:
        count_settled(runtime, doubt, sought, decision, seen)
        get_logger().info(
            "doubt.decided", batch=doubt.batch_id, attempt=doubt.number, verdict=concluded.value, found=len(found.found)
        )
    return decision is not None


def _look_at_gateway(
    runtime: Runtime,
    windows: WindowMemory,
    doubt: Doubt,
    known: Sequence[ControlMessage],
    is_sought: Callable[[Message], bool],
    now: datetime,
) -> LookResult:
    """Return the possible messages of the request.

    Read by dates that may be hours off, unless the gateway shows that they are not: a message accepted after the
    request began is there, and was dated by the clock that dated the request, or a later one. A clock that was set
    forward or back just before it would hide the request, and it would be sent twice.
    """
    watched = watching(known)
    later = {message.gateway_id for message in known if message.accepted_at >= doubt.started_at}
    seen = read_request(runtime, windows, doubt, now + MARGIN, is_sought=is_sought, watched=watched)
    if now < doubt.send_by + timedelta(seconds=runtime.settings.settle_seconds) or later & seen.shown:
        return seen
    if not seen.complete:
        return seen
    wide = read_request(runtime, windows, doubt, now + FARTHEST, is_sought=is_sought, watched=watched, margin=FARTHEST)
    return seen.with_more(wide)


@dataclass(frozen=True, slots=True)
class _Conclusion:
    """What a look led to, to be recorded."""

    doubt: Doubt
    sought: Sought
    found: Match
    seen: LookResult
    verdict: Verdict
    policy: OnUnknown
    evidence: dict[str, Any]


def _record(runtime: Runtime, session: Session, conclusion: _Conclusion, now: datetime) -> Decision | None:
    """Record the look, and carry out what follows from it; None if nothing was decided."""
    doubt, concluded, evidence = conclusion.doubt, conclusion.verdict, conclusion.evidence
    settle = timedelta(seconds=runtime.settings.settle_seconds)
    if concluded is Verdict.WAIT:
        until = min(now + settle, next_look(now, send_by=doubt.send_by, settle=settle))
        if not conclusion.seen.complete and now >= doubt.send_by + settle:  # it may be away for hours
            until = now + blind_look_after(until - now, doubt.checks - len(SWEEPS), settle=settle)
        doubts.postpone_check(session, doubt.attempt_id, until=until, evidence=evidence)
        return None
    ending = Ending(doubt.outcome)
    outcome = doubt.outcome if concluded is Verdict.MISSED and ending.is_refusal else concluded.value
    if not close_attempt(session, doubt.attempt_id, outcome=outcome, evidence=evidence, now=now):
        return None  # the reply came after all, and decided
    if concluded is Verdict.MISSED and not ending.is_refusal:
        doubts.schedule_watch(session, doubt, now=now, settle=settle)
    problem = str(doubt.evidence.get("problem", "the gateway refused the request"))
    if doubt.list_id is not None:
        decision = decide_list(concluded, ending, conclusion.found, problem=problem)
        _carry_out_list(runtime, session, doubt, decision, conclusion.seen, now)
    else:
        decision = decide(
            concluded,
            ending,
            conclusion.sought,
            conclusion.found,
            problem=problem,
            rounds=doubts.rounds(session, doubt.batch_id),
            may_resend=conclusion.policy is not OnUnknown.HOLD,
            stops_run=(
                doubt.evidence.get(FAILURE) == FailureCode.DEVICE_REFUSED and doubt.run_type not in OF_SINGLE_TEXTS
            ),
        )
        _carry_out(runtime, session, doubt, decision, conclusion.seen, now)
    return decision


def _first_poll_at(runtime: Runtime, doubt: Doubt, now: datetime) -> datetime:
    """Return when to look for the receipts of a request that was found: not before the gateway sends it."""
    sent_from = runtime.definitions.get(doubt.definition_id).schedule.at_gateway
    return max(now, sent_from or now) + timedelta(seconds=runtime.settings.first_poll_seconds)


def _carry_out(
    runtime: Runtime, session: Session, doubt: Doubt, decision: Decision, seen: LookResult, now: datetime
) -> None:
    retry_at = now
    if decision.retry is SendAgain.BACKED_OFF:
        settle = timedelta(seconds=runtime.settings.settle_seconds)
        retry_at += backoff_after(doubt.number, _rng, settle=settle)
    if hold_in_doubt(session, decision.hold, decision.reason):
        outbox.announce_held(session, doubt.run_id, now=now)
    fail_in_doubt(session, decision.fail, decision.reason)
    release(session, decision.release, decision.reason)
    charges.refund(session, doubt.attempt_id, [*decision.fail, *decision.release])
    placed = [placed_of(recipient_id, seen.messages[c.gateway_id]) for recipient_id, c in decision.place.items()]
    first_poll_at = _first_poll_at(runtime, doubt, now)
    record_accepted(session, _intent(doubt), placed, now=now, first_poll_at=first_poll_at, retry_at=retry_at)
    if decision.split:
        split_batch(session, doubt.batch_id, until=retry_at, waits_for=WaitsFor.RETRY, reason=decision.reason)
    by, reason = PausedBy.GATEWAY, decision.pause_run
    if not reason:
        by, reason = PausedBy.ALARM, reason_to_pause(session, doubt, decision)
    if reason:
        runs.pause_run(session, doubt.run_id, by, reason, now=now)
    if decision.pause_account:
        alarm(session, doubt, EventName.DUPLICATE_ACCEPTANCE, decision.pause_account, now)


def _carry_out_list(
    runtime: Runtime, session: Session, doubt: Doubt, decision: Decision, seen: LookResult, now: datetime
) -> None:
    if decision.place:
        text = runtime.definitions.get(doubt.definition_id).message
        people = [listed(seen.messages[c.gateway_id], text) for c in decision.place.values()]
        first_poll_at = _first_poll_at(runtime, doubt, now)
        intent = replace(_intent(doubt), bill=list_bill(runtime.prices.current(), runtime.settings.zone, now))
        record_list_accepted(session, intent, people, now=now, first_poll_at=first_poll_at)
    elif decision.retry is SendAgain.AT_ONCE:
        hold_batch(session, doubt.batch_id, decision.reason)
        outbox.announce_held(session, doubt.run_id, now=now)
    else:
        until = now + backoff_after(doubt.number, _rng, settle=timedelta(seconds=runtime.settings.settle_seconds))
        postpone_batch(session, doubt.batch_id, until=until, waits_for=WaitsFor.BACK_OFF, reason=decision.reason)
        if decision.pause_run:
            runs.pause_run(session, doubt.run_id, PausedBy.GATEWAY, decision.pause_run, now=now)


def _intent(doubt: Doubt) -> Intent:
    return Intent(
        doubt.attempt_id, doubt.batch_id, doubt.run_id, doubt.account_id, doubt.number, doubt.send_by, (), doubt.list_id
    )
