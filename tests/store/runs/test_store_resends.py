"""Resending to people whose text failed: who they are, one run for each failure, and the last look at the intent."""

from collections import Counter
from collections.abc import Collection, Sequence, Set
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from campaigns.lifecycle import RecipientState, RunState
from campaigns.optout import Meaning
from campaigns.planning.batching import BatchLimits
from campaigns.planning.planned import PlannedRecipient
from campaigns.protocol.bulk_actions import BulkAction, Cause
from tests.store.store_world import AT_ONCE, NOW, World, people
from worker.store.models import Recipient, Retry, Run
from worker.store.people.stored_replies import Incoming, store_replies
from worker.store.reports import counts, exports
from worker.store.reports.choices import count_causes
from worker.store.reports.recipients import recipients_after
from worker.store.runs import runs
from worker.store.runs.resends import AT_ONCE as PART
from worker.store.runs.resends import FailedMessage, create_resend, failed_messages, failures, resends_of
from worker.store.sending.claim import NoIntent
from worker.store.sending.intent import Intent
from worker.store.tables import SOURCE

S = RecipientState
NO_SERVICE, GENERIC = 4, 1


def number(place: int) -> str:
    return f"+39333{place:07}"


@pytest.fixture
def run_id(world: World) -> int:
    """Eight people who have the text: two failed without service, one was left out, tests decide about the others."""
    in_rome = AT_ONCE._replace(zones="Europe/Rome")
    rows = [
        PlannedRecipient(
            number(place), 0, "p.csv", place + 2, S.PENDING, "", f"Hi {place}", 1, in_rome, "ab"[place % 2]
        )
        for place in range(8)
    ]
    run_id = world.run(rows, per_request=4)
    world.sent(run_id)
    put(world, run_id, [0, 1], state=S.FAILED, result_code=NO_SERVICE, reason="no service")
    put(world, run_id, [2], state=S.FAILED, gateway_id=None, reason="left out by the gateway")
    return run_id


def put(world: World, run_id: int, places: Collection[int], **values: object) -> None:
    """Make rows what a test needs them to be."""
    with world.store.write() as session:
        rows = col(Recipient.run_id) == run_id, col(Recipient.number).in_([number(place) for place in places])
        session.execute(sa.update(Recipient).where(*rows).values(**values))


def resend(world: World, run_id: int, *, opted_out: Collection[int] = (), per_request: int = 10) -> int | None:
    """Do what `campaigns resend` does in its transaction; the run is then running."""

    def suppressed(numbers: Sequence[str]) -> Set[str]:
        return {number(place) for place in opted_out} & set(numbers)

    with world.store.write() as session:
        root = runs.run_view(session, run_id)
        made = create_resend(
            session,
            root,
            account_id=world.account_id,
            limits=BatchLimits(per_request, 1_000),
            suppressed=suppressed,
            now=NOW,
        )
    if made is not None:
        world.set_run(made, state=RunState.RUNNING)
    return made


def who(world: World, run_id: int) -> dict[str, RecipientState]:
    return {row.number: row.state for row in world.recipients(run_id)}


@pytest.mark.parametrize(
    "values",
    [
        {"state": S.FAILED, "result_code": GENERIC},
        {"state": S.FAILED, "result_code": None},
        {"state": S.FAILED, "result_code": 987},
        {"state": S.HELD},
        {"state": S.EXPIRED},
        {"state": S.IN_DOUBT},
        {"state": S.CANCELLED, "result_code": NO_SERVICE},
        {"state": S.SENT},
        {"state": S.DELIVERED},
        {"state": S.PENDING},
    ],
    ids=str,
)
def test_only_who_is_proven_not_to_have_it_is_sent_to_again(
    world: World, run_id: int, values: dict[str, object]
) -> None:
    put(world, run_id, [3], **values)

    again = resend(world, run_id)

    assert again is not None
    assert who(world, again) == dict.fromkeys([number(0), number(1), number(2)], S.PENDING)


