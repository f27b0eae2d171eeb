"""Every state that a run, a batch and a recipient can be in, and every move between them, as data.

The store changes a state only by `UPDATE ... WHERE state IN (allowed from)`, and takes the allowed states from here.
Values are stored, not names. Each member's line says what it means and, after the arrow, where it can go.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar


class RunState(StrEnum):
    """One firing of a campaign."""

    SCHEDULED = "scheduled"  # waits, or is planned -> scheduled, awaiting_approval, running, paused, cancelled, failed
    AWAITING_APPROVAL = "awaiting_approval"  # until exactly this plan is approved -> scheduled, running, cancelled
    RUNNING = "running"  # batches are sent -> scheduled (an edit), settling, paused, cancelled
    PAUSED = "paused"  # no new request starts -> scheduled, running, cancelled
    SETTLING = "settling"  # all is sent, waits for receipts -> running (a retry), paused, completed, cancelled
    COMPLETED = "completed"  # every recipient has a final state -> running (a person resolves or resends)
    CANCELLED = "cancelled"  # unsent texts are never sent; sent ones are still followed
    FAILED = "failed"  # could not be planned -> scheduled (the file was fixed)


class BatchState(StrEnum):
    """The recipients of one gateway request."""

    PLANNED = "planned"  # waits for its moment -> queued, sending, cancelled, held (missed it)
    QUEUED = "queued"  # its job is in the queue -> planned (job lost, or snoozed), sending, cancelled, held
    SENDING = "sending"  # the intent is stored; a POST may be on its way -> accepted, planned, refused, unknown, held
    UNKNOWN = (
        "unknown"  # the outcome of the POST is not known, it is being looked up -> accepted, planned, refused, held
    )
    ACCEPTED = "accepted"  # the gateway has it, perhaps without some people -> planned (a retry)
    REFUSED = "refused"  # the gateway accepted nobody in it
    HELD = "held"  # a person has to decide -> accepted, planned, cancelled
    CANCELLED = "cancelled"  # never sent


class RecipientState(StrEnum):
    """One person in one run. The counts over all states always add up to the audience."""

    PENDING = "pending"  # not sent yet -> in_doubt, cancelled, skipped, suppressed, capped, excluded (a step), held
    IN_DOUBT = "in_doubt"  # in a request under way, or of unknown outcome -> accepted, pending, failed, held
    ACCEPTED = "accepted"  # at the gateway, not sent yet -> accepted, sent, delivered, failed, cancelled, expired
    SENT = "sent"  # the phone sent it; final when following ends -> accepted, sent, delivered, failed, cancelled
    DELIVERED = "delivered"  # the recipient's phone has it
    FAILED = "failed"  # omitted or reported so -> accepted, sent, delivered, failed, cancelled, pending (a retry)
    HELD = "held"  # a person has to decide -> accepted, pending, failed, cancelled (a reminder no longer of use)
    EXPIRED = "expired"  # no receipt within follow.until -> accepted, sent, delivered, failed, cancelled
    CANCELLED = "cancelled"  # unsent, or at the gateway (too late) -> accepted, sent, delivered, failed, cancelled
    SKIPPED = "skipped"  # its moment was missed
    INVALID = "invalid"  # planned as: no text can be sent to this row
    DUPLICATE = "duplicate"  # planned as: the number is in the audience already
    SUPPRESSED = "suppressed"  # opted out
    EXCLUDED = "excluded"  # planned as: listed in `exclude`, or left out by `where`; or left out by a step
    CAPPED = "capped"  # the frequency cap is reached
    HOLDOUT = "holdout"  # planned as: control group


R, B, P = RunState, BatchState, RecipientState

RUN_MOVES: Final[Mapping[RunState, frozenset[RunState]]] = {
    R.SCHEDULED: frozenset({R.SCHEDULED, R.AWAITING_APPROVAL, R.RUNNING, R.PAUSED, R.CANCELLED, R.FAILED}),
    R.AWAITING_APPROVAL: frozenset({R.SCHEDULED, R.RUNNING, R.CANCELLED}),
    R.RUNNING: frozenset({R.SCHEDULED, R.SETTLING, R.PAUSED, R.CANCELLED}),
    R.PAUSED: frozenset({R.SCHEDULED, R.RUNNING, R.CANCELLED}),
    R.SETTLING: frozenset({R.RUNNING, R.PAUSED, R.COMPLETED, R.CANCELLED}),
    R.COMPLETED: frozenset({R.RUNNING}),
    R.CANCELLED: frozenset(),
    R.FAILED: frozenset({R.SCHEDULED}),
}

BATCH_MOVES: Final[Mapping[BatchState, frozenset[BatchState]]] = {
    B.PLANNED: frozenset({B.QUEUED, B.SENDING, B.CANCELLED, B.HELD}),
    B.QUEUED: frozenset({B.PLANNED, B.SENDING, B.CANCELLED, B.HELD}),
    B.SENDING: frozenset({B.ACCEPTED, B.PLANNED, B.REFUSED, B.UNKNOWN, B.HELD}),
    B.UNKNOWN: frozenset({B.ACCEPTED, B.PLANNED, B.REFUSED, B.HELD}),
    B.ACCEPTED: frozenset({B.PLANNED}),
    B.REFUSED: frozenset(),
    B.HELD: frozenset({B.ACCEPTED, B.PLANNED, B.CANCELLED}),
    B.CANCELLED: frozenset(),
}

_RECEIPTS: Final = frozenset({P.ACCEPTED, P.SENT, P.DELIVERED, P.FAILED, P.CANCELLED})
"""What a receipt can report. Which of two receipts counts depends only on their worth (`campaigns.following.receipts`).
If a move were forbidden here, their order of arrival would decide instead. The same state again brings more `retries`.
"""

RECIPIENT_MOVES: Final[Mapping[RecipientState, frozenset[RecipientState]]] = {
    P.PENDING: frozenset({P.IN_DOUBT, P.CANCELLED, P.SKIPPED, P.SUPPRESSED, P.CAPPED, P.EXCLUDED, P.HELD}),
    P.IN_DOUBT: frozenset({P.ACCEPTED, P.PENDING, P.FAILED, P.HELD}),
    P.ACCEPTED: _RECEIPTS | {P.EXPIRED},
    P.SENT: _RECEIPTS,
    P.DELIVERED: frozenset(),
    P.FAILED: _RECEIPTS | {P.PENDING},
    P.HELD: frozenset({P.ACCEPTED, P.PENDING, P.FAILED, P.CANCELLED}),
    P.EXPIRED: _RECEIPTS,
    P.CANCELLED: _RECEIPTS,
    P.SKIPPED: frozenset(),
    P.INVALID: frozenset(),
    P.DUPLICATE: frozenset(),
    P.SUPPRESSED: frozenset(),
    P.EXCLUDED: frozenset(),
    P.CAPPED: frozenset(),
    P.HOLDOUT: frozenset(),
}

NEVER_SENT: Final = frozenset({P.INVALID, P.DUPLICATE, P.SUPPRESSED, P.EXCLUDED, P.CAPPED, P.HOLDOUT})
"""States that the plan can decide. No request ever contains such a recipient."""

NEVER_LEFT: Final = frozenset({P.FAILED, P.CANCELLED})
"""States of a text of which nobody says that a phone sent it."""

NOT_AT_THE_GATEWAY: Final = frozenset({P.PENDING, P.IN_DOUBT})
"""There is work left: the run cannot settle while a recipient is in one of these states."""

S = TypeVar("S", RunState, BatchState, RecipientState)


def may_become(moves: Mapping[S, frozenset[S]], to: S) -> frozenset[S]:
    """Return the states from which `to` can be reached in one move, for the WHERE of a guarded UPDATE."""
    return frozenset(state for state, targets in moves.items() if to in targets)
