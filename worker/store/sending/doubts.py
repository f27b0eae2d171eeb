"""Requests whose outcome is not known: on their way, found again after a crash, looked up, decided."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import FAILURE, FailureCode, RunType
from campaigns.lifecycle import BatchState, RecipientState
from campaigns.protocol.matching import Sought
from campaigns.protocol.verdicts import LookUp, Verdict
from worker.store.bulk import in_parts
from worker.store.models import AttemptState
from worker.store.tables import attempts, batches, groups, recipients, retries, runs
from worker.store.transitions import move_batch


@dataclass(frozen=True, slots=True)
class Doubt:
    """An attempt to look up."""

    attempt_id: int
    batch_id: int
    run_id: int
    account_id: int
    run_type: RunType
    definition_id: int
    number: int
    started_at: datetime
    send_by: datetime
    id_floor: int
    checks: int
    outcome: str  # how the request ended: `unknown`, or a refusal that is looked up before it is believed
    list_id: int | None
    evidence: dict[str, Any]


UNREAD: Final = "unread"
"""The key in the evidence for why the last look at the gateway failed."""


def abandon_stale(session: Session, *, now: datetime, grace: timedelta) -> int:
    """Put attempts in doubt whose process stored no outcome within `grace` of `send_by`; return how many."""
    stale = (
        sa.update(attempts)
        .where(attempts.c.state == AttemptState.OPEN, attempts.c.send_by <= now - grace)
        .values(
            state=AttemptState.UNKNOWN,
            outcome="unknown",
            next_check_at=now,
            evidence={FAILURE: FailureCode.PROCESS_LOST.value, "phase": "unknown"},
        )
        .returning(attempts.c.batch_id)
    )
    lost = list(session.scalars(stale))
    if lost:
        session.execute(
            move_batch(
                BatchState.UNKNOWN,
                batches.c.id.in_(lost),
                reason="the process that sent it ended before the outcome was stored",
            )
        )
    return len(lost)


_DOUBT = (
    sa.select(
        attempts.c.id,
        attempts.c.batch_id,
        attempts.c.run_id,
        runs.c.account_id,
        runs.c.type,
        runs.c.definition_id,
        attempts.c.number,
        attempts.c.started_at,
        attempts.c.send_by,
        attempts.c.id_floor,
        attempts.c.checks,
        attempts.c.outcome,
        batches.c.list_id,
        attempts.c.evidence,
    )
    .join(runs, runs.c.id == attempts.c.run_id)
    .join(batches, batches.c.id == attempts.c.batch_id)
    .order_by(attempts.c.next_check_at)
    .limit(20)
)


_is_due = (runs.c.account_id == sa.bindparam("b_account"), attempts.c.next_check_at <= sa.bindparam("b_now"))
_DUE: Final = _DOUBT.where(attempts.c.state == AttemptState.UNKNOWN, *_is_due)


def due_doubts(session: Session, *, now: datetime, account_id: int, only: Collection[int] | None = None) -> list[Doubt]:
    """Return attempts in doubt, of the runs in `only`, whose next look-up is due; some at a time."""
    query: sa.Select[Any] = _DUE if only is None else _DUE.where(attempts.c.run_id.in_(only))
    return [Doubt(*row) for row in session.connection().execute(query, {"b_account": account_id, "b_now": now})]


WATCHED_FOR = timedelta(hours=24)
"""How long a request that was concluded as missed is watched."""

_AGAIN = attempts.alias()
_WATCHED: Final[sa.Select[Any]] = _DOUBT.where(
    *_is_due,
    attempts.c.send_by > sa.bindparam("b_since"),
    attempts.c.state == AttemptState.CLOSED,
    attempts.c.outcome == Verdict.MISSED.value,
    batches.c.list_id.is_(None),
    ~sa.exists().where(_AGAIN.c.batch_id == attempts.c.batch_id, _AGAIN.c.state != AttemptState.CLOSED),
)
"""Built once: an alias copies every column, which took most of the time of a look that finds nothing."""


def due_watches(session: Session, *, now: datetime, account_id: int) -> list[Doubt]:
    """Return missed attempts whose next look is due; not those in doubt again, whose messages are not known yet."""
    values = {"b_account": account_id, "b_now": now, "b_since": now - WATCHED_FOR}
    return [Doubt(*row) for row in session.connection().execute(_WATCHED, values)]


def schedule_watch(session: Session, missed: Doubt, *, now: datetime, settle: timedelta) -> None:
    """Look at a missed attempt again after as long as has passed since it was made, at least `settle`."""
    pause = max(settle, now - missed.send_by, timedelta(seconds=1))
    session.execute(sa.update(attempts).where(attempts.c.id == missed.attempt_id).values(next_check_at=now + pause))


def end_watch(session: Session, missed: Doubt) -> None:
    """Stop watching: it showed up, and nothing is left to watch for."""
    session.execute(
        sa.update(attempts)
        .where(attempts.c.id == missed.attempt_id)
        .values(next_check_at=missed.send_by + 10 * WATCHED_FOR)
    )


def people_of_batch(session: Session, doubt: Doubt) -> Sought:
    """Return everybody of the attempt's batch, whatever happened to them since."""
    query = sa.select(recipients.c.id, recipients.c.number, recipients.c.text).where(
        recipients.c.batch_id == doubt.batch_id
    )
    return Sought(doubt.id_floor, {number: (id_, text) for id_, number, text in session.execute(query)})


def is_somebody_in_doubt(session: Session, doubt: Doubt) -> bool:
    """Return whether anybody of the attempt's batch is in doubt, here or as a recipient of another run."""
    numbers = sa.select(recipients.c.number).where(recipients.c.batch_id == doubt.batch_id)
    query = sa.select(recipients.c.id).where(
        recipients.c.state == RecipientState.IN_DOUBT, recipients.c.number.in_(numbers)
    )
    return session.scalars(query.limit(1)).first() is not None


