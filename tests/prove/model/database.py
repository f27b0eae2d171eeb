"""The database of the histories: rows in dicts. Every public method is one transaction that mirrors `worker.store`.

A process dies between two transactions or, which is the same here, before one: a method never stops halfway. States
change only as the tables of `campaigns.lifecycle` allow, as in the store's guarded UPDATEs.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from campaigns.definition import OnUnknown
from campaigns.following.receipts import RANKS, counted_retries, worth
from campaigns.lifecycle import (
    BATCH_MOVES,
    RECIPIENT_MOVES,
    RUN_MOVES,
    BatchState,
    RecipientState,
    RunState,
    S,
    may_become,
)
from campaigns.protocol.matching import Sought
from tests.prove.model.rows import Account, Attempt, Batch, Recipient, Run


def _guards(moves: Mapping[S, frozenset[S]]) -> dict[S, frozenset[S]]:
    return {to: may_become(moves, to) for to in moves}


RUN_GUARDS, BATCH_GUARDS, RECIPIENT_GUARDS = _guards(RUN_MOVES), _guards(BATCH_MOVES), _guards(RECIPIENT_MOVES)


@dataclass(slots=True)
class Database:
    """All rows. References between rows stand for foreign keys."""

    runs: list[Run] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    recipients: list[Recipient] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    account: Account = field(default_factory=Account)
    events: Counter[str] = field(default_factory=Counter)

    def backup(self) -> Self:
        """A copy as it is now."""
        return deepcopy(self)

    # Planning and control.

    def plan_run(self, text: str, policy: OnUnknown, batches: Iterable[Iterable[str]], now: datetime) -> Run:
        """Add a running run to these numbers, one batch for each group of them."""
        run = Run(len(self.runs) + 1, text, policy)
        self.runs.append(run)
        for numbers in batches:
            batch = self._add_batch(run, now)
            for number in numbers:
                self.recipients.append(Recipient(len(self.recipients) + 1, run, batch, number))
        return run

    def plan_list_run(self, text: str, list_id: int, now: datetime) -> Run:
        """Add a running run to a contact list of the gateway: one batch without people."""
        run = Run(len(self.runs) + 1, text, OnUnknown.RECONCILE, list_id=list_id)
        self.runs.append(run)
        self._add_batch(run, now)
        return run

    def _add_batch(self, run: Run, not_before: datetime) -> Batch:
        batch = Batch(len(self.batches) + 1, run, not_before)
        self.batches.append(batch)
        return batch

    def pause_run(self, run: Run) -> bool:
        return self._move_run(run, RunState.PAUSED)

    def resume_run(self, run: Run) -> bool:
        return run.state is RunState.PAUSED and self._move_run(run, RunState.RUNNING)

    def cancel_run(self, run: Run) -> bool:
        if not self._move_run(run, RunState.CANCELLED):
            return False
        self.cancel_leftovers(run)
        return True

    def cancel_leftovers(self, run: Run, *, spares_held: bool = True) -> None:
        """Cancel what came back to `pending` in a cancelled run; nothing in others. Held batches stay undecided."""
        if run.state is not RunState.CANCELLED:
            return
        for batch in self.batches:
            if batch.run is run and not (spares_held and batch.state is BatchState.HELD):
                self.move_batch(batch, BatchState.CANCELLED)
        for recipient in self.recipients:
            if recipient.run is run and recipient.state is RecipientState.PENDING:
                self.move(recipient, RecipientState.CANCELLED, "cancelled by hand")

    def pause_account(self, reason: str, probe_at: datetime | None) -> None:
        if not self.account.paused_reason:
            self.account.paused_reason, self.account.next_probe_at = reason, probe_at

    def resume_account(self) -> None:
        self.account.paused_reason, self.account.next_probe_at, self.account.failures = "", None, 0

    # Moves, guarded.

    def _move_run(self, run: Run, to: RunState) -> bool:
        allowed = run.state in RUN_GUARDS[to]
        if allowed:
            run.state = to
        return allowed

    def move_batch(self, batch: Batch, to: BatchState, reason: str = "") -> bool:
        allowed = batch.state in BATCH_GUARDS[to]
        if allowed:
            batch.state, batch.reason = to, reason
        return allowed

    def move(self, recipient: Recipient, to: RecipientState, reason: str) -> bool:
        allowed = recipient.state in RECIPIENT_GUARDS[to]
        if allowed:
            recipient.state, recipient.reason = to, reason
        return allowed

    # The queue.

    def queue_due(self, now: datetime) -> list[int]:
        """`drain`: return the ids of the batches to enqueue."""
        if self.account.paused_reason or sum(b.state is BatchState.UNKNOWN for b in self.batches) >= 3:
            return []
        due = []
        for batch in self.batches:
            is_due = batch.state is BatchState.PLANNED and batch.not_before <= now
            if is_due and batch.run.state is RunState.RUNNING and self.move_batch(batch, BatchState.QUEUED):
                batch.queued_at = now
                due.append(batch.id)
        return due

    def snooze(self, batch: Batch, until: datetime) -> None:
        if batch.state is BatchState.QUEUED:
            self.move_batch(batch, BatchState.PLANNED, "later")
            batch.not_before = until

    def requeue_lost(self, before: datetime) -> None:
        for batch in self.batches:
            if batch.state is BatchState.QUEUED and batch.queued_at is not None and batch.queued_at <= before:
                self.move_batch(batch, BatchState.PLANNED)

    # The send protocol.

    def may_send(self, run: Run) -> bool:
        """`may_still_send`."""
        return run.state is RunState.RUNNING and not self.account.paused_reason and self.account.restored is None

    def pending(self, batch: Batch) -> list[Recipient]:
        return [r for r in self.recipients if r.batch is batch and r.state is RecipientState.PENDING]

    def in_doubt(self) -> list[Recipient]:
        return [r for r in self.recipients if r.state is RecipientState.IN_DOUBT]

    def record_intent(
        self, batch: Batch, now: datetime, send_by: datetime, *, has_number_lock: bool, lists_go_alone: bool
    ) -> Attempt | str:
        """P2. A string says why there is no intent."""
        if batch.state not in BATCH_GUARDS[BatchState.SENDING] or not self.may_send(batch.run):
            return "not due"
        people: tuple[Recipient, ...] = ()
        in_flight = [a for a in self.attempts if a.state != "closed"]
        is_list = batch.run.list_id is not None
        if lists_go_alone and any(is_list or a.batch.run.list_id is not None for a in in_flight):
            return "a contact list goes alone"
        if not is_list:
            taken = {r.number for r in self.in_doubt()} if has_number_lock else set()
            waiting = self.pending(batch)
            people = tuple(r for r in waiting if r.number not in taken)
            if not people:
                return "in doubt elsewhere" if waiting else "nothing left"
        self.move_batch(batch, BatchState.SENDING)
        batch.attempt += 1
        for recipient in people:
            self.move(recipient, RecipientState.IN_DOUBT, "")
        floor = self.account.highest_gateway_id
        attempt = Attempt(len(self.attempts) + 1, batch, batch.attempt, now, send_by, floor, people, send_by)
        self.attempts.append(attempt)
        return attempt

    def close_attempt(self, attempt: Attempt, outcome: str) -> bool:
        if attempt.state == "closed":
            self.events["outcome.came_late"] += 1
            return False
        attempt.state, attempt.outcome = "closed", outcome
        return True

    def mark_unknown(self, attempt: Attempt, outcome: str, next_check_at: datetime) -> bool:
        if attempt.state != "open":
            return False
        attempt.state, attempt.outcome, attempt.next_check_at = "unknown", outcome, next_check_at
        return self.move_batch(attempt.batch, BatchState.UNKNOWN)

    def abandon_stale(self, before: datetime, now: datetime) -> None:
        for attempt in self.attempts:
            if attempt.state == "open" and attempt.send_by <= before:
                self.mark_unknown(attempt, "unknown", now)

    def sought(self, attempt: Attempt, floor: int) -> Sought:
        """`doubts.sought`: the people of the batch (not of the attempt) who are in doubt now."""
        people = [r for r in self.recipients if r.batch is attempt.batch and r.state is RecipientState.IN_DOUBT]
        return Sought(floor, {r.number: (r.id, r.text) for r in people})

    def attributed_ids(self) -> set[int]:
        return {r.gateway_id for r in self.recipients if r.gateway_id is not None}

    def known_message(self) -> tuple[int, datetime] | None:
        """The accepted message with the highest ID, and when it was accepted."""
        accepted = [(r.gateway_id, r.accepted_at) for r in self.recipients if r.gateway_id and r.accepted_at]
        return max(accepted) if accepted else None

    def rounds(self, batch: Batch) -> int:
        return sum(a.batch is batch and a.outcome == "missed" for a in self.attempts) - 1

    def raise_floor(self, gateway_ids: Iterable[int]) -> None:
        self.account.highest_gateway_id = max(self.account.highest_gateway_id, *gateway_ids, 0)

    def set_people(self, ids: Iterable[int], to: RecipientState, reason: str) -> None:
        """`release`, `fail_in_doubt` and `hold_in_doubt`."""
        for id_ in ids:
            recipient = self.recipients[id_ - 1]
            if recipient.state is RecipientState.IN_DOUBT:
                self.move(recipient, to, reason)

    def accept(self, placed: Iterable[tuple[int, int]], now: datetime) -> None:
        """Accept (recipient id, gateway ID) of those that the gateway has."""
        for id_, gateway_id in placed:
            recipient = self.recipients[id_ - 1]
            if recipient.state is RecipientState.IN_DOUBT and self.move(recipient, RecipientState.ACCEPTED, ""):
                recipient.gateway_id, recipient.accepted_at, recipient.retries = gateway_id, now, 0
        self.raise_floor(gateway_id for _, gateway_id in placed)

    def conclude_batch(self, batch: Batch, retry_at: datetime) -> None:
        if self.pending(batch):
            if self.move_batch(batch, BatchState.PLANNED):
                batch.not_before = retry_at
            return
        has_held = any(r.batch is batch and r.state is RecipientState.HELD for r in self.recipients)
        if not (has_held and self.move_batch(batch, BatchState.HELD)):
            self.move_batch(batch, BatchState.ACCEPTED)

    def accept_list(self, batch: Batch, people: Iterable[tuple[str, int]], now: datetime) -> None:
        """Accept (number, gateway ID) of a contact list."""
        for number, gateway_id in people:
            state = RecipientState.ACCEPTED
            id_ = len(self.recipients) + 1
            self.recipients.append(
                Recipient(id_, batch.run, batch, number, state, gateway_id=gateway_id, accepted_at=now)
            )
            self.raise_floor([gateway_id])
        self.move_batch(batch, BatchState.ACCEPTED)

    def postpone_batch(self, batch: Batch, until: datetime, reason: str) -> None:
        in_flight = batch.state in {BatchState.SENDING, BatchState.UNKNOWN}
        if in_flight and self.move_batch(batch, BatchState.PLANNED, reason):
            batch.not_before = until

    def hold_batch(self, batch: Batch, reason: str) -> None:
        self.move_batch(batch, BatchState.HELD, reason)

    def split_batch(self, batch: Batch, until: datetime) -> None:
        waiting = self.pending(batch)
        if len(waiting) > 1:
            half = self._add_batch(batch.run, until)
            for recipient in waiting[len(waiting) // 2 :]:
                recipient.batch = half

    # Receipts and people.

    def apply_receipt(self, gateway_id: int, state: RecipientState, retries: int) -> None:
        """`apply_receipts` for one message."""
        for recipient in self.recipients:
            takes = recipient.gateway_id == gateway_id and recipient.state in RANKS
            if takes and worth(recipient.state, recipient.retries) < worth(state, retries):
                self.move(recipient, state, "as the phone says")
                recipient.retries = counted_retries(retries)

    def resend_held(self, run: Run, now: datetime) -> list[Recipient]:
        """A person resends to the held people of a run."""
        held = [r for r in self.recipients if r.run is run and r.state is RecipientState.HELD]
        if run.state is RunState.CANCELLED:
            return []
        again = [r for r in held if r.batch.state in {BatchState.HELD, BatchState.ACCEPTED}]
        for recipient in again:
            self.move(recipient, RecipientState.PENDING, "sent again by hand")
        for batch in {r.batch.id: r.batch for r in again}.values():
            self.move_batch(batch, BatchState.PLANNED)
            batch.not_before = now
        return again
