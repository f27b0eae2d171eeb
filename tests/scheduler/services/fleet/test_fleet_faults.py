"""Redis and PostgreSQL forget, stop and come back during a campaign: work waits and continues, exactly once."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.prove.world.stage import Process
from tests.prove.world.unrest import only
from tests.scheduler.services.fleet.fleet_world import fleet
from tests.support.servers import PostgresServer, RedisServer
from worker.sandbox.faults.case import FaultTimes

RECIPIENTS = 120
RATE = 20
REDIS_GONE_SECONDS = 10.0
POSTGRES_GONE_SECONDS = 3.0


@dataclass(frozen=True)
class Servers:
    redis: RedisServer
    postgres: PostgresServer


def flush(servers: Servers) -> None:
    servers.redis.flush()


def restart_redis(servers: Servers) -> None:
    servers.redis.restart()


def stop_redis_for_a_while(servers: Servers) -> None:
    servers.redis.stop()
    time.sleep(REDIS_GONE_SECONDS)
    servers.redis.start()


def restart_postgres(servers: Servers) -> None:
    servers.postgres.stop_fast()
    time.sleep(POSTGRES_GONE_SECONDS)
    servers.postgres.start()


def crash_postgres(servers: Servers) -> None:
    servers.postgres.restart()


@pytest.mark.parametrize(
    "disturb",
    [
        flush,
        pytest.param(restart_redis, marks=pytest.mark.proof),
        stop_redis_for_a_while,
        pytest.param(restart_postgres, marks=pytest.mark.proof),  # in short: with replies, below
        crash_postgres,
    ],
    ids=lambda f: f.__name__,
)
def test_the_fleet_goes_on_and_sends_to_everybody_once(
    tmp_path: Path,
    redis_server: RedisServer,
    postgres_server: PostgresServer,
    postgres_url: str,
    redis_url: str,
    disturb: Callable[[Servers], None],
) -> None:
    with fleet(tmp_path, postgres_url, redis_url) as world:
        # given a campaign that two workers send
        processes = [world.start("scheduler"), world.start("worker"), world.start("worker")]
        audience = world.send(recipients=RECIPIENTS, rate=RATE)
        world.await_sent(RECIPIENTS // 4)

        # when the server does what servers do
        disturb(Servers(redis_server, postgres_server))
        world.await_sent(RECIPIENTS, seconds=150)
        world.await_end(audience)

        # then everybody has one text, nobody waits for a person, and no process gave up
        found = world.judge(audience)
        assert (found.violations, found.stored, found.held) == ((), RECIPIENTS, 0)
        assert ended(processes) == []


def test_replies_that_come_while_the_database_is_away_are_recorded_when_it_is_back(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str, redis_url: str
) -> None:
    with fleet(tmp_path, postgres_url, redis_url) as world:
        # given requests whose replies take a second
        world.stage.put_faults(only(1.0, 1, "slow_reply", times=FaultTimes(slow_seconds=1.5)))
        processes = [world.start("scheduler"), world.start("worker"), world.start("worker")]
        audience = world.send(recipients=100, rate=RATE)
        world.await_sent(20)

        # when the database is restarted while some are under way
        postgres_server.stop_fast()
        world.await_(lambda: world.said("outcome.not_stored_yet") > 0)
        postgres_server.start()

        # then what the gateway stored is known as stored, and nobody waits for a person
        world.await_sent(100, seconds=150)
        world.await_end(audience)
        found = world.judge(audience)
        assert (found.violations, found.stored, found.held) == ((), 100, 0)
        assert ended(processes) == []


def ended(processes: list[Process]) -> list[int | None]:
    """Exit codes of the processes that are no longer running."""
    return [process.exitcode for process in processes if process.exitcode is not None]


def test_a_process_whose_redis_is_not_there_says_so_in_one_sentence(tmp_path: Path, postgres_url: str) -> None:
    with fleet(tmp_path, postgres_url, "redis://127.0.0.1:9/0") as world:
        for role in ("up", "scheduler", "worker"):
            ended = world.stage.product.run(role)
            assert ended.code == 2
            told, sentence = ended.stderr.splitlines()  # first that it waits, a second here
            assert json.loads(told)["trouble"] == "redis_away"
            assert sentence == (
                "Redis at CAMPAIGNS_REDIS_URL does not answer (ConnectionError); start it, or correct the address"
            )


def test_a_process_whose_database_is_not_there_says_so_in_one_sentence(tmp_path: Path, redis_url: str) -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:9/none"
    with fleet(tmp_path, url, redis_url) as world:
        ended = world.stage.product.run("up")
        assert ended.code == 2
        told, sentence = ended.stderr.splitlines()
        assert json.loads(told)["trouble"] == "database_away"
        assert sentence.startswith("the database postgresql+psycopg://nobody@127.0.0.1:9/none cannot be opened (")
