"""Opt-outs: no request for somebody began after their opt-out was stored."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import RecipientState
from campaigns.phone_numbers.masking import mask
from scheduler.verify.checks import Breach, Check, Reckoning
from scheduler.verify.facts import LEFT_OUT, NOT_SENT, RunFacts
from scheduler.verify.pages import of_values
from worker.store.tables import attempts, replies, suppressions

REPLY: Final = "reply"
QUICK: Final = frozenset({"command", "api", "webhook"})

SET_BACK: Final = "{} opt-outs around which a clock was set back: nobody can tell whether the text was before it"

AT_ONCE: Final = timedelta(seconds=2)
SLOWLY: Final = timedelta(minutes=1)
"""How much later than its own time an opt-out may be stored: the time is read first. A look for replies takes as
long as the gateway takes to answer, and a table of numbers takes many transactions. Within it, nobody can tell from the
times whether a request or the opt-out was first; the intent could."""

UNKNOWN: Final = timedelta(minutes=10)
"""The same where the reply is not kept under that number: it has only the gateway's date."""


class OptOutJudge:
    """Looks at people of a run who have opted out at some time."""

    def __init__(self, session: Session, run: RunFacts, reckoning: Reckoning) -> None:
        self._session, self._run, self._reckoning = session, run, reckoning

    def page(self, rows: Sequence[Any]) -> None:
        """Take the next rows."""
        sent = [row for row in rows if row.attempts > 0 and row.state not in LEFT_OUT and row.batch_id is not None]
        entries = self._entries(sorted({row.number for row in sent}))
        if not entries:
            return
        about = [row for row in sent if row.number in entries]
        made: dict[int, list[Any]] = defaultdict(list)
        columns: tuple[Any, ...] = attempts.c.id, attempts.c.batch_id, attempts.c.started_at
        for request in of_values(
            self._session,
            sorted({row.batch_id for row in about}),
            lambda part: (
                sa.select(*columns)
                .where(attempts.c.batch_id.in_(part), attempts.c.outcome != NOT_SENT)
                .order_by(attempts.c.id)
            ),
        ):
            made[request.batch_id].append(request)
        for row in about:
            request = _carrying(row, made[row.batch_id])
            for stored, since, until in entries[row.number]:
                self._reckoning.examined(Check.OPT_OUTS)
                if request is None or request.started_at <= stored:
                    continue
                if until is not None and request.started_at >= until:
                    continue
                if self._was_set_back(request):
                    self._reckoning.noted(Check.OPT_OUTS, SET_BACK)
                else:
                    self._reckoning.wrong(
                        Breach.AFTER_OPT_OUT,
                        run=self._run.id, row=row.id, who=mask(row.number), request=request.id,
                        at=request.started_at, since=since,
                    )  # fmt: skip

    def _was_set_back(self, request: Any) -> bool:
        """Return whether a later request was made at an earlier time.

        If none was, all later requests are looked through: only for breaches that are shown.
        """
        if self._reckoning.is_full(Check.OPT_OUTS):
            return False
        earlier = attempts.c.id > request.id, attempts.c.started_at < request.started_at - AT_ONCE
        return self._session.execute(sa.select(sa.literal(1)).where(*earlier).limit(1)).first() is not None

    def _entries(self, numbers: Sequence[str]) -> dict[str, list[tuple[datetime, datetime, datetime | None]]]:
        """Return when each opt-out of these people was surely stored, since when it is, and when it ended."""
        columns: tuple[Any, ...] = (
            suppressions.c.number, suppressions.c.source, suppressions.c.since, suppressions.c.ended_at,
        )  # fmt: skip
        kinds = suppressions.c.kind.in_(["", self._run.kind])
        entries = list(
            of_values(
                self._session,
                numbers,
                lambda part: sa.select(*columns).where(suppressions.c.number.in_(part), kinds),
            )
        )
        stored = self._stored(sorted({number for number, source, _, _ in entries if source == REPLY}))
        found: dict[str, list[tuple[datetime, datetime, datetime | None]]] = defaultdict(list)
        for number, source, since, until in entries:
            if source == REPLY:
                # A reply has the gateway's date; it counts from when it was stored, or a person read it.
                counts = min((at for at in stored.get(number, ()) if at >= since), default=since + UNKNOWN)
            else:
                counts = since + (AT_ONCE if source in QUICK else SLOWLY)
            found[number].append((counts, since, until))
        return found

    def _stored(self, numbers: Sequence[str]) -> dict[str, list[datetime]]:
        """Return when what these people wrote was surely stored."""
        found: dict[str, list[datetime]] = defaultdict(list)
        columns: tuple[Any, ...] = replies.c.number, replies.c.stored_at, replies.c.reviewed_at, replies.c.came_by
        for number, stored_at, reviewed_at, came_by in of_values(
            self._session, numbers, lambda part: sa.select(*columns).where(replies.c.number.in_(part))
        ):
            found[number].append((reviewed_at or stored_at) + (AT_ONCE if came_by in QUICK else SLOWLY))
        return found


def _carrying(row: Any, requests: Sequence[Any]) -> Any:
    """Return the last request that this person can have been in; None: there is none."""
    if row.accepted_at is not None and row.gateway_id is not None:
        requests = [request for request in requests if request.started_at <= row.accepted_at]
    elif row.state is RecipientState.PENDING or row.state is RecipientState.CANCELLED:
        return None  # it was taken out of its last request, which was not sent to them
    return requests[-1] if requests else None