REMINDER = "A-17|2026-12-06T10:30+01:00|1d before"


@pytest.mark.parametrize(
    ("first", "second", "slot", "is_resent"),
    [
        ({"state": S.FAILED}, {"state": S.DUPLICATE}, "", True),
        ({"state": S.CANCELLED}, {"state": S.FAILED}, REMINDER, True),
        ({"state": S.SKIPPED}, {"state": S.FAILED}, REMINDER, True),
        ({"state": S.FAILED}, {"state": S.FAILED}, "", True),
        ({"state": S.DELIVERED, "attempts": 1}, {"state": S.FAILED}, "", False),
        ({"state": S.FAILED}, {"state": S.PENDING}, "", False),
        ({"state": S.CANCELLED, "attempts": 1}, {"state": S.FAILED}, REMINDER, False),
    ],
    ids=[
        "twice in a table", "a reminder withdrawn and planned again", "one missed and planned again",
        "twice on a contact list", "the first one of a list arrived", "the other one waits", "the other one was tried",
    ],
)  # fmt: skip
def test_of_several_rows_of_a_number_the_one_that_counts_is_sent_again_once(
    world: World,
    run_id: int,
    first: dict[str, object],
    second: dict[str, object],
    slot: str,
    is_resent: bool,
) -> None:
    """The plan, the resend, the last look before its request, the choice by a filter and the export agree."""
    rows = [
        PlannedRecipient(number(90), place, "p.csv", 1, S.PENDING, "", "Hi", 1, AT_ONCE, slot=slot) for place in (0, 7)
    ]
    several = world.run(rows, campaign="several", per_request=1)
    with world.store.write() as session:
        for place, values in ((0, first), (7, second)):
            row = col(Recipient.run_id) == several, col(Recipient.occurrence) == place
            session.execute(sa.update(Recipient).where(*row).values(result_code=NO_SERVICE, **values))
    with world.store.read() as session:
        people = sum(failure.people for failure in failures(session, several))
        chosen = count_causes(session, BulkAction.RESEND, several, {})
    # when
    again = resend(world, several)
    # then
    assert (people, again is not None) == (int(is_resent), is_resent)
    assert [each.people for each in chosen if each.cause is Cause.DONE] == [1] * is_resent
    if again is None:
        return
    assert [type(world.promise(batch)) for batch in world.batches(again)] == [Intent]
    with world.store.read() as session:
        shown = [row.state for page in exports.export_pages(session, several, with_resends=True) for row in page]
    assert (shown.count("in_doubt"), shown.count("failed")) == (1, int(first == second))


def test_many_are_read_in_parts_and_sent_again_once(world: World) -> None:
    large = world.run(people(2 * PART + 5), campaign="large", per_request=500)
    with world.store.write() as session:
        failed = {"state": S.FAILED, "result_code": NO_SERVICE, "gateway_id": col(Recipient.id), "attempts": 1}
        session.execute(sa.update(Recipient).where(col(Recipient.run_id) == large).values(**failed))
    found: list[FailedMessage] = []
    with world.store.read() as session:
        while part := failed_messages(session, large, after=found[-1].row_id if found else 0):
            assert len(part) <= PART
            found += part
    again = resend(world, large, opted_out=[1], per_request=500)
    assert again is not None
    assert [message.gateway_id for message in found] == [row.id for row in world.recipients(large)]
    assert [row.number for row in world.recipients(again)] == [row.number for row in world.recipients(large)]
    with world.store.read() as session:
        summary = runs.run_view(session, again).plan_summary
    assert (summary["audience"], summary["counts"]) == (2 * PART + 5, {"pending": 2 * PART + 4, "suppressed": 1})


