"""Requests: what was promised before each, and whether every text that was handed over had one."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.phone_numbers.masking import mask
from campaigns.phone_numbers.pseudonyms import ERASED_TEXT, is_pseudonym
from scheduler.verify.checks import Breach, Check, Reckoning
from scheduler.verify.facts import NOT_SENT, Declarations, RunFacts
from scheduler.verify.judges.money import charged_from, judge_charged
from scheduler.verify.pages import PAGE, by_id, of_values
from worker.store.tables import attempts, batches, recipients

REQUEST: Final[tuple[Any, ...]] = (
    attempts.c.id, attempts.c.batch_id, attempts.c.started_at, attempts.c.outcome, attempts.c.payload_hash,
    attempts.c.recipients, attempts.c.segments,
)  # fmt: skip


def judge_requests(session: Session, run: RunFacts, declared: Declarations, reckoning: Reckoning) -> None:
    """Compare every request of a run with its rows, a few thousand rows at a time."""
    _orphans(session, run, reckoning)
    first = charged_from(session, run)
    query = sa.select(batches.c.id, batches.c.recipients).where(batches.c.run_id == run.id)
    for page in by_id(session, query, batches.c.id):
        for ids in _portions(page):
            _judge(session, run, declared, first, ids, reckoning)


def _portions(page: Sequence[Any]) -> Iterator[list[int]]:
    """Yield batches that have about a page of rows together."""
    ids: list[int] = []
    rows = 0
    for batch in page:
        if ids and (rows + batch.recipients > PAGE or len(ids) >= PAGE):
            yield ids
            ids, rows = [], 0
        ids.append(batch.id)
        rows += batch.recipients
    if ids:
        yield ids


def _judge(
    session: Session,
    run: RunFacts,
    declared: Declarations,
    first: int | None,
    ids: Sequence[int],
    reckoning: Reckoning,
) -> None:
    made: dict[int, list[Any]] = defaultdict(list)
    for request in of_values(
        session, ids, lambda part: sa.select(*REQUEST).where(attempts.c.batch_id.in_(part)).order_by(attempts.c.id)
    ):
        made[request.batch_id].append(request)
    rows: dict[int, list[Any]] = defaultdict(list)
    columns: tuple[Any, ...] = (
        recipients.c.id, recipients.c.batch_id, recipients.c.number, recipients.c.text, recipients.c.segments,
        recipients.c.attempts, recipients.c.gateway_id, recipients.c.accepted_at,
    )  # fmt: skip
    mine = recipients.c.run_id == run.id, recipients.c.attempts > 0
    accepted = recipients.c.run_id == run.id, recipients.c.gateway_id.is_not(None)
    for row in of_values(
        session,
        ids,
        lambda part: (
            sa.select(*columns)
            .where(recipients.c.batch_id.in_(part), sa.or_(sa.and_(*mine), sa.and_(*accepted)))
            .order_by(recipients.c.id)
        ),
    ):
        rows[row.batch_id].append(row)
    people = [row for each in rows.values() for row in each]
    judge_charged(session, run, first, _carried(made.values()), people, reckoning)
    for batch_id in ids:
        requests = made[batch_id]
        reckoning.examined(Check.REQUESTS, len(requests))
        carried = _carried([requests])
        for row in rows[batch_id]:
            if row.gateway_id is not None and not _may_be(row, carried) and not _is_before(row, batch_id, declared):
                reckoning.wrong(
                    Breach.NO_REQUEST, run=run.id, row=row.id, who=mask(row.number), at=row.accepted_at or "no time"
                )
        if len(requests) == 1 and not run.has_list:
            _promised(run, requests[0], rows[batch_id], reckoning)


def _carried(requests: Iterable[Sequence[Any]]) -> list[Any]:
    """Return the requests that may have reached the gateway."""
    return [request for each in requests for request in each if request.outcome != NOT_SENT]


def _may_be(row: Any, requests: Sequence[Any]) -> bool:
    return row.accepted_at is not None and any(request.started_at <= row.accepted_at for request in requests)


def _is_before(row: Any, batch_id: int, declared: Declarations) -> bool:
    return row.attempts == 0 and batch_id in declared.before


def _promised(run: RunFacts, request: Any, rows: Sequence[Any], reckoning: Reckoning) -> None:
    """Compare the only request of a batch with its people, unless some of them have gone on to another batch."""
    people = [row for row in rows if row.attempts > 0]
    if len(people) < request.recipients or not request.payload_hash:
        if not request.payload_hash:
            reckoning.noted(Check.REQUESTS, "{} requests have erased people or texts: those were not compared")
        return
    segments = sum(row.segments for row in people)
    if any(row.attempts > 1 for row in people):  # they came from another batch, where they were tried before
        return
    if segments != request.segments:
        reckoning.wrong(
            Breach.OTHER_SEGMENTS, run=run.id, request=request.id, counted=request.segments, segments=segments
        )
    if any(is_pseudonym(row.number) or row.text == ERASED_TEXT for row in people):
        reckoning.noted(Check.REQUESTS, "{} requests have erased people or texts: those were not compared")
        return
    digest = sha256()
    for row in people:
        digest.update(f"{row.number}\0{row.text}\0".encode())
    if digest.hexdigest() != request.payload_hash:
        reckoning.wrong(Breach.OTHER_PEOPLE, run=run.id, request=request.id)


def _orphans(session: Session, run: RunFacts, reckoning: Reckoning) -> None:
    """Find requests whose batch is gone, or belongs to another run."""
    its = sa.exists().where(batches.c.id == attempts.c.batch_id, batches.c.run_id == attempts.c.run_id)
    query = sa.select(attempts.c.id).where(attempts.c.run_id == run.id, ~its)
    for page in by_id(session, query, attempts.c.id):
        for request in page:
            reckoning.wrong(Breach.ORPHAN_REQUEST, run=run.id, request=request.id)
