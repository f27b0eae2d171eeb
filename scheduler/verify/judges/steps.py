"""Steps: nobody gets a later text whose conditions did not hold, or too soon, and who was left out had a cause."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType, step_of
from campaigns.phone_numbers.masking import mask
from scheduler.verify.arithmetic.limits import seconds_of
from scheduler.verify.checks import Breach, Check, Reckoning
from scheduler.verify.facts import AT_THE_GATEWAY, NOT_SENT, P, RunFacts
from scheduler.verify.judges.opt_outs import AT_ONCE, QUICK, SLOWLY
from scheduler.verify.pages import of_values
from worker.store.tables import attempts, recipients, replies, runs, suppressions

KEYWORDS: Final = ("stop", "start", "help")
"""Meanings of replies that are no answer."""

NOT: Final = "not_"

EARLY: Final = timedelta(seconds=1)
"""The gateway accepts a text at a moment that databases keep to the microsecond: this is for rounding alone."""


class StepJudge:
    """Looks at the people of a step, and of what sends failed texts of it again."""

    def __init__(self, session: Session, run: RunFacts, reckoning: Reckoning) -> None:
        self._session, self._run, self._reckoning = session, run, reckoning
        self._unless = frozenset(filter(None, (run.unless or "").split(",")))
        self._only_if = frozenset(filter(None, (run.only_if or "").split(",")))
        self._chain = self._runs(runs.c.id == run.previous_id, runs.c.parent_id == run.previous_id)
        self._family = self._runs(
            runs.c.id == run.root_id, runs.c.root_id == run.root_id, runs.c.parent_id == run.root_id
        )

    def _runs(self, *any_of: "sa.ColumnElement[bool]") -> list[int]:
        if self._run.root_id is None:
            return []
        return list(self._session.scalars(sa.select(runs.c.id).where(sa.or_(*any_of)).order_by(runs.c.id)))

    def page(self, rows: Sequence[Any]) -> None:
        """Take the next rows."""
        if self._run.root_id is None:
            return
        self._reckoning.examined(Check.STEPS, len(rows))
        numbers = sorted({row.number for row in rows})
        before = self._before(numbers)
        answered = self._answered(numbers)
        opted_out = self._opted_out(numbers) if "opted_out" in self._unless | self._only_if else {}
        made = self._made(rows)
        for row in rows:
            mine = before[row.number, row.slot]
            if row.gateway_id is not None and row.accepted_at is not None:
                begun = [at for at in made[row.batch_id] if at <= row.accepted_at]
                if begun:
                    self._sent(row, begun[-1], mine, answered[row.number], opted_out.get(row.number, []))
            elif row.state is P.EXCLUDED:
                self._left_out(row, mine, answered[row.number], opted_out.get(row.number, []))

    def _sent(
        self, row: Any, at: datetime, before: Sequence[Any], answered: Sequence[Any], opted: Sequence[Any]
    ) -> None:
        run, wrong = self._run, self._reckoning.wrong
        about = {"run": run.id, "row": row.id, "who": mask(row.number), "at": at}
        had = [each.accepted_at for each in before if each.accepted_at is not None and each.accepted_at <= at]
        declared = [each for each in before if each.accepted_at is None and each.state in AT_THE_GATEWAY]
        if not had and not declared:
            wrong(Breach.STEP_BEFORE_TEXT, **about)
        elif had and run.type is RunType.STEP and at < (due := max(had) + self._wait() - EARLY):
            wrong(Breach.STEP_TOO_SOON, **about, due=due)
        stored = [reply for reply in answered if reply.stored_at + _lag(reply.came_by) < at]
        if "replied" in self._unless and stored:
            wrong(Breach.STEP_UNLESS, **about, condition="replied")
        if "replied" in self._only_if and not any(reply.stored_at <= at for reply in answered):
            wrong(Breach.STEP_ONLY_IF, **about, condition="replied")
        if "delivered" in self._only_if and not any(each.state is P.DELIVERED for each in before):
            wrong(Breach.STEP_ONLY_IF, **about, condition="delivered")
        if "opted_out" in self._unless and any(
            each.since + SLOWLY < at and (each.ended_at is None or at < each.ended_at) for each in opted
        ):
            wrong(Breach.STEP_UNLESS, **about, condition="opted_out")
        if "opted_out" in self._only_if and not any(each.since <= at for each in opted):
            wrong(Breach.STEP_ONLY_IF, **about, condition="opted_out")
        if {"delivered", "failed"} & self._unless or "failed" in self._only_if:
            self._reckoning.noted(
                Check.STEPS, "{} texts went by a receipt, and nobody keeps when each receipt was stored"
            )

    def _left_out(self, row: Any, before: Sequence[Any], answered: Sequence[Any], opted: Sequence[Any]) -> None:
        """Whoever is left out by a condition that stays true must meet it. The code is all that the row says."""
        held = {
            "replied": bool(answered),
            "delivered": any(each.state is P.DELIVERED for each in before),
            "opted_out": bool(opted),
            "not_sent_before": not any(each.accepted_at is not None for each in before),
        }
        if not held.get(row.cause, True):
            self._reckoning.wrong(
                Breach.STEP_LEFT_OUT, run=self._run.id, row=row.id, who=mask(row.number), condition=row.cause
            )

    def _wait(self) -> timedelta:
        """Return how long after the text before the step goes."""
        _, name = step_of(self._run.moment)
        steps = self._run.definition.get("steps") or ()
        return timedelta(seconds=next((seconds_of(str(each["after"])) for each in steps if each["name"] == name), 0.0))

    def _before(self, numbers: Sequence[str]) -> dict[tuple[str, str], list[Any]]:
        """Return the rows of the text before, by person."""
        found: dict[tuple[str, str], list[Any]] = defaultdict(list)
        columns: tuple[Any, ...] = (
            recipients.c.number, recipients.c.slot, recipients.c.state, recipients.c.accepted_at,
        )  # fmt: skip
        its = recipients.c.run_id.in_(self._chain), recipients.c.occurrence == 0
        for row in of_values(
            self._session, numbers, lambda part: sa.select(*columns).where(recipients.c.number.in_(part), *its)
        ):
            found[row.number, row.slot].append(row)
        return found

    def _answered(self, numbers: Sequence[str]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = defaultdict(list)
        columns: tuple[Any, ...] = replies.c.number, replies.c.stored_at, replies.c.came_by
        its = replies.c.run_id.in_(self._family), replies.c.meaning.not_in(KEYWORDS)
        for row in of_values(
            self._session, numbers, lambda part: sa.select(*columns).where(replies.c.number.in_(part), *its)
        ):
            found[row.number].append(row)
        return found

    def _opted_out(self, numbers: Sequence[str]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = defaultdict(list)
        columns: tuple[Any, ...] = suppressions.c.number, suppressions.c.since, suppressions.c.ended_at
        for row in of_values(
            self._session, numbers, lambda part: sa.select(*columns).where(suppressions.c.number.in_(part))
        ):
            found[row.number].append(row)
        return found

    def _made(self, rows: Sequence[Any]) -> dict[int, list[datetime]]:
        """Return when the requests of each batch were made that may have been sent."""
        found: dict[int, list[datetime]] = defaultdict(list)
        ids = sorted({row.batch_id for row in rows if row.batch_id is not None})
        columns: tuple[Any, ...] = attempts.c.batch_id, attempts.c.started_at
        for batch_id, at in of_values(
            self._session,
            ids,
            lambda part: (
                sa.select(*columns)
                .where(attempts.c.batch_id.in_(part), attempts.c.outcome != NOT_SENT)
                .order_by(attempts.c.id)
            ),
        ):
            found[batch_id].append(at)
        return found


def _lag(came_by: str) -> timedelta:
    return AT_ONCE if came_by in QUICK else SLOWLY
