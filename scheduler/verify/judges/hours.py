"""Hours: when each request was made, by the clocks of its people."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX
from sqlmodel import Session

from campaigns.phone_numbers.masking import mask
from scheduler.verify.arithmetic.hours import is_open
from scheduler.verify.checks import Breach, Check, Reckoning
from scheduler.verify.facts import NOT_SENT, Rules, RunFacts
from scheduler.verify.pages import by_id, of_values
from worker.store.tables import attempts, batches

MADE: Final[tuple[Any, ...]] = (
    attempts.c.id, attempts.c.started_at, batches.c.zones, batches.c.moment, batches.c.latest,
)  # fmt: skip


def judge_hours(session: Session, run: RunFacts, rules: Rules, reckoning: Reckoning) -> None:
    """Look at every request of a run that may have been written."""
    window = run.schedule.get("window")
    hours = rules.hours if run.kind != "transactional" else None
    query = (
        sa.select(*MADE)
        .join(batches, batches.c.id == attempts.c.batch_id)
        .where(attempts.c.run_id == run.id, attempts.c.outcome != NOT_SENT)
    )
    for page in by_id(session, query, attempts.c.id):
        reckoning.examined(Check.HOURS, len(page))
        for request in page:
            _judge(run, request, window, hours, reckoning)


def _judge(run: RunFacts, request: Any, window: Any, hours: Any, reckoning: Reckoning) -> None:
    at: datetime = request.started_at
    about = {"run": run.id, "request": request.id, "at": at}
    if at < request.moment:
        reckoning.wrong(Breach.TOO_EARLY, **about, moment=request.moment)
    if request.latest is not None and at > request.latest:
        reckoning.wrong(Breach.TOO_LATE, **about, latest=request.latest)
    for zone in request.zones.split(",") if request.zones else [run.zone]:
        if window is not None and not is_open(window, at, zone):
            reckoning.wrong(Breach.OUTSIDE_WINDOW, **about, zone=zone)
            break
        if hours is not None and not is_open(hours, at, zone):
            reckoning.wrong(Breach.OUTSIDE_HOURS, **about, zone=zone)
            break


class ZoneJudge:
    """Looks at whose clocks people were sent by, where those are their own.

    A single zone may be what a column of the table says, which is not kept. Several come from the number, and one of
    those of its prefix must be among them.
    """

    def __init__(self, session: Session, run: RunFacts, reckoning: Reckoning) -> None:
        self._session, self._run, self._reckoning = session, run, reckoning
        self._is_local = run.schedule.get("local_time") == "recipient"

    def page(self, rows: Sequence[Any]) -> None:
        """Take the next rows."""
        if not self._is_local:
            return
        ids = sorted({row.batch_id for row in rows if row.gateway_id is not None and row.batch_id is not None})
        columns: tuple[Any, ...] = batches.c.id, batches.c.zones
        zones = dict(
            tuple(row)
            for row in of_values(self._session, ids, lambda part: sa.select(*columns).where(batches.c.id.in_(part)))
        )
        for row in rows:
            if row.gateway_id is None or row.number[:1] != "+":
                continue
            own, its = frozenset(zones.get(row.batch_id, "").split(",")), zones_by_prefix(row.number[1:][:LONGEST])
            if its and len(own) != 1 and not own & its:
                self._reckoning.wrong(
                    Breach.OTHER_ZONE,
                    run=self._run.id, row=row.id, who=mask(row.number), zones=", ".join(sorted(own)),
                    its=", ".join(sorted(its)),
                )  # fmt: skip


LONGEST: Final = TIMEZONE_LONGEST_PREFIX


@lru_cache(maxsize=4_096)
def zones_by_prefix(digits: str) -> frozenset[str]:
    """Return the zones of the longest known beginning of a number; none if nobody knows."""
    known = next((digits[:length] for length in range(len(digits), 0, -1) if digits[:length] in TIMEZONE_DATA), "")
    return frozenset(TIMEZONE_DATA.get(known, ())) - {"Etc/Unknown"}
