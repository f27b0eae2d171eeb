"""`why` names the true cause for everybody in doubt, held or capped: judged by the gateway's own ledger.

Product and gateway are real; only the product's clock belongs to the test: what takes minutes takes a second.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlmodel import col, select

from campaigns.lifecycle import BatchState, RecipientState
from scheduler.intake.taking import read_file, take_up
from scheduler.report.causes import cause
from scheduler.report.people import Chapter, tell_all
from scheduler.ticks.table import Ticks
from tests.support.clocks import FakeClock
from tests.support.nursery import Sandbox
from worker.building import build_runtime
from worker.runtime import Runtime
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.plan import FaultPlan, FaultRule
from worker.sandbox.running.options import SandboxOptions
from worker.settings.settings import Settings
from worker.store.models import Batch
from worker.store.runs import runs

P = RecipientState
UTC_ZONE: Final = ZoneInfo("UTC")
PATIENCE_SECONDS: Final = 30.0

KNOWN: Final = [f"+39333100{place:04}" for place in range(3)]
NEW: Final = "+393331009999"
IN_DOUBT: Final = [f"+39333200{place:04}" for place in range(6)]


def at_request(number: int, fault: str) -> FaultRule:
    return FaultRule((RequestKind.SEND,), 1.0, {fault: 1.0}, from_request=number, until_request=number)


GATEWAY: Final = SandboxOptions(
    pace_per_second=1_000.0,
    delivery_min_seconds=0.0,
    delivery_max_seconds=0.01,
    # Neither answers: one of them has stored the request, the other has not.
    faults=FaultPlan(rules=(at_request(3, "server_error_before"), at_request(4, "server_error_after"))),
)

Ledger = Mapping[str, list[str]]
"""The texts that the gateway has for each number."""


class Service:
    """The product with a real sandbox; time passes when a test says so."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.url = sandbox.url
        self.clock = FakeClock(datetime.now(UTC))  # the sandbox follows the real one
        settings = Settings(
            database_url=f"sqlite:///{folder / 'campaigns.db'}", timezone="UTC", device_rate=None, send_by_seconds=5,
            settle_seconds=30, first_poll_seconds=1,
        )  # fmt: skip
        self.runtime: Runtime = build_runtime(settings, sandbox=(sandbox.url, SecretStr(sandbox.key)), clock=self.clock)
        self.runtime.queue.work(1)
        self.ticks = Ticks()

    def drop(self, name: str, numbers: list[str], more: str = "") -> int:
        people = ", ".join(f"{{number: '{number}'}}" for number in numbers)
        path = self.folder / f"{name}.yaml"
        path.write_text(f"campaign: {name}\nmessage: This is {name}\naudience: [{{recipients: [{people}]}}]\n{more}")
        return take_up(self.runtime, read_file(path, self.runtime.settings), source=path.name).run_id

    def until(self, is_so: Callable[[], bool]) -> None:
        """Do everything that is due, one second after the other; a request under way takes no time."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            for tick in self.ticks.all:
                tick(self.runtime, self.clock.now())
            while self._is_sending():
                assert time.monotonic() < deadline, "a request did not end in time"
                time.sleep(0.01)
            if is_so():
                return
            assert time.monotonic() < deadline, "it did not happen in time"
            self.clock.advance(1)

    def _is_sending(self) -> bool:
        busy = col(Batch.state).in_([BatchState.QUEUED, BatchState.SENDING])
        with self.runtime.store.read() as session:
            return bool(session.scalar(sa.select(sa.func.count()).select_from(Batch).where(busy)))

    def is_over(self, run_id: int) -> bool:
        with self.runtime.store.read() as session:
            return runs.run_view(session, run_id).finished_at is not None

    def is_all_in_doubt(self) -> bool:
        with self.runtime.store.read() as session:
            states = session.exec(select(Batch.state).where(Batch.state == BatchState.UNKNOWN)).all()
        return len(states) == 2

    def chapters(self, campaign: str) -> dict[str, Chapter]:
        told = tell_all(self.runtime.store, {*KNOWN, NEW, *IN_DOUBT}, now=self.clock.now())
        found = [chapter for story in told.values() for chapter in story.chapters if chapter.row.campaign == campaign]
        return {chapter.row.number: chapter for chapter in found}

    def ledger(self) -> Ledger:
        with urlopen(f"{self.url}/sandbox/ledger", timeout=10) as reply:
            entries: list[dict[str, Any]] = [json.loads(line) for line in reply.read().splitlines()]
        found: dict[str, list[str]] = {}
        for entry in entries:
            found.setdefault(entry["number"], []).append(entry["message"])
        return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose first campaign is over: the gateway has one of its texts for everybody who is known."""
    with Sandbox.start(GATEWAY) as sandbox:
        made = Service(tmp_path_factory.mktemp("doubts"), sandbox)
        with closing(made.runtime):
            first = made.drop("first", KNOWN)
            made.until(lambda: made.is_over(first))
            yield made


def test_capped_doubtful_and_held_people_have_a_why_that_names_the_true_cause(service: Service) -> None:
    # given a campaign that may write to nobody who had a text this week
    weekly = service.drop("weekly", [*KNOWN, NEW], "frequency_cap: {messages: 1, per: 7d}\n")
    service.until(lambda: service.is_over(weekly))
    ledger = service.ledger()
    for number, chapter in service.chapters("weekly").items():
        # then the gateway has the text that the cap counts, and none of this campaign
        why = cause(chapter, UTC_ZONE)
        if ledger[number] == ["This is first"]:
            assert chapter.row.state is P.CAPPED
            assert "the frequency cap is reached: 1 text of marketing campaigns in the last 7d: first on" in why
        else:
            assert (number, ledger[number]) == (NEW, ["This is weekly"])
            assert chapter.row.state is P.DELIVERED
    assert Counter(c.row.state for c in service.chapters("weekly").values()) == {P.CAPPED: 3, P.DELIVERED: 1}

    # given two requests that nobody answered
    shaky = service.drop("shaky", IN_DOUBT, "throughput: {batch_size: 3}\nfollow: {on_unknown: hold}\n")
    service.until(service.is_all_in_doubt)
    ledger = service.ledger()
    doubtful = service.chapters("shaky")
    # then what the product says is equally true of those whom the gateway has and of the others
    assert sorted(number in ledger for number in IN_DOUBT) == [False] * 3 + [True] * 3
    for chapter in doubtful.values():
        assert chapter.row.state is P.IN_DOUBT
        why = cause(chapter, UTC_ZONE)
        assert why.startswith("it is not known whether the gateway has it; it is looked up")
        assert "not sent again before that" in why

    # when they have been looked up to the end
    service.until(lambda: service.is_over(shaky))
    # then those at the gateway were sent to, once, and the others are held with what was found
    assert service.ledger() == ledger
    for number, chapter in service.chapters("shaky").items():
        why = cause(chapter, UTC_ZONE)
        if number in ledger:
            assert ledger[number] == ["This is shaky"]
            assert (chapter.row.state, why) == (P.DELIVERED, "the phone of this number confirmed it")
        else:
            assert chapter.row.state is P.HELD
            assert why == "not found at the gateway; a person has to look and decide: campaigns held shaky"
