"""`doctor`: every check says what holds and what does not, and shows no secret."""

import json
import resource
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from typer.testing import Result

from campaigns.codes import PausedBy, WaitsFor
from campaigns.lifecycle import RunState
from scheduler.doctor import database, redis_server, surroundings
from scheduler.doctor.clocks import compared, measured
from scheduler.doctor.findings import Area, Finding, Standing, exit_code, ok, problem, unknown
from scheduler.exits import Exit
from scheduler.processes.leader import leader_lock
from tests.scheduler.operator.held_world import CAMPAIGN, HeldWorld
from tests.support.clocks import FakeClock
from tests.support.nursery import Sandbox
from worker.gateway_account import account_fingerprint
from worker.marker import FileMarker
from worker.sandbox.running.options import SandboxOptions
from worker.servers.checks import PROBE_BYTES
from worker.servers.conditions import REHEARSE_ANEW, WORDS, Trouble
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.migrate import migrate
from worker.store.models import Batch
from worker.store.sending import accounts

Cli = Callable[..., Result]
NOBODY_LISTENS = "http://127.0.0.1:9"


def told(result: Result) -> list[tuple[str, str, str]]:
    """(standing, area, sentence) of every finding that was printed."""
    lines = [line for line in result.stdout.splitlines() if not line.startswith(" ")]
    return [(line[:7].strip(), line[9:17].strip(), line[19:]) for line in lines]


def of_gateway(result: Result) -> list[tuple[str, str, str]]:
    """The findings about the gateway."""
    return [finding for finding in told(result) if finding[1] == "gateway"]


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Sandbox]:
    """A gateway that the settings name."""
    with Sandbox.start(SandboxOptions(credits=5)) as sandbox:
        monkeypatch.setenv("CAMPAIGNS_GATEWAY_URL", sandbox.url)
        monkeypatch.setenv("CAMPAIGNS_API_KEY", sandbox.key)
        yield sandbox


def test_after_a_rehearsal_everything_holds(cli: Cli, folder: Path) -> None:
    (folder / "c.yaml").write_text('campaign: c\nmessage: Hi\naudience: [recipients: [{number: "+39 333 100 0001"}]]\n')
    assert cli("run", "c.yaml", "--sandbox").exit_code == 0

    result = cli("doctor", "--sandbox")

    assert result.exit_code == 0, result.stdout
    standings = {standing for standing, area, _ in told(result) if area != "machine"}  # warns of an older Python
    assert standings == {"ok", "unknown"}
    said = [sentence for _, _, sentence in told(result)]
    assert "a message is found by its ID" in said
    assert "replies can be read: 0 in the last 6 hours" in said
    assert "reads by status and time show all 1 messages of the last minutes of sending" in said
    assert "IDs grow: 1 messages have IDs above every ID seen before their requests" in said


def test_a_rehearsal_that_lost_its_database_is_told_a_way_on_that_needs_no_gateway(cli: Cli, folder: Path) -> None:
    # given a rehearsal whose database is removed
    (folder / "c.yaml").write_text('campaign: c\nmessage: Hi\naudience: [recipients: [{number: "+39 333 100 0001"}]]\n')
    assert cli("run", "c.yaml", "--sandbox").exit_code == 0
    (folder / "campaigns.db").unlink()

    # when it is started again, it says what to do, and so does the doctor with and without a new database
    examined = [cli("doctor", "--sandbox")]
    refused = cli("run", "c.yaml", "--sandbox")
    examined.append(cli("doctor", "--sandbox"))
    assert refused.exit_code == Exit.STOPPED
    assert all(REHEARSE_ANEW in shown for shown in [refused.stderr, *(" ".join(e.stdout.split()) for e in examined)])
    assert not any("campaigns recover" in shown.output for shown in [refused, *examined])
    assert cli("resume", "c", "--account").exit_code == Exit.BAD_INPUT

    # then that works
    for path in folder.glob("campaigns.db*"):
        path.unlink()
    assert cli("run", "c.yaml", "--sandbox").exit_code == 0