def test_it_is_the_same_text_the_same_variant_and_the_same_clocks(world: World, run_id: int) -> None:
    again = resend(world, run_id)

    assert again is not None
    assert [(row.text, row.variant, row.line) for row in world.recipients(again)] == [
        ("Hi 0", "a", 2),
        ("Hi 1", "b", 3),
        ("Hi 2", "a", 4),
    ]
    assert world.of_recipients(again, SOURCE) == ["p.csv"] * 3
    batch = world.batches(again)[0]
    assert (world.batch(batch).zones, world.batch(batch).latest) == ("Europe/Rome", None)
    with world.store.read() as session:
        view, root = runs.run_view(session, again), runs.run_view(session, run_id)
    assert (view.parent_id, view.moment, view.definition_id) == (run_id, "resend-1", root.definition_id)
    assert view.plan_summary["counts"] == {"pending": 3}


def test_who_failed_on_one_device_shares_no_request_with_who_failed_on_another(world: World, run_id: int) -> None:
    put(world, run_id, [0, 4], state=S.FAILED, result_code=NO_SERVICE, device=1)
    put(world, run_id, [1, 5], state=S.FAILED, result_code=NO_SERVICE, device=2)
    put(world, run_id, [2], device=None)  # the gateway itself left it out

    again = resend(world, run_id)

    assert again is not None
    people: dict[int | None, set[str]] = {}
    for row in world.recipients(again):
        assert row.batch_id is not None
        people.setdefault(world.batch(row.batch_id).avoid_device, set()).add(row.number)
    assert people == {1: {number(0), number(4)}, 2: {number(1), number(5)}, None: {number(2)}}
    assert len(world.batches(again)) == 3


def test_the_campaigns_run_stays_its_run(world: World, run_id: int) -> None:
    again = resend(world, run_id)

    with world.store.read() as session:
        found = runs.find_run(session, "spring-sale")
        mine = runs.find_campaign_run(session, "spring-sale", rehearsal=False)
        assert resends_of(session, run_id) == [again]
    assert found is not None
    assert mine is not None
    assert found.id == mine.id == run_id


def test_nobody_is_in_two_resends_of_one_failure(world: World, run_id: int) -> None:
    first = resend(world, run_id)
    assert first is not None

    # while it is pending, and once it was sent
    assert resend(world, run_id) is None
    world.sent(first)
    assert resend(world, run_id) is None
    # except those who failed again, and those who failed in the first run meanwhile
    put(world, first, [1], state=S.FAILED, result_code=NO_SERVICE)
    put(world, run_id, [5], state=S.FAILED, result_code=NO_SERVICE)
    second = resend(world, run_id)
    assert second is not None
    assert set(who(world, second)) == {number(1), number(5)}


def test_two_commands_at_once_make_one_run(world: World, run_id: int) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = [again for again in pool.map(lambda _: resend(world, run_id), range(6)) if again is not None]

    with world.store.read() as session:
        assert list(session.exec(select(Run.id).where(Run.parent_id == run_id))) == made
    assert len(made) == 1


def test_who_opted_out_meanwhile_is_not_sent_to(world: World, run_id: int) -> None:
    again = resend(world, run_id, opted_out=[1])

    assert again is not None
    assert who(world, again) == {number(0): S.PENDING, number(1): S.SUPPRESSED, number(2): S.PENDING}
    # and that is the end of it
    put(world, again, [0, 2], state=S.DELIVERED)
    assert resend(world, run_id) is None


def test_what_is_tried_again_by_itself_is_left_to_that(world: World, run_id: int) -> None:
    row = world.recipients(run_id)[0]
    assert row.batch_id is not None
    assert row.gateway_id is not None
    with world.store.write() as session:
        session.add(
            Retry(
                run_id=run_id, recipient_id=row.id, batch_id=row.batch_id, gateway_id=row.gateway_id, segments=1,
                result_code=NO_SERVICE, gateway_retries=0, noticed_at=NOW, due_at=NOW,
            )
        )  # fmt: skip

    again = resend(world, run_id)

    assert again is not None
    assert set(who(world, again)) == {number(1), number(2)}


