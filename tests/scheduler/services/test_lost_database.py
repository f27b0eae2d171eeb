"""A database that is lost or replaced, while texts are sent or in between: nobody gets a text twice."""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.prove.world.product import summary_of, write_campaign
from tests.prove.world.stage import Stage, kill, wait_until
from tests.support.servers import PostgresServer
from worker.servers.conditions import Trouble
from worker.store.engine import Store
from worker.store.migrate import migrate

PEOPLE = 120
SENT = 40
"""At least this many texts are at the gateway when the database is lost."""

SECONDS = 90.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path / "stage") as stage:
        write_campaign(stage.inbox, "spring", recipients=PEOPLE, batch_size=4, more="  rate: 25/second\n")
        yield stage


def texts(stage: Stage) -> Counter[str]:
    """The number of texts for each number, by the gateway's own ledger."""
    lines = stage.ledger.read_bytes().split(b"\n")[:-1]
    return Counter(json.loads(line)["number"] for line in lines)


def everything_lost(stage: Stage) -> None:
    """Lose all but the mark, as with a volume that is no longer mounted."""
    for name in ("", "-wal", "-shm"):
        stage.database.with_name(stage.database.name + name).unlink(missing_ok=True)


def wal_lost(stage: Stage) -> None:
    for name in ("-wal", "-shm"):
        stage.database.with_name(stage.database.name + name).unlink()


@pytest.mark.parametrize("lose", [everything_lost, pytest.param(wal_lost, marks=pytest.mark.proof)])
def test_what_a_lost_database_sent_is_not_sent_again_once_it_was_recovered(
    stage: Stage, lose: Callable[[Stage], None]
) -> None:
    # given a service that is killed, and loses its database
    service = stage.start("up")
    assert wait_until(lambda: stage.stored() >= SENT, SECONDS)
    kill(service)
    before = stage.stored()
    lose(stage)

    # when nobody has recovered it, nothing is sent
    service = stage.start("up")
    assert wait_until(lambda: waits_for_a_person(stage), SECONDS), status(stage)
    kill(service)
    assert stage.stored() == before

    # and when somebody has, everybody gets one text
    recovered = stage.product.run("recover")
    assert f"It has {before:,} messages that the database did not know" in recovered.stdout
    stage.start("up")
    assert wait_until(lambda: len(texts(stage)) == PEOPLE and "completed" in status(stage), SECONDS), status(stage)
    assert set(texts(stage).values()) == {1}
    summary = summary_of(stage.product.run("status", "spring", "--json").stdout) or {}
    assert summary["recipients"] == {"delivered": PEOPLE, "invalid": 1, "duplicate": 1, "audience": PEOPLE + 2}


@pytest.mark.parametrize("is_deliberate", [False, pytest.param(True, marks=pytest.mark.proof)])
def test_where_everything_is_lost_but_the_inbox_its_campaigns_wait_for_a_person(
    stage: Stage, is_deliberate: bool
) -> None:
    # given a container without its volume: neither database nor mark, only the folder that is mounted
    service = stage.start("up")
    assert wait_until(lambda: stage.stored() >= SENT, SECONDS)
    kill(service)
    before = stage.stored()
    everything_lost(stage)
    stage.database.with_name(f"{stage.database.name}.marker").unlink()

    # when a new installation finds what the other one wrote
    service = stage.start("up")
    assert wait_until(lambda: "was written by another installation" in status(stage), SECONDS), status(stage)
    write_campaign(stage.inbox, "another", recipients=5, first=PEOPLE)
    assert wait_until(lambda: len(texts(stage)) == before + 5, SECONDS)
    assert stage.stored() == before + 5, "only what is new is sent"
    kill(service)
    assert "inbox.of_another_installation" in stage.errors_of_last()

    # then a person says what should become of it
    if is_deliberate:
        (stage.inbox / "spring.status.txt").unlink()
    else:
        assert stage.product.run("recover").code == 0
    stage.start("up")
    assert wait_until(lambda: len(texts(stage)) == PEOPLE + 5 and "completed" in status(stage), SECONDS), status(stage)
    assert sum(texts(stage).values()) == PEOPLE + 5 + (before if is_deliberate else 0)


