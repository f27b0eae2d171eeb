"""A reckoning finds every violation that is planted in what a finished campaign has left, and none in what was left."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa

from scheduler.verify.checks import Breach, Check
from tests.scheduler.verify.planted import PLANTED, Planted, no_more, row
from tests.scheduler.verify.verify_world import FAILS, SENT, World, copied, live, sandbox
from tests.support.clocks import FakeClock
from tests.support.shared_postgres import SharedPostgres
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.forgetting.ageing import empty_texts
from worker.store.forgetting.erasing import ask, erase
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


@pytest.mark.parametrize("campaign", ["sale", "nudged", "lost", "later", "again", "first"])
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


def test_a_text_that_was_sent_again_has_a_charge_for_each_message(world: World) -> None:
    its = "run_id = :run AND recipient_id = (SELECT id FROM recipient WHERE run_id = :run AND number = :number)"
    who = {"run": world.run("again"), "number": FAILS}
    assert world.one(f"SELECT count(*) FROM charge WHERE {its}", **who) == 2

    assert world.breaches("again") == set()

    world.sql(f"DELETE FROM retry WHERE {its}", **who)
    assert Breach.CHARGED_TWICE in world.breaches("again", offline=True)


def test_a_text_that_was_accepted_just_now_is_not_lost_yet(world: World) -> None:
    no_more(SENT[1])(world)
    for seconds, expected in ((59, set[Breach]()), (-1, set[Breach]()), (61, {Breach.MISSING})):
        row(SENT[1], f"accepted_at = {world.clock.now().timestamp() - seconds}")(world)

        assert world.breaches() == expected, seconds


def test_a_finding_names_the_row_of_the_table_and_stored_moments_in_local_time(world: World) -> None:
    columns = "number, kind, reason, source, since"
    world.sql(
        f"INSERT INTO suppression ({columns}) VALUES (:number, '', '', 'reply', '2026-12-01 08:00:00.000000')",
        number=SENT[1],
    )

    (found,) = [
        each for result in world.verify(offline=True, timezone="Europe/Rome").checks for each in result.findings
    ]

    assert str(found).startswith("+39…01 (row 3 of sale.csv) was texted by request ")
    assert str(found).endswith(" (Europe/Rome), and had opted out at Tue 2026-12-01 09:00:00 (Europe/Rome)")


def test_of_many_opt_outs_only_those_that_are_shown_are_asked_for_clocks_that_were_set_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All later requests have to be looked through for each."""
    monkeypatch.setattr("scheduler.verify.checks.MOST_SHOWN", 3)
    for number in SENT[6:12]:
        world.sql(
            "INSERT INTO suppression (number, kind, reason, source, since) "
            "VALUES (:number, '', '', 'command', '2026-12-01 08:00:00.000000')",
            number=number,
        )
    looks: list[str] = []

    def look(_: object, __: object, statement: str, *___: object) -> None:
        looks.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", look)
    try:
        found = next(each for each in world.verify(offline=True).checks if each.check is Check.OPT_OUTS)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", look)

    assert (found.wrong, len(found.findings)) == (6, 3)
    assert sum("attempt.id >" in each and "attempt.started_at <" in each for each in looks) == 3


def test_people_who_were_erased_are_not_compared_and_everything_else_still_holds(world: World) -> None:
    store = Store(world.store.url.render_as_string(), privacy_key=lambda: b"k" * 40)
    with store.write() as session:
        ask(session, [SENT[1], SENT[5]], now=world.clock.now())
        erase(session, [SENT[1], SENT[5]], now=world.clock.now())
        run_id = world.run("sale")
        after = 0
        while (last := empty_texts(session, run_id, after=after, now=world.clock.now())[0]) is not None:
            after = last
    store.close()

    found = {result.check: result for result in world.verify().checks}

    assert [str(each) for result in found.values() for each in result.findings] == []
    assert set(found[Check.MESSAGES].notes) == {
        "20 texts were erased, and not compared",
        "2 people were erased: their numbers were not compared",
    }
    assert found[Check.REQUESTS].notes != ()


def test_an_opt_out_of_another_kind_or_one_that_ended_before_is_no_violation(world: World) -> None:
    columns = "number, kind, reason, source, since, ended_at"
    insert = f"INSERT INTO suppression ({columns}) VALUES (:number, :kind, '', 'command', "
    world.sql(insert + "'2026-12-01 08:00:00.000000', NULL)", number=SENT[1], kind="reminder")
    world.sql(
        insert + "'2026-12-01 08:00:00.000000', '2026-12-01 08:30:00.000000')", number=SENT[2], kind=""
    )  # fmt: skip

    assert world.breaches(offline=True) == set()


@pytest.mark.long
def test_on_postgresql_as_on_sqlite(shared_postgres: SharedPostgres, tmp_path: Path) -> None:
    """One after the other: what was planted before is found as well."""
    clock, database = FakeClock(), shared_postgres.create_migrated()
    store = Store(shared_postgres.url(database))
    try:
        settings = live(tmp_path, store, clock)
        world = World(store, sandbox(clock, tmp_path / "ledger.jsonl"), settings, clock, tmp_path / "ledger.jsonl")
        for campaign in ("sale", "nudged", "lost", "later"):
            assert world.breaches(campaign) == set()
        expected: set[Breach] = set()
        for planted in PLANTED:
            if planted.name in ON_POSTGRESQL:
                planted.plant(world)
                expected |= planted.breaches
                assert planted.breaches <= world.breaches(planted.campaign, **planted.settings), planted.name
        assert len(expected) > 10
        world.gateway.close()
    finally:
        store.close()
        shared_postgres.drop_database(database)


ON_POSTGRESQL: Final = frozenset({
    "kept_count", "sent_twice_by_two_requests", "message_lost", "row_gone", "over_the_cap", "kept_spending",
    "not_charged", "texted_after_opt_out", "step_though_replied", "entry_removed",
})  # fmt: skip
