"""Stopping a fleet: `pause`, `resume` and `cancel` act on every worker within a second, SIGTERM loses no reply."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.prove.world.evidence import read_ledger
from tests.prove.world.stage import ends_within
from tests.prove.world.unrest import QUIET, only
from tests.scheduler.services.fleet.fleet_world import Fleet, fleet
from worker.sandbox.faults.case import FaultTimes

WORKERS = 3
RATE = 200
RECIPIENTS = 3_000
LATER = 50
ACTS_WITHIN_SECONDS = 1.0
STOP_SECONDS = 30.0
SLOW_REPLY_SECONDS = 4.0


def late_requests(world: Fleet, since: float, in_flight: list[dict[str, float]]) -> list[str]:
    """Requests whose texts came so late after a command had returned that they must have begun after it, in words."""
    after: dict[int, float] = {}
    for row in read_ledger(world.stage.ledger):
        if row.accepted_at > since:
            after[row.request] = row.accepted_at - since
    late = [f"request {request} {seconds:.2f} s later" for request, seconds in after.items() if seconds > 1.0]
    if len(after) > len(in_flight):
        late.append(f"{len(after)} requests came after it returned, {len(in_flight)} were in flight")
    return late


@pytest.mark.parametrize(
    "command", [("pause",), pytest.param(("cancel", "--yes"), marks=pytest.mark.proof)], ids=["pause", "cancel"]
)
def test_no_worker_begins_a_request_after_the_command(
    tmp_path: Path, postgres_url: str, redis_url: str, command: tuple[str, ...]
) -> None:
    with fleet(tmp_path, postgres_url, redis_url) as world:
        # given three workers at a high rate
        world.start("scheduler")
        for _ in range(WORKERS):
            world.start("worker")
        audience = world.send(recipients=RECIPIENTS, rate=RATE)
        world.await_sent(2 * RATE)

        # when the campaign is stopped
        ended = world.stage.product.run(*command, audience.campaign, "--json")
        returned = time.time()
        assert ended.code == 0, ended.stderr
        stopped = json.loads(ended.stdout)

        # then nothing begins after the command has returned
        time.sleep(2 * ACTS_WITHIN_SECONDS)
        assert late_requests(world, returned, stopped["in_flight"]) == []
        sent = world.stage.stored()
        assert sent < RECIPIENTS
        if command[0] == "cancel":
            world.await_end(audience)
            found = world.judge(audience)
            assert (found.violations, found.stored, found.cancelled) == ((), sent, RECIPIENTS - sent)
            return

        # and when it is resumed, it continues before a campaign that is dropped only then is through, after 2 to 3 s
        assert world.stage.product.run("resume", audience.campaign).code == 0
        dropped = world.send("dropped-later", recipients=LATER, rate=RATE)

        def came() -> list[bool]:
            return [row.number in dropped.eligible for row in read_ledger(world.stage.ledger)][sent:]

        world.await_(lambda: came().count(True) == LATER)
        assert False in came()[:LATER]
        assert world.stage.product.run("cancel", "--yes", audience.campaign).code == 0
        world.await_end(audience, dropped)
        found = world.judge(audience, dropped)
        assert (found.violations, found.held) == ((), 0)


def test_a_worker_that_is_told_to_stop_stores_the_reply_it_waits_for(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    with fleet(tmp_path, postgres_url, redis_url) as world:
        # given a worker whose gateway answers slowly
        world.stage.put_faults(only(1.0, 1, "slow_reply", times=FaultTimes(slow_seconds=SLOW_REPLY_SECONDS)))
        world.start("scheduler")
        worker = world.start("worker")
        audience = world.send(recipients=40, rate=200)
        assert worker.pid is not None

        # when it gets SIGTERM while requests are under way
        began = time.monotonic()
        os.kill(worker.pid, signal.SIGTERM)
        assert ends_within(worker, STOP_SECONDS)
        seconds = time.monotonic() - began

        # then every reply was recorded first
        assert worker.exitcode == 0
        assert seconds < STOP_SECONDS
        outcomes = world.outcomes()
        assert outcomes.keys() == {"accepted"}

        # and another one continues
        world.stage.put_faults(QUIET)
        world.start("worker")
        world.await_end(audience)
        found = world.judge(audience)
        assert (found.violations, found.stored, found.held) == ((), 40, 0)
