"""One action for everybody whom a filter matches: for exactly those whom its plan counted, or not at all."""

from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest
import sqlalchemy as sa

from campaigns.access import Actor, ActorKind
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.optout import Meaning
from campaigns.protocol.bulk_actions import BulkAction, Cause
from scheduler.actions.bulk import BulkPlan, BulkSelection, OtherPeople, do_bulk, plan_bulk
from scheduler.actions.reading.audit import read_audit
from scheduler.actions.reading.phones import read_phone_texts
from scheduler.actions.reading.recipients import read_recipients
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.suppressing.opt_outs import suppress
from tests.store.store_world import NOW, World, people
from worker.runtime import Runtime
from worker.store.people.stored_replies import Incoming, store_replies
from worker.store.reports.choices import AT_ONCE
from worker.store.reports.recipients import PhoneText, phone_texts_after
from worker.store.tables import batches, campaigns, recipients, replies, runs, suppressions

ANNA: Final = Actor(ActorKind.USER, "anna")
SALE: Final = "spring-sale"
NO_SUCH: Final = "no such number"


@pytest.fixture
def world(on_both: Runtime) -> World:
    """A finished run of twelve: six failed (two without proof), two delivered, three held, one is in it twice."""
    world = World(on_both.store)
    run_id = world.run(people(12))
    world.sent(run_id)
    failed, delivered, held = RecipientState.FAILED, RecipientState.DELIVERED, RecipientState.HELD
    states = [*[failed] * 6, *[delivered] * 2, *[held] * 3, failed]
    with world.store.write() as session:
        rows = session.execute(sa.select(recipients.c.id, recipients.c.batch_id).order_by(recipients.c.id)).all()
        for place, ((id_, batch), state) in enumerate(zip(rows, states, strict=True)):
            values: dict[str, Any] = {"state": state, "device": 1 + place % 2, "gateway_id": 1_000 + place}
            if state is failed:
                values |= {"reason": NO_SUCH if place < 4 else "generic failure", "result_code": None}
            if place < 4:
                values |= {"gateway_id": None}  # refused by the gateway: proof that nothing was sent
            if place == 11:
                values |= {"number": person(8), "occurrence": 1}
            session.execute(sa.update(recipients).where(recipients.c.id == id_).values(values))
            if state is held:
                session.execute(sa.update(batches).where(batches.c.id == batch).values(state=BatchState.HELD))
    world.set_run(run_id, state=RunState.COMPLETED, finished_at=NOW)
    with world.store.write() as session:
        session.execute(sa.update(campaigns).values(rehearsal=True))
    return world


def chosen(**filters: Any) -> BulkSelection:
    return BulkSelection(SALE, None, filters)


def done(runtime: Runtime, action: BulkAction, whom: BulkSelection, plan: BulkPlan | None = None) -> int:
    seal = (plan or plan_bulk(runtime.store, action, whom)).seal
    return do_bulk(runtime, ANNA, action, whom, seal, now=NOW).people


def numbers(world: World, *where: sa.ColumnElement[bool]) -> list[str]:
    with world.store.read() as session:
        return list(session.scalars(sa.select(recipients.c.number).where(*where).order_by(recipients.c.id)))


def person(place: int) -> str:
    return f"+39333{place:07}"


@pytest.mark.parametrize("action", BulkAction)
def test_each_figure_of_a_plan_is_the_count_of_its_rows(on_both: Runtime, world: World, action: BulkAction) -> None:
    suppress(on_both.store, ANNA, [person(0), person(6)], now=NOW)
    for filters in ({}, {"state": "failed"}, {"device": 1}, {"reason": NO_SUCH}, {"reply": "none"}, {"reply": "any"}):
        plan = plan_bulk(on_both.store, action, chosen(**filters))
        everybody = read_recipients(on_both.store, SALE, None, filters, after=0, limit=100).rows
        assert plan.people + sum(plan.left_out.values()) == len(everybody)
        for cause, count in {Cause.DONE: plan.people, **plan.left_out}.items():
            rows = read_recipients(on_both.store, SALE, None, filters, among=(action, cause), after=0, limit=100).rows
            assert len(rows) == count, (filters, cause)


