"""The operators' commands on PostgreSQL and Redis."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from typer.testing import Result

from campaigns.lifecycle import BatchState, RunState
from tests.scheduler.operator.held_world import NUMBERS, HeldWorld
from worker.servers.conditions import WORDS, Trouble

Cli = Callable[..., Result]


@pytest.fixture
def scaled(folder: Path, postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldWorld]:
    """The campaign of the other tests, in a PostgreSQL database."""
    monkeypatch.setenv("CAMPAIGNS_DATABASE_URL", postgres_url)
    monkeypatch.setenv("CAMPAIGNS_REDIS_URL", redis_url)
    world = HeldWorld(folder)
    yield world
    world.close()


def test_held_texts_are_shown_decided_and_told(cli: Cli, scaled: HeldWorld) -> None:
    scaled.hold(NUMBERS[:2], found=NUMBERS[2:])
    scaled.end()

    held = json.loads(cli("held", "spring-sale", "--json").stdout)
    decided = cli("resolve", "spring-sale", "--as", "not-sent")
    told = json.loads(cli("why", NUMBERS[0], "--json").stdout)

    assert held["held"] == 2
    assert decided.exit_code == 0, decided.stderr
    assert (scaled.batches()[0].state, scaled.run().state) == (BatchState.PLANNED, RunState.RUNNING)
    assert [decision["as"] for decision in told["story"][0]["decisions"]] == ["not-sent"]


def test_the_doctor_looks_at_the_servers(cli: Cli, scaled: HeldWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGNS_GATEWAY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CAMPAIGNS_API_KEY", "s3cret-key")

    result = cli("doctor", "--json")

    said = [finding["says"] for finding in json.loads(result.stdout)["findings"]]
    assert "Redis answers" in said
    assert "the throttle answers" in said
    assert any(sentence.startswith("the clock of Redis is ") for sentence in said)
    assert any(sentence.startswith("the clock of PostgreSQL is ") for sentence in said)


@pytest.mark.parametrize("trouble", [Trouble.REDIS_FULL, Trouble.REDIS_READ_ONLY, Trouble.DATABASE_READ_ONLY])
def test_status_and_doctor_say_what_is_the_matter_with_the_servers(
    trouble: Trouble, cli: Cli, scaled: HeldWorld, postgres_url: str, redis_url: str
) -> None:
    database = postgres_url.rpartition("/")[2]
    with (
        redis.Redis.from_url(redis_url) as server,
        psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin,
    ):
        try:
            match trouble:
                case Trouble.REDIS_FULL:
                    server.config_set("maxmemory", 1)
                case Trouble.REDIS_READ_ONLY:
                    server.replicaof("127.0.0.1", 9)
                case _:
                    admin.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on".encode())
            status, doctor = cli("status", "--json"), cli("doctor", "--json")
        finally:
            server.config_set("maxmemory", 0)
            server.replicaof("NO", "ONE")

    assert status.exit_code == 0
    assert status.stderr.startswith(WORDS[trouble].matter)
    assert json.loads(status.stdout)["campaign"] == "spring-sale"
    found = [each for each in json.loads(doctor.stdout)["findings"] if each["says"].startswith(WORDS[trouble].matter)]
    assert [each["standing"] for each in found] == ["problem"]
