"""The proof under chaos, in short: whole trials of the real product, and that it fails them without its rules."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.prove import ablation, chaos
from tests.prove.chaos import GAVE_UP, Outcome, Trial
from tests.prove.checker import Findings
from tests.prove.world import circumstances, removals
from tests.prove.world.crash_points import points
from tests.prove.world.stage import Stage, ends_within, freeze, kill, wait_until
from tests.prove.world.unrest import ASKS_A_PERSON, LYING_READS, QUIET, STOPS_THE_ACCOUNT, TIMES, unrest
from tests.support.servers import PostgresServer, RedisServer
from worker.sandbox.faults.table import FAULTS

CLEAN = Findings((), 60, 60, 0, 0, 0, 0, 0, 0, 0)
DOUBLED = replace(CLEAN, violations=("…00001 is at the gateway 2 times",), doubled=1)

SEED = 3


@pytest.mark.timeout(600)
def test_an_embedded_run_that_is_killed_again_and_again_keeps_every_promise(tmp_path: Path) -> None:
    # given
    trial = Trial("embedded", recipients=200, kills=4, faults=0.2, seed=SEED, losses=1)
    # when
    outcome = chaos.run_with_servers(trial, tmp_path)
    # then
    assert outcome.is_kept, chaos.table(outcome)
    assert any(name.startswith("database ") for name in outcome.disturbances)
    assert outcome.disturbances.get("killed at random", 0) + outcome.disturbances.get("killed at a point", 0) > 0
    assert sum(outcome.faults.values()) > 0


@pytest.mark.timeout(600)
def test_a_fleet_that_loses_processes_and_jobs_keeps_every_promise(tmp_path: Path) -> None:
    # given
    trial = Trial("fleet", recipients=200, kills=4, faults=0.2, seed=SEED)
    # when
    outcome = chaos.run_with_servers(trial, tmp_path)
    # then
    assert outcome.is_kept, chaos.table(outcome)
    assert outcome.disturbances["Redis flushed"] > 0
    assert outcome.disturbances["jobs repeated"] > 0


@pytest.mark.parametrize(
    "name",
    [
        "trust success: false",
        pytest.param("no quarantine", marks=pytest.mark.proof),
        pytest.param("what is found is not kept", marks=pytest.mark.proof),
    ],
)
def test_a_product_without_the_rule_is_found_out(name: str, tmp_path: Path) -> None:
    # given
    rule = next(rule for rule in circumstances.rules(SEED) if rule.name == name)
    # when
    missed = ablation.ablate(rule, tmp_path, SEED)
    # then
    assert missed.is_needed, ablation.table(missed)


def test_every_rule_has_a_way_to_take_it_away() -> None:
    # given / when
    rules = circumstances.rules(SEED)
    # then
    assert len({rule.name for rule in rules}) == len({rule.removal for rule in rules}) >= 8
    assert all(callable(getattr(removals, name)) for rule in rules for name in (rule.removal, *rule.patches))


def test_kills_are_aimed_at_points_that_exist() -> None:
    assert set(chaos.POINTS) <= {name for name, _ in points()}


@pytest.mark.parametrize(
    ("kept", "broken", "is_needed"),
    [(CLEAN, DOUBLED, True), (CLEAN, CLEAN, False), (DOUBLED, DOUBLED, False)],
    ids=["missed", "not missed", "broken with it, too"],
)
def test_a_rule_is_needed_when_things_break_without_it_alone(kept: Findings, broken: Findings, is_needed: bool) -> None:
    # given / when
    missed = ablation.Missed("no last check", kept, broken, seconds=1.0)
    # then
    assert missed.is_needed is is_needed
    assert ("NOT MISSED" in ablation.table(missed)) is not is_needed


@pytest.mark.parametrize(
    ("findings", "disturbances", "in_time", "is_kept"),
    [
        (CLEAN, {"killed at random": 3}, True, True),
        (DOUBLED, {}, True, False),
        (CLEAN, {GAVE_UP: 1}, True, False),
        (CLEAN, {}, False, False),
    ],
    ids=["clean", "doubled", "a process gave up", "never over"],
)
def test_a_trial_is_kept_when_nothing_at_all_was_found(
    findings: Findings, disturbances: dict[str, int], in_time: bool, is_kept: bool
) -> None:
    # given / when
    trial = Trial("fleet", 60, 3, 0.2, SEED)
    outcome = Outcome(trial, findings, 12, {"drop_after": 2}, disturbances, 9.0, in_time)
    # then
    assert outcome.is_kept is is_kept
    assert ("VIOLATION" in chaos.table(outcome)) is bool(findings.violations)


def test_the_unrest_holds_every_fault_that_the_promise_covers() -> None:
    # given / when
    plan = unrest(0.2, SEED)
    # then
    drawn = {name for rule in plan.rules for name in rule.faults}
    assert drawn == set(FAULTS) - LYING_READS - ASKS_A_PERSON
    assert drawn >= STOPS_THE_ACCOUNT


def test_the_unrest_stays_within_the_assumptions_of_the_protocol() -> None:
    # given
    send_by_seconds, settle_seconds = 2.0, 3.0
    # when
    shown_after_seconds = TIMES.late_max_seconds + TIMES.lag_seconds
    # then
    assert shown_after_seconds < settle_seconds
    assert TIMES.hold_seconds > send_by_seconds


def test_a_process_on_the_stage_can_be_frozen_and_killed(tmp_path: Path) -> None:
    # given
    with Stage(tmp_path) as stage:
        process = stage.start("up")
        # when
        freeze(process, 0.1)
        was_running = not ends_within(process, 0.0)
        kill(process)
    # then
    assert was_running
    assert process.exitcode == -9


def test_faults_are_switched_while_the_sandbox_runs(tmp_path: Path) -> None:
    # given
    with Stage(tmp_path) as stage:
        stage.put_faults(unrest(1.0, SEED))
        # when
        stage.put_faults(QUIET)
        # then
        assert stage.faults_drawn() == {}
        assert (stage.posts(), stage.stored()) == (0, 0)


def test_a_fleet_starts_on_an_empty_database_all_at_once(tmp_path: Path) -> None:
    # given
    postgres, redis = PostgresServer(), RedisServer()
    try:
        postgres.start()
        redis.start()
        url = postgres.url(postgres.create_database())
        with Stage(tmp_path, database_url=url, redis_url=redis.url) as stage:
            # when
            for _ in range(4):
                stage.start("worker", "--json")
            # then
            assert all(_says(log, "service.started") for log in stage.product.outputs[1::2])
    finally:
        redis.close()
        postgres.close()


def _says(log: Path, event: str) -> bool:
    return wait_until(lambda: event in log.read_text(errors="replace"), 30.0)