def test_what_failed_is_sent_again_to_those_alone_whom_the_filter_matches(on_both: Runtime, world: World) -> None:
    # given
    suppress(on_both.store, ANNA, [person(0)], now=NOW)
    whom = chosen(device=1)
    # when
    plan = plan_bulk(on_both.store, BulkAction.RESEND, whom)
    assert (plan.people, plan.left_out) == (1, {Cause.NOT_FAILED: 3, Cause.NOT_PROVEN: 1, Cause.OPTED_OUT: 1})
    made = do_bulk(on_both, ANNA, BulkAction.RESEND, whom, plan.seal, now=NOW)
    # then
    assert numbers(world, recipients.c.run_id == made.run_id) == [person(2)]
    (entry, *_) = read_audit(on_both.store, action="resend", after=0, limit=9).rows
    assert entry.detail["filter"] == "device=1"
    assert (entry.detail["planned"], "opted_out=1" in entry.detail["left_out"]) == (1, True)
    again = plan_bulk(on_both.store, BulkAction.RESEND, BulkSelection(SALE, plan.run.id, {"device": 1}))
    assert (again.people, again.left_out[Cause.SENT_AGAIN]) == (0, 1)
    with pytest.raises(Refused) as refused:
        done(on_both, BulkAction.RESEND, BulkSelection(SALE, plan.run.id, {"device": 1}))
    assert refused.value.code is Refusal.WRONG_STATE


@pytest.mark.parametrize(
    ("action", "state"), [(BulkAction.SENT, RecipientState.ACCEPTED), (BulkAction.NOT_SENT, RecipientState.PENDING)]
)
def test_held_texts_are_decided_for_those_whom_the_filter_matches(
    on_both: Runtime, world: World, action: BulkAction, state: RecipientState
) -> None:
    assert done(on_both, action, chosen(device=1)) == 2
    assert numbers(world, recipients.c.state == state) == [person(8), person(10)]
    assert numbers(world, recipients.c.state == RecipientState.HELD) == [person(9)]
    (entry, *_) = read_audit(on_both.store, action="resolve", after=0, limit=9).rows
    assert (entry.campaign, entry.detail["filter"], entry.detail["people"]) == (SALE, "device=1", 2)
    with world.store.read() as session:
        run_state = session.scalars(sa.select(runs.c.state)).one()
    assert run_state is (RunState.RUNNING if action is BulkAction.NOT_SENT else RunState.COMPLETED)


def test_a_contact_list_is_not_decided_by_a_filter(on_both: Runtime, world: World) -> None:
    with world.store.write() as session:
        run_id = session.scalars(sa.select(runs.c.id)).one()
        ids = list(session.scalars(sa.select(batches.c.id).order_by(batches.c.id)))
        session.execute(sa.update(batches).where(batches.c.id == ids[0]).values(list_id=7, state=BatchState.HELD))
    for action in (BulkAction.SENT, BulkAction.NOT_SENT):
        done(on_both, action, BulkSelection(SALE, run_id, {"device": 1 if action is BulkAction.SENT else 2}))
    assert world.batch_state(ids[0]) is BatchState.HELD


def test_people_are_opted_out_in_parts_with_one_entry(on_both: Runtime, world: World) -> None:
    large = world.run(people(AT_ONCE + 5, first=1_000), campaign="large", per_request=500)
    whom = BulkSelection("large", large, {})
    assert done(on_both, BulkAction.OPT_OUT, whom) == AT_ONCE + 5
    plan = plan_bulk(on_both.store, BulkAction.OPT_OUT, whom)
    assert (plan.people, plan.left_out) == (0, {Cause.OPTED_OUT: AT_ONCE + 5})
    assert world.states(large) == {RecipientState.SUPPRESSED: AT_ONCE + 5}
    assert Counter(entry.action for entry in read_audit(on_both.store, after=0, limit=99).rows)["suppress"] == 1


def test_everybody_with_a_number_is_opted_out_whatever_became_of_the_row(on_both: Runtime, world: World) -> None:
    # given rows as a plan makes them: one whose field is empty, one that repeats a number, and unusable texts
    invalid, duplicate = RecipientState.INVALID, RecipientState.DUPLICATE
    made = (
        (person(0), invalid, 1),
        (person(1), RecipientState.DELIVERED, 0),
        (person(1), duplicate, 3),
        ("+39 call me", invalid, 4),
        ("", invalid, 5),
    )
    with world.store.write() as session:
        ids = session.scalars(sa.select(recipients.c.id).order_by(recipients.c.id)).all()
        for id_, (number, state, occurrence) in zip(ids, made, strict=False):
            values = {"number": number, "state": state, "occurrence": occurrence}
            session.execute(sa.update(recipients).where(recipients.c.id == id_).values(values))
    # when
    for state, left_out in ((invalid, {Cause.NO_NUMBER: 2}), (duplicate, {})):
        plan = plan_bulk(on_both.store, BulkAction.OPT_OUT, chosen(state=state))
        assert (plan.people, plan.left_out) == (1, left_out)
        assert done(on_both, BulkAction.OPT_OUT, chosen(state=state), plan) == 1
    # then
    with world.store.read() as session:
        assert set(session.scalars(sa.select(suppressions.c.number))) == {person(0), person(1)}


