"""`campaigns move` as operators use it: real processes, real databases, killed at each of its commits."""

import json
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import select
from typer.testing import Result

from campaigns.codes import PausedBy
from scheduler.processes.leader import leader_lock
from tests.prove.world.product import Ended, Product, summary_of, write_campaign
from tests.support.json_lines import whole_lines
from tests.support.nursery import Sandbox
from worker.marker import FileMarker, beside
from worker.redis_marker import REDIS_KEY, RedisMarker
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.plan import FaultPlan, FaultRule
from worker.sandbox.running.options import SandboxOptions
from worker.store.engine import Store
from worker.store.errors import StoreError
from worker.store.models import Account
from worker.store.relocation.handover import require_here
from worker.throttle.redis import connect_for_throttle

Run = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]

PEOPLE = 20
KEY = "sandbox-move"
HELD = FaultRule((RequestKind.SEND,), 1.0, {"server_error_before": 1.0}, until_request=1)
"""The first request gets an error: a campaign with `on_unknown: hold` then has people who are held."""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox gateway with a ledger, whose first send fails."""
    options = SandboxOptions(
        ledger=tmp_path / "ledger.jsonl",
        faults=FaultPlan(seed=1, rules=(HELD,)),
        delivery_min_seconds=1.0,
        delivery_max_seconds=1.5,
    )
    with Sandbox.start(options) as sandbox:
        yield sandbox


def product(folder: Path, gateway: Sandbox, database_url: str, **settings: str) -> Product:
    """The product in this folder with this database."""
    return Product(
        folder,
        gateway_url=gateway.url,
        key=gateway.key,
        database_url=database_url,
        inbox=str(folder / "inbox"),
        **settings,
    )


def wait_for(path: Path, *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"waited in vain for {path.name}"
        time.sleep(0.05)


def move_when_quiet(old: Product, to: str, *options: str) -> Ended:
    """Move as soon as no request can still be written; until then it is refused."""
    while True:
        ended = old.run("move", "--to", to, *options)
        if "are under way" not in ended.stderr:
            return ended
        assert ended.code == 2


def who_sends(*urls: str) -> tuple[bool, ...]:
    """For each database, whether a process may start on it and an account lets texts through."""
    return tuple(_sends(url) for url in urls)


def _sends(url: str) -> bool:
    store = Store(url)
    try:
        if not sa.inspect(store.engine).has_table("account"):
            return False
        require_here(store)
        with store.read() as session:
            return session.exec(select(Account.id).where(Account.paused_by == PausedBy.NOBODY)).first() is not None
    except StoreError:
        return False
    finally:
        store.close()


def sent(folder: Path) -> Counter[str]:
    """How often the gateway accepted each number."""
    return Counter(line["number"] for line in whole_lines(folder / "ledger.jsonl"))


def test_campaigns_in_flight_are_finished_in_the_new_database(
    tmp_path: Path, gateway: Sandbox, empty_postgres_url: str
) -> None:
    # given: somebody held, and a campaign of the inbox with requests accepted, one without its reply, and some left
    old = product(tmp_path, gateway, f"sqlite:///{tmp_path}/campaigns.db")
    new = product(tmp_path, gateway, empty_postgres_url)
    (tmp_path / "inbox").mkdir()
    held = write_campaign(tmp_path, "held", recipients=3, first=1_000, more="follow:\n  on_unknown: hold\n")
    assert old.run("run", held.path.name).code == 3
    spring = write_campaign(tmp_path / "inbox", "spring", recipients=PEOPLE)
    assert old.run("up", victim=["--crash", "reply:before_commit:3"]).code == -signal.SIGKILL
    # when
    moved = move_when_quiet(old, empty_postgres_url, "--json")
    again = old.run("move", "--to", empty_postgres_url)
    refused = old.run("run", "inbox/spring.yaml")
    service = new.start("up")
    wait_for(tmp_path / "inbox" / "spring.report.csv")
    service.send_signal(signal.SIGTERM)
    code = service.wait(30)
    # then
    assert (moved.code, again.code, code) == (0, 0, 0), moved.stderr
    assert json.loads(moved.stdout)["rows"]["recipient"] == 5 + PEOPLE + 2
    assert "finished before" in again.stdout
    assert refused.code == 2
    assert "no longer sends anything; set CAMPAIGNS_DATABASE_URL" in refused.stderr
    assert sent(tmp_path) == dict.fromkeys(spring.eligible, 1)
    books = {name: Counter(told.state for told in new.export(name)) for name in ("spring", "held")}
    assert books["spring"] == {"delivered": PEOPLE, "duplicate": 1, "invalid": 1}
    assert books["held"] == {"held": 3, "duplicate": 1, "invalid": 1}


@pytest.fixture(scope="module")
def in_flight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A folder with a campaign that was killed in its second request and the ledger of its gateway; its port.

    The gateway's address identifies an account: another port would be another account.
    """
    folder = tmp_path_factory.mktemp("in_flight")
    with Sandbox.start(SandboxOptions(ledger=folder / "ledger.jsonl", key=KEY)) as sandbox:
        old = product(folder, sandbox, f"sqlite:///{folder}/campaigns.db")
        audience = write_campaign(folder, "spring", recipients=PEOPLE)
        assert old.run("run", audience.path.name, victim=["--crash", "reply:before_commit:2"]).code == -signal.SIGKILL
        time.sleep(2)  # no request is written after that
    return folder, int(sandbox.url.rpartition(":")[2])


