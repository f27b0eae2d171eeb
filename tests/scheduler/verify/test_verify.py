"""A reckoning finds every violation that is planted in what a finished campaign has left, and none in what was left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.verify.checks import Check
from tests.scheduler.verify.planted import PLANTED, Planted
from tests.scheduler.verify.verify_world import World, copied, live
from tests.support.clocks import FakeClock
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.migrate import migrate

Lived = tuple[Path, Settings, FakeClock]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """The campaigns, sent once for all tests."""
    folder, clock = tmp_path_factory.mktemp("lived"), FakeClock()
    store = Store(f"sqlite:///{folder / 'campaigns.db'}")
    try:
        migrate(store)
        settings = live(folder, store, clock)
    finally:
        store.close()
    return folder, settings, clock


@pytest.fixture
def world(lived: Lived, tmp_path: Path) -> Iterator[World]:
    folder, settings, clock = lived
    with copied(folder, tmp_path / "copy", settings, FakeClock(clock.now())) as made:
        yield made


@pytest.mark.parametrize("campaign", ["sale", "nudged", "lost", "later", "first"])
def test_what_was_really_sent_kept_every_promise(world: World, campaign: str) -> None:
    found = world.verify(campaign)

    assert [str(each) for result in found.checks for each in result.findings] == []
    assert {result.check for result in found.checks} == set(Check)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_planted_violation_is_found_and_named(world: World, planted: Planted) -> None:
    assert world.breaches(planted.campaign, offline=planted.offline, **planted.settings) == set()

    planted.plant(world)

    found = world.verify(planted.campaign, offline=planted.offline, **planted.settings)
    named = {each.breach for result in found.checks for each in result.findings}
    assert named == planted.breaches, [str(each) for result in found.checks for each in result.findings]
