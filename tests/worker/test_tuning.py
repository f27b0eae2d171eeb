"""Limits in force: settings, `.env`, what a person set, what phones reported."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from campaigns.definition import Rate
from campaigns.sending.slowing import SLOW_FOR
from tests.support.clocks import FakeClock
from worker.limits.limits_in_force import Ceilings
from worker.limits.live_limits import LOOK_SECONDS, live_ceilings
from worker.settings.settings import load_settings
from worker.store.engine import Store
from worker.store.migrate import migrate
from worker.store.sending import account_limits, accounts
from worker.store.sending.account_limits import PERSON, RECEIPTS

MINUTE = timedelta(minutes=1)


class World:
    """A database with an account, and a working folder with a `.env`."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.clock = clock
        self.env = folder / ".env"
        self.store = Store(f"sqlite:///{folder / 'campaigns.db'}")
        migrate(self.store)
        with self.store.write() as session:
            self.account_id = accounts.ensure_account(session, "a")
        self._written = 0

    def write(self, text: str) -> None:
        """An edit of `.env` that is distinguishable from the one before it."""
        self.env.write_text(text, encoding="utf-8")
        self._written += 1
        os.utime(self.env, ns=(self._written, self._written))

    def set(self, scope: str, source: str = PERSON, **values: object) -> None:
        with self.store.write() as session:
            account_limits.set_ceiling(session, self.account_id, scope, source, now=self.clock.now(), **values)


@pytest.fixture
def world(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in os.environ:
        if name.startswith("CAMPAIGNS_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    made = World(tmp_path, clock)
    yield made
    made.store.close()


def test_what_a_person_sets_replaces_the_settings_until_it_is_cleared(world: World) -> None:
    live = live_ceilings(world.store, world.account_id, load_settings(rate="100/minute", daily="900"), world.clock)
    before = live.current()

    world.set("account", rate="7/minute")
    world.set("account", daily=50)
    world.set("device:2|0", rate="none")
    world.set("campaign:sale", rate="1/second", daily=account_limits.NO_DAILY, weight=4)
    world.clock.advance(LOOK_SECONDS)

    assert live.current() == Ceilings(
        account_rate=Rate(7, MINUTE),
        account_daily=50,
        device_rate=Rate(30, MINUTE),
        device_rates={"2|0": None},
        campaign_rates={"sale": Rate(1, timedelta(seconds=1))},
        campaign_daily={"sale": None},
        weights={"sale": 4},
    )
    with world.store.write() as session:
        assert all(
            account_limits.clear_ceiling(session, world.account_id, scope)
            for scope in ("account", "device:2|0", "campaign:sale")
        )
        assert not account_limits.clear_ceiling(session, world.account_id, "account")
    world.clock.advance(LOOK_SECONDS)
    assert live.current() == before


def test_the_database_is_asked_twice_a_second_at_most(world: World) -> None:
    live = live_ceilings(world.store, world.account_id, load_settings(), world.clock)
    world.set("account", rate="7/minute")

    assert live.current().account_rate is None
    world.clock.advance(LOOK_SECONDS)
    assert live.current().account_rate == Rate(7, MINUTE)


def test_a_slowed_phone_has_the_lower_of_two_rates_until_it_recovers(world: World) -> None:
    live = live_ceilings(world.store, world.account_id, load_settings(), world.clock)
    now = world.clock.now()
    world.set("device:1", RECEIPTS, rate="7/minute", until=now + 2 * SLOW_FOR, reason="r")
    world.set("device:2", RECEIPTS, rate="15/minute", until=now + SLOW_FOR, reason="r")
    world.set("device:2", rate="2/minute")

    def rates() -> dict[str, Rate | None]:
        world.clock.advance(LOOK_SECONDS)
        return dict(live.current().device_rates)

    assert rates() == {"1": Rate(7, MINUTE), "2": Rate(2, MINUTE)}
    world.clock.advance(SLOW_FOR)
    assert rates() == {"1": Rate(14, MINUTE), "2": Rate(2, MINUTE)}
    world.clock.advance(SLOW_FOR)
    assert rates() == {"2": Rate(2, MINUTE)}


def test_an_edited_env_file_counts_and_a_bad_value_changes_nothing(world: World) -> None:
    world.write("CAMPAIGNS_RATE=10/minute\nCAMPAIGNS_DEVICE_RATE=5/minute\n")
    live = live_ceilings(world.store, world.account_id, load_settings(), world.clock)

    def after(text: str) -> tuple[Rate | None, Rate | None]:
        world.write(text)
        world.clock.advance(LOOK_SECONDS)
        return live.current().account_rate, live.current().device_rate

    assert after("CAMPAIGNS_RATE=20/minute\n") == (Rate(20, MINUTE), Rate(30, MINUTE))
    assert after("CAMPAIGNS_RATE=fast\n") == (Rate(20, MINUTE), Rate(30, MINUTE))
    assert after("CAMPAIGNS_DEVICE_RATE=none\n") == (None, None)


def test_what_the_environment_and_the_program_set_wins_over_the_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a rate in the environment, and a rehearsal without a device rate
    monkeypatch.setenv("CAMPAIGNS_RATE", "10/minute")
    settings = load_settings(device_rate=None)
    live = live_ceilings(world.store, world.account_id, settings, world.clock)

    world.write("CAMPAIGNS_RATE=20/minute\nCAMPAIGNS_DEVICE_RATE=5/minute\nCAMPAIGNS_DAILY=9\n")
    world.clock.advance(LOOK_SECONDS)

    current = live.current()
    assert (current.account_rate, current.device_rate, current.account_daily) == (Rate(10, MINUTE), None, 9)
