"""Sandboxes as real processes; the tests of a module share one per profile, because a start takes half a second."""

from collections.abc import Callable, Iterator

import pytest

from tests.worker.sandbox.faults.faulty_gateway import Aftermath, FaultyGateway
from tests.worker.sandbox.php_client import PhpClient
from worker.sandbox.running.options import Profile, SandboxOptions
from worker.sandbox.running.process import PrivateSandbox

StartSandbox = Callable[[SandboxOptions], PrivateSandbox]


@pytest.fixture(scope="module", params=list(Profile))
def profile(request: pytest.FixtureRequest) -> Profile:
    chosen: Profile = request.param
    return chosen


@pytest.fixture(scope="module")
def gateway(profile: Profile) -> Iterator[PhpClient]:
    """A fast sandbox of the profile."""
    options = SandboxOptions(
        profile=profile, pace_per_second=1_000.0, delivery_min_seconds=0.0, delivery_max_seconds=0.01
    )
    with PrivateSandbox.start(options) as sandbox:
        yield PhpClient(sandbox.url, sandbox.key)


@pytest.fixture
def since(gateway: FaultyGateway) -> Iterator[Aftermath]:
    """The results of the faults that a test switches on in its module's `gateway`; it switches them off again."""
    yield Aftermath.mark(gateway)
    gateway.switch()


@pytest.fixture
def start_sandbox() -> Iterator[StartSandbox]:
    """Return a function that starts sandboxes, which end with the test."""
    started: list[PrivateSandbox] = []

    def start(options: SandboxOptions) -> PrivateSandbox:
        started.append(PrivateSandbox.start(options))
        return started[-1]

    yield start
    for sandbox in started:
        sandbox.stop()
