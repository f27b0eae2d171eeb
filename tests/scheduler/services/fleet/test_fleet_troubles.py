"""Servers in every kind of trouble: one sentence when it begins and one when it ends, and everybody gets one text."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import redis

from scheduler.inbox.wording import IN_TROUBLE
from tests.prove.world.product import Audience
from tests.scheduler.services.fleet.fleet_world import Fleet, fleet
from tests.support.servers import PoolerServer, PostgresServer
from worker.servers.conditions import WORDS, Trouble

RECIPIENTS: Final = 120
RATE: Final = 5

Disturbance = Callable[[Any], Any]


@contextmanager
def full(client: redis.Redis) -> Iterator[None]:
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.config_set("maxmemory", 0)


@contextmanager
def replica(client: redis.Redis) -> Iterator[None]:
    client.replicaof("127.0.0.1", 9)
    try:
        yield
    finally:
        client.replicaof("NO", "ONE")


@contextmanager
def busy(client: redis.Redis) -> Iterator[None]:
    client.config_set("busy-reply-threshold", 100)

    def loop() -> None:
        # Once, and without the default timeout of 5 s: a script that is asked for again starts anew when it is killed.
        at = client.get_connection_kwargs()
        other = redis.Connection(at["host"], at["port"], socket_timeout=None)  # type: ignore[no-untyped-call]  # redis-py
        other.send_command("EVAL", "while true do end", 0)  # type: ignore[no-untyped-call]  # redis-py
        with suppress(redis.RedisError):
            other.read_response()
        other.disconnect()  # type: ignore[no-untyped-call]  # redis-py

    script = threading.Thread(target=loop)
    script.start()
    try:
        yield
    finally:
        client.script_kill()
        script.join()


OF_REDIS: Final[Mapping[Trouble, Disturbance]] = {
    Trouble.REDIS_FULL: full,
    Trouble.REDIS_READ_ONLY: replica,
    Trouble.REDIS_BUSY: busy,
}


@contextmanager
def with_setting(admin: psycopg.Connection, setting: str) -> Iterator[None]:
    """A setting of the product's database, for connections that begin from now on; existing ones end."""
    name = setting.partition(" ")[0]
    admin.execute(f"ALTER DATABASE {database_of(admin)} SET {setting}".encode())
    end_others(admin)
    try:
        yield
    finally:
        admin.execute(f"ALTER DATABASE {database_of(admin)} RESET {name}".encode())
        end_others(admin)


@contextmanager
def crowded(admin: psycopg.Connection) -> Iterator[None]:
    """Terminate the product's connections, and let others take their places."""
    with ExitStack() as stack:
        for _ in range(2):  # what the product gets in between is taken away again
            end_others(admin)
            with suppress(psycopg.OperationalError):
                while True:
                    stack.enter_context(psycopg.connect(admin.info.dsn, autocommit=True))
        yield


def database_of(admin: psycopg.Connection) -> str:
    return admin.info.options.rpartition("=")[2]


def end_others(admin: psycopg.Connection) -> None:
    of = "FROM pg_stat_activity WHERE datname = current_setting('test.database')"
    admin.execute(f"SELECT pg_terminate_backend(pid) {of}".encode())


OF_POSTGRESQL: Final[Mapping[Trouble, Disturbance]] = {
    Trouble.DATABASE_READ_ONLY: lambda admin: with_setting(admin, "default_transaction_read_only = on"),
    Trouble.DATABASE_IDLE: lambda admin: with_setting(admin, "idle_in_transaction_session_timeout = 1"),
    Trouble.DATABASE_AWAY: crowded,
}


def events(world: Fleet, event: str) -> list[dict[str, Any]]:
    lines = [line for text in world.stage.product.said().values() for line in text.splitlines()]
    return [told for line in lines if line.startswith("{") and (told := json.loads(line)).get("event") == event]


def disturb(world: Fleet, audience: Audience, disturbances: Mapping[Trouble, Disturbance], admin: Any) -> None:
    """One trouble after the other, each until both the log and the status file have reported its beginning and end."""
    status = audience.path.with_suffix(".status.txt")
    for trouble, disturbance in disturbances.items():

        def is_told(event: str, trouble: Trouble = trouble) -> bool:
            return any(told["trouble"] == trouble for told in events(world, event))

        def is_shown(trouble: Trouble = trouble) -> bool:
            return WORDS[trouble].matter in status.read_text("utf-8")

        with disturbance(admin):
            world.await_(lambda: is_told("trouble.began"))
            if trouble is not Trouble.DATABASE_IDLE:  # most of what is done then gets through
                world.await_(is_shown)
            time.sleep(1)  # it is met many more times
        world.await_(lambda: is_told("trouble.ended"), seconds=100)  # what met it may have nothing to do any more
        world.await_(lambda: IN_TROUBLE not in status.read_text("utf-8"))


def finish(world: Fleet, audience: Audience) -> None:
    """Then everybody has one text, and each process reported a trouble once, without a traceback."""
    world.await_sent(RECIPIENTS, seconds=120)
    world.await_end(audience)
    found = world.judge(audience)
    assert (found.violations, found.stored, found.held) == ((), RECIPIENTS, 0)
    said = "".join(world.stage.product.said().values())
    assert [line[-6000:] for line in said.splitlines() if "Traceback" in line] == []
    assert len(said) < 40_000


@pytest.mark.timeout(480)
def test_a_redis_in_trouble(tmp_path: Path, postgres_url: str, redis_url: str) -> None:
    with fleet(tmp_path, postgres_url, redis_url) as world, redis.Redis.from_url(redis_url) as admin:
        world.start("scheduler")
        world.start("worker")
        audience = world.send(recipients=RECIPIENTS, rate=RATE)

        disturb(world, audience, OF_REDIS, admin)

        finish(world, audience)


@pytest.mark.timeout(480)
def test_a_postgresql_in_trouble(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str, redis_url: str
) -> None:
    database = postgres_url.rpartition("/")[2]
    admin_url = postgres_url.replace("+psycopg", "").replace(database, "postgres")
    options = f"-c test.database={database}"
    with (
        fleet(tmp_path, postgres_url, redis_url) as world,
        psycopg.connect(admin_url, autocommit=True, options=options) as admin,
    ):
        world.start("scheduler")
        world.start("worker")
        audience = world.send(recipients=RECIPIENTS, rate=RATE)

        disturb(world, audience, OF_POSTGRESQL, admin)

        finish(world, audience)


@pytest.mark.timeout(480)
@pytest.mark.parametrize("mode", ["transaction", pytest.param("session", marks=pytest.mark.proof)])
def test_a_pooler_before_postgresql(
    mode: str, tmp_path: Path, postgres_server: PostgresServer, postgres_url: str, redis_url: str
) -> None:
    with closing(PoolerServer(postgres_server, mode)) as pooler:
        pooler.start()
        with fleet(tmp_path, pooler.url(postgres_url.rpartition("/")[2]), redis_url) as world:
            world.start("scheduler")
            world.start("worker")
            world.start("worker")
            audience = world.send(recipients=RECIPIENTS, rate=100)

            finish(world, audience)
            assert events(world, "trouble.began") == []
