"""An inbox on disk with a real store behind it; texts are sent and delivered by writing what a gateway would answer."""

import csv
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from campaigns.lifecycle import RecipientState
from scheduler.rush import Rush
from scheduler.ticks.following.finish import FinishTick
from scheduler.ticks.inbox import InboxTick
from scheduler.ticks.sending.start import StartTick
from tests.support.clocks import FakeClock
from tests.support.queueing import queue_due
from worker.building import build_runtime
from worker.runtime import Runtime
from worker.settings.settings import Settings
from worker.store.following import receipts
from worker.store.following.receipts import Receipt
from worker.store.people import stored_replies
from worker.store.runs import runs
from worker.store.runs.runs import RunView
from worker.store.sending.claim import load_work
from worker.store.sending.intent import Intent, record_intent
from worker.store.sending.outcome import Placed, close_attempt, record_accepted

DATABASE = "campaigns.db"
TEXT = "campaign: {slug}\nmessage: Hi {{{{ first_name }}}}\naudience: {{file: people.csv}}\n{more}"
PEOPLE = "number,first_name\n+393331234567,Anna\n+393337654321,Ada\n12,Bob\n"
TOMORROW = "schedule: {start: 2026-12-02 09:00, timezone: Europe/Rome}\n"
"""The clock of these tests starts on Tuesday 2026-12-01 at 09:00 UTC."""


class InboxWorld:
    """What the scenarios do to the inbox, and what they see."""

    def __init__(
        self,
        folder: Path,
        *,
        rehearsal: bool = False,
        clock: FakeClock | None = None,
        inbox: Path | None = None,
        **more: Any,
    ) -> None:
        self.inbox = inbox or folder / "inbox"
        self.clock = clock or FakeClock()
        settings = Settings(
            gateway_url="http://127.0.0.1:9",  # nobody listens there, and nobody is asked
            api_key=SecretStr("key"),
            database_url=f"sqlite:///{folder / DATABASE}",
            inbox=self.inbox,
            timezone="Europe/Rome",
            **more,
        )
        sandbox = (settings.gateway_url, settings.api_key) if rehearsal else None
        self.runtime: Runtime = build_runtime(settings, sandbox=sandbox, clock=self.clock)
        self.gateway_ids = count(1)
        self.restart()

    def restart(self) -> None:
        """A new process: what the tick kept in memory is lost."""
        self.tick = InboxTick(Rush())

    def pass_time(self, seconds: float = 2.5) -> dict[str, int]:
        """Let time pass with a tick every half second; return the sums of their counts."""
        sums: dict[str, int] = {}
        for _ in range(round(seconds / 0.5)):
            self.clock.advance(0.5)
            for name, number in self.tick(self.runtime, self.clock.now()).items():
                sums[name] = sums.get(name, 0) + number
        return sums

    def write(self, name: str, text: str) -> Path:
        """Write a file into the inbox."""
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def drop(self, name: str = "spring.yaml", *, slug: str = "spring-sale", more: str = "") -> Path:
        """Write a campaign file and its people."""
        path = self.inbox / name
        self.write(str(path.with_name("people.csv").relative_to(self.inbox)), PEOPLE)
        return self.write(name, TEXT.format(slug=slug, more=more))

    def status(self, name: str = "spring") -> str:
        """What NAME.status.txt says; empty if there is none."""
        path = self.inbox / f"{name}.status.txt"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def report(self, name: str = "spring") -> list[str]:
        """The rows of NAME.report.csv, their cells separated by commas; none if there is none."""
        path = self.inbox / f"{name}.report.csv"
        return (
            [",".join(row) for row in csv.reader(path.read_text(encoding="utf-8").splitlines())]
            if path.exists()
            else []
        )

    def run(self, slug: str = "spring-sale") -> RunView | None:
        """The latest run of a campaign."""
        with self.runtime.store.read() as session:
            return runs.find_run(session, slug)

    def a_run(self, slug: str = "spring-sale") -> RunView:
        """The latest run of a campaign that has one."""
        run = self.run(slug)
        assert run is not None
        return run

    def execute(self, statement: str) -> None:
        """Change the database behind the program's back."""
        with self.runtime.store.write() as session:
            session.execute(sa.text(statement))

    def start(self) -> None:
        """Start what is due, as if replies had been read a moment ago: nobody answers here."""
        with self.runtime.store.write() as session:
            stored_replies.record_read(session, self.runtime.account_id, self.clock.now())
        StartTick()(self.runtime, self.clock.now())

    def runs(self, slug: str = "spring-sale") -> list[RunView]:
        """Every run of a campaign, oldest first."""
        with self.runtime.store.read() as session:
            return runs.campaign_runs(session, slug)

    def send(self, slug: str = "spring-sale") -> None:
        """The campaign starts, and the gateway accepts every text of it."""
        self.start()
        self.send_run(self.a_run(slug).id)

    def send_run(self, run_id: int) -> None:
        """The gateway accepts every text of a run."""
        now = self.clock.now()
        with self.runtime.store.write() as session:
            for batch_id in queue_due(session, run_id, now=now, room=100):
                work = load_work(session, batch_id)
                assert work is not None
                intent = record_intent(session, work, target="", now=now, send_by=timedelta(seconds=30))
                assert isinstance(intent, Intent)
                close_attempt(session, intent.attempt_id, outcome="accepted", evidence={}, now=now)
                placed = [Placed(a.id, next(self.gateway_ids), "g", 1, 0) for a in intent.addressees]
                record_accepted(session, intent, placed, now=now, first_poll_at=now, retry_at=now)

    def deliver(self) -> None:
        """Every text arrives, and the runs end."""
        sent = range(1, next(self.gateway_ids))
        arrived = Receipt(0, RecipientState.DELIVERED, 0, self.clock.now(), self.clock.now(), 1, 0, "")
        with self.runtime.store.write() as session:
            receipts.apply_receipts(session, self.runtime.account_id, [arrived._replace(gateway_id=n) for n in sent])
        self.finish()

    def finish(self) -> None:
        """End the runs that have nothing left."""
        FinishTick()(self.runtime, self.clock.now())

    def close(self) -> None:
        self.runtime.close()
