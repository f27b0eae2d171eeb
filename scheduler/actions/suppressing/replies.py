"""`suppress review`: a person has read replies that may mean stop."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from campaigns.counting import amount
from campaigns.printable import one_line
from scheduler.actions.acting import Actor, acting, audited, nothing_done
from scheduler.actions.reading.replies import waiting_answers
from scheduler.actions.refusals import Refusal, Refused
from scheduler.replies.inbound import opt_outs_of
from worker import metrics
from worker.store.engine import Store
from worker.store.people import reviews, suppressions

NAMED: Final = 100
"""How many replies the audit names by their ids."""


def review(store: Store | None, actor: Actor, ids: Collection[int], *, is_stop: bool, now: datetime) -> int:
    """Mark replies as stops, whose writers get nothing more, or as none; return how many. Raises `Refused`."""
    chosen = waiting_answers(store, ids)
    if store is None:
        return 0
    nobody = next((answer for answer in chosen if is_stop and not opt_outs_of([answer])), None)
    if nobody is not None:
        raise Refused(
            Refusal.INVALID,
            f"reply {nobody.id} came from {one_line(nobody.number)}, which is not a complete phone number: put the "
            f"person on the list (campaigns suppress add NUMBER), then: campaigns suppress review {nobody.id} --keep",
        )
    with acting(store, actor, "review", subject=amount(len(chosen), "reply", "replies"), now=now) as session:
        audited(session, is_stop=is_stop, replies=[answer.id for answer in chosen[:NAMED]])
        if not chosen:
            nothing_done(session)
        reviews.mark_reviewed(session, [answer.id for answer in chosen], now)
        added = suppressions.suppress(session, opt_outs_of(chosen), now=now) if is_stop else 0
    metrics.count(metrics.OPT_OUTS, amount=added)
    return len(chosen)