def sought(session: Session, doubt: Doubt) -> Sought:
    """Return the recipients of the attempt that are still in doubt."""
    query = sa.select(recipients.c.id, recipients.c.number, recipients.c.text).where(
        recipients.c.batch_id == doubt.batch_id, recipients.c.state == RecipientState.IN_DOUBT
    )
    return Sought(doubt.id_floor, {number: (id_, text) for id_, number, text in session.execute(query)})


def attributed_ids(session: Session, account_id: int, gateway_ids: Collection[int]) -> set[int]:
    """Return those gateway IDs that belong to a recipient of this account, or did before it was retried."""
    found: set[int] = set()
    for part in in_parts(sorted(gateway_ids)):
        for table in (recipients, retries):
            query = (
                sa.select(table.c.gateway_id)
                .join(runs, runs.c.id == table.c.run_id)
                .where(runs.c.account_id == account_id, table.c.gateway_id.in_(part))
            )
            found.update(session.scalars(query))
    return found


def known_groups(session: Session, account_id: int, group_ids: Collection[str]) -> set[str]:
    """Return those of the groups that the gateway named for a request of this account."""
    found: set[str] = set()
    for part in in_parts(sorted(group_ids)):
        query = (
            sa.select(groups.c.group_id)
            .join(runs, runs.c.id == groups.c.run_id)
            .where(runs.c.account_id == account_id, groups.c.group_id.in_(part))
        )
        found.update(session.scalars(query))
    return found


_ANY_STALE: Final = sa.select(
    sa.exists().where(attempts.c.state == AttemptState.OPEN, attempts.c.send_by <= sa.bindparam("b_until"))
)


def any_stale(session: Session, *, now: datetime, grace: timedelta) -> bool:
    """Return whether `abandon_stale` would find something."""
    return bool(session.connection().execute(_ANY_STALE, {"b_until": now - grace}).scalar_one())


def postpone_check(session: Session, attempt_id: int, *, until: datetime, evidence: dict[str, Any]) -> None:
    """Look again at `until`; the evidence so far is kept."""
    session.execute(
        sa.update(attempts)
        .where(attempts.c.id == attempt_id)
        .values(next_check_at=until, checks=attempts.c.checks + 1, evidence=evidence)
    )


_BATCHES_IN_DOUBT: Final = (
    sa.select(sa.func.count())
    .select_from(batches)
    .where(
        batches.c.run_id.in_(sa.bindparam("b_runs", expanding=True)),
        batches.c.state.in_([BatchState.SENDING, BatchState.UNKNOWN]),
    )
)


def batches_in_doubt(session: Session, run_ids: Sequence[int]) -> int:
    """Return how many batches of these runs are in doubt."""
    return int(session.connection().execute(_BATCHES_IN_DOUBT, {"b_runs": list(run_ids)}).scalar_one())


@dataclass(frozen=True, slots=True)
class Unread:
    """At the last look, the gateway could not be asked about a request.

    `since`: the last look that read everything, or else the latest time at which the request was to be written.
    """

    problem: str
    since: datetime
    looked_at: datetime


def unread(session: Session, run_id: int) -> Unread | None:
    """Return the oldest such request of a run."""
    query = (
        sa.select(attempts.c.send_by, attempts.c.evidence)
        .where(attempts.c.run_id == run_id, attempts.c.state == AttemptState.UNKNOWN)
        .order_by(attempts.c.send_by)
    )
    return next((_unread(send_by, kept) for send_by, kept in session.execute(query) if kept.get(UNREAD)), None)


def _unread(send_by: datetime, evidence: Mapping[str, Any]) -> Unread:
    looks = [LookUp.from_json(look) for look in evidence["looks"]]
    since = max([send_by, *(look.at for look in looks if look.complete)])
    return Unread(evidence[UNREAD], since, looks[-1].at)


def rounds(session: Session, batch_id: int) -> int:
    """Return how often the batch was sent again after a proven miss; the attempt just closed does not count."""
    missed = (
        sa.select(sa.func.count())
        .select_from(attempts)
        .where(attempts.c.batch_id == batch_id, attempts.c.outcome == Verdict.MISSED.value)
    )
    return session.scalars(missed).one() - 1


def missed_in_a_row(session: Session, run_id: int, failures: Collection[FailureCode], *, most: int = 100) -> int:
    """Return how many of the run's last decided requests in a row failed in one of these ways with nothing stored."""
    query = (
        sa.select(attempts.c.outcome, attempts.c.evidence)
        .where(attempts.c.run_id == run_id, attempts.c.state == AttemptState.CLOSED)
        .order_by(attempts.c.id.desc())
        .limit(most)
    )
    missed = (
        outcome == Verdict.MISSED and evidence.get(FAILURE) in failures for outcome, evidence in session.execute(query)
    )
    return sum(1 for _ in takewhile(bool, missed))


@dataclass(frozen=True, slots=True)
class InFlight:
    """A request on its way or in doubt. `recipients` 0: to a contact list, whose people are known from its reply."""

    batch_id: int
    recipients: int
    started_at: datetime


def in_flight(session: Session, run_id: int) -> list[InFlight]:
    """Return the requests of a run that are on their way or in doubt, the oldest first."""
    query = (
        sa.select(attempts.c.batch_id, attempts.c.recipients, attempts.c.started_at)
        .where(attempts.c.run_id == run_id, attempts.c.state != AttemptState.CLOSED)
        .order_by(attempts.c.id)
    )
    return [InFlight(*row) for row in session.execute(query)]
