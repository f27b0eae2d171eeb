"""Short helpers for what the store's tests do again and again: plan a run, promise a request, record its outcome."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col, select

from campaigns.definition import Definition
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.planning.batching import BatchLimits, into_batches
from campaigns.planning.planned import PlannedRecipient
from campaigns.timing.departures import Departure
from tests.support.clocks import START
from worker.store.engine import Store
from worker.store.kept.phones import phones_unlike_rows
from worker.store.models import Account, Batch, Recipient, Run
from worker.store.money.spending import unlike_charges
from worker.store.people.run_answers import answers_unlike_rows
from worker.store.reports import counts
from worker.store.runs import plans, runs, versions
from worker.store.sending import accounts
from worker.store.sending.claim import NoIntent, load_work
from worker.store.sending.intent import Intent, record_intent
from worker.store.sending.outcome import Placed, close_attempt, record_accepted
from worker.store.tables import recipients

NOW = START
SEND_BY = timedelta(seconds=30)
SOON = NOW + SEND_BY
AT_ONCE = Departure("", NOW)
_TABLES: Final = tuple(reversed(SQLModel.metadata.sorted_tables))
_FILLED: Final[sa.CompoundSelect[str]] = sa.union_all(
    *(sa.select(sa.literal_column(f"'{table.name}'")).where(sa.exists().select_from(table)) for table in _TABLES)
)
SMALLEST: Final = {"campaign": "any", "message": "Hi", "audience": [{"recipients": [{"number": "1"}]}]}


def empty(store: Store) -> None:
    """Delete everything but the schema.

    It asks first which of the 45 tables have rows, in one statement: a test fills some ten of them.
    """
    with store.write() as session:
        while filled := set(session.scalars(_FILLED)):
            for table in _TABLES:
                if table.name in filled:
                    session.execute(table.delete())


def what_is_kept_is_what_the_rows_say(store: Store) -> None:
    """Fail if counts, phones, answers or budgets are not those of the rows."""
    with store.read() as session:
        counts_are_those_of_the_rows(session)
        assert unlike_charges(session) == {}


def counts_are_those_of_the_rows(session: Session) -> None:
    """The same without budgets, which earlier versions do not have."""
    assert counts.counts_unlike_rows(session) == {}
    assert phones_unlike_rows(session) == {}
    assert answers_unlike_rows(session) == set()


def people(
    how_many: int, *, first: int = 0, state: RecipientState = RecipientState.PENDING, segments: int = 1
) -> list[PlannedRecipient]:
    """This many rows of an audience; `first` distinguishes audiences."""
    return [
        PlannedRecipient(f"+39333{place:07}", 0, "people.csv", place + 2, state, "", f"Hi {place}", segments, AT_ONCE)
        for place in range(first, first + how_many)
    ]


class World:
    """A store with one account. The time is always `NOW` unless a test says otherwise."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._gateway_ids = count(1_000)
        with store.write() as session:
            self.account_id = accounts.ensure_account(session, "test-account")

    def run(
        self,
        rows: Iterable[PlannedRecipient],
        *,
        campaign: str = "spring-sale",
        per_request: int = 3,
        state: RunState = RunState.RUNNING,
    ) -> int:
        """A planned run, in any state."""
        with self.store.write() as session:
            run_id = new_run(session, self.account_id, campaign)
            for chunk in into_batches(rows, BatchLimits(per_request, 1_000)):
                plans.insert_chunk(session, run_id, chunk)
            plans.finish_plan(session, run_id, plan_hash="hash", summary={"audience": 1}, now=NOW)
        self.set_run(run_id, state=state)
        return run_id

    def set_run(self, run_id: int, **values: Any) -> None:
        """Put a run into a state that no life cycle needs to have led to."""
        with self.store.write() as session:
            session.execute(sa.update(Run).where(sa.column("id") == run_id).values(**values))

    def set_batches(self, run_id: int, **values: Any) -> None:
        """Put all batches of a run into a state that no life cycle needs to have led to."""
        with self.store.write() as session:
            session.execute(sa.update(Batch).where(sa.column("run_id") == run_id).values(**values))

    def run_definition(self, run_id: int) -> int:
        with self.store.read() as session:
            return runs.run_view(session, run_id).definition_id

    def batches(self, run_id: int) -> list[int]:
        """The run's batches, in order."""
        with self.store.read() as session:
            return list(session.scalars(select(Batch.id).filter_by(run_id=run_id).order_by(col(Batch.ordinal))))

    def batch(self, batch_id: int) -> Batch:
        """The batch's row as it is now."""
        with self.store.read() as session:
            return session.exec(select(Batch).where(Batch.id == batch_id)).one()

    def batch_state(self, batch_id: int) -> BatchState:
        return self.batch(batch_id).state

    def run_state(self, run_id: int) -> RunState:
        with self.store.read() as session:
            return runs.run_view(session, run_id).state

    def recipients(self, run_id: int) -> list[Recipient]:
        """The rows of the audience, in order."""
        with self.store.read() as session:
            return list(session.scalars(sa.select(Recipient).filter_by(run_id=run_id).order_by(sa.column("id"))))

    def of_recipients(self, run_id: int, value: sa.ColumnElement[str]) -> list[str]:
        """What each row of the audience refers to (`tables.GROUP_ID`, `SOURCE`), in order."""
        with self.store.read() as session:
            query = sa.select(value).select_from(recipients).where(recipients.c.run_id == run_id)
            return list(session.scalars(query.order_by(recipients.c.id)))

    def states(self, run_id: int) -> Counter[RecipientState]:
        """The run's books."""
        with self.store.read() as session:
            return Counter(counts.books(session, run_id).by_state)

    def account(self) -> Account:
        with self.store.read() as session:
            return session.exec(select(Account).where(Account.id == self.account_id)).one()

    def promise(self, batch_id: int, *, now: datetime = NOW) -> Intent | NoIntent:
        """What a worker does before a request."""
        with self.store.write() as session:
            work = load_work(session, batch_id)
            if work is None:
                return NoIntent.NOT_DUE
            intent = record_intent(session, work, target="", now=now, send_by=SEND_BY)
            if not isinstance(intent, Intent):
                session.rollback()
            return intent

    def intent(self, batch_id: int, *, now: datetime = NOW) -> Intent:
        """A promise that must succeed."""
        intent = self.promise(batch_id, now=now)
        assert isinstance(intent, Intent)
        return intent

    def placed(self, intent: Intent, how_many: int | None = None, *, group: str | None = "g") -> list[Placed]:
        """The answer of a gateway that stored the first `how_many` of a request (None: all)."""
        return [
            Placed(a.id, next(self._gateway_ids), None if group is None else f"{group}-{intent.attempt_id}", 1, 0)
            for a in intent.addressees[:how_many]
        ]

    def accept(self, intent: Intent, placed: Sequence[Placed]) -> bool:
        """What a worker does after a good reply. False: it came too late."""
        with self.store.write() as session:
            if not close_attempt(session, intent.attempt_id, outcome="accepted", evidence={}, now=NOW):
                return False
            record_accepted(session, intent, placed, now=NOW, first_poll_at=SOON, retry_at=SOON)
            return True

    def sent(self, run_id: int) -> list[Recipient]:
        """Everybody in the run, handed to the gateway."""
        for batch_id in self.batches(run_id):
            intent = self.intent(batch_id)
            self.accept(intent, self.placed(intent))
        return self.recipients(run_id)


def new_run(session: Session, account_id: int, campaign: str) -> int:
    """A run without a plan."""
    definition = Definition.model_validate(SMALLEST | {"campaign": campaign})
    version = versions.register(session, definition, rehearsal=False, source=f"{campaign}.yaml", now=NOW)
    return runs.create_run(
        session,
        campaign_id=version.campaign_id,
        account_id=account_id,
        definition_id=version.definition_id,
        starts_at=NOW,
        follow_seconds=3_600,
        kind="marketing",
        now=NOW,
    )