@pytest.mark.parametrize("is_deliberate", [pytest.param(False, marks=pytest.mark.proof), True])
def test_run_and_plan_meet_the_status_of_another_installation_as_the_inbox_does(
    stage: Stage, is_deliberate: bool
) -> None:
    # given a campaign that everybody has, and nothing left except the inbox
    path = write_campaign(stage.inbox, "small", recipients=5).path
    (stage.inbox / "spring.yaml").unlink()
    service = stage.start("up")
    written = stage.inbox / "small.status.txt"
    assert wait_until(lambda: written.exists() and "completed" in written.read_text(), SECONDS)
    kill(service)
    everything_lost(stage)
    stage.database.with_name(f"{stage.database.name}.marker").unlink()
    said = (
        "small.yaml waits and is not sent: small.status.txt was written by another installation, so small "
        "may have been sent already, and this database does not know to whom. To find out from the gateway who got it, "
        "stop the service and run: campaigns recover. To send to everybody anyway, remove small.status.txt."
    )

    # when somebody sends it by hand, even next to a file that nobody sent
    another = write_campaign(stage.inbox, "another", recipients=5, first=PEOPLE).path
    planned = [json.loads(stage.product.run("plan", str(path), "--json").stdout)["warnings"]]
    ended = stage.product.run("run", str(another), str(path))
    planned.append(json.loads(stage.product.run("plan", str(path), "--json").stdout)["warnings"])

    # then nothing is sent, and a person says what should become of it
    assert (ended.code, stage.stored()) == (2, 5)
    assert said in ended.stderr
    assert [warnings[0] for warnings in planned] == [said, said], "without a database, and with one"
    assert said not in json.loads(stage.product.run("plan", str(path), "--sandbox", "--json").stdout)["warnings"]
    if is_deliberate:
        written.unlink()
    else:
        assert stage.product.run("recover").code == 0
    ended = stage.product.run("run", str(another), str(path))
    assert said not in ended.stderr
    assert sorted(texts(stage).values()) == [1] * 5 + [1 + is_deliberate] * 5


@pytest.mark.parametrize(
    ("command", "point"),
    [
        ("recover", "recover:committed:1"),
        pytest.param("recover", "recover_end:before_commit:1", marks=pytest.mark.proof),
        pytest.param("recover", "recover_end:committed:1", marks=pytest.mark.proof),
        ("run", "accepted_before:before_commit:1"),
        pytest.param("run", "accepted_before:committed:1", marks=pytest.mark.proof),
    ],
)
def test_a_recovery_that_is_killed_at_any_commit_doubles_nobody(stage: Stage, command: str, point: str) -> None:
    # given a database that was lost
    campaign = str(stage.inbox / "spring.yaml")
    running = stage.start("run", campaign)
    assert wait_until(lambda: stage.stored() >= SENT, SECONDS)
    kill(running)
    everything_lost(stage)
    commands = {"recover": ("recover",), "run": ("run", campaign, "--json")}
    # when recovery, or the first sending after it, is killed, and started again
    for name, arguments in commands.items():
        if name == command:
            assert stage.product.run(*arguments, victim=("--crash", point)).code < 0
        assert stage.product.run(*arguments).code == 0
    # then
    assert set(texts(stage).values()) == {1}
    assert len(texts(stage)) == PEOPLE


def deleted(stage: Stage) -> None:
    stage.database.unlink()


def replaced_by_an_empty_one(stage: Stage) -> None:
    fresh = stage.folder / "fresh.db"
    migrate_there(fresh)
    fresh.replace(stage.database)


def written_over_by_a_backup(stage: Stage) -> None:
    """`cp`, which keeps the file and changes its contents."""
    backup = stage.folder / "backup.db"
    with closing(sqlite3.connect(stage.database)) as connection:
        connection.execute(f"VACUUM INTO '{backup}'")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    time.sleep(0.5)  # a service that has seen the file's current size
    stage.database.write_bytes(backup.read_bytes())


def log_deleted(stage: Stage) -> None:
    stage.database.with_name(f"{stage.database.name}-wal").unlink()


def migrate_there(path: Path) -> None:
    with closing(Store(f"sqlite:///{path}")) as store:
        migrate(store)


