"""The books: each row is in one state, and what is kept about a run says the same as its rows."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import DAYS
from campaigns.lifecycle import RecipientState, RunState
from campaigns.phone_numbers.masking import mask
from scheduler.verify.checks import Breach, Check, Reckoning
from scheduler.verify.facts import AT_THE_GATEWAY, LEFT_OUT, LEFT_OUT_BY_PLAN, Declarations, P, RunFacts
from scheduler.verify.pages import of_values
from worker.store.tables import attempts, audit_entries, batches, recipients, retries, run_counts

STATES: Final = frozenset(state.value for state in RecipientState)
BATCH: Final = "batch."
REQUEST: Final = "request"

EXTENDED: Final = "extended"
"""What the audit says of a table that came again, with more people in it."""

OVER: Final = frozenset({RunState.COMPLETED, RunState.CANCELLED})

UNSETTLED: Final = frozenset({P.PENDING, P.IN_DOUBT})
"""States in which nobody may be left once a run is over; nor may those whose message is followed be `accepted`."""


class BooksJudge:
    """Counts the rows of a run as they pass, and compares at the end."""

    def __init__(self, session: Session, run: RunFacts, declared: Declarations, reckoning: Reckoning) -> None:
        self._session, self._run, self._declared, self._reckoning = session, run, declared, reckoning
        self._rows: Counter[tuple[str, str]] = Counter()
        self._segments: Counter[tuple[str, str]] = Counter()
        self._batches: Counter[str] = Counter()

    def page(self, rows: Sequence[Any]) -> None:
        """Take the next rows."""
        self._reckoning.examined(Check.BOOKS, len(rows))
        for row in rows:
            key = row.state.value, _part(row)
            self._rows[key] += 1
            if row.gateway_id is not None:
                self._segments[key] += row.segments
            self._one(row)
        self._left_out([row for row in rows if row.state in LEFT_OUT and row.gateway_id is not None])
        self._strays(rows)

    def _one(self, row: Any) -> None:
        run, wrong = self._run, self._reckoning.wrong
        about = {"run": run.id, "row": row.id, "who": mask(row.number)}
        self._reckoning.examined(Check.NEVER_SENT, row.state in LEFT_OUT)
        self._reckoning.examined(Check.LOSSES, row.state in AT_THE_GATEWAY)
        self._reckoning.examined(Check.DOUBLES, row.gateway_id is not None)
        is_followed = row.state is P.ACCEPTED and row.gateway_id is not None
        if run.finished_at is not None and run.state in OVER and (row.state in UNSETTLED or is_followed):
            wrong(Breach.UNSETTLED, **about, state=row.state.value)
        if row.state in AT_THE_GATEWAY and row.gateway_id is None and row.id not in self._declared.sent:
            wrong(Breach.NO_ID, **about, state=row.state.value)
        if row.occurrence and row.gateway_id is not None and not run.has_list and run.type not in DAYS:
            wrong(Breach.SECOND_ROW, **about, message=row.gateway_id)

    def _left_out(self, rows: Sequence[Any]) -> None:
        """A text that failed, and was to be sent again, keeps the message that failed."""
        ids = [row.id for row in rows if row.state not in LEFT_OUT_BY_PLAN]
        known = of_values(
            self._session, ids, lambda part: sa.select(retries.c.recipient_id).where(retries.c.recipient_id.in_(part))
        )
        had_failed = {id_ for (id_,) in known}
        for row in rows:
            if row.id not in had_failed:
                self._reckoning.wrong(
                    Breach.LEFT_OUT_SENT,
                    run=self._run.id, row=row.id, who=mask(row.number), state=row.state.value, message=row.gateway_id,
                )  # fmt: skip

    def _strays(self, rows: Sequence[Any]) -> None:
        ids = sorted({row.batch_id for row in rows if row.batch_id is not None})
        mine = batches.c.run_id == self._run.id
        found = of_values(self._session, ids, lambda part: sa.select(batches.c.id).where(mine, batches.c.id.in_(part)))
        missing = set(ids) - {id_ for (id_,) in found}
        for row in rows if missing else ():
            if row.batch_id in missing:
                about = {"run": self._run.id, "row": row.id, "who": mask(row.number)}
                self._reckoning.wrong(Breach.BATCHES_DIFFER, **about, batch=row.batch_id)

    def end(self) -> None:
        """Compare with what is kept, and with the plan."""
        session, run, wrong = self._session, self._run, self._reckoning.wrong
        kept: Counter[tuple[str, str]] = Counter()
        kept_segments: Counter[tuple[str, str]] = Counter()
        columns: tuple[Any, ...] = run_counts.c.figure, run_counts.c.part, run_counts.c.amount, run_counts.c.segments
        for figure, part, amount, segments in session.execute(sa.select(*columns).where(run_counts.c.run_id == run.id)):
            if figure in STATES or figure == REQUEST or figure.startswith(BATCH):
                key = (figure, part) if figure in STATES else (figure, "")
                kept[key] += amount
                kept_segments[key] += segments if figure in STATES else 0
        rows = self._rows | self._counted()
        for figure, part in sorted(kept.keys() | rows.keys()):
            key = figure, part
            for unit, seen, actual in (("", kept, rows), (" segments", kept_segments, self._segments)):
                if seen[key] != actual[key]:
                    named = f"{figure}{f' ({part})' if part else ''}{unit}"
                    wrong(Breach.COUNTS_DIFFER, run=run.id, figure=named, kept=seen[key], rows=actual[key])
        planned, total = run.summary.get("audience"), self._rows.total()
        if isinstance(planned, int) and run.type not in DAYS and not run.has_list and planned != total:
            if planned < total and self._was_extended():
                return
            wrong(Breach.AUDIENCE_DIFFERS, run=run.id, planned=planned, rows=total)

    def _was_extended(self) -> bool:
        """Return whether people were added to the plan, as the audit has it."""
        its = audit_entries.c.run_id == (self._run.root_id or self._run.id), audit_entries.c.action == "submit"
        entries = self._session.scalars(sa.select(audit_entries.c.detail).where(*its))
        return any((detail or {}).get("taken") == EXTENDED for detail in entries)

    def _counted(self) -> Counter[tuple[str, str]]:
        """Count batches by state, and requests. Few states are there to sort by, however many batches."""
        found: Counter[tuple[str, str]] = Counter()
        for state in self._session.scalars(
            sa.select(batches.c.state).where(batches.c.run_id == self._run.id).distinct()
        ):
            mine = batches.c.run_id == self._run.id, batches.c.state == state
            query = sa.select(sa.func.count()).select_from(batches).where(*mine)
            found[f"{BATCH}{state.value}", ""] = self._session.scalars(query).one()
        requests = sa.select(sa.func.count()).select_from(attempts).where(attempts.c.run_id == self._run.id)
        if made := self._session.scalars(requests).one():
            found[REQUEST, ""] = made
        return found


COLUMNS: Final[tuple[Any, ...]] = (
    recipients.c.id, recipients.c.batch_id, recipients.c.number, recipients.c.occurrence, recipients.c.slot,
    recipients.c.state, recipients.c.variant, (recipients.c.text != "").label("has_text"), recipients.c.segments,
    recipients.c.gateway_id, recipients.c.attempts, recipients.c.accepted_at, recipients.c.reason.label("cause"),
)  # fmt: skip
"""What is read of each row."""


def _part(row: Any) -> str:
    if row.has_text:
        return f"text.{row.variant}"
    return "control" if row.state is P.HOLDOUT else ""