def test_before_the_first_campaign_nothing_is_made(cli: Cli, sandbox: Sandbox, folder: Path) -> None:
    result = cli("doctor", "--json")

    shown = json.loads(result.stdout)
    assert (result.exit_code, shown["problems"]) == (0, 0)
    assert {"area": "database", "standing": "unknown"}.items() <= shown["findings"][1].items()
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_named(cli: Cli, sandbox: Sandbox, folder: Path) -> None:
    assert cli("migrate").exit_code == 0
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # SQLite maps 32 KiB beside its file, which is there already.
    resource.setrlimit(resource.RLIMIT_FSIZE, (PROBE_BYTES // 2, limits[1]))
    try:
        examined, status = cli("doctor"), cli("status")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    full = WORDS[Trouble.DATABASE_FULL].matter
    assert examined.exit_code == 3
    assert [said.startswith(full) for standing, _, said in told(examined) if standing == "problem"] == [True]
    assert full in " ".join(status.output.split())
    assert {path.name for path in folder.iterdir()} <= {"campaigns.db", "campaigns.db-wal", "campaigns.db-shm"}
    assert cli("doctor").exit_code == 0


def test_a_lost_database_is_no_reason_to_send_to_everybody_again(cli: Cli, sandbox: Sandbox, folder: Path) -> None:
    # given a campaign with the status of a database that texts were sent from, and that is gone, or made anew
    inbox = folder / "campaigns" / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "c.yaml").write_text('campaign: c\nmessage: Hi\naudience: [recipients: [{number: "+39 333 100 0001"}]]\n')
    (inbox / "c.status.txt").write_text(
        "c: sending\n\nLast updated: Mon 2025-12-01 09:00 (Etc/UTC)\nInstallation: 0123456789abcdef\n"
    )
    FileMarker(folder / "campaigns.db.marker").reset(7)

    gone = cli("doctor")
    assert cli("migrate").exit_code == 0
    anew = cli("doctor")

    # then the campaign waits, and nobody is told to remove what keeps it
    for examined in (gone, anew):
        said = " ".join(examined.stdout.split())
        assert "c.yaml waits and is not sent: the database that knew who got it is lost" in said
        assert "another installation" not in said
        assert "campaigns recover. Do not remove its status" in said
        assert "without its database it is not known what was sent in the last 24 hours" in said


def test_without_settings_it_says_which(cli: Cli, folder: Path) -> None:
    result = cli("doctor")

    assert result.exit_code == 2
    standing, area, sentence = told(result)[0]
    assert (standing, area) == ("problem", "settings")
    assert sentence.startswith("no gateway is set: set CAMPAIGNS_GATEWAY_URL and CAMPAIGNS_API_KEY")


def test_a_setting_that_cannot_be_read_is_a_finding(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGNS_TIMEZONE", "Europe/Atlantis")

    result = cli("doctor")

    assert result.exit_code == 2
    assert told(result) == [
        ("problem", "settings", "CAMPAIGNS_TIMEZONE: is not a time zone; use a name such as Europe/Rome")
    ]


@pytest.mark.parametrize("options", [(), ("--sandbox",)])
def test_a_database_address_that_cannot_be_used_is_a_finding(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CAMPAIGNS_DATABASE_URL", "mysql://db/campaigns")

    result = cli("doctor", *options)

    assert result.exit_code == 2
    names_it = "CAMPAIGNS_DATABASE_URL names mysql; only SQLite and PostgreSQL are supported"
    assert ("problem", "settings", names_it) in told(result)


def test_a_gateway_that_does_not_answer_stops(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGNS_GATEWAY_URL", NOBODY_LISTENS)
    monkeypatch.setenv("CAMPAIGNS_API_KEY", "s3cret-key")

    result = cli("doctor")

    assert result.exit_code == 4
    assert of_gateway(result)[-1][2].startswith("the gateway does not answer (ConnectError: ")
    assert "s3cret" not in result.output


def test_a_wrong_key_is_named_and_not_shown(cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGNS_API_KEY", "s3cret-key")

    result = cli("doctor")

    assert result.exit_code == 4
    assert of_gateway(result)[-1][0] == "problem"
    assert "the account cannot be checked" in of_gateway(result)[-1][2]
    assert "s3cret" not in result.output
    assert sandbox.key not in result.output


def test_too_few_credits_and_a_paused_account_are_problems(world: HeldWorld, cli: Cli, sandbox: Sandbox) -> None:
    # The rehearsal's account takes the place of the real one, under the name by which the real one is known.
    with world.store.write() as session:
        session.execute(sa.text("UPDATE account SET key = :key"), {"key": account_fingerprint(sandbox.url)})
        session.execute(sa.text("UPDATE batch SET recipients = 6"))
        accounts.pause_account(
            session, world.runtime.account_id, PausedBy.ALARM, "no credits", now=world.clock.now(), probe_at=None
        )

    result = cli("doctor")

    assert result.exit_code == 4
    problems = [sentence for standing, _, sentence in told(result) if standing == "problem"]
    assert problems == [
        "the account is paused: no credits",
        "the key is good; 5 credits are left, 6 texts are still to be sent",
    ]


@pytest.mark.parametrize(
    ("areas", "code"),
    [
        ((), 0),
        ((Area.DATABASE,), 3),
        ((Area.REDIS, Area.CLOCK), 3),
        ((Area.GATEWAY, Area.SERVICE), 4),
        ((Area.PROTOCOL,), 4),
        ((Area.GATEWAY, Area.SETTINGS), 2),
    ],
)
def test_the_exit_code_names_what_to_look_at_first(areas: tuple[Area, ...], code: int) -> None:
    findings = [ok(Area.GATEWAY, ""), unknown(Area.SETTINGS, ""), *(problem(area, "", "") for area in areas)]

    assert exit_code(findings) == code


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty database without a schema."""
    (tmp_path / "c.db").touch()  # no connection creates one
    sqlite = f"sqlite:///{tmp_path / 'c.db'}"
    store = Store(sqlite if request.param == "sqlite" else request.getfixturevalue("empty_postgres_url"))
    yield store
    store.close()


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_the_schema_is_compared_with_this_version(store: Store) -> None:
    missing = only(database.check_schema(store))
    migrate(store)
    there = only(database.check_schema(store))
    with store.write() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    newer = only(database.check_schema(store))

    assert (missing.standing, missing.advice) == (Standing.PROBLEM, "run: campaigns migrate")
    assert there.standing is Standing.OK
    assert newer.says == "the schema 9999 was made by a newer version"


def test_durability_is_read_from_the_connection_that_writes(store: Store) -> None:
    finding = only(database.check_durability(store))

    if store.is_sqlite:
        assert finding == ok(Area.DATABASE, "committed data survives a power cut (journal_mode = wal, synchronous = 2)")
    else:  # the server of the tests runs without fsync
        assert finding.standing is Standing.PROBLEM
        assert "fsync = off" in finding.says


@pytest.mark.parametrize(("mark", "standing"), [(0, Standing.OK), (1, Standing.PROBLEM)])
def test_a_database_that_knows_less_than_its_mark_is_told(
    store: Store, tmp_path: Path, mark: int, standing: Standing
) -> None:
    migrate(store)
    marker = FileMarker(tmp_path / "mark")
    marker.reset(mark)

    finding = only(database.check_mark(store, marker))

    assert finding.standing is standing
    assert ("campaigns recover" in finding.advice) == (mark > 0)


def test_who_runs_the_clock_is_told_without_taking_the_lock(store: Store) -> None:
    lock = leader_lock(store)

    assert only(database.check_leader(store)).says.startswith("nothing runs the clock now")
    migrate(store)
    assert lock.acquire()
    assert only(database.check_leader(store)).says.startswith("the clock is run by ")
    lock.release()
    assert only(database.check_leader(store)).says.startswith("nothing runs the clock now")


@pytest.mark.parametrize(
    ("age", "queued", "standing", "advice"),
    [
        (timedelta(seconds=60), False, Standing.OK, ""),
        (timedelta(seconds=600), False, Standing.PROBLEM, "start `campaigns up` or a `campaigns scheduler`"),
        (timedelta(seconds=600), True, Standing.PROBLEM, "start a `campaigns worker`"),
    ],
)
def test_work_that_nobody_does(world: HeldWorld, age: timedelta, queued: bool, standing: Standing, advice: str) -> None:
    if queued:
        with world.store.write() as session:
            statement = "UPDATE batch SET state = 'queued', queued_at = not_before"
            session.execute(sa.text(statement))

    now = world.batches()[0].not_before + age
    finding = only(database.check_backlog(world.store, world.runtime.account_id, now, None))

    assert finding.standing is standing
    assert finding.advice.startswith(advice)


@pytest.mark.parametrize(
    ("served_ago", "next_slot_in", "standing"),
    [
        (10, None, Standing.OK),  # 30 a minute: a request of five every 10 s, and the rest has been due all the time
        (300, 300, Standing.OK),  # 5 in ten minutes: one request has the next slot, the others come after it
        (300, None, Standing.PROBLEM),  # the worker is gone
        (300, -130, Standing.PROBLEM),  # likewise, and what had the next slot did not take it
    ],
)
def test_a_slow_campaign_is_not_work_that_nobody_does(
    world: HeldWorld, served_ago: int, next_slot_in: int | None, standing: Standing
) -> None:
    slow = world.begin(CAMPAIGN.replace("spring-sale", "slow").replace("batch_size: 3", "batch_size: 1"), "slow.yaml")
    now = world.batches(slow)[0].not_before + timedelta(minutes=20)
    world.clock.advance((now - world.clock.now()).total_seconds() - served_ago)
    world.set_run(state=RunState.CANCELLED)
    world.ask(slow)
    if next_slot_in is not None:
        slot = {"waits_for": WaitsFor.THROTTLE, "not_before": now + timedelta(seconds=next_slot_in)}
        with world.store.write() as session:
            session.execute(sa.update(Batch).where(sa.column("id") == world.batches(slow)[1].id).values(**slot))

    finding = only(database.check_backlog(world.store, world.runtime.account_id, now, None))

    assert finding.standing is standing, finding


def test_a_healthy_redis_keeps_its_state(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("save", "60 1")
        findings = list(redis_server.check_redis(client))
        client.config_set("save", "")

    assert [finding.standing for finding in findings] == [Standing.OK] * 4


def test_a_redis_that_forgets_is_a_problem(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        findings = list(redis_server.check_redis(client))
        client.config_set("maxmemory-policy", "noeviction")
        jobs = redis_server.count_jobs(client)

    problems = [finding.advice for finding in findings if finding.standing is Standing.PROBLEM]
    assert problems == ["set maxmemory-policy to noeviction", "set appendonly to yes"]
    assert jobs == 0


def test_a_redis_that_is_not_there_is_a_problem_without_its_password() -> None:
    with redis.Redis.from_url("redis://:s3cret@127.0.0.1:9/0") as client:
        finding = only(redis_server.check_redis(client))
        assert redis_server.count_jobs(client) is None

    assert finding.says.startswith("Redis does not answer (")


def test_a_clock_is_read_in_the_middle_of_the_time_it_took() -> None:
    clock = FakeClock()

    def read() -> datetime:
        clock.advance(4)
        return clock.now() + timedelta(seconds=58)

    assert measured(read, clock) == (timedelta(seconds=60), timedelta(seconds=2))


@pytest.mark.parametrize(
    ("offset_seconds", "standing", "sentence"),
    [
        (3.0, Standing.OK, "the clock of Redis is 3.0 s ahead of this machine's (give or take 1.0)"),
        (-5.5, Standing.OK, "the clock of Redis is 5.5 s behind this machine's (give or take 1.0)"),
        (-7.0, Standing.PROBLEM, "the clock of Redis is 7.0 s behind this machine's (give or take 1.0)"),
    ],
)
def test_an_offset_counts_when_it_is_certain(offset_seconds: float, standing: Standing, sentence: str) -> None:
    finding = compared("Redis", timedelta(seconds=offset_seconds), timedelta(seconds=1), timedelta(seconds=5))

    assert (finding.standing, finding.says) == (standing, sentence)


@pytest.mark.parametrize(
    ("python", "expat", "told"),
    [
        ((3, 11, 9), (2, 6, 0), "Python 3.11.9 has known vulnerabilities, fixed in 3.11.10"),
        (
            (3, 11, 7),
            (2, 5, 0),
            "fixed in 3.11.10, and expat 2.5.0 has known vulnerabilities, fixed in 2.6.0",
        ),
        ((3, 12, 3), (2, 6, 0), ""),
    ],
)
def test_old_versions_with_known_faults_are_warned_of(
    python: tuple[int, int, int], expat: tuple[int, int, int], told: str
) -> None:
    findings = list(surroundings.check_versions(python, expat))

    assert [finding.says.endswith(told) for finding in findings] == [True] * bool(told)
    assert exit_code(findings) == 0


def test_secrets_that_others_may_read_are_warned_of(tmp_path: Path) -> None:
    key, env = tmp_path / "key", tmp_path / ".env"
    for path, mode in ((key, 0o640), (env, 0o600)):
        path.write_text("CAMPAIGNS_API_KEY=secret")
        path.chmod(mode)

    found = list(surroundings.check_secrets(Settings(_env_file=None, api_key_file=key), env))

    assert [(finding.standing, finding.advice) for finding in found] == [(Standing.WARNING, f"run: chmod 600 {key}")]


@pytest.mark.parametrize(
    ("gateway", "more", "setting"),
    [
        ("http://sms.example.com", {}, "CAMPAIGNS_GATEWAY_URL"),
        ("http://127.0.0.1:8080", {}, None),
        ("https://sms.example.com", {"redis_url": "redis://:secret@cache.internal:6379/0"}, "CAMPAIGNS_REDIS_URL"),
        ("https://sms.example.com", {"redis_url": "rediss://:secret@cache.internal:6379/0"}, None),
        ("", {"database_url": "postgresql+psycopg://u:secret@db.internal/c?sslmode=require"}, "CAMPAIGNS_DATABASE_URL"),
        ("", {"database_url": "postgresql+psycopg://u:secret@db.internal/c?sslmode=verify-full"}, None),
        ("", {"database_url": "postgresql+psycopg://u:secret@localhost/c"}, None),
    ],
)
def test_what_goes_in_clear_between_machines_is_warned_of(
    gateway: str, more: dict[str, Any], setting: str | None
) -> None:
    (found,) = surroundings.check_transport(Settings(_env_file=None, **more), gateway)

    assert (found.standing is Standing.WARNING) == (setting is not None)
    assert setting is None or setting in found.says
    assert "secret" not in f"{found.says} {found.advice}"


@pytest.mark.parametrize(
    ("gateway", "more", "says"),
    [
        (
            "http://127.0.0.1:8080",
            {},
            "traffic to the gateway stays on this machine; traffic to the database stays on this machine",
        ),
        ("", {}, "traffic to the database stays on this machine"),
        (
            "https://sms.example.com",
            {
                "redis_url": "redis://localhost:6379/0",
                "database_url": "postgresql+psycopg://u:secret@db.internal/c?sslmode=verify-full",
            },
            (
                "traffic to the gateway is encrypted; traffic to the database is encrypted; "
                "traffic to Redis stays on this machine"
            ),
        ),
    ],
)
def test_what_is_called_encrypted_is_and_what_is_not_used_is_not_named(
    gateway: str, more: dict[str, Any], says: str
) -> None:
    (found,) = surroundings.check_transport(Settings(_env_file=None, **more), gateway)

    assert (found.standing, found.says) == (Standing.OK, says)
