"""Texts and people that are forgotten by age: which runs are old enough, and what of them is left."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from campaigns.lifecycle import RecipientState, RunState
from campaigns.optout import Meaning
from campaigns.phone_numbers.pseudonyms import ERASED_TEXT, is_pseudonym
from campaigns.protocol.declarations import Declared
from tests.store.forgetting.test_store_erasing import ANNA, BEN, KEY, _said, keyed, over  # noqa: F401 - a fixture
from tests.store.store_world import NOW, World
from worker.store.engine import Store
from worker.store.forgetting import ageing
from worker.store.people import stored_replies, suppressions
from worker.store.people.suppressions import Entry
from worker.store.runs.held import resolve_held
from worker.store.tables import recipients, replies
from worker.store.tables import suppressions as suppression

FOLLOWED = timedelta(hours=1)  # as the runs of `World`
BEFORE = NOW + FOLLOWED + timedelta(seconds=1)
LATER = NOW + timedelta(days=30)


@pytest.fixture
def world(keyed: Store) -> World:  # noqa: F811 - the fixture
    return World(keyed)


def old(world: World, before: datetime = BEFORE) -> tuple[list[int], list[int]]:
    with world.store.read() as session:
        return ageing.old_runs(session, ageing.TEXTS, before), ageing.old_runs(session, ageing.PEOPLE, before)


def forget(world: World, run_id: int, *, people: bool) -> int:
    step: Callable[..., tuple[int | None, int]] = ageing.erase_people if people else ageing.empty_texts
    after: int | None = 0
    gone = 0
    while after is not None:
        with world.store.write() as session:
            after, some = step(session, run_id, after=after, now=LATER)
        gone += some
    with world.store.write() as session:
        ageing.end_run(session, run_id, ageing.PEOPLE if people else ageing.TEXTS, now=LATER)
    return gone


def test_a_run_is_old_once_its_following_is_and_that_of_its_resends(world: World) -> None:
    first = over(world)
    assert old(world, NOW + FOLLOWED) == ([], [])
    assert old(world) == ([first], [first])
    resend = world.run([], campaign="its-resend", state=RunState.RUNNING)
    world.set_run(resend, parent_id=first)
    assert old(world) == ([], [])
    world.set_run(resend, state=RunState.COMPLETED, finished_at=NOW)
    assert old(world) == ([first, resend], [first, resend])


def test_texts_go_first_and_people_later(world: World) -> None:
    run_id = over(world)
    before = world.states(run_id)
    assert forget(world, run_id, people=False) == 3
    assert {(row.text, row.number[0]) for row in world.recipients(run_id)} == {(ERASED_TEXT, "+")}
    assert old(world) == ([], [run_id])
    assert forget(world, run_id, people=True) == 3
    assert all(is_pseudonym(row.number) for row in world.recipients(run_id))
    assert (old(world), world.states(run_id)) == (([], []), before)
    assert forget(world, run_id, people=True) == 0


def test_whoever_is_held_is_forgotten_once_somebody_has_decided(world: World) -> None:
    run_id = over(world)
    with world.store.write() as session:
        mine = recipients.c.run_id == run_id, recipients.c.number == ANNA
        session.execute(sa.update(recipients).where(*mine).values(state=RecipientState.HELD))
    assert (forget(world, run_id, people=False), forget(world, run_id, people=True)) == (2, 2)
    assert world.recipients(run_id)[0].number == ANNA
    assert old(world) == ([], [])
    with world.store.write() as session:
        resolve_held(session, run_id, Declared.SENT, by="anna", now=LATER)
    assert old(world) == ([run_id], [run_id])
    assert (forget(world, run_id, people=False), forget(world, run_id, people=True)) == (1, 1)


def test_replies_and_opt_outs_are_forgotten_with_the_last_row_of_a_person(world: World) -> None:
    run_id = over(world)
    said = [_said(ANNA, Meaning.REPLY), _said(BEN, Meaning.REVIEW, "maybe", 9)]
    with world.store.write() as session:
        stored_replies.store_replies(session, world.account_id, said, came_by="poll", now=NOW)
        suppressions.suppress(session, [Entry(ANNA, "", "by phone", "command", NOW)], now=NOW)
    with world.store.write() as session:
        assert ageing.empty_replies(session, BEFORE, after=0, now=LATER)[1] == 1
        assert ageing.erase_writers(session, BEFORE, after=0, now=LATER)[1] == 0
    forget(world, run_id, people=True)
    with world.store.write() as session:
        assert ageing.erase_writers(session, BEFORE, after=0, now=LATER)[1] == 1
    with world.store.read() as session:
        assert is_pseudonym(session.scalars(sa.select(suppression.c.number)).one())
        assert {(row.number[0], row.text) for row in session.execute(sa.select(replies))} == {
            ("#", ERASED_TEXT),
            ("+", "maybe"),  # somebody has to read it
        }
        assert suppressions.suppressed_among(session, [ANNA], "marketing") == {ANNA}
