"""The books: how many recipients are in which state, and what that took."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import NEVER_SENT, RecipientState
from campaigns.optout import Meaning
from worker.store.kept.counting import (
    COST,
    FAILURE,
    REPLY,
    REQUEST,
    RETRY,
    UNPRICED,
    Counted,
    Kept,
    kept_and_rows,
)
from worker.store.tables import attempts, recipients, run_counts, runs


@dataclass(frozen=True, slots=True)
class Books:
    """Counts of a run. `by_state` sums up to the audience.

    `segments` are those of texts handed to the gateway, including texts that failed and were sent again.
    `cost`: what they cost in millionths of the account's currency, without `unpriced` segments, for which there was no
    price; texts that are proven not sent cost nothing. `first_send_at` and
    `last_send_at`: when requests were made, without those proven not sent; None if there were none.
    """

    by_state: dict[RecipientState, int]
    segments: int
    send_requests: int
    first_send_at: datetime | None
    last_send_at: datetime | None
    cost: int = 0
    unpriced: int = 0

    @property
    def audience(self) -> int:
        """Return the size of the audience: everybody, sent to or not."""
        return sum(self.by_state.values())

    @property
    def people(self) -> int:
        """Return how many are to be sent to, were, or would have been: without those whom the plan left out."""
        return sum(count for state, count in self.by_state.items() if state not in NEVER_SENT)


def books(session: Session, *run_ids: int) -> Books:
    """Return the books of a run, or of several together."""
    return together(books_of(session, run_ids).values())


def books_of(session: Session, run_ids: Collection[int]) -> dict[int, Books]:
    """Return the books of each run, from what is kept about it."""
    figures = kept(session, run_ids)
    ends = {id_: (first, last) for id_, first, last in session.execute(_ENDS, {"b_runs": list(run_ids)})}
    return {id_: _books(figures[id_], *ends.get(id_, (None, None))) for id_ in run_ids}


def whole_books(session: Session, run_id: int) -> Books | None:
    """Return the books of a run with its steps, and with what was sent again of any of them.

    None: no step has cost anything.
    """
    its = sa.or_(runs.c.id == run_id, runs.c.root_id == run_id, runs.c.parent_id == run_id)
    found = books_of(session, session.scalars(sa.select(runs.c.id).where(its)).all())
    later = session.scalars(sa.select(runs.c.id).where(runs.c.root_id == run_id))
    return together(found.values()) if any(found[id_].cost or found[id_].unpriced for id_ in later) else None


def together(found: Iterable[Books]) -> Books:
    """Add up books."""
    every = list(found)
    by_state: Counter[RecipientState] = Counter()
    for each in every:
        by_state.update(each.by_state)
    return Books(
        {state: by_state[state] for state in RecipientState if by_state[state]},
        sum(each.segments for each in every),
        sum(each.send_requests for each in every),
        min((each.first_send_at for each in every if each.first_send_at is not None), default=None),
        max((each.last_send_at for each in every if each.last_send_at is not None), default=None),
        sum(each.cost for each in every),
        sum(each.unpriced for each in every),
    )


def final(first: Books, again: Collection[Books], after_all: int) -> Books:
    """Return what became of each person of a run over it and its resends: a resent text replaces one that had failed.

    `after_all`: rows of resends that were left out because the failed text was sent after all. A text that turns out to
    be sent only after it was resent leaves one failure too few.
    """
    whole = together([first, *again])
    less = {
        RecipientState.CANCELLED: after_all,
        RecipientState.FAILED: sum(each.audience for each in again) - after_all,
    }
    by_state = {state: max(0, people - less.get(state, 0)) for state, people in whole.by_state.items()}
    return replace(whole, by_state={state: people for state, people in by_state.items() if people})


def sent_after_all(session: Session, again: Mapping[int, Books]) -> int:
    """Return how many rows of these resends were left out because the failed text was sent after all.

    Those were cancelled, so almost no resend has to be asked.
    """
    asked = [id_ for id_, of_run in again.items() if of_run.by_state.get(RecipientState.CANCELLED)]
    mine = recipients.c.run_id.in_(asked), recipients.c.is_superseded
    return session.scalar(sa.select(sa.func.count()).where(*mine)) or 0 if asked else 0


def kept(session: Session, run_ids: Collection[int]) -> Mapping[int, Kept]:
    """Return what is kept about each run: a few dozen rows for each, however large it is."""
    found: dict[int, dict[str, tuple[int, int]]] = {id_: {} for id_ in run_ids}
    for id_, figure, amount, segments in session.execute(_KEPT, {"b_runs": list(run_ids)}):
        found[id_][figure] = int(amount), int(segments)
    return found


def states(figures: Kept) -> dict[RecipientState, int]:
    """Return how many recipients are in each state that any of them is in."""
    return {state: figures[state][0] for state in RecipientState if state in figures and figures[state][0]}


Differing = Mapping[tuple[str, str], tuple[tuple[int, int], tuple[int, int]]]
"""By figure and part: how many rows and segments are kept, and are."""


def differing(seen: Counted, rows: Counted) -> Differing:
    """Return the figures that are not kept as they are."""
    none = (0, 0)
    pairs = {each: (seen.get(each, none), rows.get(each, none)) for each in sorted(seen.keys() | rows.keys())}
    return {each: pair for each, pair in pairs.items() if pair[0] != pair[1]}


def counts_unlike_rows(session: Session) -> dict[int, Differing]:
    """Count the rows of every run; return those whose kept counts differ, for checks. Empty: the counts equal the rows.

    A run is counted at one moment: about a second for a million recipients.
    """
    ids = session.scalars(sa.select(runs.c.id).union(sa.select(run_counts.c.run_id)))
    found = {id_: differing(*kept_and_rows(session.connection(), id_)) for id_ in ids.all()}
    return {id_: each for id_, each in found.items() if each}


_mine: sa.BindParameter[Any] = sa.bindparam("b_runs", expanding=True)
_KEPT: Final = (
    sa.select(
        run_counts.c.run_id, run_counts.c.figure, sa.func.sum(run_counts.c.amount), sa.func.sum(run_counts.c.segments)
    )
    .where(run_counts.c.run_id.in_(_mine))
    .group_by(run_counts.c.run_id, run_counts.c.figure)
)

_amount: Final = sa.func.sum(run_counts.c.amount)
_PARTS: Final = (
    sa.select(run_counts.c.figure, run_counts.c.part, _amount)
    .where(
        run_counts.c.run_id.in_(_mine),
        run_counts.c.figure.in_(sa.bindparam("b_figures", expanding=True)),
    )
    .group_by(run_counts.c.figure, run_counts.c.part)
    .having(_amount > 0)
)


def _end(order: sa.ColumnElement[Any]) -> Any:
    """The moment of a run's first or last request, without those proven not sent: from one end of an index."""
    left = (attempts.c.run_id == runs.c.id, attempts.c.outcome != "not_sent")
    query = sa.select(attempts.c.started_at).where(*left).order_by(order).limit(1)
    return query.correlate(runs).scalar_subquery()


