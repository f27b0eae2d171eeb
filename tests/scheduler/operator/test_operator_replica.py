"""Pages, GETs of the API and commands that report read the replica, and never show less than was written before."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import Result

from campaigns.access import Scope
from scheduler.ticks.metrics import MetricsTick
from tests.scheduler.operator.held_world import NUMBERS, HeldWorld
from tests.scheduler.web.api.api_caller import Callers
from tests.scheduler.web.caller import Door
from tests.support.scraping import counted, counting
from tests.support.servers import StandbyServer
from worker.servers.conditions import WORDS, Trouble
from worker.servers.troubles import SETTLED_SECONDS
from worker.settings.settings import load_settings

Cli = Callable[..., Result]
BEHIND = WORDS[Trouble.REPLICA_BEHIND].matter


@pytest.fixture
def world(folder: Path, standby_server: StandbyServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldWorld]:
    """The campaign of the other tests, in a PostgreSQL database with a replica."""
    standby_server.primary.start()
    standby_server.start()
    name = standby_server.primary.create_database()
    monkeypatch.setenv("CAMPAIGNS_DATABASE_URL", standby_server.primary.url(name))
    monkeypatch.setenv("CAMPAIGNS_READ_DATABASE_URL", standby_server.url(name))
    made = HeldWorld(folder)
    yield made
    made.close()
    standby_server.run("pg_wal_replay_resume")
    standby_server.primary.drop_database(name)


def await_replica(world: HeldWorld) -> None:
    store, until = world.runtime.store, time.monotonic() + 30
    assert store.replica is not None
    while True:
        with store.from_replica().read():
            if world.runtime.troubles.current() == ():
                return
        world.clock.advance(SETTLED_SECONDS)  # it stands still, and a trouble met by the first look would never end
        assert time.monotonic() < until, store.replica.trouble
        time.sleep(0.05)


def test_the_doors_read_the_replica_and_show_each_write(world: HeldWorld, standby_server: StandbyServer) -> None:
    await_replica(world)
    with Door(world.runtime) as door, httpx.Client(base_url=door.url) as desk:
        admin = Callers(world.runtime, door.url).with_scopes(Scope.ADMIN)
        desk.headers["Authorization"] = f"Bearer {admin.token}"
        # when pages and lists are asked for, then it is the replica that is asked
        begun = standby_server.last_asked()
        assert len(admin.get("/campaigns/spring-sale/recipients").json["items"]) == 4
        assert begun < (listed := standby_server.last_asked())
        for page in ("/campaigns", "/?part=now", "/campaigns/spring-sale/report?format=csv"):
            assert desk.get(page).status_code == 200
            assert listed < (listed := standby_server.last_asked()), page
        # and each shows what was done before, whether the replica has heard of it or not
        for is_paused in (False, True):
            if is_paused:
                standby_server.run("pg_wal_replay_pause")
            for action, state in (("pause", "paused"), ("resume", "running")):
                assert admin.call("POST", f"/campaigns/spring-sale/{action}").status == 200
                assert admin.get("/campaigns/spring-sale").json["state"] == state
                assert state in desk.get("/campaigns/spring-sale").text
        assert [trouble for trouble, _ in world.runtime.troubles.current()] == [Trouble.REPLICA_BEHIND]


def test_commands_that_report_read_the_replica_and_say_if_they_could_not(
    cli: Cli, world: HeldWorld, standby_server: StandbyServer
) -> None:
    await_replica(world)
    exported = cli("export", "spring-sale", "--json")
    assert (exported.exit_code, exported.stderr) == (0, "")
    shown = cli("status", "spring-sale")
    assert (shown.exit_code, shown.stderr) == (0, ""), "a replica that takes no changes is no trouble"
    examined = {each["says"] for each in json.loads(cli("doctor", "--json").stdout)["findings"]}
    assert any(says.startswith("the database's replica shows what was committed") for says in examined)
    # when the replica does not catch up
    standby_server.run("pg_wal_replay_pause")
    world.hold(NUMBERS[:2], found=NUMBERS[2:])
    # then they show what the primary has, and say so
    for command in (("export", "spring-sale"), ("status", "spring-sale"), ("why", NUMBERS[0]), ("audit",)):
        shown = cli(*command, "--json")
        assert shown.exit_code == 0, shown.stderr
        assert shown.stderr.startswith(f"warning: {BEHIND}: pages and reports are read from the primary"), command
    assert cli("export", "spring-sale", "--json").stdout.count('"held"') == 2
    examined = {each["says"] for each in json.loads(cli("doctor", "--json").stdout)["findings"]}
    assert any(says.startswith(BEHIND) for says in examined)


def test_a_replica_for_sqlite_is_refused_in_one_sentence(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMPAIGNS_READ_DATABASE_URL", "postgresql://replica/campaigns")
    sentence = "CAMPAIGNS_READ_DATABASE_URL is set, but SQLite has no replicas: remove it, or use PostgreSQL"

    refused = cli("export", "spring-sale")

    assert (refused.exit_code, refused.stderr.strip()) == (2, sentence)
    assert sentence in {each["says"] for each in json.loads(cli("doctor", "--json").stdout)["findings"]}


def test_the_address_of_the_replica_may_be_in_a_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "replica").write_text("postgresql://:secret@replica/campaigns\n")
    monkeypatch.setenv("CAMPAIGNS_READ_DATABASE_URL_FILE", str(tmp_path / "replica"))

    assert load_settings().read_database_url == "postgresql://:secret@replica/campaigns"


def test_the_lag_of_the_replica_is_served(world: HeldWorld, standby_server: StandbyServer) -> None:
    await_replica(world)
    with counting():
        MetricsTick()(world.runtime, world.runtime.clock.now())
        assert counted().total("replica_lag_seconds") == 0
        standby_server.run("pg_wal_replay_pause")
        with world.runtime.store.write() as session:
            session.connection().exec_driver_sql("UPDATE account SET failures = failures")
        MetricsTick()(world.runtime, world.runtime.clock.now())
        assert counted().total("replica_lag_seconds") > 0
