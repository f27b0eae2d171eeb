"""A campaign that has begun, and short helpers for how its requests end."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from pydantic import SecretStr
from sqlmodel import col, select

from campaigns.lifecycle import RecipientState
from campaigns.protocol.decisions import UNPROVEN
from scheduler.intake.taking import read_file, take_up
from tests.support.clocks import FakeClock
from worker.building import build_runtime
from worker.settings.settings import load_settings
from worker.store.models import Batch, MessageGroup, Recipient, Run
from worker.store.runs import due_runs, run_ends
from worker.store.sending.claim import load_work
from worker.store.sending.intent import Intent, record_intent
from worker.store.sending.outcome import (
    Placed,
    close_attempt,
    hold_batch,
    hold_in_doubt,
    mark_unknown,
    record_accepted,
    release,
)

START: Final = datetime(2025, 12, 1, 9, 0, tzinfo=UTC)
"""The commands use the real clock: everything here is before it, on a Monday."""

SEND_BY: Final = timedelta(seconds=30)
NUMBERS: Final = ("+393331000001", "+393331000002", "+393331000003")
TIMED_OUT: Final = {
    "failure": "reply_lost",
    "phase": "wait",
    "bytes_written": 412,
    "problem": "The gateway gave no complete reply (ReadTimeout).",
}
"""The evidence of a request that nobody answered."""

CAMPAIGN: Final = """\
campaign: spring-sale
message: Our spring sale starts today.
throughput: {batch_size: 3}
audience:
  - recipients:
      - {number: "+39 333 100 0001"}
      - {number: "+39 333 100 0002"}
      - {number: "+39 333 100 0003"}
      - {number: "call Anna"}
"""
LISTED: Final = """\
campaign: club
message: Our spring sale starts today.
audience:
  - contact_list: 7
"""


class HeldWorld:
    """One database, its rehearsal account, and campaigns whose requests end as a test wants."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock(START)
        # Planning asks the gateway nothing: it need not be there.
        self.runtime = build_runtime(
            load_settings(), sandbox=("http://127.0.0.1:9", SecretStr("unused")), clock=self.clock
        )
        self.store = self.runtime.store
        self.run_id = self.begin(CAMPAIGN, "spring.yaml")

    def close(self) -> None:
        self.runtime.close()

    def begin(self, text: str, name: str) -> int:
        """Plan and start a campaign; return its run."""
        path = self.folder / name
        path.write_text(text)
        run_id = take_up(self.runtime, read_file(path, self.runtime.settings), source=name).run_id
        with self.store.write() as session:
            due_runs.start_due_runs(session, self.runtime.account_id, START + timedelta(days=36_500))
        return run_id

    def batches(self, run_id: int | None = None) -> list[Batch]:
        with self.store.read() as session:
            query = sa.select(Batch).filter_by(run_id=run_id or self.run_id).order_by(sa.column("id"))
            return list(session.scalars(query))

    def people(self) -> dict[str, Recipient]:
        """Everybody in the run, by number."""
        with self.store.read() as session:
            return {row.number: row for row in session.scalars(sa.select(Recipient).filter_by(run_id=self.run_id))}

    def run(self, run_id: int | None = None) -> Run:
        with self.store.read() as session:
            return session.exec(select(Run).where(Run.id == (run_id or self.run_id))).one()

    def set_run(self, **values: Any) -> None:
        """Put the run into a state that no life cycle needs to have led to."""
        self._set(Run, self.run_id, values)

    def set_person(self, number: str, **values: Any) -> None:
        """Make one row what a test needs it to be."""
        self._set(Recipient, self.people()[number].id, values)

    def polls(self) -> list[object]:
        """When each group is looked at next."""
        with self.store.read() as session:
            return list(session.scalars(sa.select(col(MessageGroup.next_poll_at))))

    def ask(self, run_id: int | None = None) -> Intent:
        """Promise a request for the run's first batch."""
        batch = self.batches(run_id)[0]
        with self.store.write() as session:
            work = load_work(session, batch.id)
            assert work is not None
            intent = record_intent(session, work, target="1", now=self.clock.now(), send_by=SEND_BY)
            assert isinstance(intent, Intent)
        return intent

    def lose(self, intent: Intent, evidence: Mapping[str, Any] = TIMED_OUT) -> None:
        """No answer arrived that proves anything."""
        now = self.clock.now()
        with self.store.write() as session:
            mark_unknown(session, intent, outcome="unknown", evidence=evidence, next_check_at=now + SEND_BY, now=now)

    def conclude(
        self, intent: Intent, held: Sequence[str], *, found: Sequence[str] = (), outcome: str = "hold"
    ) -> None:
        """The look-ups are over: `found` are at the gateway, a person decides about `held`, the others are pending."""
        ids = {a.number: a.id for a in intent.addressees}
        now = self.clock.now()
        look = {"at": now.isoformat(), "complete": True, "found": len(found), "control": False}
        evidence = {**TIMED_OUT, "looks": [look], "verdict": outcome}
        placed = [Placed(ids[n], 500 + ids[n], f"group-{intent.attempt_id}", 1, 0) for n in found]
        rest = [id_ for number, id_ in ids.items() if number not in {*held, *found}]
        with self.store.write() as session:
            close_attempt(session, intent.attempt_id, outcome=outcome, evidence=evidence, now=now)
            hold_in_doubt(session, [ids[number] for number in held], UNPROVEN)
            release(session, rest, "not found at the gateway")
            record_accepted(session, intent, placed, now=now, first_poll_at=now + SEND_BY, retry_at=now)

    def hold(self, held: Sequence[str] = NUMBERS, *, found: Sequence[str] = (), outcome: str = "hold") -> None:
        """A request whose outcome nobody can know."""
        intent = self.ask()
        self.lose(intent)
        self.conclude(intent, held, found=found, outcome=outcome)

    def hold_list(self, run_id: int) -> None:
        """The same for a request to a contact list."""
        intent = self.ask(run_id)
        self.lose(intent)
        with self.store.write() as session:
            close_attempt(session, intent.attempt_id, outcome="hold", evidence=TIMED_OUT, now=self.clock.now())
            hold_batch(session, intent.batch_id, "it is not known whether the gateway sent to the list")

    def end(self) -> None:
        """Nothing is left to send, and following is over."""
        with self.store.write() as session:
            run_ends.settle_run(session, self.run_id, self.clock.now())
            run_ends.expire_open(session, self.run_id)
            assert run_ends.finish_run(session, self.run_id, self.clock.now())

    def states(self) -> dict[str, RecipientState]:
        """The state of each of the three people."""
        people = self.people()
        return {number: people[number].state for number in NUMBERS}

    def _set(self, table: Any, id_: int, values: Mapping[str, Any]) -> None:
        with self.store.write() as session:
            session.execute(sa.update(table).where(table.id == id_).values(**values))
