"""Charges and budgets of money in the store: exact, whoever races for the last cent and whatever proves not sent."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from campaigns.lifecycle import RecipientState
from campaigns.money.amounts import parse_decimal
from campaigns.money.prices import ANY, PriceRow, Tariff
from campaigns.protocol.declarations import Declared
from tests.store.store_world import NOW, SEND_BY, World, people
from worker.store.engine import Store
from worker.store.money import charges, spending
from worker.store.money.spending import Bill, SpendingLimit
from worker.store.reports import counts
from worker.store.reports.exports import export_pages
from worker.store.reports.recipients import recipients_after
from worker.store.runs import held, runs
from worker.store.sending.claim import NoIntent, load_work
from worker.store.sending.intent import Intent, record_intent
from worker.store.sending.outcome import close_attempt, hold_in_doubt, release
from worker.store.tables import spent_money

DAY = (NOW.replace(hour=0), NOW.replace(hour=0) + timedelta(days=1))
PRICE = 45_000


def bill(world: World, run_id: int, *, campaign: int | None = None, account: int | None = None) -> Bill:
    """By a price of 0.045 for +39, with these budgets of the day."""
    with world.store.read() as session:
        campaign_id = runs.run_view(session, run_id).campaign_id
    of_account, of_campaign = spending.account_scope(world.account_id), spending.campaign_scope(campaign_id)
    amounts = ((of_account, account), (of_campaign, campaign))
    limits = tuple(SpendingLimit(scope, *DAY, amount) for scope, amount in amounts if amount is not None)
    return Bill("EUR", Tariff([PriceRow("39", ANY, PRICE)], []), of_account, of_campaign, limits)


def promise(world: World, batch_id: int, terms: Bill) -> Intent | NoIntent:
    with world.store.write() as session:
        work = load_work(session, batch_id)
        if work is None:
            return NoIntent.NOT_DUE
        intent = record_intent(session, work, target="", now=NOW, send_by=SEND_BY, bill=terms)
        if not isinstance(intent, Intent):
            session.rollback()
        return intent


def must(world: World, batch_id: int, terms: Bill) -> Intent:
    intent = promise(world, batch_id, terms)
    assert isinstance(intent, Intent)
    return intent


def spent(store: Store) -> list[int]:
    with store.read() as session:
        return list(session.scalars(sa.select(spent_money.c.millionths).order_by(spent_money.c.scope)))


def row_costs(world: World, run_id: int) -> list[str | None]:
    """What an export says of each person; a list of the same people says so, too."""
    with world.store.read() as session:
        exported = [row.cost for page in export_pages(session, run_id) for row in page]
        listed, _ = recipients_after(session, run_id, {}, after=0, limit=100)
    assert [row.cost for _, row in listed] == exported
    return exported


def cost(world: World, run_id: int) -> int:
    rows = [parse_decimal(found) for found in row_costs(world, run_id) if found is not None]
    with world.store.read() as session:
        assert spending.unlike_charges(session) == {}
        found = counts.books(session, run_id).cost
    assert sum(rows) == found
    return found


def test_a_request_is_charged_with_its_intent(world: World) -> None:
    run_id = world.run(people(3, segments=2))
    [batch_id] = world.batches(run_id)

    intent = must(world, batch_id, bill(world, run_id, campaign=10**9, account=10**9))
    world.accept(intent, world.placed(intent))

    assert cost(world, run_id) == 3 * 2 * PRICE
    assert spent(world.store) == [3 * 2 * PRICE] * 2


def test_without_prices_nothing_is_charged(world: World) -> None:
    run_id = world.run(people(3))
    world.sent(run_id)
    assert cost(world, run_id) == 0
    assert spent(world.store) == []


def test_a_request_that_does_not_fit_leaves_nothing_behind(world: World) -> None:
    run_id = world.run(people(3))
    [batch_id] = world.batches(run_id)

    assert promise(world, batch_id, bill(world, run_id, campaign=3 * PRICE - 1)) is NoIntent.OVER_BUDGET
    assert world.states(run_id) == {RecipientState.PENDING: 3}
    assert cost(world, run_id) == 0
    assert isinstance(promise(world, batch_id, bill(world, run_id, campaign=3 * PRICE)), Intent)


def test_a_budget_that_is_set_later_knows_what_was_spent_before(world: World) -> None:
    run_id = world.run(people(4), per_request=2)
    first, second = world.batches(run_id)
    must(world, first, bill(world, run_id))
    assert spent(world.store) == []

    assert promise(world, second, bill(world, run_id, account=4 * PRICE - 1)) is NoIntent.OVER_BUDGET
    assert isinstance(promise(world, second, bill(world, run_id, account=4 * PRICE)), Intent)
    assert spent(world.store) == [4 * PRICE]


def test_nobody_without_a_price_is_promised_under_a_budget(world: World) -> None:
    run_id = world.run(people(2))
    [batch_id] = world.batches(run_id)
    terms = bill(world, run_id, campaign=10**9)
    unknown = Bill("EUR", Tariff([PriceRow("49", ANY, PRICE)], []), terms.account, terms.campaign, terms.limits)

    assert promise(world, batch_id, unknown) is NoIntent.NO_PRICE
    # without a budget they are sent, and counted as what they are
    intent = must(world, batch_id, Bill("EUR", unknown.tariff, terms.account, terms.campaign))
    world.accept(intent, world.placed(intent))
    with world.store.read() as session:
        books = counts.books(session, run_id)
    assert (books.cost, books.unpriced) == (0, 2)
    assert row_costs(world, run_id) == [None, None]


def test_who_is_proven_not_sent_costs_nothing(world: World) -> None:
    run_id = world.run(people(3))
    [batch_id] = world.batches(run_id)
    terms = bill(world, run_id, campaign=3 * PRICE, account=10**9)
    intent = must(world, batch_id, terms)

    with world.store.write() as session:
        close_attempt(session, intent.attempt_id, outcome="not_sent", evidence={}, now=NOW)
        gone = [each.id for each in intent.addressees][:2]
        release(session, gone, "")
        charges.refund(session, intent.attempt_id, gone)
        charges.refund(session, intent.attempt_id, gone)  # once is enough

    assert cost(world, run_id) == PRICE
    assert row_costs(world, run_id) == ["0.00", "0.00", "0.045"]
    assert spent(world.store) == [PRICE] * 2
    with world.store.write() as session:
        charges.charge_again(session, intent.attempt_id, gone)
    assert cost(world, run_id) == 3 * PRICE
    assert spent(world.store) == [3 * PRICE] * 2


@pytest.mark.parametrize("declared", Declared)
def test_what_a_person_declares_not_sent_costs_nothing(world: World, declared: Declared) -> None:
    # given two people of one batch, one who was in two requests of it
    run_id = world.run(people(2))
    [batch_id] = world.batches(run_id)
    terms = bill(world, run_id, account=10**9)
    first = must(world, batch_id, terms)
    with world.store.write() as session:
        close_attempt(session, first.attempt_id, outcome="missed", evidence={}, now=NOW)
        one, other = (each.id for each in first.addressees)
        hold_in_doubt(session, [one], "unclear")
        release(session, [other], "")
        charges.refund(session, first.attempt_id, [other])
        world_batch = sa.text("UPDATE batch SET state = 'planned' WHERE id = :id")
        session.execute(world_batch, {"id": batch_id})
    second = must(world, batch_id, terms)
    assert [each.id for each in second.addressees] == [other]
    with world.store.write() as session:
        close_attempt(session, second.attempt_id, outcome="missed", evidence={}, now=NOW)
        hold_in_doubt(session, [other], "unclear")
        session.execute(sa.text("UPDATE batch SET state = 'held' WHERE id = :id"), {"id": batch_id})

    with world.store.write() as session:
        held.resolve_held(session, run_id, declared, by="a test", now=NOW)

    assert cost(world, run_id) == (2 * PRICE if declared is Declared.SENT else 0)
    assert spent(world.store) == [2 * PRICE if declared is Declared.SENT else 0]


THREADS = 4


def race(world: World, batch_ids: Sequence[int], terms: Sequence[Bill]) -> list[Intent]:
    """Several workers promise batches until none is left that fits, each for itself."""
    won: list[Intent] = []
    start = threading.Barrier(THREADS)

    def work(place: int) -> None:
        start.wait()
        mine = list(zip(batch_ids, terms, strict=True))
        for batch_id, of_run in mine[place:] + mine[:place]:
            for _ in range(50):
                try:
                    intent = promise(world, batch_id, of_run)
                except (IntegrityError, OperationalError):  # aborted to break a deadlock, or busy
                    continue
                if isinstance(intent, Intent):
                    won.append(intent)
                if intent is not NoIntent.ALL_IN_DOUBT:
                    break

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    return won


@pytest.mark.parametrize("room", [0, 1, 7, 23])
def test_workers_that_race_for_a_budget_never_exceed_it_by_a_cent(world: World, room: int) -> None:
    # given two campaigns of 20 people each, two in a request, and an account that may spend on `room` of them
    ids = [world.run(people(20, first=first), campaign=f"sale-{first}", per_request=2) for first in (0, 100)]
    limit = room * PRICE + PRICE - 1
    batches = [(batch_id, bill(world, run_id, account=limit)) for run_id in ids for batch_id in world.batches(run_id)]

    won = race(world, [batch_id for batch_id, _ in batches], [terms for _, terms in batches])

    assert len(won) == room // 2
    assert sum(cost(world, run_id) for run_id in ids) == 2 * PRICE * len(won) <= limit
    assert all(amount <= limit for amount in spent(world.store))


def test_two_budgets_are_locked_in_one_order(world: World) -> None:
    # given two campaigns with budgets of their own below one of the account
    ids = [world.run(people(20, first=first), campaign=f"sale-{first}", per_request=1) for first in (0, 100)]
    batches = [
        (batch_id, bill(world, run_id, account=25 * PRICE, campaign=15 * PRICE))
        for run_id in ids
        for batch_id in world.batches(run_id)
    ]

    won = race(world, [batch_id for batch_id, _ in batches], [terms for _, terms in batches])

    assert len(won) == 25
    assert all(cost(world, run_id) <= 15 * PRICE for run_id in ids)
    assert max(spent(world.store)) == 25 * PRICE
