"""Frequency caps: how many texts of a kind a person got in any period, over all campaigns."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.phone_numbers.masking import mask
from scheduler.verify.arithmetic.limits import seconds_of
from scheduler.verify.checks import Breach, Check, Reckoning
from scheduler.verify.facts import AT_THE_GATEWAY, Rules, RunFacts
from scheduler.verify.pages import of_values
from worker.store.tables import recipients, runs

MARKETING: Final = "marketing"


def cap_of(run: RunFacts, rules: Rules) -> tuple[int, float] | None:
    """Return the texts and the seconds of the cap that holds for a run: each the stricter of file and settings."""
    own = run.definition.get("frequency_cap")
    caps = [(int(own["messages"]), seconds_of(own["per"]))] if own else []
    caps += [rules.cap] if rules.cap is not None and run.kind == MARKETING else []
    return (min(count for count, _ in caps), max(seconds for _, seconds in caps)) if caps else None


class CapJudge:
    """Looks at the texts that people of a run had before theirs."""

    def __init__(self, session: Session, run: RunFacts, rules: Rules, reckoning: Reckoning) -> None:
        self._session, self._run, self._reckoning = session, run, reckoning
        self._cap = cap_of(run, rules)

    def page(self, rows: Sequence[Any]) -> None:
        """Take the next rows."""
        if self._cap is None:
            return
        limit, seconds = self._cap
        own = [row for row in rows if _is_text(row)]
        self._reckoning.examined(Check.CAPS, len(own))
        had: dict[str, list[Any]] = defaultdict(list)
        columns: tuple[Any, ...] = recipients.c.id, recipients.c.number, recipients.c.accepted_at
        mine = runs.c.account_id == self._run.account_id, runs.c.kind == self._run.kind
        for other in of_values(
            self._session,
            sorted({row.number for row in own}),
            lambda part: (
                sa.select(*columns)
                .join(runs, runs.c.id == recipients.c.run_id)
                .where(recipients.c.number.in_(part), *mine, recipients.c.state.in_(AT_THE_GATEWAY))
                .where(recipients.c.attempts > 0, recipients.c.accepted_at.is_not(None))
            ),
        ):
            had[other.number].append(other)
        for row in own:
            since = row.accepted_at - timedelta(seconds=seconds)
            texts = sum(
                since < other.accepted_at and (other.accepted_at, other.id) <= (row.accepted_at, row.id)
                for other in had[row.number]
            )
            if texts > limit:
                self._reckoning.wrong(
                    Breach.OVER_CAP,
                    run=self._run.id, row=row.id, who=mask(row.number), texts=texts, kind=self._run.kind,
                    seconds=f"{seconds:,.0f}", at=row.accepted_at, limit=limit,
                )  # fmt: skip


def _is_text(row: Any) -> bool:
    return row.state in AT_THE_GATEWAY and row.attempts > 0 and row.accepted_at is not None
