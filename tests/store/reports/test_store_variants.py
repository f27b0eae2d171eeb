"""The results of each variant and of the control group, next to replies and opt-outs of others and of other times."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col

from campaigns.lifecycle import RecipientState
from campaigns.optout import Meaning
from campaigns.planning.planned import PlannedRecipient
from scheduler.report.variants import TOO_FEW, compared, outcome_lines, outcome_table, outcomes_json
from tests.store.store_world import AT_ONCE, NOW, World
from worker.store.kept import counting
from worker.store.models import Recipient, Run
from worker.store.people import stored_replies, suppressions
from worker.store.people.run_answers import answers_unlike_rows, fill
from worker.store.people.stored_replies import Incoming
from worker.store.reports import counts
from worker.store.reports.variants import GroupOutcome, group_outcomes, whole_outcome
from worker.store.runs import runs
from worker.store.sending import accounts
from worker.store.tables import run_answers, run_counts

S = RecipientState
LATER = NOW + timedelta(minutes=10)


def split_rows(a: int, b: int, control: int) -> list[PlannedRecipient]:
    """An audience with this many of each, and a row that was assigned to none."""
    groups = ["a"] * a + ["b"] * b + [""] * control
    rows = [
        PlannedRecipient(f"+39333{place:07}", 0, "p.csv", place + 2, S.PENDING, "", f"Hi {place}", 1, AT_ONCE, variant)
        if variant
        else PlannedRecipient(f"+39333{place:07}", 0, "p.csv", place + 2, S.HOLDOUT)
        for place, variant in enumerate(groups)
    ]
    return [*rows, PlannedRecipient("call me", 99, "p.csv", 101, S.INVALID)]


@pytest.fixture
def run_id(world: World) -> int:
    """Two of variant a were delivered, one failed; of b one was sent and one is pending."""
    run_id = world.run(split_rows(3, 2, 4), per_request=4)
    world.set_run(run_id, plan_summary={"cuts": [1, 2]}, started_at=NOW)
    first = world.intent(world.batches(run_id)[0])
    world.accept(first, world.placed(first))
    states = [S.DELIVERED, S.DELIVERED, S.FAILED, S.SENT]
    with world.store.write() as session:
        for place, state in enumerate(states):
            change = sa.update(Recipient).where(col(Recipient.number) == number(place))
            session.execute(change.values(state=state))
    return run_id


def number(place: int) -> str:
    return f"+39333{place:07}"


def write(
    session: Session, account_id: int, place: int, at: datetime, gateway_id: int, meaning: Meaning = Meaning.REPLY
) -> None:
    said = Incoming(gateway_id, number(place), "hello", None, None, at, meaning)
    stored_replies.store_replies(session, account_id, [said], came_by="poll", now=at)


def opt_out(session: Session, place: int, at: datetime, source: str = "reply") -> None:
    suppressions.suppress(session, [suppressions.Entry(number(place), "", "STOP", source, at)], now=at)


def outcomes(world: World, run_id: int, again: tuple[int, ...] = ()) -> tuple[GroupOutcome, ...]:
    with world.store.read() as session:
        return group_outcomes(session, runs.run_view(session, run_id), again)


def test_each_group_has_its_figures(world: World, run_id: int) -> None:
    with world.store.write() as session:
        for gateway_id, place in enumerate([0, 0, 1, 3, 5], start=1):  # one of them wrote twice
            write(session, world.account_id, place, LATER, gateway_id)
        opt_out(session, 1, LATER)
        opt_out(session, 6, LATER, "command")

    assert outcomes(world, run_id) == (
        GroupOutcome("a", False, people=3, sent=2, delivered=2, replied=2, opted_out=1),
        GroupOutcome("b", False, people=2, sent=1, delivered=0, replied=1, opted_out=0),
        GroupOutcome("", True, people=4, sent=0, delivered=0, replied=1, opted_out=1),
    )


@pytest.mark.parametrize("meaning", list(Meaning))
def test_a_keyword_is_no_answer(world: World, run_id: int, meaning: Meaning) -> None:
    with world.store.write() as session:
        write(session, world.account_id, 0, LATER, 1, meaning)

    assert [group.replied for group in outcomes(world, run_id)] == [meaning in {Meaning.REPLY, Meaning.REVIEW}, 0, 0]


def test_what_was_written_at_another_time_or_to_another_account_does_not_count(world: World, run_id: int) -> None:
    world.set_run(run_id, sent_at=NOW, follow_seconds=300.0)  # ten minutes later is too late
    with world.store.write() as session:
        other = accounts.ensure_account(session, "another")
        write(session, world.account_id, 0, NOW - timedelta(seconds=1), 1)
        write(session, world.account_id, 0, LATER, 2)
        write(session, other, 0, NOW, 3)
        opt_out(session, 0, NOW - timedelta(days=1))
        opt_out(session, 1, NOW, "import old-list.csv")

    assert [(group.replied, group.opted_out) for group in outcomes(world, run_id)] == [(0, 0)] * 3


def test_who_got_it_from_a_resend_got_it(world: World, run_id: int) -> None:
    again = world.run(split_rows(3, 0, 0)[2:3], campaign="again")
    world.sent(again)
    with world.store.write() as session:
        session.execute(sa.update(Recipient).where(col(Recipient.run_id) == again).values(state=S.DELIVERED))

    found = outcomes(world, run_id, (again,))

    assert [(group.people, group.sent, group.delivered) for group in found] == [(3, 3, 3), (2, 1, 0), (4, 0, 0)]


def test_a_run_that_was_not_divided_has_no_groups(world: World, run_id: int) -> None:
    world.set_run(run_id, plan_summary={})

    assert outcomes(world, run_id) == ()


def test_groups_in_words(world: World, run_id: int) -> None:
    found = outcomes(world, run_id)

    headings, rows = outcome_table(found)
    assert headings[-1] == "replied more than control"
    assert [row[:3] for row in rows] == [
        ("a", "3", "2 = 66.7 % (20.8 to 93.9)"),
        ("b", "2", "1 = 50.0 % (9.5 to 90.5)"),
        ("control group", "4", ""),
    ]
    assert list(outcome_lines(found))[2] == "Control group: 4 people, of these 0 replied (0.0 %), 0 opted out (0.0 %)"
    told = outcomes_json(found)
    assert [variant["name"] for variant in told["variants"]] == ["a", "b"]
    assert told["variants"][0]["sent"] == {"count": 2, "share": 0.6667, "low": 0.2077, "high": 0.9385}
    assert told["control"]["recipients"] == 4


def test_a_run_as_a_whole_is_told_by_its_books_and_the_replies_to_it(world: World, run_id: int) -> None:
    with world.store.write() as session:
        session.execute(sa.update(Run).where(col(Run.id) == run_id).values(plan_summary={}))
        for gateway_id, (place, meaning) in enumerate(((0, Meaning.REPLY), (0, Meaning.REPLY), (1, Meaning.STOP))):
            write(session, world.account_id, place, LATER, gateway_id, meaning)
        write(session, world.account_id, 5, LATER, 9)  # of the control group: to whom nothing was sent
    with world.store.read() as session:
        run = runs.run_view(session, run_id)
        found = whole_outcome(session, run, counts.books(session, run_id).by_state)
    assert found == GroupOutcome("spring-sale", False, 5, 3, 2, 1, 1)


def test_a_run_with_a_control_group_alone_has_two_groups(world: World) -> None:
    rows = [row._replace(variant="") for row in split_rows(2, 1, 2)]
    run_id = world.run([*rows, PlannedRecipient("+393330000099", 0, "p.csv", 102, S.SUPPRESSED)])
    world.set_run(run_id, plan_summary={"cuts": [1]}, started_at=NOW)
    with world.store.write() as session:
        opt_out(session, 0, LATER)  # before it was sent: still one of those who were assigned to it
        opt_out(session, 4, LATER)

    assert outcomes(world, run_id) == (GroupOutcome("", False, 3, 0, 0, 0, 1), GroupOutcome("", True, 2, 0, 0, 0, 1))


def test_who_answered_is_noted_of_what_a_database_has(world: World, run_id: int) -> None:
    """As migration 0013 does it: the counts are those that were kept from the beginning."""
    other = world.run(split_rows(0, 0, 0) + [row._replace(number="+393340000001") for row in split_rows(1, 0, 0)[:1]],
                      campaign="other")  # fmt: skip
    world.sent(other)
    with world.store.write() as session:
        for gateway_id, place in enumerate([0, 0, 1, 5], start=1):
            write(session, world.account_id, place, LATER, gateway_id)
        said = Incoming(9, "+393340000001", "STOP", None, None, LATER, Meaning.STOP)
        stored_replies.store_replies(session, world.account_id, [said], came_by="poll", now=LATER)
        opt_out(session, 6, LATER)
        before = counted(session)
        assert sum(before["answer.replied", part] for part in ("text.a", "control", "text.")) == 3
        session.execute(sa.delete(run_answers))
        assert len(answers_unlike_rows(session)) == 5
        session.execute(sa.delete(run_counts))
    with world.store.write() as session:
        fill(session)
        session.execute(sa.delete(run_counts))
        counting.fill(session.connection())
        assert counted(session) == before


def counted(session: Session) -> Counter[tuple[str, str]]:
    """What is kept of all runs together."""
    found = session.execute(sa.select(run_counts.c.figure, run_counts.c.part, sa.func.sum(run_counts.c.amount))
                            .group_by(run_counts.c.figure, run_counts.c.part))  # fmt: skip
    return Counter({(figure, part): int(amount) for figure, part, amount in found if amount})


def test_a_difference_that_may_be_chance_is_not_called_one() -> None:
    few = compared([GroupOutcome("a", False, 10, 10, 9, 1, 0), GroupOutcome("b", False, 10, 10, 8, 2, 0)])
    assert [cell.verdict for cell in few.rows[0].cells] == [""] * 4
    assert {cell.verdict for cell in few.rows[1].cells} == {TOO_FEW}
    many = compared(
        [GroupOutcome("a", False, 5_000, 5_000, 4_500, 1, 0), GroupOutcome("b", False, 5_000, 5_000, 4_000, 2, 0)]
    )
    assert [cell.verdict for cell in many.rows[1].cells] == [TOO_FEW, "-11.4 to -8.6 points", TOO_FEW, TOO_FEW]


def test_replies_are_compared_with_those_who_got_nothing() -> None:
    sent = GroupOutcome("a", False, 1_000, 1_000, 950, 100, 3)
    found = compared([sent, GroupOutcome("", True, 1_000, 0, 0, 10, 3)])
    variant, control = found.rows
    assert (variant.name, control.name) == ("a", "control group")
    assert [cell.verdict for cell in variant.cells] == ["", "", "+7.1 to +11.1 points", TOO_FEW]
    assert [cell.share for cell in control.cells[:2]] == ["", ""]
    assert [cell.verdict for cell in control.cells] == [""] * 4
    assert compared([]).rows == ()
