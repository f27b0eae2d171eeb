"""What happened, kept for later questions."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.models import Event
from worker.store.tables import events


class EventName(StrEnum):
    """Everything that is kept about the past, and what each `detail` holds."""

    ACCOUNT_NEW_GATEWAY = "account.new_gateway"  # account, moved_by, held
    ACCOUNT_RECOVERED = "account.recovered"  # a sweep came to its end: account, unknown, attributed, since
    DATABASE_HERE = "database.here"  # what leads to each `MoveStage`: copy, other
    DATABASE_LEAVING = "database.leaving"  # also accounts: how they were before
    DATABASE_GONE = "database.gone"
    DATABASE_ARRIVED = "database.arrived"
    DEVICE_MOVES = "device_moves"  # a phone that was stuck sends again: device
    DEVICE_SLOWED = "device_slowed"  # device, rate, until
    DEVICE_STUCK = "device_stuck"  # device, waiting
    DUPLICATE_ACCEPTANCE = "duplicate_acceptance"  # an alarm: the gateway has texts twice
    FAILED_RESENT = "failed.resent"  # a run that sends failed texts again: parent, people
    HELD_RESOLVED = "held.resolved"  # a person decided: as, by, and the row ids of its recipients
    LATE_ACCEPTANCE = "late_acceptance"  # an alarm: a request that counted as missed arrived after all
    NO_REPLY_RESENT = "no_reply.resent"  # a run that sends a text again to who did not reply: root, people
    NOTICE_GIVEN_UP = "notice.given_up"  # channel, about, target, problem
    OPT_OUT_REACHED = "opt_out.reached"  # the reply to a contact list named people who had opted out: people, numbers
    PLAN_APPROVED = "plan.approved"  # plan, by
    PLAN_WAITS = "plan.waits_for_approval"  # what there is to approve
    REPLIES_PASSED_OVER = "replies.passed_over"  # a second of them that cannot be read: account, second
    REPLY_CAME_LATE = "reply.came_late"  # after reconciling had decided: messages, left_out
    RUN_ACCEPTED_BEFORE = (
        "run.accepted_before"  # some people count as sent by a message from before its plan: recipients
    )
    RUNS_MISSED = "runs.missed"  # count, first, last
    STEP_ANSWERED = "step.answered"  # people answered while a step's request was on its way: recipients
    TEXT_DOUBLED = "text_doubled"  # sent again, and sent the first time as well: recipient, gateway_id
    TEXTS_RETRIED = "texts.retried"  # people


def record_event(
    session: Session,
    name: EventName,
    now: datetime,
    *,
    run_id: int | None = None,
    batch_id: int | None = None,
    attempt_id: int | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Keep what happened, for later questions."""
    kept = Event(at=now, name=name.value, run_id=run_id, batch_id=batch_id, attempt_id=attempt_id, detail=detail or {})
    session.add(kept)


def details_of(session: Session, name: EventName, *, since: datetime) -> list[dict[str, Any]]:
    """What is kept of every such event from then on, in the order in which they happened."""
    kept = sa.select(events.c.detail).where(events.c.name == name, events.c.at >= since).order_by(events.c.id)
    return list(session.scalars(kept))