_ENDS: Final = sa.select(runs.c.id, _end(attempts.c.started_at), _end(attempts.c.started_at.desc())).where(
    runs.c.id.in_(_mine)
)


def _books(figures: Kept, first: datetime | None, last: datetime | None) -> Books:
    by_state = states(figures)
    segments = sum(figures[each][1] for each in (*RecipientState, RETRY) if each in figures)
    cost, unpriced = (figures.get(each, (0, 0))[1] for each in (COST, UNPRICED))
    return Books(by_state, segments, figures.get(REQUEST, (0, 0))[0], first, last, cost, unpriced)


@dataclass(frozen=True, slots=True)
class Failures:
    """How many texts of a run failed for one reason on one device. `result_code` None: not because of a phone."""

    count: int
    result_code: int | None
    device: int | None
    reason: str


def failures(session: Session, run_id: int) -> list[Failures]:
    """Return why texts of a run failed, the most frequent reason first, from what is kept about it."""
    found = []
    for (_, part), count in kept_parts(session, [run_id], FAILURE).items():
        code, device, reason = part.split("|", 2)
        found.append(Failures(count, int(code) if code else None, int(device) if device else None, reason))
    return sorted(found, key=lambda each: (-each.count, each.reason, -1 if each.device is None else each.device))


def count_replies(session: Session, *run_ids: int) -> dict[Meaning, int]:
    """Return how many replies these runs got, by meaning."""
    found = kept_parts(session, run_ids, *(REPLY + meaning for meaning in Meaning))
    return {meaning: count for meaning in Meaning if (count := found[REPLY + meaning, ""])}


def kept_parts(session: Session, run_ids: Collection[int], *figures: str) -> Counter[tuple[str, str]]:
    """Return how many rows of these runs together are in each part of some figures; parts without rows are left out."""
    found = session.execute(_PARTS, {"b_runs": list(run_ids), "b_figures": figures})
    return Counter({(figure, part): int(amount) for figure, part, amount in found})


def only_recipient(session: Session, run_id: int) -> tuple[RecipientState, str]:
    """Return the state and the reason of the one recipient of a test."""
    state, reason = session.execute(
        sa.select(recipients.c.state, recipients.c.reason).where(recipients.c.run_id == run_id)
    ).one()
    return RecipientState(state), reason