@pytest.mark.parametrize("state", [S.DELIVERED, S.SENT, S.ACCEPTED])
def test_a_text_that_was_sent_after_all_is_left_out_at_the_last_moment(
    world: World, run_id: int, state: RecipientState
) -> None:
    again = resend(world, run_id)
    assert again is not None
    put(world, run_id, [1], state=state)  # its receipt came after the resend was planned

    intent = world.intent(world.batches(again)[0])

    assert [addressee.number for addressee in intent.addressees] == [number(0), number(2)]
    left_out = {row.number: (row.state, row.is_superseded) for row in world.recipients(again)}[number(1)]
    assert left_out == (S.CANCELLED, True)
    with world.store.read() as session:
        resent = counts.books_of(session, [again])
        whole = counts.final(counts.books(session, run_id), resent.values(), counts.sent_after_all(session, resent))
        rows = [row for page in exports.export_pages(session, run_id, with_resends=True) for row in page]
    assert Counter(row.state for row in rows) == whole.by_state


def test_where_all_were_sent_after_all_nothing_is_sent_again(world: World, run_id: int) -> None:
    again = resend(world, run_id, per_request=1)
    assert again is not None
    put(world, run_id, [0], state=S.DELIVERED)

    promised = [world.promise(batch) for batch in world.batches(again)]

    assert [type(intent) for intent in promised] == [NoIntent, Intent, Intent]
    assert promised[0] is NoIntent.NOTHING_LEFT


def test_a_second_resend_looks_at_the_first_one_too(world: World, run_id: int) -> None:
    first = resend(world, run_id)
    assert first is not None
    world.sent(first)
    put(world, first, [0, 1], state=S.FAILED, result_code=NO_SERVICE)
    second = resend(world, run_id)
    assert second is not None
    put(world, first, [1], state=S.DELIVERED)

    intent = world.intent(world.batches(second)[0])

    assert [addressee.number for addressee in intent.addressees] == [number(0)]


def test_failures_are_told_by_reason_the_proven_first(world: World, run_id: int) -> None:
    put(world, run_id, [4, 5, 6], state=S.FAILED, result_code=GENERIC, reason="generic")

    with world.store.read() as session:
        found = [(f.people, f.reason, f.is_proven) for f in failures(session, run_id)]
        asked = failed_messages(session, run_id)

    assert found == [(2, "no service", True), (1, "left out by the gateway", True), (3, "generic", False)]
    assert len(asked) == 2


def test_an_export_has_everybody_once_with_what_became_of_them(world: World, run_id: int) -> None:
    again = resend(world, run_id)
    assert again is not None
    put(world, run_id, [1], state=S.DELIVERED)
    world.sent(again)
    put(world, again, [0], state=S.DELIVERED)

    with world.store.write() as session:
        pages = list(exports.export_pages(session, run_id, with_resends=True))
        alone = list(exports.export_pages(session, run_id))
        resent = counts.books_of(session, [again])
        whole = counts.final(counts.books(session, run_id), resent.values(), counts.sent_after_all(session, resent))
        listed, _ = recipients_after(session, run_id, {}, again=[again], after=0, limit=100)

        answer = Incoming(1, number(0), "Hello", 1, 0, NOW, Meaning.REPLY)
        store_replies(session, world.account_id, [answer], came_by="poll", now=NOW)
        wrote, _ = recipients_after(session, run_id, {"reply": "any"}, again=[again], after=0, limit=100)
        silent, _ = recipients_after(session, run_id, {"reply": "none"}, again=[again], after=0, limit=100)
        session.rollback()
    assert ([row.number for _, row in wrote], len(silent)) == ([number(0)], 7)

    # the figures of pages and their lists say the same
    assert Counter(row.state for page in pages for row in page) == whole.by_state
    assert Counter(row.state for _, row in listed) == whole.by_state
    exported = {row.number: row.state for page in pages for row in page}
    assert sum(map(len, pages)) == sum(map(len, alone)) == 8
    assert [exported[number(place)] for place in range(4)] == ["delivered", "delivered", "accepted", "accepted"]