def test_who_wrote_back_is_chosen_by_meaning(on_both: Runtime, world: World) -> None:
    with world.store.write() as session:
        said = [
            Incoming(1, person(6), "Thanks", 1, 0, NOW + timedelta(minutes=1), Meaning.REPLY),
            Incoming(2, person(7), "HELP", 1, 0, NOW + timedelta(minutes=1), Meaning.HELP),
        ]
        store_replies(session, world.account_id, said, came_by="poll", now=NOW)
        whose = sa.select(recipients.c.id).where(recipients.c.number == replies.c.number).scalar_subquery()
        session.execute(sa.update(replies).values(run_id=sa.select(runs.c.id).scalar_subquery(), recipient_id=whose))

    def wrote(reply: str) -> list[str]:
        page = read_recipients(on_both.store, SALE, None, {"reply": reply}, after=0, limit=99)
        return [row.values.number for row in page.rows]

    assert {reply: wrote(reply) for reply in ("any", "answer", "help", "stop")} == {
        "any": [person(6), person(7)],
        "answer": [person(6)],
        "help": [person(7)],
        "stop": [],
    }
    assert len(wrote("none")) == 10


def test_the_rows_behind_a_figure_are_found_on_both_databases(on_both: Runtime, world: World) -> None:
    for filters, count in (
        ({"part": "text."}, 12),
        ({"part": "control"}, 0),
        ({"part": "all-but-control", "reached": "sent"}, 2),
        ({"reached": "people"}, 12),
        ({"reached": "delivered"}, 2),
        ({"reached": "replied"}, 0),
        ({"reason": NO_SUCH, "device": 1, "result_code": "none"}, 2),
        ({"reason": "none"}, 5),
        ({"device": "none"}, 0),
    ):
        page = read_recipients(on_both.store, SALE, None, filters, after=0, limit=99)
        assert (len(page.rows), page.next) == (count, None), filters
    found: list[PhoneText] = []
    after: int | None = 0
    while after is not None:
        part = read_phone_texts(on_both.store, world.account_id, 1, 0, "failed", after=after, limit=2)
        found, after = [*found, *part.rows], part.next
    ids = [row.id for row in found]
    assert (ids, len(ids), {row.campaign for row in found}) == (sorted(ids, reverse=True), 3, {SALE})
    with pytest.raises(Refused):
        read_phone_texts(on_both.store, world.account_id, 1, 0, "lost", after=0, limit=2)


def test_the_first_page_of_a_phone_has_its_texts_although_others_sent_much_since(
    on_both: Runtime, world: World
) -> None:
    """Its texts are in later parts than the first that is looked at, as behind 50,000 texts of other phones."""
    with on_both.store.read() as session:
        look = partial(phone_texts_after, session, world.account_id, 1, 0, "failed", limit=2)
        first, after = look(after=0, scanned=3)
        last, end = look(after=after or 0, scanned=3)
        assert (len(first), len(last), end) == (2, 1, None)
        # A page gives up after so many parts, and says where to go on.
        nothing, after = partial(phone_texts_after, session, world.account_id, 9, 0, "failed")(
            after=0, limit=2, scanned=1
        )
    assert nothing == []
    assert after is not None


@pytest.mark.parametrize("action", BulkAction)
def test_nothing_is_done_if_the_people_have_changed_since_the_plan(
    on_both: Runtime, world: World, action: BulkAction
) -> None:
    # given as many people as before, but others
    with world.store.write() as session:
        session.execute(sa.update(recipients).where(recipients.c.occurrence == 1).values(number="n/a"))
    plan = plan_bulk(on_both.store, action, chosen())
    with world.store.write() as session:
        ids = list(session.scalars(sa.select(recipients.c.id).order_by(recipients.c.id)))
        for place, number in ((0, "none"), (11, person(11))):
            session.execute(sa.update(recipients).where(recipients.c.id == ids[place]).values(number=number))
        swap = {ids[0]: ("delivered", 9), ids[6]: ("failed", None), ids[8]: ("failed", 9), ids[11]: ("held", 9)}
        for id_, (state, gateway_id) in swap.items():
            values = {"state": RecipientState(state), "gateway_id": gateway_id, "occurrence": int(id_ == ids[0])}
            session.execute(sa.update(recipients).where(recipients.c.id == id_).values(values))
    states = world.states(plan.run.id)
    # when
    with pytest.raises(OtherPeople) as refused:
        done(on_both, action, chosen(), plan)
    # then
    assert refused.value.code is Refusal.OTHER_PLAN
    assert refused.value.plan.people == plan.people
    assert world.states(plan.run.id) == states
    assert [entry.action for entry in read_audit(on_both.store, after=0, limit=99).rows] == []
    assert done(on_both, action, chosen(), refused.value.plan) == plan.people
