"""Workers and schedulers of the histories: generators that stop at every named step, so that they interleave and die.

The product's own code makes every decision: `classify`, `match`, `verdict`, `next_look`, `decide`, `place`. Only the
glue between them is written a second time here; each function names the one that it mirrors.
"""

import sys
from collections.abc import Generator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import httpx

from campaigns.definition import OnUnknown
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.protocol.decisions import Decision, Ending, SendAgain, decide, decide_list
from campaigns.protocol.matching import Candidate, Match, Sought, is_similar, match, same_number
from campaigns.protocol.verdicts import LookUp, Verdict, next_look, verdict
from campaigns.sending.backoff import backoff_after, reconnect_after
from scheduler.ticks.lookups.reads import LIFE_ORDER
from tests.prove.model.gateway import Mood, ReadError
from tests.prove.model.rows import Attempt
from worker.gateway import DeviceRefused, FailureUnknown, SendOutcome
from worker.gateway.classify import classify
from worker.gateway.results import Message
from worker.gateway.seen import Seen
from worker.sending.outcomes import COLLISION_PAUSE, LEFT_OUT, PROBE_LATER, PROBE_SOON, listed, place
from worker.store.following.clock_offsets import MARGIN
from worker.store.sending.accounts import FAILURES_TO_PAUSE
from worker.store.sending.intent import Addressee

if TYPE_CHECKING:
    from tests.prove.model.world import World

SEND_BY: Final = timedelta(seconds=30)
SETTLE: Final = timedelta(seconds=300)
CONNECT_TRIES: Final = 3

Steps = Generator[str, None, None]
"""Runs until its next named step; it can be abandoned there for ever."""


class Flaw(StrEnum):
    """A rule of the protocol that is left out, to show what it is good for."""

    RETRY_EVERYTHING = "retry-everything"
    TRUST_SUCCESS_FALSE = "trust-success-false"
    NO_SEND_BY = "no-send-by"
    LATE_DEADLINE = "late-deadline"  # the 30 s count from after the intent is stored, not from before
    SETTLE_EARLY = "settle-early"
    NO_NUMBER_LOCK = "no-number-lock"
    NO_QUARANTINE = "no-quarantine"
    MATCH_WITHOUT_FLOOR = "match-without-floor"
    LIST_IN_COMPANY = "list-in-company"  # a contact list is sent while other requests are in flight
    SHORT_LIES = "short-lies"  # reads start or stop lying in the middle of one look
    CANCEL_HELD = "cancel-held"  # a held batch of a cancelled run is called cancelled, as if never sent
    GROUP_HALF_READ = "group-half-read"  # groups are recognized by their numbers in a look in which reads failed
    LIST_HALF_READ = "list-half-read"  # members of a list are concluded from a look in which reads failed


def send_job(world: "World", batch_id: int, skew: timedelta) -> Steps:
    """`Dispatcher.dispatch` on a machine whose wall clock is off by `skew`."""
    batch = next((b for b in world.db.batches if b.id == batch_id), None)
    if batch is None or batch.state not in {BatchState.PLANNED, BatchState.QUEUED}:
        return
    if batch.run.state is not RunState.RUNNING:
        return
    yield "P1"
    promised_at = world.now
    attempt = world.db.record_intent(
        batch,
        world.now + skew,
        world.now + skew + SEND_BY,
        has_number_lock=Flaw.NO_NUMBER_LOCK not in world.flaws,
        lists_go_alone=Flaw.LIST_IN_COMPANY not in world.flaws,
    )
    if not isinstance(attempt, Attempt):
        if attempt not in {"not due", "nothing left"}:
            yield "P1 snooze"
            world.db.snooze(batch, world.now + skew + COLLISION_PAUSE)
        return
    yield "P2"
    if Flaw.LATE_DEADLINE in world.flaws:
        promised_at = world.now
    for _ in range(CONNECT_TRIES):
        fault = world.next_fault()
        yield "P3"
        if not fault.refused_connection:
            break
    if not fault.refused_connection:
        is_late = world.now >= promised_at + SEND_BY and Flaw.NO_SEND_BY not in world.flaws
        if is_late or not world.db.may_send(batch.run):
            _release(world, attempt, skew, is_abort=True)
            return
        seen = world.post(attempt, fault)
    else:
        seen = Seen(error=httpx.ConnectError("refused"), bytes_written=0, is_send=True)
    yield "P4"
    if batch.run.list_id is None:
        seen = replace(seen, sent=[r.number for r in attempt.people])
    said = classify(seen)
    if said.error is None:
        _record_reply(world, attempt, seen.messages or (), skew)
        return
    trusts = Flaw.TRUST_SUCCESS_FALSE in world.flaws and said.error is FailureUnknown
    if said.outcome is SendOutcome.NOT_SENT or trusts or Flaw.RETRY_EVERYTHING in world.flaws:
        _release(world, attempt, skew, is_abort=False)
        return
    # `record_failure`
    attempt.is_device_problem, attempt.problem = said.error is DeviceRefused, said.sentence
    world.db.mark_unknown(attempt, said.outcome.value, world.now + skew)
    if said.outcome is SendOutcome.ACCOUNT:
        world.db.pause_account(said.sentence, world.now + skew + PROBE_LATER)


