"""Messages: each text that was handed over has exactly one, with its number and text, and nobody else has any.

The gateway's messages are read by the time in which requests were made, which takes few reads. What that does not show
is asked for by its group, and then by its ID.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.phone_numbers.masking import mask
from campaigns.phone_numbers.pseudonyms import ERASED_TEXT, is_pseudonym
from scheduler.verify.arithmetic.spelling import patterns_of, plus, same_number, same_text
from scheduler.verify.checks import Breach, Check, Reckoning
from scheduler.verify.facts import LEFT_OUT, P, RunFacts
from scheduler.verify.gateway import GatewayReads, SeenMessage
from scheduler.verify.known import KnownMessages
from scheduler.verify.pages import ReadDatabase, of_values
from worker.store.tables import accepted_before, groups, recipients, retries, runs

LOST: Final = frozenset({"failed", "cancelled"})
"""Statuses of a message that was not sent."""


JUST_NOW: Final = timedelta(minutes=1)
"""A gateway may take so long to show a text that it has accepted."""

ACCEPTED_JUST_NOW: Final = "{} texts were accepted within the last minute, or since, and not found yet"


class MessageJudge:
    """Compares the gateway's messages with the rows of some runs of one account."""

    def __init__(
        self,
        store: ReadDatabase,
        mine: Sequence[RunFacts],
        gateway: GatewayReads,
        reckoning: Reckoning,
        *,
        now: datetime,
    ) -> None:
        self._settled = now - JUST_NOW
        self._store, self._gateway, self._reckoning = store, gateway, reckoning
        self._runs = {run.id: run for run in mine}
        self._account_id = mine[0].account_id
        self._written = [pattern for run in mine for pattern in patterns_of(run.definition)]
        with store.read() as session:
            self._known = KnownMessages(session, list(self._runs))
        self._told: set[int] = set()

    def judge(self) -> None:
        """Read by time, then by group, then by ID."""
        for start, end in self._known.windows():
            for messages in self._gateway.between(start, end):
                self._take(messages)
        for group_id, ids in self._unseen_groups():
            if group_id and any(map(self._known.is_unseen, ids)):
                self._take(self._gateway.group(group_id))
            for id_ in ids:
                if self._known.is_unseen(id_) and (message := self._gateway.message(id_)) is not None:
                    self._take([message])
        self._lost()

    def _unseen_groups(self) -> Iterator[tuple[str, list[int]]]:
        """Yield the IDs that no window showed, by the group that they were accepted in."""
        for part in self._known.unseen():
            by_group: dict[str, list[int]] = defaultdict(list)
            columns: tuple[Any, ...] = recipients.c.gateway_id, groups.c.group_id
            with self._store.read() as session:
                query = sa.select(*columns).outerjoin(groups, groups.c.id == recipients.c.message_group_id)
                for id_, group_id in session.execute(query.where(*self._mine(part))):
                    by_group[group_id or ""].append(id_)
            yield from by_group.items()

    def _mine(self, ids: Sequence[int]) -> tuple[Any, ...]:
        return recipients.c.gateway_id.in_(ids), recipients.c.run_id.in_(self._runs)

    # What is seen.

    def _take(self, messages: Sequence[SeenMessage]) -> None:
        """Compare messages with the rows that they belong to."""
        fresh: dict[int, SeenMessage] = {}
        strangers: dict[int, SeenMessage] = {}
        for message in messages:
            is_new = self._known.see(message.id)
            if is_new is None and message.id > self._known.floor and message.id not in self._told:
                strangers[message.id] = message
            elif is_new:
                fresh[message.id] = message
        with self._store.read() as session:
            self._compare(session, fresh)
            if strangers:
                self._strangers(session, strangers)

    def _compare(self, session: Session, fresh: dict[int, SeenMessage]) -> None:
        columns: tuple[Any, ...] = (
            recipients.c.id, recipients.c.run_id, recipients.c.gateway_id, recipients.c.number, recipients.c.text,
        )  # fmt: skip
        for row in of_values(session, sorted(fresh), lambda part: sa.select(*columns).where(*self._mine(part))):
            message = fresh[row.gateway_id]
            self._reckoning.examined(Check.MESSAGES)
            about = {"run": row.run_id, "row": row.id, "who": mask(row.number), "message": message.id}
            if is_pseudonym(row.number):
                self._reckoning.noted(Check.MESSAGES, "{} people were erased: their numbers were not compared")
            elif message.number and not same_number(message.number, row.number):
                self._reckoning.wrong(Breach.OTHER_NUMBER, **about, to=mask(message.number))
            if row.text == ERASED_TEXT:
                self._reckoning.noted(Check.MESSAGES, "{} texts were erased, and not compared")
            elif message.text and not same_text(message.text, row.text):
                self._reckoning.wrong(Breach.OTHER_TEXT, **about)

    def _strangers(self, session: Session, found: dict[int, SeenMessage]) -> None:
        """Find whose messages these are that none of the runs knows."""
        self._others(session, found)
        if not found:
            return
        theirs: dict[str, list[Any]] = defaultdict(list)
        columns: tuple[Any, ...] = (
            recipients.c.id, recipients.c.run_id, recipients.c.number, recipients.c.text, recipients.c.state,
            recipients.c.gateway_id,
        )  # fmt: skip
        numbers = sorted({plus(message.number) for message in found.values()})
        in_runs = recipients.c.run_id.in_(self._runs)
        for row in of_values(
            session, numbers, lambda part: sa.select(*columns).where(recipients.c.number.in_(part), in_runs)
        ):
            theirs[row.number].append(row)
        names = sorted({message.group_id for message in found.values() if message.group_id})
        ours = {
            name
            for (name,) in of_values(
                session,
                names,
                lambda part: sa.select(groups.c.group_id).where(
                    groups.c.run_id.in_(self._runs), groups.c.group_id.in_(part)
                ),
            )
        }
        for message in found.values():
            self._stranger(message, theirs[plus(message.number)], is_ours=message.group_id in ours)

    def _others(self, session: Session, found: dict[int, SeenMessage]) -> None:
        """Take out messages of other campaigns and of earlier times, and those that failed and were sent again."""
        of_account = runs.c.id == recipients.c.run_id, runs.c.account_id == self._account_id
        queries = (
            lambda part: sa.select(recipients.c.gateway_id).where(recipients.c.gateway_id.in_(part), *of_account),
            lambda part: sa.select(accepted_before.c.gateway_id).where(
                accepted_before.c.account_id == self._account_id, accepted_before.c.gateway_id.in_(part)
            ),
        )
        for query in queries:
            for (id_,) in of_values(session, sorted(found), query):
                found.pop(id_, None)
        columns: tuple[Any, ...] = retries.c.gateway_id, retries.c.run_id, recipients.c.id, recipients.c.number
        columns += (recipients.c.state, recipients.c.gateway_id.label("now"))
        for row in of_values(
            session,
            sorted(found),
            lambda part: (
                sa.select(*columns)
                .join(recipients, recipients.c.id == retries.c.recipient_id)
                .where(retries.c.gateway_id.in_(part))
            ),
        ):
            message = found.pop(row.gateway_id, None)
            if message is not None and row.run_id in self._runs and message.status not in LOST and row.now:
                self._tell(message, Breach.SECOND_MESSAGE, row.run_id, row.id, row.number)

    def _stranger(self, message: SeenMessage, rows: Sequence[Any], *, is_ours: bool) -> None:
        alike = [row for row in rows if row.text and row.text != ERASED_TEXT and same_text(message.text, row.text)]
        if any(row.state in UNDER_WAY for row in alike):
            return  # its reply may not be stored yet: who is in doubt is looked up by the service
        left_out = [row for row in rows if row.state in LEFT_OUT]
        is_written = any(pattern.match(message.text) for pattern in self._written)
        if (doubled := [row for row in alike if row.gateway_id is not None]) or (is_ours and alike):
            row = (doubled or alike)[0]
            breach = Breach.SECOND_MESSAGE if doubled else Breach.UNACCOUNTED
            breach = Breach.LEFT_OUT_HAS_MESSAGE if row.state in LEFT_OUT else breach
            self._tell(message, breach, row.run_id, row.id, row.number, state=row.state.value)
        elif left_out and (is_ours or is_written or any(row in alike for row in left_out)):
            row = left_out[0]
            self._tell(message, Breach.LEFT_OUT_HAS_MESSAGE, row.run_id, row.id, row.number, state=row.state.value)
        elif is_ours or alike:
            row = alike[0] if alike else None
            self._tell(message, Breach.UNACCOUNTED, row and row.run_id, row and row.id, message.number)
        else:
            self._reckoning.noted(Check.MESSAGES, "{} messages of that time belong to nobody here, and were left alone")

    def _tell(
        self, message: SeenMessage, breach: Breach, run_id: int | None, row_id: int | None, number: str, **more: Any
    ) -> None:
        self._told.add(message.id)
        detail = {"message": message.id, **more}
        self._reckoning.wrong(breach, run=run_id, row=row_id, who=mask(plus(number)), **detail)

    def _lost(self) -> None:
        """Name those whose message the gateway does not have."""
        columns: tuple[Any, ...] = (
            recipients.c.id, recipients.c.run_id, recipients.c.number, recipients.c.state, recipients.c.gateway_id,
            recipients.c.accepted_at,
        )  # fmt: skip
        with self._store.read() as session:
            query = sa.select(*columns)
            for row in (
                row for part in self._known.unseen() for row in session.execute(query.where(*self._mine(part)))
            ):
                if row.accepted_at is not None and row.accepted_at > self._settled:
                    self._reckoning.noted(Check.LOSSES, ACCEPTED_JUST_NOW)
                    continue
                self._reckoning.wrong(
                    Breach.MISSING,
                    run=row.run_id, row=row.id, who=mask(row.number), state=row.state.value, message=row.gateway_id,
                )  # fmt: skip


UNDER_WAY: Final = frozenset({P.IN_DOUBT})
