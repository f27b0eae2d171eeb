"""Doubles that the rows show by themselves: one message in two rows, and texts that were sent again without need."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.phone_numbers.masking import mask
from scheduler.verify.checks import Breach, Reckoning
from scheduler.verify.facts import AT_THE_GATEWAY, RunFacts
from scheduler.verify.pages import of_values
from worker.store.tables import recipients, runs


class DoubleJudge:
    """Looks at rows that have a message. `moved_at`: when the gateway was last set up anew, and its IDs began again."""

    def __init__(self, session: Session, run: RunFacts, moved_at: datetime | None, reckoning: Reckoning) -> None:
        self._session, self._run, self._moved_at, self._reckoning = session, run, moved_at, reckoning

    def page(self, rows: Sequence[Any]) -> None:
        """Take the next rows."""
        sent = [row for row in rows if row.gateway_id is not None]
        self._shared(sent)
        if self._run.parent_id is not None:
            self._resent(sent)

    def _shared(self, sent: Sequence[Any]) -> None:
        others: dict[int, list[Any]] = defaultdict(list)
        columns: tuple[Any, ...] = recipients.c.id, recipients.c.gateway_id, recipients.c.accepted_at
        query = sa.select(*columns).join(runs, runs.c.id == recipients.c.run_id)
        mine = runs.c.account_id == self._run.account_id
        for other in of_values(
            self._session,
            sorted({row.gateway_id for row in sent}),
            lambda part: query.where(recipients.c.gateway_id.in_(part), mine),
        ):
            others[other.gateway_id].append(other)
        for row in sent:
            for other in others[row.gateway_id]:
                if other.id != row.id and self._is_of_one_gateway(row, other):
                    self._reckoning.wrong(
                        Breach.SHARED_MESSAGE,
                        run=self._run.id, row=row.id, who=mask(row.number), message=row.gateway_id, other=other.id,
                    )  # fmt: skip
                    break

    def _is_of_one_gateway(self, row: Any, other: Any) -> bool:
        if self._moved_at is None or row.accepted_at is None or other.accepted_at is None:
            return True
        return (row.accepted_at > self._moved_at) is (other.accepted_at > self._moved_at)

    def _resent(self, sent: Sequence[Any]) -> None:
        """A text is sent again only to whom no text of an earlier run of the chain was sent."""
        earlier: dict[tuple[str, str], Any] = {}
        columns: tuple[Any, ...] = recipients.c.number, recipients.c.slot, recipients.c.gateway_id
        chain = sa.or_(runs.c.id == self._run.parent_id, runs.c.parent_id == self._run.parent_id)
        its = recipients.c.state.in_(AT_THE_GATEWAY), recipients.c.run_id < self._run.id, chain
        query = sa.select(*columns).join(runs, runs.c.id == recipients.c.run_id).where(*its)
        for other in of_values(
            self._session,
            sorted({row.number for row in sent}),
            lambda part: query.where(recipients.c.number.in_(part)),
        ):
            earlier[other.number, other.slot] = other
        for row in sent:
            before = earlier.get((row.number, row.slot))
            if before is not None:
                self._reckoning.wrong(
                    Breach.RESENT_THOUGH_SENT,
                    run=self._run.id, row=row.id, who=mask(row.number), message=row.gateway_id,
                    earlier=before.gateway_id,
                )  # fmt: skip
