"""The people of an earlier campaign: all its runs together, each person once, on both databases."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType
from campaigns.lifecycle import RecipientState
from campaigns.planning.planned import PlannedRecipient
from tests.store.store_world import AT_ONCE, NOW, World, new_run, people
from worker.store.people.earlier_people import AT_ONCE as PART
from worker.store.people.earlier_people import EarlierPerson, begun_runs, is_known, known_campaigns, people_of
from worker.store.runs import plans, runs, versions
from worker.store.tables import recipients, run_answers

S = RecipientState


def number(place: int) -> str:
    return f"+39333{place:07}"


def found(world: World, campaign: str = "spring-sale", *, rehearsal: bool = False) -> list[EarlierPerson]:
    with world.store.read() as session:
        earlier = begun_runs(session, campaign, rehearsal=rehearsal)
        assert earlier is not None
        return list(people_of(session, earlier))


def begin(world: World, run_id: int, *, is_over: bool = True) -> None:
    world.set_run(run_id, started_at=NOW, finished_at=NOW if is_over else None)


def put(session: Session, run_id: int, who: str, **values: object) -> None:
    mine = recipients.c.run_id == run_id, recipients.c.number == who
    session.execute(sa.update(recipients).where(*mine).values(**values))


def answer(session: Session, run_id: int, who: str, kind: str) -> None:
    id_ = session.scalars(
        sa.select(recipients.c.id).where(recipients.c.run_id == run_id, recipients.c.number == who)
    ).first()
    session.execute(sa.insert(run_answers).values(run_id=run_id, recipient_id=id_, kind=kind, part=""))


def forget_answers(world: World) -> None:
    """The replies behind them were never stored, and a test ends with what is noted being proven."""
    with world.store.write() as session:
        session.execute(sa.delete(run_answers))


def test_each_person_is_there_once_with_what_became_of_the_row_that_counts(world: World) -> None:
    lines = [
        PlannedRecipient("call me", 9, "people.csv", 9, S.INVALID, "contains letters"),
        PlannedRecipient(number(0), 10, "people.csv", 10, S.DUPLICATE, "same number as row 2"),
        PlannedRecipient(number(7), 0, "people.csv", 11, S.EXCLUDED, "listed in stop.csv"),
        PlannedRecipient(number(8), 12, "people.csv", 12, S.EXCLUDED, "left out by `where`: x"),
        PlannedRecipient(number(9), 0, "people.csv", 13, S.HOLDOUT, "in the control group"),
        PlannedRecipient("#abcdefghijklmnopqrstuv", 0, "people.csv", 14, S.DELIVERED),  # who was erased
    ]
    run_id = world.run([*people(3), *lines])
    with world.store.write() as session:
        put(session, run_id, number(0), state=S.DELIVERED, delivered_at=NOW, variant="a")
        put(session, run_id, number(1), state=S.FAILED)
        answer(session, run_id, number(0), "replied")
        answer(session, run_id, number(1), "opted_out")
    begin(world, run_id)

    assert found(world) == [
        EarlierPerson(number(0), S.DELIVERED, True, False, "a", NOW),
        EarlierPerson(number(1), S.FAILED, False, True, "", None),
        EarlierPerson(number(2), S.PENDING, False, False, "", None),
        EarlierPerson(number(9), S.HOLDOUT, False, False, "", None),
    ]
    forget_answers(world)


def test_a_campaign_has_people_once_it_has_begun(world: World) -> None:
    run_id = world.run(people(2))
    with world.store.read() as session:
        assert begun_runs(session, "spring-sale", rehearsal=False) is None
        assert is_known(session, "spring-sale", rehearsal=False)
        assert not is_known(session, "summer-sale", rehearsal=False)
        assert known_campaigns(session, rehearsal=False) == []
    begin(world, run_id, is_over=False)
    with world.store.read() as session:
        earlier = begun_runs(session, "spring-sale", rehearsal=False)
        assert earlier is not None
        assert not earlier.is_over
        assert known_campaigns(session, rehearsal=False) == ["spring-sale"]
    assert [person.number for person in found(world)] == [number(0), number(1)]


def further_run(world: World, rows: Iterable[PlannedRecipient], moment: str, type: RunType = RunType.FIRING) -> int:
    """Another run of the same campaign."""
    with world.store.write() as session:
        first = runs.campaign_runs(session, "spring-sale")[0]
        run_id = runs.create_run(
            session,
            campaign_id=first.campaign_id,
            account_id=world.account_id,
            definition_id=first.definition_id,
            starts_at=NOW,
            follow_seconds=60,
            kind="marketing",
            now=NOW,
            type=type,
            moment=moment,
        )
        plans.insert_chunk(session, run_id, [(row, None) for row in rows])
    return run_id


def test_a_rehearsal_takes_its_own_people_and_else_those_of_the_real_campaign(world: World) -> None:
    begin(world, world.run(people(1)))
    with world.store.write() as session:
        definition = versions.stored_definition(session, runs.campaign_runs(session, "spring-sale")[0].definition_id)
    assert [each.number for each in found(world, rehearsal=True)] == [number(0)]
    with world.store.write() as session:
        version = versions.register(session, definition, rehearsal=True, source="s.yaml", now=NOW)
        rehearsed = runs.create_run(
            session,
            campaign_id=version.campaign_id,
            account_id=world.account_id,
            definition_id=version.definition_id,
            starts_at=NOW,
            follow_seconds=60,
            kind="marketing",
            now=NOW,
        )
        plans.insert_chunk(session, rehearsed, [(row, None) for row in people(2, first=5)])
    begin(world, rehearsed)

    assert [each.number for each in found(world, rehearsal=True)] == [number(5), number(6)]
    assert [each.number for each in found(world)] == [number(0)]


def test_a_run_that_has_not_begun_counts_for_nothing(world: World) -> None:
    first = world.run(people(2))
    begin(world, first)
    further_run(world, people(3), "2026-12-08T09:00:00Z")

    assert [each.number for each in found(world)] == [number(0), number(1)]


def test_who_is_excluded_later_is_in_no_audience(world: World) -> None:
    begin(world, world.run(people(2)))
    excluded = [PlannedRecipient(number(0), 0, "people.csv", 2, S.EXCLUDED, "listed in stop.csv")]
    begin(world, further_run(world, excluded, "2026-12-08T09:00:00Z"))

    assert [each.number for each in found(world)] == [number(1)]


def test_random_runs_give_what_a_dictionary_of_the_rows_gives(world: World) -> None:
    """All runs of a campaign in the order in which their rows were planned, the last one of each person counts."""
    chance = random.Random(7)
    states = [S.PENDING, S.DELIVERED, S.SENT, S.FAILED, S.EXPIRED, S.EXCLUDED, S.INVALID, S.SUPPRESSED, S.HOLDOUT]
    expected: dict[str, tuple[int, EarlierPerson]] = {}
    answers: set[tuple[str, str]] = set()
    with world.store.write() as session:
        other = new_run(session, world.account_id, "another")
        plans.insert_chunk(session, other, [(row, None) for row in people(30)])
    begin(world, other)
    for turn in range(12):
        rows = []
        for place in chance.sample(range(30), 20):
            state, label = chance.choice(states), chance.choice(["", "2h before"])
            variant = chance.choice("ab")
            rows.append(
                PlannedRecipient(
                    number(place), 0, "p.csv", place, state, departure=AT_ONCE, slot=label, variant=variant
                )
            )
        run_id = world.run(rows) if turn == 0 else further_run(world, rows, f"2026-12-{turn:02}T09:00:00Z")
        is_begun = turn == 0 or chance.random() < 0.8
        if is_begun:
            begin(world, run_id)
        with world.store.write() as session:
            for row in chance.sample(rows, 5):
                at = datetime(2026, 12, turn + 1, 12, tzinfo=UTC)
                put(session, run_id, row.number, delivered_at=at)
                kind = chance.choice(["replied", "opted_out"])
                answer(session, run_id, row.number, kind)
                if is_begun:
                    answers.add((row.number, kind))
            session.flush()
            stored = session.execute(
                sa.select(
                    recipients.c.id,
                    recipients.c.number,
                    recipients.c.state,
                    recipients.c.variant,
                    recipients.c.delivered_at,
                )
                .where(recipients.c.run_id == run_id)
                .order_by(recipients.c.id)
            ).all()
        for id_, who, state, variant, at in stored if is_begun else ():
            if state != S.INVALID:
                expected[who] = id_, EarlierPerson(who, state, False, False, variant, at)

    wanted = [
        person._replace(replied=(who, "replied") in answers, opted_out=(who, "opted_out") in answers)
        for who, (_, person) in sorted(expected.items(), key=lambda each: each[1][0])
        if person.state != S.EXCLUDED
    ]
    assert found(world) == wanted
    forget_answers(world)


def test_more_people_than_are_read_at_once(world: World) -> None:
    run_id = world.run(people(2 * PART + 1), per_request=500)
    begin(world, run_id)

    assert [each.number for each in found(world)] == [number(place) for place in range(2 * PART + 1)]