@pytest.mark.parametrize(
    ("point", "target", "senders"),
    [
        ("move_leave:before_commit", "sqlite", (True, False)),
        pytest.param("move_leave:committed", "sqlite", (False, False), marks=pytest.mark.proof),
        ("move_copy:before_commit", "postgresql", (False, False)),
        pytest.param("move_copy:committed", "sqlite", (False, False), marks=pytest.mark.proof),
        pytest.param("move_go:before_commit", "sqlite", (False, False), marks=pytest.mark.proof),
        ("move_go:committed", "sqlite", (False, False)),
        ("move_open:before_commit", "postgresql", (False, False)),
        ("move_open:committed", "sqlite", (False, True)),
    ],
)
def test_killed_at_any_step_never_both_send_and_run_again_it_finishes(
    in_flight: tuple[Path, int],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    point: str,
    target: str,
    senders: tuple[bool, bool],
) -> None:
    # given
    folder = shutil.copytree(in_flight[0], tmp_path / "copy")
    here = f"sqlite:///{folder}/campaigns.db"
    there = f"sqlite:///{folder}/new.db" if target == "sqlite" else request.getfixturevalue("empty_postgres_url")
    options = SandboxOptions(ledger=folder / "ledger.jsonl", key=KEY, port=in_flight[1])
    with Sandbox.start(options) as sandbox:
        old, new = product(folder, sandbox, here), product(folder, sandbox, there)
        # when
        killed = old.run("move", "--to", there, victim=["--crash", point])
        meanwhile = who_sends(here, there)
        finished = old.run("move", "--to", there)
        after = who_sends(here, there)
        run = new.run("run", "spring.yaml", "--json")
    # then
    assert killed.code == -signal.SIGKILL
    assert meanwhile == senders
    assert (finished.code, after) == (0, (False, True)), finished.stderr
    assert (run.code, (summary_of(run.stdout) or {})["recipients"]["delivered"]) == (0, PEOPLE)
    assert Counter(sent(folder).values()) == {1: PEOPLE}


def test_given_up_the_old_database_sends_again_and_can_be_moved_anew(
    in_flight: tuple[Path, int], tmp_path: Path
) -> None:
    # given: killed between the copy and the point of no return
    folder = shutil.copytree(in_flight[0], tmp_path / "copy")
    here, there = f"sqlite:///{folder}/campaigns.db", f"sqlite:///{folder}/new.db"
    options = SandboxOptions(ledger=folder / "ledger.jsonl", key=KEY, port=in_flight[1])
    with Sandbox.start(options) as sandbox:
        old, new = product(folder, sandbox, here), product(folder, sandbox, there)
        old.run("move", "--to", there, victim=["--crash", "move_copy:committed"])
        # when
        stopped = old.run("run", "spring.yaml")
        given_up = old.run("move", "--undo")
        unopened = new.run("run", "spring.yaml")
        finished = old.run("run", "spring.yaml")
        moved = old.run("move", "--to", there, "--json")
        late = old.run("move", "--undo")
        over = new.run("run", "spring.yaml", "--json")
    # then
    assert stopped.code == 2
    assert "being moved" in stopped.stderr
    assert (given_up.code, finished.code, moved.code, over.code) == (0, 0, 0, 0)
    assert unopened.code == 2
    assert "is a copy of" in unopened.stderr
    assert late.code == 2
    assert "too late to give up" in late.stderr
    assert (summary_of(over.stdout) or {})["recipients"]["delivered"] == PEOPLE
    assert Counter(sent(folder).values()) == {1: PEOPLE}


