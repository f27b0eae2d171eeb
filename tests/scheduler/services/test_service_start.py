"""How a service begins before its servers are there, and how it ends, whatever hangs."""

import json
import select
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.prove.world.stage import Stage, ends_within, wait_until
from tests.support.servers import PostgresServer, RedisServer

PATIENT = {"start_wait_seconds": "60"}


def events(stage: Stage) -> list[str]:
    """What the process that was started last has logged so far: events, with the trouble that they are about."""
    lines = [json.loads(line) for line in stage.errors_of_last().splitlines() if line.startswith("{")]
    return [f"{line['event']} {line.get('trouble', '')}".strip() for line in lines]


def await_event(stage: Stage, event: str) -> None:
    assert wait_until(lambda: event in events(stage), 60), stage.errors_of_last()


@pytest.mark.parametrize(
    ("role", "missing", "trouble"),
    [
        ("up", "postgres", "database_away"),
        ("worker", "redis", "redis_away"),
        ("scheduler", "postgres", "database_away"),
    ],
)
def test_a_service_waits_for_a_server_that_is_not_there_yet(
    role: str,
    missing: str,
    trouble: str,
    tmp_path: Path,
    postgres_server: PostgresServer,
    redis_server: RedisServer,
    postgres_url: str,
    redis_url: str,
) -> None:
    server = {"postgres": postgres_server, "redis": redis_server}[missing]
    with Stage(tmp_path, database_url=postgres_url, redis_url=redis_url, settings=PATIENT) as stage:
        server.stop()
        stage.start(role, "--json")
        await_event(stage, f"trouble.began {trouble}")
        server.start()
        await_event(stage, "service.started")
        await_event(stage, f"trouble.ended {trouble}")
        assert events(stage).count(f"trouble.began {trouble}") == 1


def test_a_wrong_database_on_a_server_that_is_there_is_told_at_once(tmp_path: Path, postgres_url: str) -> None:
    with Stage(tmp_path, database_url=f"{postgres_url}-not", settings=PATIENT) as stage:
        ended = stage.product.run("up", timeout_seconds=20)
    assert ended.code == 2
    assert "does not exist" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


class StartingServer(socketserver.ThreadingTCPServer):
    """Refuses its first caller as PostgreSQL does while it starts, and leads all others to a server."""

    daemon_threads = True

    def __init__(self, target: tuple[str, int]) -> None:
        self.target, self.is_up = target, False
        super().__init__(("127.0.0.1", 0), Leading)


class Leading(socketserver.BaseRequestHandler):
    server: StartingServer

    def handle(self) -> None:
        if not self.server.is_up:
            self.server.is_up = True
            self.request.recv(1_024)
            self.request.sendall(b"EFATAL:  the database system is not yet accepting connections\n\0")
            return
        with socket.create_connection(self.server.target) as there, suppress(OSError):
            ends = {self.request: there, there: self.request}
            while True:
                for end in select.select([*ends], [], [])[0]:
                    if not (part := end.recv(65_536)):
                        return
                    ends[end].sendall(part)


def test_a_database_that_comes_up_between_two_looks_is_waited_for(tmp_path: Path, postgres_url: str) -> None:
    url = sa.make_url(postgres_url)
    with StartingServer((url.host or "", url.port or 0)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        through = url.set(host="127.0.0.1", port=server.server_address[1]).render_as_string(hide_password=False)
        with Stage(tmp_path, database_url=through, settings=PATIENT) as stage:
            stage.start("up", "--json")
            await_event(stage, "service.started")
        server.shutdown()
    assert server.is_up


def test_a_service_that_waits_ends_when_it_is_told_to(tmp_path: Path, redis_url: str) -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:9/none"
    with Stage(tmp_path, database_url=url, redis_url=redis_url, settings=PATIENT) as stage:
        process = stage.start("worker", "--json")
        await_event(stage, "trouble.began database_away")
        process.terminate()
        assert ends_within(process, 8)
        assert process.exitcode == 0


HANGS = """
import time
from scheduler.processes.stopping import stop_signals
with stop_signals(ends_after_seconds={after}):
    print("ready", flush=True)
    while True:
        time.sleep(1)
"""


@pytest.mark.parametrize(("after", "signals", "code"), [(0.5, 1, 0), (60, 2, 128 + signal.SIGTERM)])
def test_a_process_ends_whatever_hangs(after: float, signals: int, code: int) -> None:
    command = [sys.executable, "-c", HANGS.format(after=after)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGTERM)
            until = time.monotonic() + 10
            while process.poll() is None and time.monotonic() < until:
                time.sleep(0.5)
                if signals > 1:  # two that come before a busy machine gave the process a turn count as one
                    process.send_signal(signal.SIGTERM)
            assert process.poll() == code
        finally:
            process.kill()
