"""Erasing people: what is gone, what stays, and who has to wait."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from campaigns.lifecycle import RecipientState, RunState
from campaigns.optout import Meaning
from campaigns.phone_numbers.pseudonyms import ERASED_TEXT, is_pseudonym, pseudonym
from campaigns.planning.frequency_cap import Cap
from campaigns.planning.planned import PlannedRecipient
from campaigns.protocol.erasure import Unsettled
from tests.store.store_world import AT_ONCE, NOW, World, people
from worker.store.engine import Store
from worker.store.errors import PrivacyKeyProblem
from worker.store.forgetting.erasing import Erased, ask, asked_for, erase
from worker.store.people import erased, known_replies, stored_replies, suppressions
from worker.store.people.known_replies import Shown
from worker.store.people.stored_replies import Incoming
from worker.store.people.suppressions import Entry, suppressed_among
from worker.store.runs import reminders
from worker.store.sending import accepted_before, frequency_caps
from worker.store.sending.accepted_before import Before
from worker.store.tables import accepted_before as kept
from worker.store.tables import attempts, definitions, device_months, device_people, recipients, replies, run_answers
from worker.store.tables import suppressions as suppression

KEY = b"0123456789abcdef" * 4
LATER = NOW + timedelta(days=9)
ANNA, BEN, CARL = (row.number for row in people(3))


@pytest.fixture
def keyed(store: Store) -> Iterator[Store]:
    """The database as a process with a key sees it."""
    found = Store(store.url.render_as_string(hide_password=False), privacy_key=lambda: KEY)
    yield found
    found.close()


@pytest.fixture
def world(keyed: Store) -> World:
    return World(keyed)


def gone(world: World, *numbers: str) -> Erased:
    with world.store.write() as session:
        ask(session, numbers, now=LATER)
    with world.store.write() as session:
        return erase(session, numbers, now=LATER)


def over(world: World, how_many: int = 3, **how: Any) -> int:
    """A run whose texts are all delivered."""
    run_id = world.run(people(how_many), **how)
    world.sent(run_id)
    with world.store.write() as session:
        session.execute(
            sa.update(recipients).where(recipients.c.run_id == run_id).values(state=RecipientState.DELIVERED)
        )
    world.set_run(run_id, state=RunState.COMPLETED, finished_at=NOW)
    return run_id


def test_texts_and_numbers_are_gone_and_the_rows_stay(world: World) -> None:
    run_id = over(world)
    before = world.states(run_id)
    done = gone(world, ANNA)
    assert (done.people, dict(done.waiting), set(done.sources)) == (1, {}, {"people.csv"})
    first, *others = world.recipients(run_id)
    assert (first.number, first.text) == (pseudonym(KEY, ANNA), ERASED_TEXT)
    assert [row.number for row in others] == [BEN, CARL]
    assert world.states(run_id) == before
    with world.store.read() as session:
        assert asked_for(session) == []
        hashes = list(session.scalars(sa.select(attempts.c.payload_hash)))
    assert hashes == [""]


def test_nobody_is_erased_without_a_key(store: Store) -> None:
    with pytest.raises(PrivacyKeyProblem, match="--make-key"), store.write() as session:
        ask(session, [ANNA], now=NOW)


def test_another_key_is_noticed(world: World) -> None:
    gone(world, ANNA)
    other = Store(world.store.url.render_as_string(hide_password=False), privacy_key=lambda: b"x" * 64)
    with pytest.raises(PrivacyKeyProblem, match="another key"), other.write() as session:
        ask(session, [BEN], now=NOW)
    with pytest.raises(PrivacyKeyProblem, match="another key"), other.read() as session:
        suppressed_among(session, [BEN], "marketing")
    other.close()


def test_planning_is_refused_where_the_erased_cannot_be_recognised(world: World, store: Store) -> None:
    gone(world, ANNA)
    with pytest.raises(PrivacyKeyProblem, match="CAMPAIGNS_PRIVACY_KEY_FILE"):
        World(store).run(people(1, first=50), campaign="other")
    with store.read() as session:
        assert erased.is_blind(session)
    with world.store.read() as session:
        assert not erased.is_blind(session)


def test_what_is_only_planned_is_cancelled(world: World) -> None:
    run_id = world.run(people(4), per_request=1, state=RunState.SCHEDULED)
    done = gone(world, ANNA)
    assert (done.people, done.cancelled) == (1, 1)
    first, *others = world.recipients(run_id)
    assert (first.state, first.text) == (RecipientState.CANCELLED, ERASED_TEXT)
    assert {row.state for row in others} == {RecipientState.PENDING}
    assert [world.batch(id_).recipients for id_ in world.batches(run_id)] == [0, 1, 1, 1]


def test_whoever_has_a_text_under_way_waits_and_loses_only_what_is_planned(world: World) -> None:
    run_id = world.run(people(2), per_request=1)
    intent = world.intent(world.batches(run_id)[0])
    planned = world.run(people(1), campaign="next-week", state=RunState.SCHEDULED)
    done = gone(world, ANNA, BEN)
    assert done.waiting == {ANNA: Unsettled.IN_DOUBT}
    assert (done.people, done.cancelled) == (1, 2)
    assert world.recipients(run_id)[0].number == ANNA
    assert world.recipients(planned)[0].state is RecipientState.CANCELLED
    with world.store.read() as session:
        assert asked_for(session) == [ANNA]
    world.accept(intent, world.placed(intent))
    assert gone(world, ANNA).waiting == {ANNA: Unsettled.FOLLOWED}
    world.set_run(run_id, state=RunState.COMPLETED, finished_at=NOW)
    assert gone(world, ANNA).people == 1
    assert is_pseudonym(world.recipients(run_id)[0].number)


def test_whoever_is_held_or_wrote_what_waits_to_be_read_has_to_wait(world: World) -> None:
    run_id = over(world)
    with world.store.write() as session:
        mine = recipients.c.run_id == run_id, recipients.c.number == ANNA
        session.execute(sa.update(recipients).where(*mine).values(state=RecipientState.HELD))
        stored_replies.store_replies(session, world.account_id, [_said(BEN, Meaning.REVIEW)], came_by="poll", now=NOW)
    assert gone(world, ANNA, BEN, CARL).waiting == {ANNA: Unsettled.HELD, BEN: Unsettled.REPLY}


def _said(number: str, meaning: Meaning, text: str = "Anna says no", gateway_id: int = 7) -> Incoming:
    shown = Shown(gateway_id, number, text, NOW)
    reviewed = NOW if meaning is Meaning.STOP else None
    return Incoming(
        gateway_id, number, text, 1, 0, NOW, meaning, number, known_replies.fingerprint(shown), reviewed_at=reviewed
    )


def test_an_opt_out_stays_and_only_a_start_or_a_person_ends_it(world: World) -> None:
    over(world)
    with world.store.write() as session:
        stored_replies.store_replies(session, world.account_id, [_said(ANNA, Meaning.STOP)], came_by="poll", now=NOW)
        suppressions.suppress(session, [Entry(ANNA, "", "replied Anna says no", "reply", NOW)], now=NOW)
    gone(world, ANNA)
    with world.store.read() as session:
        assert suppressed_among(session, [ANNA, BEN], "marketing") == {ANNA}
        entry = session.execute(sa.select(suppression)).one()
        assert (entry.number, entry.reason) == (pseudonym(KEY, ANNA), "")
        reply = session.execute(sa.select(replies)).one()
        assert (reply.number, reply.sender, reply.text) == (pseudonym(KEY, ANNA), "", ERASED_TEXT)
        assert [each.number for each in suppressions.history(session, [ANNA])] == [ANNA]
        assert len(session.execute(sa.select(run_answers)).all()) == 1
    with world.store.write() as session:
        assert suppressions.release(session, [ANNA], now=LATER) == {ANNA}
        assert suppressed_among(session, [ANNA], "marketing") == set()


def test_an_opt_out_twice_erased_is_one(world: World) -> None:
    for _ in range(2):
        with world.store.write() as session:
            suppressions.suppress(session, [Entry(ANNA, "", "", "command", NOW)], now=NOW)
        assert gone(world, ANNA).people == 1
    with world.store.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(suppression)) == 1


def test_who_opted_out_and_was_erased_since_a_plan_began_is_taken_out_as_it_is_stored(world: World) -> None:
    with world.store.write() as session:
        suppressions.suppress(session, [Entry(ANNA, "", "", "command", NOW)], now=NOW)
    gone(world, ANNA)
    run_id = world.run(people(3), campaign="planned-before")  # as a plan that looked at the list before
    assert [row.state for row in world.recipients(run_id)] == [
        RecipientState.SUPPRESSED, RecipientState.PENDING, RecipientState.PENDING
    ]  # fmt: skip


def test_a_reply_that_is_shown_again_is_not_stored_again(world: World) -> None:
    over(world)
    said = [_said(ANNA, Meaning.REPLY), _said(ANNA, Meaning.START, "START", 8)]
    with world.store.write() as session:
        stored_replies.store_replies(session, world.account_id, said, came_by="poll", now=NOW)
    gone(world, ANNA)
    shown = [
        Shown(7, ANNA, "Anna says no", NOW),
        Shown(8, ANNA, "START", NOW + timedelta(hours=3)),  # the gateway's clock was set
        Shown(7, BEN, "Anna says no", NOW),
    ]
    with world.store.read() as session:
        assert known_replies.unknown_replies(session, world.account_id, shown) == [shown[2]]


def test_whoever_was_erased_is_nobody_unknown(world: World) -> None:
    over(world)
    gone(world, ANNA)
    with world.store.read() as session:
        found = stored_replies.people_at(session, world.account_id, [ANNA, "+393339999999"])
    assert {number: person.texts for number, person in found.items()} == {ANNA: ()}


CAP = Cap("marketing", 1, timedelta(days=30), False, ZoneInfo("UTC"), lambda moment: moment)


def test_a_frequency_cap_counts_texts_of_the_erased(world: World) -> None:
    over(world)
    gone(world, ANNA)
    run_id = world.run([*people(1), *people(1, first=77)], campaign="another")
    [batch_id] = world.batches(run_id)
    asked = (batch_id, world.account_id, CAP)
    with world.store.read() as session:
        assert frequency_caps.any_over(session, *asked, now=LATER)
        assert frequency_caps.count_over(session, [ANNA, "+393330000077"], world.account_id, CAP, now=LATER) == 1
    with world.store.write() as session:
        assert frequency_caps.keep_cap(session, *asked, now=LATER)
    assert [row.state for row in world.recipients(run_id)] == [RecipientState.CAPPED, RecipientState.PENDING]
    assert world.recipients(run_id)[0].reason.startswith("1 text of marketing campaigns in the last 30d: spring-sale")


def test_rows_of_a_campaign_are_known_by_number(world: World) -> None:
    run_id = over(world)
    gone(world, ANNA)
    with world.store.read() as session:
        known = reminders.known_in(session, run_id, [ANNA, BEN])
    assert [row.number for row in known] == [ANNA, BEN]


def test_a_message_of_a_lost_database_is_known_again_by_number_and_text(world: World) -> None:
    message = Before(5, ANNA, "Hi  0", None, 1, 0, NOW)
    with world.store.write() as session:
        accepted_before.keep(session, world.account_id, [message, replace(message, gateway_id=6, text="Other")])
    gone(world, ANNA)
    with world.store.read() as session:
        assert {is_pseudonym(row.number) and is_pseudonym(row.text) for row in session.execute(sa.select(kept))} == {
            True
        }
    world.run(people(1))
    with world.store.read() as session:
        found = [(row.number, row.text) for row in session.execute(sa.select(kept).order_by(kept.c.gateway_id))]
    assert found[0] == (ANNA, "Hi 0")
    assert is_pseudonym(found[1][0])


def test_people_named_in_a_file_are_taken_out_of_its_versions(world: World) -> None:
    run_id = over(world)
    body = (
        '{"campaign":"x","default_region":"IT","audience":[{"recipients":'
        '[{"number":"333 0000000","name":"Anna"},{"number":"+393330000001","name":"Ben"}]}]}'
    )
    with world.store.write() as session:
        session.execute(sa.update(definitions).values(body=body))
    gone(world, ANNA)
    with world.store.read() as session:
        changed = session.scalars(sa.select(definitions.c.body)).one()
    assert [part in changed for part in ("Anna", "333 0000000", "Ben")] == [False, False, True]
    assert world.recipients(run_id)[1].number == BEN


def test_a_person_with_two_spellings_is_erased_in_both(world: World) -> None:
    old, new = "+5215512345602", "+525512345602"
    rows = [
        PlannedRecipient(number, 0, "people.csv", place, RecipientState.PENDING, "", "Hola", 1, AT_ONCE)
        for place, number in enumerate((old, new))
    ]
    run_id = world.run(rows, state=RunState.SCHEDULED)
    assert gone(world, new).people == 1
    assert {row.number for row in world.recipients(run_id)} == {pseudonym(KEY, old), pseudonym(KEY, new)}


def test_whom_phones_texted_this_month_stays_counted(world: World) -> None:
    over(world)
    month = {"account_id": world.account_id, "month": NOW, "device": "1"}
    for _ in range(2):  # erased, counted as a new person, and erased again
        with world.store.write() as session:
            session.execute(sa.insert(device_people).values(**month, number=ANNA))
            if not session.scalar(sa.select(device_months.c.people)):
                session.execute(sa.insert(device_months).values(**month, people=1))
            else:
                session.execute(sa.update(device_months).values(people=2))
        gone(world, ANNA)
        with world.store.read() as session:
            assert session.scalars(sa.select(device_people.c.number)).all() == [pseudonym(KEY, ANNA)]
            assert session.scalar(sa.select(device_months.c.people)) == 1
