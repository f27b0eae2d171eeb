"""What supervisors see of a service: systemd's datagrams and a fresh file, from real processes."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest
from dramatiq.worker import WorkerThread
from pydantic import SecretStr

from campaigns.clock import SystemClock
from scheduler.actions.reading.system import read_processes
from scheduler.processes.heartbeat import Heartbeat
from tests.deploy.deploy_files import DEPLOY, ROOT, own_services, value_of
from tests.support.servers import PostgresServer
from worker.building import build_runtime
from worker.runtime import Runtime
from worker.settings.settings import Settings, SettingsError
from worker.store.engine import Store

UNIT: Final = DEPLOY / "systemd/campaigns.service"
COMMAND: Final = (sys.executable, "-c", "from scheduler.cli import main; main()")
NOWHERE: Final = "http://127.0.0.1:9"
"""A gateway that does not answer: a heartbeat does not depend on it."""


class Supervisor:
    """systemd's end of the socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(60)

    def next(self) -> str:
        """The next message. Raises TimeoutError if none comes within a minute."""
        return self._socket.recv(1024).decode()

    def heard(self) -> list[str]:
        """What has arrived and has not been read yet."""
        messages = []
        self._socket.setblocking(False)
        try:
            while True:
                messages.append(self._socket.recv(1024).decode())
        except BlockingIOError:
            self._socket.settimeout(60)
            return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    listening = Supervisor(str(tmp_path / "notify"))
    try:
        yield listening
    finally:
        listening.close()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a supervisor gives a service: settings, a socket and a file for its heartbeat."""
    (tmp_path / "inbox").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "CAMPAIGNS_HEARTBEAT_FILE": str(tmp_path / "heartbeat"),
        "CAMPAIGNS_GATEWAY_URL": NOWHERE,
        "CAMPAIGNS_API_KEY": "key-of-nobody",
        "CAMPAIGNS_INBOX": str(tmp_path / "inbox"),
        "CAMPAIGNS_TIMEZONE": "Europe/Rome",
    }


@contextmanager
def served(*arguments: str, environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A service in the background, with its log in `log`; killed unless the block has ended it."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([*COMMAND, *arguments], env=environment, cwd=folder, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def probe(environment: dict[str, str]) -> bool:
    """The health check of the compose files, on this machine."""
    [command] = {service["healthcheck"]["test"][1] for _, service in own_services() if "healthcheck" in service}
    shell = ["sh", "-c", command.replace("$$", "$")]
    return subprocess.run(shell, env=environment, capture_output=True, check=False).returncode == 0


def processes_in(url: str) -> list[tuple[str, int, bool]]:
    """Each process that says that it is there: its role, its id, and whether it runs the clock."""
    with closing(Store(url)) as store:
        return [(each.role, each.pid, each.has_clock) for each in read_processes(store, now=SystemClock().now())]


def test_a_service_says_when_it_is_ready_alive_and_stopping(
    environment: dict[str, str], supervisor: Supervisor, tmp_path: Path
) -> None:
    # given the command of the unit, with a private gateway
    _, *arguments = shlex.split(value_of(UNIT, "ExecStart"))
    assert value_of(UNIT, "Type") == "notify"
    assert not probe(environment)

    with served(*arguments, "--sandbox", environment=environment, folder=tmp_path) as service:
        ready, alive = supervisor.next(), supervisor.next()
        healthy = probe(environment)
        there = processes_in(f"sqlite:///{tmp_path / 'campaigns.db'}")

        # when
        service.send_signal(signal.SIGTERM)
        code = service.wait(60)

    # then
    assert (ready, alive) == ("READY=1\nWATCHDOG=1", "WATCHDOG=1")
    assert healthy
    [(role, pid, has_clock)] = there
    assert (role, pid, has_clock) == ("up", service.pid, True)
    assert processes_in(f"sqlite:///{tmp_path / 'campaigns.db'}") == []
    assert supervisor.heard()[-1] == "STOPPING=1"
    assert code == 0
    assert not probe(environment)


@pytest.mark.parametrize("role", ["worker", "scheduler"])
def test_a_service_without_its_database_is_silent_until_it_is_back(
    role: str,
    environment: dict[str, str],
    supervisor: Supervisor,
    tmp_path: Path,
    postgres_server: PostgresServer,
    postgres_url: str,
    redis_url: str,
) -> None:
    scaled = environment | {"CAMPAIGNS_DATABASE_URL": postgres_url, "CAMPAIGNS_REDIS_URL": redis_url}
    with served(role, "--json", environment=scaled, folder=tmp_path) as service:
        ready = supervisor.next()

        # when the database goes away, and comes back once that was noticed
        postgres_server.stop()
        wait_until(lambda: b"database_away" in (tmp_path / "log").read_bytes())
        supervisor.heard()
        postgres_server.start()
        again = supervisor.next()

        service.send_signal(signal.SIGTERM)
        code = service.wait(60)

    # then the same process continues
    assert (ready, again) == ("READY=1\nWATCHDOG=1", "WATCHDOG=1")
    assert (supervisor.heard()[-1], code) == ("STOPPING=1", 0)


def test_a_scheduler_that_stands_by_is_ready_too(
    environment: dict[str, str], supervisor: Supervisor, tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    scaled = environment | {"CAMPAIGNS_DATABASE_URL": postgres_url, "CAMPAIGNS_REDIS_URL": redis_url}
    leads = scaled | {"NOTIFY_SOCKET": ""}
    with served("scheduler", "--json", environment=leads, folder=tmp_path):
        wait_until(lambda: b"scheduler.leads" in (tmp_path / "log").read_bytes())

        with served("scheduler", "--json", environment=scaled, folder=tmp_path) as second:
            first = supervisor.next()

            def there() -> dict[int, tuple[str, bool]]:
                return {pid: (role, has_clock) for role, pid, has_clock in processes_in(postgres_url)}

            assert there()[second.pid] == ("scheduler", False)
            wait_until(lambda: len(there()) == 2)  # who leads is noted with its first beat, some seconds after it leads
            assert sorted(there().values()) == [("scheduler", False), ("scheduler", True)]

    assert first.startswith("READY=1")
    assert (tmp_path / "log").read_bytes().count(b"scheduler.leads") == 1


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    """Everything that one process has, all real, with nothing to do."""
    settings = Settings(database_url=f"sqlite:///{tmp_path}/campaigns.db", redis_url="", timezone="UTC")
    made = build_runtime(settings, sandbox=(NOWHERE, SecretStr("key-of-nobody")))
    try:
        yield made
    finally:
        made.close()


def test_a_service_that_lost_a_thread_is_silent(runtime: Runtime, supervisor: Supervisor, tmp_path: Path) -> None:
    runtime.queue.work(2)
    with Heartbeat(runtime, file=None, notify_socket=str(tmp_path / "notify")) as heartbeat:
        heartbeat.beat()
        before = supervisor.heard()

        # when one of the sending threads ends
        lost = next(thread for thread in threading.enumerate() if isinstance(thread, WorkerThread))
        lost.stop()
        lost.join()
        heartbeat.beat()

        # then
        assert before == ["READY=1\nWATCHDOG=1"]
        assert supervisor.heard() == []


def test_a_socket_may_have_a_name_in_the_abstract_namespace(runtime: Runtime) -> None:
    name = f"campaigns-{os.getpid()}"
    listening = Supervisor(f"\0{name}")
    try:
        with Heartbeat(runtime, file=None, notify_socket=f"@{name}") as heartbeat:
            heartbeat.beat()
        assert listening.heard() == ["READY=1\nWATCHDOG=1", "STOPPING=1"]
    finally:
        listening.close()


def test_a_supervisor_that_went_away_stops_nothing(runtime: Runtime, tmp_path: Path) -> None:
    with Heartbeat(runtime, file=tmp_path / "heartbeat", notify_socket=str(tmp_path / "gone")) as heartbeat:
        heartbeat.beat()

        assert (tmp_path / "heartbeat").exists()


def test_a_file_that_cannot_be_written_is_told_at_the_start(runtime: Runtime, tmp_path: Path) -> None:
    file = tmp_path / "missing" / "heartbeat"

    with (
        pytest.raises(SettingsError, match="CAMPAIGNS_HEARTBEAT_FILE"),
        Heartbeat(runtime, file=file, notify_socket=""),
    ):
        pass
