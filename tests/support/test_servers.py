"""The servers of the tests do what the other tests rely on."""

import json
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import psycopg
import pytest
import redis

from tests.support.nursery import fork_server
from tests.support.servers import PostgresServer, RedisServer, ServerError, _find_binary
from tests.support.shared_postgres import shared_postgres


def test_redis_starts_empty_and_comes_back_on_the_same_port(redis_server: RedisServer, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url, socket_timeout=5) as client:
        # given something stored
        client.set("colour", "blue")
        # when the server is restarted
        redis_server.restart()
        # then it answers at the same URL and has forgotten everything
        client.connection_pool.disconnect()
        assert client.get("colour") is None


def test_a_stopped_redis_refuses_connections(redis_server: RedisServer, redis_url: str) -> None:
    redis_server.stop()
    assert not redis_server.is_running
    with redis.Redis.from_url(redis_url, socket_timeout=1) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_every_test_gets_an_empty_database_that_survives_a_crash(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    # given a committed row
    plain_url = postgres_url.replace("+psycopg", "")
    with psycopg.connect(plain_url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        connection.execute("CREATE TABLE shop (name text)")
        connection.execute("INSERT INTO shop VALUES ('north')")
    assert tables == (0,)
    # when the server crashes and starts again
    postgres_server.restart()
    # then the row is there
    with psycopg.connect(plain_url) as connection:
        assert connection.execute("SELECT name FROM shop").fetchone() == ("north",)


SERVE_UNTIL_KILLED = """
from tests.support.servers import PostgresServer, RedisServer
redis_server, postgres_server = RedisServer(), PostgresServer()
redis_server.start()
postgres_server.start()
print(redis_server.url, redis_server._folder, postgres_server._port, postgres_server._folder, flush=True)
input()
"""


def test_servers_end_and_leave_no_folder_when_the_tests_are_killed() -> None:
    # given a process that started both
    tests = subprocess.Popen([sys.executable, "-c", SERVE_UNTIL_KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert tests.stdout is not None
    url, redis_folder, postgres_port, postgres_folder = tests.stdout.readline().decode().split()
    # when it is killed without a chance to clean up
    tests.kill()
    tests.communicate()
    # then both are gone, with their folders
    wait_until_gone(Path(redis_folder), Path(postgres_folder))
    with redis.Redis.from_url(url, socket_timeout=1) as client, pytest.raises(redis.ConnectionError):
        client.ping()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=int(postgres_port), user="postgres", dbname="postgres")


def _share(folder: str, tells: Connection) -> None:
    with shared_postgres(Path(folder)) as shared:
        tells.send(shared.url(shared.create_migrated()))
        time.sleep(600)


def test_processes_share_a_cluster_that_ends_with_the_last_of_them_however_they_end(tmp_path: Path) -> None:
    # given two processes that share one
    hears, tells = fork_server().Pipe(duplex=False)
    sharing = [fork_server().Process(target=_share, args=(str(tmp_path), tells), daemon=True) for _ in range(2)]
    urls = []
    for process in sharing:
        process.start()
        urls.append(hears.recv().replace("+psycopg", ""))
    folder = Path(json.loads((tmp_path / "postgres.json").read_text())["folder"])
    assert len({url.rpartition("/")[0] for url in urls}) == 1

    # when the one that started it is killed, it stays for the other one
    sharing[0].kill()
    sharing[0].join()
    time.sleep(0.5)
    for url in urls:
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)

    # and when that one is killed as well, it ends
    sharing[1].kill()
    sharing[1].join()
    wait_until_gone(folder)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(urls[0])


def wait_until_gone(*folders: Path) -> None:
    deadline = time.monotonic() + 20
    while any(folder.exists() for folder in folders):
        assert time.monotonic() < deadline, "not gone"
        time.sleep(0.05)


def test_a_missing_program_says_what_to_run() -> None:
    with pytest.raises(ServerError, match="run `make setup`"):
        _find_binary("no_such_wheel", "bin/postgres")