@pytest.mark.parametrize(
    "lose",
    [
        pytest.param(deleted, marks=pytest.mark.proof),  # in short: `everything_lost`, `moved_away`
        replaced_by_an_empty_one,
        written_over_by_a_backup,
        log_deleted,
    ],
)
def test_a_service_whose_database_is_not_the_one_it_opened_sends_nothing_more(
    stage: Stage, lose: Callable[[Stage], None]
) -> None:
    # given a service that is sending
    service = stage.start("up")
    assert wait_until(lambda: stage.stored() >= SENT, SECONDS)

    # when its database is lost
    lose(stage)
    assert wait_until(lambda: "trouble.began" in stage.errors_of_last(), SECONDS)
    before = stage.settled()
    assert before < PEOPLE
    write_campaign(stage.inbox, "another", recipients=5, first=PEOPLE)
    time.sleep(2)

    # then it sends nothing and plans nothing, and says so once
    assert stage.stored() == before
    assert not (stage.inbox / "another.status.txt").exists()
    told = stage.errors_of_last()
    assert told.count("trouble.began") == 1, told
    assert "campaigns recover" in told
    assert "Traceback" not in told
    said = status(stage)
    assert "Nothing is sent at the moment: the database is" in said
    assert "" < figures_at(said) <= said.rpartition("Last updated: ")[2], said

    # and a service that is started again waits for a person
    kill(service)
    (stage.inbox / "another.yaml").unlink()
    if lose is written_over_by_a_backup:
        everything_lost(stage)  # it is damaged, and there is no good backup
    stage.start("up")
    assert wait_until(lambda: waits_for_a_person(stage), SECONDS), status(stage)
    assert stage.stored() == before
    kill(stage.processes[-1])
    assert stage.product.run("recover").code == 0
    stage.start("up")
    assert wait_until(lambda: len(texts(stage)) == PEOPLE and "completed" in status(stage), SECONDS), status(stage)
    assert set(texts(stage).values()) == {1}


def test_a_database_that_is_moved_away_and_back_goes_on(stage: Stage) -> None:
    stage.start("up")
    assert wait_until(lambda: stage.stored() >= SENT, SECONDS)
    away = stage.database.rename(stage.folder / "away.db")
    assert wait_until(lambda: "trouble.began" in stage.errors_of_last(), SECONDS)
    assert wait_until(lambda: "Nothing is sent at the moment" in status(stage), SECONDS)

    away.rename(stage.database)

    assert wait_until(lambda: "completed" in status(stage), SECONDS), status(stage)
    assert set(texts(stage).values()) == {1}
    assert wait_until(lambda: "trouble.ended" in stage.errors_of_last(), SECONDS)


def waits_for_a_person(stage: Stage) -> bool:
    """Return whether the campaign's status says what to do, whichever of the two guards noticed first."""
    said = status(stage)
    is_told = "the database is older than what was sent" in said or "written by another installation" in said
    return is_told and "campaigns recover" in said


def figures_at(said: str) -> str:
    """When the figures below the trouble were read: the time of writing is that of the trouble alone."""
    return said.partition("Before that, at ")[2].partition(":\n")[0]


def status(stage: Stage) -> str:
    path = stage.inbox / "spring.status.txt"
    return path.read_text(encoding="utf-8") if path.exists() else ""


@contextmanager
def closed_to_others(admin: psycopg.Connection, name: str) -> Iterator[None]:
    """No connection to the database while it is copied or renamed."""
    admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
    admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])
    yield


@pytest.mark.parametrize("is_restored", [pytest.param(False, marks=pytest.mark.proof), True], ids=["empty", "restored"])
def test_postgresql_that_comes_back_as_another_database_sends_nothing_more(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str, redis_url: str, is_restored: bool
) -> None:
    name = postgres_url.rpartition("/")[2]
    with (
        Stage(tmp_path / "stage", database_url=postgres_url, redis_url=redis_url) as stage,
        closing(psycopg.connect(postgres_server.url("postgres").replace("+psycopg", ""), autocommit=True)) as admin,
    ):
        # given a service that sends, and a backup from before most of it
        write_campaign(stage.inbox, "spring", recipients=PEOPLE, batch_size=4, more="  rate: 10/second\n")
        service = stage.start("up")
        assert wait_until(lambda: stage.stored() >= 4, SECONDS)
        with closed_to_others(admin, name):
            admin.execute(f"CREATE DATABASE {name}_backup TEMPLATE {name if is_restored else 'template0'}".encode())
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        sent = stage.stored()
        assert wait_until(lambda: stage.stored() >= sent + 12, SECONDS)

        # when another database takes its place
        with closed_to_others(admin, name):
            admin.execute(f"ALTER DATABASE {name} RENAME TO {name}_old".encode())
            admin.execute(f"ALTER DATABASE {name}_backup RENAME TO {name}".encode())

        # then nothing more is sent, and it says so
        assert wait_until(lambda: Trouble.DATABASE_LOST in stage.errors_of_last(), SECONDS), stage.errors_of_last()
        assert stage.settled(3) < PEOPLE
        assert "Traceback" not in stage.errors_of_last()

        # and after a recovery everybody has one text
        kill(service)
        assert stage.product.run("recover").code == 0
        stage.start("up")
        assert wait_until(lambda: len(texts(stage)) == PEOPLE and "completed" in status(stage), SECONDS), status(stage)
        assert set(texts(stage).values()) == {1}
