"""Exports: every row once, in order, whatever is between them; with replies and opt-outs."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col

from campaigns.lifecycle import RecipientState
from tests.store.store_world import NOW, World, people
from worker.store.models import Inbound, Recipient, Run, Suppression
from worker.store.people.run_answers import note_replies
from worker.store.reports import exports
from worker.store.reports.exports import Exported, export_pages, moment
from worker.store.reports.person import appearances


def exported(world: World, run_id: int) -> list[Exported]:
    with world.store.read() as session:
        return [row for page in export_pages(session, run_id) for row in page]


def test_every_row_comes_once_and_in_order_over_many_pages(world: World) -> None:
    # given two runs whose rows are interleaved
    how_many = exports.PAGE_ROWS + 700
    first = world.run(people(how_many), per_request=500)
    other = world.run(people(5, first=how_many), campaign="other")
    with world.store.write() as session:
        later = sa.select(sa.func.min(col(Recipient.id))).where(col(Recipient.run_id) == other).scalar_subquery()
        session.execute(
            sa.update(Recipient).where(col(Recipient.id) == later + 2).values(run_id=first, line=how_many + 9)
        )

    # when
    rows = exported(world, first)

    # then
    assert len(rows) == how_many + 1
    assert [row.number for row in rows[:2]] == ["+393330000000", "+393330000001"]
    assert len({row.number for row in rows}) == how_many + 1
    assert len(exported(world, other)) == 4


def test_rows_that_lie_far_apart_are_all_found_a_page_at_a_time(world: World) -> None:
    # given a run that was planned in two parts, with very much between them
    how_many = exports.PAGE_ROWS + 10
    run_id = world.run(people(2 * how_many), per_request=500)
    with world.store.write() as session:
        rows = [row.id for row in world.recipients(run_id)]
        far = rows[-1] + 20 * exports.MOST_IDS
        late = col(Recipient.id) >= rows[how_many]
        session.execute(sa.update(Recipient).where(late).values(id=col(Recipient.id) + far))

    # when
    with world.store.read() as session:
        pages = list(export_pages(session, run_id))

    # then
    assert max(map(len, pages)) == exports.PAGE_ROWS
    assert [row.number for page in pages for row in page] == [row.number for row in people(2 * how_many)]


def test_a_run_without_people_has_no_rows(world: World) -> None:
    assert exported(world, world.run([])) == []


def test_moments_and_the_result_are_in_words(world: World) -> None:
    run_id = world.run(people(2))
    with world.store.write() as session:
        values: dict[str, object] = {
            "accepted_at": NOW,
            "sent_at": NOW + timedelta(milliseconds=250),
            "result_code": 4,
            "device": 2,
        }
        first = sa.select(sa.func.min(col(Recipient.id))).scalar_subquery()
        session.execute(sa.update(Recipient).where(col(Recipient.id) == first).values(**values))

    one, two = exported(world, run_id)

    assert one.accepted_at == NOW.isoformat().replace("+00:00", "Z")
    assert one.sent_at == (NOW + timedelta(milliseconds=250)).isoformat().replace("+00:00", "Z")
    assert (one.result_code, one.result, one.device) == (4, "the phone has no service", 2)
    assert (two.accepted_at, two.result_code, two.result, two.state) == (None, None, "", "pending")
    assert one.planned_at == NOW.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("state", [RecipientState.FAILED, RecipientState.CANCELLED, RecipientState.DELIVERED])
def test_a_text_that_never_left_a_phone_has_no_date_of_sending(world: World, state: RecipientState) -> None:
    run_id = world.run(people(1))
    world.sent(run_id)
    with world.store.write() as session:
        session.execute(sa.update(Recipient).values(state=state, sent_at=NOW))
    with world.store.read() as session:
        (story,) = appearances(session, [row.number for row in people(1)])
    (row,) = exported(world, run_id)
    left = state is RecipientState.DELIVERED
    assert (row.accepted_at is not None, row.sent_at is not None, story.sent_at is not None) == (True, left, left)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("2026-12-01 09:00:00.000000", "2026-12-01T09:00:00Z"),
        ("2026-12-01 09:00:00", "2026-12-01T09:00:00Z"),
        ("2026-12-01 09:00:00.250000", "2026-12-01T09:00:00.250000Z"),
        ("2026-12-01 09:00:00.25", "2026-12-01T09:00:00.250000Z"),
    ],
)
def test_a_moment_is_written_as_everywhere(stored: str, shown: str) -> None:
    assert moment(stored) == shown


def test_the_first_reply_to_a_text_is_beside_it(world: World) -> None:
    # given three replies, two of them to the same person's text, stored in a different order from the one they came in
    run_id = world.run(people(3))
    rows = world.recipients(run_id)
    with world.store.write() as session:
        for place, (row, minute, text) in enumerate(
            [(rows[0], 9, "later"), (rows[0], 1, "first"), (rows[2], 5, "=1+1")]
        ):
            session.add(
                Inbound(
                    account_id=world.account_id,
                    gateway_id=50 + place,
                    number=row.number,
                    text=text,
                    received_at=NOW + timedelta(minutes=minute),
                    stored_at=NOW,
                    came_by="poll",
                    meaning="reply",
                    run_id=run_id,
                    recipient_id=row.id,
                )
            )
        note_replies(session, session.scalars(sa.select(col(Inbound.id))).all())

    # when
    found = exported(world, run_id)

    # then
    at = (NOW + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    assert [(row.replied_at, row.reply) for row in found[:2]] == [(at, "first"), (None, None)]
    assert found[2].reply == "=1+1"


@pytest.mark.parametrize(
    ("kind", "ended", "is_out"),
    [("", False, True), ("marketing", False, True), ("reminder", False, False), ("", True, False)],
)
def test_an_opt_out_in_force_for_the_campaigns_kind_is_beside_the_number(
    world: World, kind: str, ended: bool, is_out: bool
) -> None:
    run_id = world.run(people(2))
    since = NOW - timedelta(days=3)
    with world.store.write() as session:
        assert session.execute(sa.select(col(Run.kind))).scalar_one() == "marketing"
        session.add(Suppression(number="+393330000001", kind=kind, since=since, ended_at=NOW if ended else None))

    found = exported(world, run_id)

    shown = since.isoformat().replace("+00:00", "Z")
    assert [row.opted_out_at for row in found] == [None, shown if is_out else None]
