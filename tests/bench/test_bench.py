"""The benchmark measures what it says. It runs small here: for what the figures mean, not for their size."""

import json
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from tests.bench import desk
from tests.bench.exporting import measure_exporting
from tests.bench.installation import Servers
from tests.bench.limiters import How, measure_limiter
from tests.bench.lives.million import measure_life
from tests.bench.messages import measure, percentile
from tests.bench.pacing import attained, noon_zone
from tests.bench.planning import measure_planning
from tests.bench.reporting.results import BenchError, Paced, Planned, Sent, Waited
from tests.bench.reporting.samples import texts, write_campaign
from tests.bench.scaling import measure_fleet
from tests.bench.sending import measure_sending
from tests.bench.starting import BARE, COMMANDS, measure_idle, measure_starts
from tests.bench.stored.commands import measure_commands
from tests.bench.stored.filling import LIST_PEOPLE
from tests.bench.timing import measure_timing
from tests.bench.waiting import measure_waiting
from tests.bench.windows import Stamp, between, fullest
from tests.support.servers import PostgresServer, RedisServer
from worker.store.engine import Store
from worker.store.people.run_answers import answers_unlike_rows
from worker.store.reports.counts import counts_unlike_rows
from worker.store.tables import recipients

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


def stamps(*moments: tuple[float, int]) -> list[Stamp]:
    """Stamps of (seconds after noon, segments)."""
    return [Stamp(NOON + timedelta(seconds=seconds), segments, "", "") for seconds, segments in moments]


@pytest.mark.parametrize(
    "on_servers", [pytest.param(False, marks=pytest.mark.proof), True], ids=["sqlite", "postgresql"]
)
def test_the_desk_is_measured_on_what_was_filled(servers: Servers, tmp_path: Path, on_servers: bool) -> None:
    size, where = {"recipients": 1_200, "campaigns": 12}, servers if on_servers else None
    with (
        desk.filled(where, **size, lists=1, folder=tmp_path) as world,
        closing(Store(world.database_url)) as store,
        store.read() as session,
    ):
        assert session.scalar(sa.select(sa.func.count()).select_from(recipients)) == 1_200 + LIST_PEOPLE
        assert counts_unlike_rows(session) == {}
        assert answers_unlike_rows(session) == set()
    with desk.filled(where, **size, folder=tmp_path) as world:  # it is there already
        opened = desk.measure_views(world, **size, calls=1)
        watched = desk.measure_live(world, pages=3, seconds=1)
        with desk.filled(where, recipients=200, campaigns=2, lists=0) as small:
            commands = measure_commands(world, small, **size, runs=1)
    assert {each.address for each in opened} >= {"/", "/campaigns/sale-0", "/submit"}
    assert [each.address for each in opened if each.counted or each.kilobytes > desk.MOST_KILOBYTES] == []
    assert len(watched.seconds) == 3
    assert [(each.name, len(each.seconds), each.counted) for each in commands] == [
        ("status CAMPAIGN", 1, []), ("why NUMBER", 1, []), ("export of 1,000 rows", 1, []),
    ]  # fmt: skip


@pytest.fixture
def servers(postgres_server: PostgresServer, redis_server: RedisServer) -> Servers:
    postgres_server.start()
    return Servers(postgres_server, redis_server)


def test_a_plan_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    # given
    campaign = write_campaign(tmp_path, recipients=300)
    # when
    planned = measure_planning("SQLite", f"sqlite:///{tmp_path / 'bench.db'}", campaign)
    # then every number can be sent to, and the interpreter alone needs some megabytes
    assert planned.recipients == 300
    assert planned.peak_bytes > 20 * 2**20


def test_a_plan_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"(?s)planning on SQLite failed.*missing\.yaml"):
        measure_planning("SQLite", f"sqlite:///{tmp_path / 'bench.db'}", tmp_path / "missing.yaml")


def test_an_export_is_measured_beside_a_bare_loop_over_the_same_rows(tmp_path: Path) -> None:
    exported = measure_exporting("SQLite", f"sqlite:///{tmp_path / 'bench.db'}", tmp_path, recipients=5_000)

    assert exported.recipients == 5_000
    assert 0 < exported.ratio < 10
    lines = [len((tmp_path / name).read_text().splitlines()) for name in ("product.csv", "bare.csv")]
    assert lines == [5_001, 5_000]


def test_product_and_bare_loop_send_the_same_texts() -> None:
    # given a last batch that is not full; when both send (a missing or doubled text is a BenchError)
    sent = measure_sending(10, 25, repetitions=2)
    # then
    assert len(sent.product_seconds) == len(sent.bare_seconds) == 2
    assert sent.ratio > 0


def test_the_texts_of_the_bare_loop_are_those_of_the_campaign(tmp_path: Path) -> None:
    # given
    write_campaign(tmp_path, recipients=2)
    # when
    lines = (tmp_path / "bench.csv").read_text(encoding="utf-8").splitlines()
    # then
    number, name, shop = lines[2].split(",")
    assert texts(2)[1] == (number, f"Hi {name}, our spring sale in {shop} starts today. Reply STOP to opt out.")


def test_speeds_come_from_the_medians() -> None:
    # given one slow repetition of each
    sent = Sent(100, 1_000, product_seconds=(2.0, 2.0, 50.0), bare_seconds=(1.0, 9.0, 1.0))
    # then
    assert (sent.product_per_second, sent.bare_per_second, sent.ratio) == (500, 1_000, 0.5)
    assert sent.to_json()["ratios"] == [0.5, 4.5, 0.02]