def _record_reply(world: "World", attempt: Attempt, messages: tuple[Message, ...], skew: timedelta) -> None:
    """`Outcomes.record_reply`."""
    db, now = world.db, world.now + skew
    if not db.close_attempt(attempt, "accepted"):
        return
    db.account.failures = 0
    if attempt.batch.run.list_id is not None:
        people = [(listed(m, attempt.batch.run.text).number, m.id) for m in messages]
        db.accept_list(attempt.batch, people, now)
        return
    placed, left_out = place([Addressee(r.id, r.number, r.text, 1) for r in attempt.people], messages)
    db.set_people(left_out, RecipientState.FAILED, LEFT_OUT)
    db.accept([(p.recipient_id, p.gateway_id) for p in placed], now)
    db.conclude_batch(attempt.batch, now + COLLISION_PAUSE)


def _release(world: "World", attempt: Attempt, skew: timedelta, *, is_abort: bool) -> None:
    """`Outcomes._release`: proven not sent."""
    db, now = world.db, world.now + skew
    if not db.close_attempt(attempt, "not_sent"):
        return
    db.set_people([r.id for r in attempt.people], RecipientState.PENDING, "")
    if is_abort:
        db.postpone_batch(attempt.batch, now, "aborted")
        return
    db.account.failures += 1
    db.postpone_batch(attempt.batch, now + reconnect_after(db.account.failures, world.rng), "no connection")
    if db.account.failures >= FAILURES_TO_PAUSE:
        db.pause_account("no connection", now + PROBE_SOON)


def look_up(world: "World", attempt: Attempt, skew: timedelta) -> Steps:
    """`reconcile._look_up` and the actions it decides on."""
    db, now = world.db, world.now + skew
    is_list = attempt.batch.run.list_id is not None
    sought = db.sought(attempt, 0 if Flaw.MATCH_WITHOUT_FLOOR in world.flaws else attempt.id_floor)
    known = db.known_message()
    messages: dict[int, Message] = {}
    # A look is the smallest unit that lies: its control sees what the rest of it sees.
    mood = None if Flaw.SHORT_LIES in world.flaws else world.gateway.mood
    complete = yield from _read(world, messages, attempt.started_at - MARGIN, now + MARGIN, mood)
    shown = messages
    if not (complete or is_list or Flaw.GROUP_HALF_READ in world.flaws):
        # If a group is only partly visible, nobody can say whose numbers are in it: only texts count.
        texts = {same_number(number): text for number, (_, text) in sought.recipients.items()}
        shown = {id_: m for id_, m in messages.items() if is_similar(m.text, texts.get(same_number(m.number), "\0"))}
    found = _match(attempt, sought, shown, db.attributed_ids())
    control: bool | None = None
    if known is not None:
        control = known[0] in messages
        if not control and len(found.found) < len(sought.recipients):
            older: dict[int, Message] = {}
            yield from _read(world, older, known[1] - MARGIN, known[1] + MARGIN, mood)
            control = known[0] in older
    yield "look seen"
    looks = [*(kept for kept in attempt.looks if kept.complete), LookUp(now, complete, len(found.found), control)]
    settled_at = attempt.send_by + (SETTLE / 20 if Flaw.SETTLE_EARLY in world.flaws else SETTLE)
    ending = Ending(attempt.outcome) if attempt.state == "unknown" else Ending.UNKNOWN
    is_whole = now >= settled_at and (complete or Flaw.LIST_HALF_READ in world.flaws)
    concluded = verdict(
        looks,
        sought=len(sought.recipients) if not is_list else (1 if is_whole else sys.maxsize),
        settled_at=settled_at,
        suspicion_only=ending.is_refusal,
    )
    db.raise_floor(messages)
    if concluded is Verdict.WAIT:
        if attempt.state == "unknown":
            attempt.looks, attempt.next_check_at = looks, next_look(now, send_by=attempt.send_by, settle=SETTLE)
        return
    outcome = attempt.outcome if concluded is Verdict.MISSED and ending.is_refusal else concluded.value
    if not db.close_attempt(attempt, outcome):
        return
    if is_list:
        _carry_out_list(world, attempt, decide_list(concluded, ending, found, problem=attempt.problem), skew)
        return
    decision = decide(
        concluded,
        ending,
        sought,
        found,
        problem=attempt.problem,
        rounds=db.rounds(attempt.batch),
        may_resend=attempt.batch.run.policy is not OnUnknown.HOLD,
        stops_run=attempt.is_device_problem,
    )
    _carry_out(world, attempt, decision, skew)


