"""A start that the gateway waits for, over real HTTP: replies get lost on the way, and nobody is handed over twice."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from campaigns.lifecycle import RecipientState, RunState
from tests.protocol.world.real_time import run_to_its_end
from tests.support.nursery import fork_server
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.plan import FaultPlan, FaultRule
from worker.sandbox.running.options import SandboxOptions
from worker.settings.settings import Settings

pytestmark = pytest.mark.long

AHEAD = timedelta(seconds=8)


def test_nobody_is_handed_over_twice_when_replies_get_lost(tmp_path: Path) -> None:
    # given a gateway whose first two replies are lost after it stored everything, and a start in some seconds
    lost = FaultRule((RequestKind.SEND,), 1.0, {"drop_after": 1.0}, until_request=2)
    ledger = tmp_path / "ledger.jsonl"
    options = SandboxOptions(
        ledger=ledger,
        faults=FaultPlan(seed=1, rules=(lost,)),
        pace_per_second=2_000.0,
        delivery_min_seconds=0.0,
        delivery_max_seconds=0.05,
    )
    fork_server()  # the process that the sandbox is forked from takes seconds to start, and many on a busy machine
    start = (datetime.now(UTC) + AHEAD).replace(microsecond=0)
    (tmp_path / "people.csv").write_text("number\n" + "".join(f"+39333{place:07}\n" for place in range(60)))
    file = tmp_path / "sale.yaml"
    file.write_text(
        "campaign: sale\nmessage: Ciao\naudience: {file: people.csv}\nthroughput: {batch_size: 20}\n"
        f"schedule: {{start: '{start:%Y-%m-%d %H:%M:%S}', timezone: UTC, by: gateway}}\n"
    )
    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'campaigns.db'}",
        timezone="UTC",
        device_rate=None,
        send_by_seconds=2,
        settle_seconds=3,
        first_poll_seconds=0.2,
    )
    # when
    state, books = run_to_its_end(file, settings, options, threads=2)

    # then everybody has one message, with the start in it, and it was sent after the start
    handed = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert state is RunState.COMPLETED
    assert books.by_state == {RecipientState.DELIVERED: 60}
    assert set(Counter(message["number"] for message in handed).values()) == {1}
    assert {message["schedule"] for message in handed} == {int(start.timestamp())}
    assert all(message["sent_at"] >= start.timestamp() for message in handed)