def test_a_plan_in_json_has_round_figures() -> None:
    assert Planned("SQLite", 100, 0.333, 0.25, 50 * 2**20).to_json() == {
        "database": "SQLite", "recipients": 100, "seconds": 0.333, "cpu_seconds": 0.25, "recipients_per_second": 300,
        "peak_mib": 50.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("moments", "most"),
    [
        ([], 0),
        ([(0, 5)], 5),
        ([(0, 5), (1, 5)], 5),  # half-open: the second is just outside
        ([(0, 5), (0.999999, 5)], 10),
        ([(0.5, 1), (0, 2), (2, 4), (1.2, 3)], 7),  # in any order; from 1.2 on
    ],
)
def test_the_fullest_window_may_begin_anywhere(moments: list[tuple[float, int]], most: int) -> None:
    assert fullest(stamps(*moments), timedelta(seconds=1)) == most


def test_segments_between_two_moments_leave_the_last_one_out() -> None:
    assert between(stamps((0, 1), (1, 2), (2, 4)), NOON, NOON + timedelta(seconds=2)) == 3


def test_what_was_attained_counts_only_the_time_that_it_ran() -> None:
    # given a rate of 2 a second over two periods of two seconds, with a pause between them
    up = [(NOON + timedelta(seconds=at), NOON + timedelta(seconds=at + 2)) for at in (0, 10)]
    # then
    assert attained(stamps((0, 2), (1, 2), (5, 100), (10, 2)), up, rate=2) == 0.75


@pytest.mark.parametrize("hour", range(24))
def test_it_is_about_noon_where_a_day_is_measured(hour: int) -> None:
    now = NOON.replace(hour=hour)
    assert now.astimezone(ZoneInfo(noon_zone(now))).hour == 12


def test_a_limit_without_a_window_of_that_length_is_not_exceeded() -> None:
    paced = Paced("30/minute", 0.99, allowed=(None, None, 30), granted=(1, 6, 30), arrived=(2, 6, 31))
    assert paced.is_exact
    assert not Paced("30/minute", 0.99, (None, None, 30), (1, 6, 31), (1, 6, 31)).is_exact


def test_the_delay_of_99_of_100_leaves_the_slowest_out() -> None:
    waited = Waited("up", 100, 20.0, 0.5, tuple(float(n) for n in range(1, 101)))
    assert (waited.delay_seconds(0.99), waited.delay_seconds(1), waited.idle_share) == (99.0, 100.0, 0.025)


@pytest.mark.parametrize("how", How)
def test_the_limiters_of_dramatiq_let_something_through(servers: Servers, how: How) -> None:
    paced = measure_limiter(servers, how, rate=50, seconds=1, workers=1)
    assert paced.attained > 0
    assert paced.arrived[0] <= paced.arrived[2]


def test_a_fleet_sends_everything_before_its_time_is_taken(servers: Servers) -> None:
    assert measure_fleet(servers, workers=1, recipients=250).per_second > 0


@pytest.mark.long
def test_every_start_is_compared_with_one_import_of_the_same_rounds() -> None:
    started = {row.what: row for row in measure_starts(rounds=1)}

    assert started[BARE].ratio == 1
    assert started.keys() > COMMANDS.keys()
    assert started["pass"].cpu_seconds < started[BARE].cpu_seconds < started["status"].cpu_seconds


@pytest.mark.long
def test_a_service_without_work_is_measured_while_it_has_none() -> None:
    (idled,) = measure_idle(None, idle_seconds=4)  # its clock ticks a hundred times a second
    assert idled.seconds >= 4
    assert idled.cpu_seconds > 0


@pytest.mark.parametrize("is_scaled", [True, pytest.param(False, marks=pytest.mark.proof)])
def test_campaigns_that_wait_begin_after_their_moment(servers: Servers, is_scaled: bool) -> None:
    waited = measure_waiting(
        servers if is_scaled else None, campaigns=3, recipients=20, idle_seconds=1, planning_seconds=10
    )
    assert len(waited.delays_seconds) == 3
    assert min(waited.delays_seconds) > 0
    assert waited.idle_seconds >= 1


def test_a_forecast_over_many_zones_is_compared_with_what_the_throttle_grants() -> None:
    timed = measure_timing(recipients=480)

    assert timed.planned.recipients == 480
    assert timed.first_send_at < timed.simulated_last_at
    assert timed.deviation < 0.02


def test_a_run_is_followed_in_a_process_of_its_own() -> None:
    # in a process of its own: Linux counts a parent's peak before the exec as its child's
    module = [sys.executable, "-m", "tests.bench.lives.following", "--people", "50"]

    ran = subprocess.run(module, capture_output=True, text=True, check=True)

    figures = json.loads(ran.stdout.splitlines()[0])
    assert figures["people"] == 50
    assert all(20 < figures[name] < 200 for name in ("peak_mib", "export_peak_mib"))
    assert figures["bytes_a_text"] * 50 > 100 * 2**10  # the tables alone


@pytest.mark.parametrize(("share", "value"), [(0.5, 50.0), (0.99, 99.0), (0.991, 100.0), (1.0, 100.0)])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(share: float, value: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == value


def test_single_texts_are_measured_beside_a_campaign() -> None:
    measured = measure(None, "20/second", calls=2)

    assert len(measured.arrived) == len(measured.answered) == 2
    assert min(measured.arrived) > 0


def test_a_life_in_an_installation_is_measured_by_process(servers: Servers) -> None:
    lived = measure_life("fleet", servers, 60)

    assert [used.role for used in lived.used] == ["scheduler", "worker", "worker", "dashboard"]
    assert (lived.requests, lived.people) == (1, 60)
    assert all(used.peak_bytes > 20 * 2**20 and used.cpu_seconds > 0 for used in lived.used)
