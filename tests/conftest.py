"""The real servers, started when the first test of a process asks for them."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings
from xdist.remote import Producer

from tests.dealing import Dealing, longest_first, one_proof_of_each
from tests.memory import folder_in_memory
from tests.prove.record.version import version
from tests.support.clocks import FakeClock
from tests.support.servers import CLUSTER, PostgresDatabases, PostgresServer, RedisServer, StandbyServer
from tests.support.shared_postgres import SharedPostgres
from tests.support.shared_postgres import shared_postgres as share_postgres

# No example has a deadline: how long one takes depends on how busy the machine is, and says nothing about the code.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_configure() -> None:
    """Put the tests' files into memory, and let Ctrl-C reach the commands that tests start. `--basetemp` takes
    precedence.

    The garbage collector rests until the tests are collected: of 8 s in each process it took one.

    If a shell started all of this in the background, Ctrl-C is ignored, and so it would be in every process below: a
    test that interrupts one would wait for ever.
    """
    if memory := folder_in_memory():
        os.environ["PYTEST_DEBUG_TEMPROOT"] = memory
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()


@pytest.fixture(autouse=True)
def _logs_as_at_first() -> Iterator[None]:
    """Reset the log level, which a command that a test ran in this process has set."""
    yield
    structlog.reset_defaults()


def pytest_addoption(parser: pytest.Parser) -> None:
    what = "of the cases marked `proof` only one of each test, another one for each version of the product"
    parser.addoption("--one-proof-of-each", action="store_true", help=what)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("one_proof_of_each"):
        kept = one_proof_of_each(items, version()[0])
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept
    items[:] = longest_first(items)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # what stays for the whole run is not looked through again
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Dealing:
    return Dealing(config, log)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all processes of a run."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session", autouse=True)
def _clusters_are_copied(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have each PostgreSQL server begin with a copy of the first one's cluster."""
    os.environ[CLUSTER] = str(_shared_folder(tmp_path_factory) / "cluster")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server for each test process. A test may stop and start it: the next test finds it running and empty."""
    server = RedisServer()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    redis_server.start()
    redis_server.flush()
    return redis_server.url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One cluster for each test process. A test may stop, flood and reconfigure it: the next test finds it running."""
    server = PostgresServer()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def standby_server() -> Iterator[StandbyServer]:
    """A replica, with a primary of its own. A test leaves it following its primary."""
    primary = PostgresServer()
    primary.start()
    standby = StandbyServer(primary)
    try:
        standby.start()
        yield standby
    finally:
        standby.close()
        primary.close()


@pytest.fixture(scope="session")
def shared_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedPostgres]:
    """The cluster that all test processes share for their databases."""
    with share_postgres(_shared_folder(tmp_path_factory)) as cluster:
        yield cluster


@pytest.fixture
def empty_postgres_url(shared_postgres: SharedPostgres) -> Iterator[str]:
    """The URL of a fresh, empty database that only this test has."""
    yield from _url_of(shared_postgres, shared_postgres.create_database())


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a fresh database with the schema that only this test has.

    If the test also asks for `postgres_server`, it is an empty database of that server.
    """
    if "postgres_server" in request.fixturenames:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        server.start()
        yield from _url_of(server, server.create_database())
        return
    shared: SharedPostgres = request.getfixturevalue("shared_postgres")
    yield from _url_of(shared, shared.create_migrated())


def _url_of(cluster: PostgresDatabases, name: str) -> Iterator[str]:
    try:
        yield cluster.url(name)
    finally:
        if isinstance(cluster, PostgresServer):
            cluster.start()
        cluster.drop_database(name)