def _read(
    world: "World", into: dict[int, Message], start: datetime, end: datetime, mood: Mood | None
) -> Generator[str, None, bool]:
    """As `read_around`: return whether every status could be read. Messages move on between the statuses."""
    for place_in_life, status in enumerate(LIFE_ORDER):
        if place_in_life in {0, 3}:
            yield "look"
        try:
            into.update((m.id, m) for m in world.gateway.read_status(status, start, end, world.now, mood))
        except ReadError:
            return False
    return True


def _match(attempt: Attempt, sought: Sought, messages: Mapping[int, Message], attributed: set[int]) -> Match:
    """`reconcile._match`."""
    candidates = [Candidate(m.id, m.number, m.text, m.group_id) for m in messages.values()]
    if attempt.batch.run.list_id is None:
        return match(sought, candidates, attributed=attributed)
    mine = [
        c
        for c in candidates
        if c.gateway_id > sought.id_floor
        and c.gateway_id not in attributed
        and is_similar(c.text, attempt.batch.run.text)
    ]
    return Match({c.gateway_id: c for c in mine})


def _carry_out(world: "World", attempt: Attempt, decision: Decision, skew: timedelta) -> None:
    """`reconcile._carry_out`."""
    db, now = world.db, world.now + skew
    retry_at = now
    if decision.retry is SendAgain.BACKED_OFF:
        retry_at += backoff_after(attempt.number, world.rng, settle=SETTLE)
    db.set_people(decision.hold, RecipientState.HELD, decision.reason)
    db.set_people(decision.fail, RecipientState.FAILED, decision.reason)
    db.set_people(decision.release, RecipientState.PENDING, decision.reason)
    db.accept([(id_, c.gateway_id) for id_, c in decision.place.items()], now)
    db.conclude_batch(attempt.batch, retry_at)
    if decision.split:
        db.split_batch(attempt.batch, retry_at)
    if decision.pause_run:
        db.pause_run(attempt.batch.run)
    if decision.pause_account:
        db.events["duplicate_acceptance"] += 1
        db.pause_account(decision.pause_account, None)


def _carry_out_list(world: "World", attempt: Attempt, decision: Decision, skew: timedelta) -> None:
    """`reconcile._carry_out_list`."""
    db, now = world.db, world.now + skew
    if decision.place:
        db.accept_list(attempt.batch, [(f"+{c.number}", c.gateway_id) for c in decision.place.values()], now)
    elif decision.retry is SendAgain.AT_ONCE:
        db.hold_batch(attempt.batch, decision.reason)
    else:
        until = now + backoff_after(attempt.number, world.rng, settle=SETTLE)
        db.postpone_batch(attempt.batch, until, decision.reason)
        if decision.pause_run:
            db.pause_run(attempt.batch.run)
