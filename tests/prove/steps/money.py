"""Judges budgets: what the gateway has, at the prices of the file, fits into each of them, and costs what is kept."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, tzinfo

import sqlalchemy as sa

from tests.protocol.world.scripted_gateway import RECEIVED
from tests.prove.steps.playing import Play
from tests.prove.steps.worlds import ROME
from worker.store.money.spending import unlike_charges
from worker.store.reports import counts
from worker.store.tables import runs

IN_A_CENT = 10_000
"""Money is kept in millionths."""


def over_budget(play: Play) -> Iterator[str]:
    """Return every broken promise about the money of the world, which may have none."""
    world, money = play.world, play.world.money
    if money is None:
        return
    # What the gateway cancelled before a phone sent it is given back.
    texts = [each for each in play.bench.gateway.stored if each.status not in {RECEIVED, "Canceled"}]
    spent = [(each.at, world.price(each.number)) for each in texts]

    def of_days(zone: tzinfo) -> Counter[date]:
        days: Counter[date] = Counter()
        for at, cost in spent:
            days[at.astimezone(zone).date()] += cost
        return days

    for whose, zone, budget in (("the campaign", ROME, money.daily), ("the installation", UTC, money.common)):
        for day, cost in of_days(zone).items():
            if budget is not None and cost > budget:
                yield f"{whose} may cost {budget} cents a day, and cost {cost} on {day}"
    whole = sum(cost for at, cost in spent if play.raised_at is None or at < play.raised_at)
    if money.total is not None and whole > money.total:
        yield f"the campaign may cost {money.total} cents in all, and cost {whole}"
    with play.store.read() as session:
        if unlike := unlike_charges(session):
            yield f"what is kept of budgets is not what was charged: {unlike}"
        ids = session.scalars(sa.select(runs.c.id)).all()
        kept = sum(counts.books(session, run_id).cost or 0 for run_id in ids)
    if not world.chance.faults and kept != IN_A_CENT * sum(cost for _, cost in spent):
        yield f"the books say {kept / IN_A_CENT} cents, and the texts cost {sum(cost for _, cost in spent)}"