def test_marks_fit_the_new_database_and_quarantine_a_backup_of_the_old_file(
    folder: Path, run: Run, planned: Planned, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a mark that another database left behind
    planned("spring-sale")
    mark, new_mark = FileMarker(beside(folder / "campaigns.db")), FileMarker(beside(folder / "new.db"))
    redis_mark = RedisMarker(connect_for_throttle(redis_url), REDIS_KEY)
    new_mark.reset(900)
    monkeypatch.setenv("CAMPAIGNS_REDIS_URL", redis_url)
    # when
    moved = run("move", "--to", "sqlite:///new.db")
    # then
    assert moved.exit_code == 0, moved.stderr
    assert (new_mark.read(), redis_mark.read()) == (0, 0)  # no request has been made yet
    assert mark.read() == 1  # a backup of the old file, put back in its place, is behind this


@pytest.mark.parametrize("marks", ["file", "redis"])
def test_a_restored_database_is_recovered_before_it_is_moved(
    folder: Path, run: Run, planned: Planned, redis_url: str, monkeypatch: pytest.MonkeyPatch, marks: str
) -> None:
    # given: a mark that is ahead of the database
    planned("spring-sale")
    if marks == "file":
        FileMarker(beside(folder / "campaigns.db")).reset(7)
    else:
        monkeypatch.setenv("CAMPAIGNS_REDIS_URL", redis_url)
        RedisMarker(connect_for_throttle(redis_url), REDIS_KEY).reset(7)
    # when
    refused = run("move", "--to", "sqlite:///new.db")
    # then
    assert refused.exit_code == 2
    assert "campaigns recover" in refused.stderr
    assert who_sends("sqlite:///campaigns.db") == (True,)


@pytest.mark.parametrize(
    ("arguments", "settings", "problem"),
    [
        ([], {}, "name the new database with --to URL"),
        (["--to", "sqlite:///new.db", "--undo"], {}, "name the new database with --to URL"),
        (["--undo"], {}, "there is no move from this database to give up"),
        (["--to", "nonsense"], {}, "--to is not a database address"),
        (["--to", "mysql://db/c"], {}, "--to names mysql"),
        (["--to", "sqlite:///campaigns.db"], {}, "is the database that is to be moved"),
        (["--to", "sqlite:///link.db"], {}, "is the database that is to be moved"),
        (["--to", "sqlite:///used.db"], {}, "used.db is not empty; move to a new one"),
        (["--to", "sqlite:///foreign.db"], {}, "foreign.db is in use, at schema 9999"),
        (
            ["--to", "postgresql+psycopg://me:secret@127.0.0.1:1/c?password=secret"],
            {},
            "postgresql+psycopg://me:***@127.0.0.1:1/c cannot be opened",
        ),
        (["--to", "sqlite:///new.db"], {"DATABASE_URL": "sqlite:///none.db"}, "there is no database none.db to move"),
        (["--to", "sqlite:///new.db"], {"DATABASE_URL": "sqlite:///foreign.db"}, "is at schema 9999 and not"),
        (["--to", "sqlite:///new.db"], {"REDIS_URL": "redis://127.0.0.1:1/0"}, "Redis does not answer"),
    ],
)
def test_what_is_in_the_way_is_said_and_nothing_is_changed(
    folder: Path,
    run: Run,
    planned: Planned,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    settings: dict[str, str],
    problem: str,
) -> None:
    # given
    planned("spring-sale")
    (folder / "link.db").symlink_to("campaigns.db")
    with closing(sqlite3.connect("campaigns.db")) as used, closing(sqlite3.connect("used.db")) as copy:
        used.backup(copy)
    with closing(sqlite3.connect("foreign.db")) as foreign:
        foreign.executescript("CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('9999')")
    for name, value in settings.items():
        monkeypatch.setenv(f"CAMPAIGNS_{name}", value)
    # when
    refused = run("move", *arguments)
    # then
    assert refused.exit_code == 2
    assert problem in refused.stderr
    assert "secret" not in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert who_sends("sqlite:///campaigns.db") == (True,)


def test_a_service_that_runs_is_named(folder: Path, run: Run, planned: Planned) -> None:
    # given
    store, _ = planned("spring-sale")
    lock = leader_lock(store)
    assert lock.acquire()
    # when
    refused = run("move", "--to", "sqlite:///new.db")
    lock.release()
    # then
    assert refused.exit_code == 2
    assert "works on the database sqlite:///campaigns.db; stop the service" in refused.stderr


def test_two_addresses_of_one_postgresql_database_are_the_same(
    folder: Path, run: Run, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setenv("CAMPAIGNS_DATABASE_URL", postgres_url)
    run("migrate")
    # when
    refused = run("move", "--to", postgres_url.replace("127.0.0.1", "localhost"))
    # then
    assert "is the database that is to be moved" in refused.stderr
