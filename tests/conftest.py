"""The real servers, started when the first test of a process asks for them."""

import signal
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tests.support.clocks import FakeClock
from tests.support.servers import PostgresServer, RedisServer

# No example has a deadline: how long one takes says how busy the machine is, and nothing about the code.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_configure() -> None:
    """Let Ctrl-C reach the commands that tests start, also where a shell started all of this in the background.

    Such a shell has it ignored, and so would every process below: a test that interrupts one would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logs_as_at_first() -> Iterator[None]:
    """A command that a test ran in this process has set the level of the logs: the next test starts without it."""
    yield
    structlog.reset_defaults()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tests of a module that share something stay in one process: six of them would each make it, for a test or two."""
    if isinstance(item, pytest.Function):
        shared = (definitions[-1] for definitions in item._fixtureinfo.name2fixturedefs.values())
        if any(definition.scope == "module" for definition in shared):
            item.add_marker(pytest.mark.xdist_group(item.path.name))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server for each test process. A test may stop and start it: the next one finds it running and empty."""
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
    """One cluster for each test process. A test may stop and start it: the next one finds it running."""
    server = PostgresServer()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh, empty database that only this test has."""
    postgres_server.start()
    name = postgres_server.create_database()
    try:
        yield postgres_server.url(name)
    finally:
        postgres_server.start()
        postgres_server.drop_database(name)
