"""Money: what texts were charged, by which requests, and what that takes of the budgets."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.counting import amount
from campaigns.phone_numbers.masking import mask
from scheduler.verify.arithmetic.limits import Period, day_in, month_in
from scheduler.verify.checks import Breach, Check, Reckoning
from scheduler.verify.facts import NOT_SENT, Rules, RunFacts, json_of
from scheduler.verify.pages import PAGE, of_values
from worker.store.tables import attempts, charges, definitions, recipients, retries, run_counts, runs, spent_money

COST: Final = "cost"
UNPRICED: Final = "unpriced"
ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLIONTHS: Final = 1_000_000


def judge_charges(session: Session, run: RunFacts, reckoning: Reckoning) -> None:
    """Compare the charges of a run with its requests and rows, and their sum with what is kept."""
    sums: Counter[str] = Counter()
    for page in _pages(session, run.id):
        reckoning.examined(Check.MONEY, len(page))
        for charge in page:
            if not charge.is_refunded:
                priced = charge.segments * (1 if charge.price is None else charge.price)
                sums[UNPRICED if charge.price is None else COST] += priced
        _page(session, run, page, reckoning)
    columns: tuple[Any, ...] = run_counts.c.figure, sa.func.sum(run_counts.c.segments)
    query = sa.select(*columns).where(run_counts.c.run_id == run.id, run_counts.c.figure.in_([COST, UNPRICED]))
    kept = {figure: int(amount) for figure, amount in session.execute(query.group_by(run_counts.c.figure))}
    for figure in (COST, UNPRICED):
        if kept.get(figure, 0) != sums[figure]:
            shown_as = _amount if figure == COST else str
            reckoning.wrong(
                Breach.COSTS_DIFFER,
                run=run.id, figure=figure, kept=shown_as(kept.get(figure, 0)), rows=shown_as(sums[figure]),
            )  # fmt: skip


def _pages(session: Session, run_id: int) -> Iterator[Sequence[Any]]:
    columns: tuple[Any, ...] = (
        charges.c.attempt_id, charges.c.recipient_id, charges.c.segments, charges.c.price, charges.c.is_refunded,
    )  # fmt: skip
    key = charges.c.recipient_id, charges.c.attempt_id  # as the table is sorted
    query = sa.select(*columns).where(charges.c.run_id == run_id).order_by(*key).limit(PAGE)
    page = session.execute(query).all()
    while page:
        yield page
        last = page[-1]
        later = sa.or_(
            charges.c.recipient_id > last.recipient_id,
            sa.and_(charges.c.recipient_id == last.recipient_id, charges.c.attempt_id > last.attempt_id),
        )
        page = session.execute(query.where(charges.c.recipient_id >= last.recipient_id, later)).all()


def _page(session: Session, run: RunFacts, page: Sequence[Any], reckoning: Reckoning) -> None:
    of_requests: tuple[Any, ...] = attempts.c.id, attempts.c.outcome
    ids = sorted({charge.attempt_id for charge in page})
    outcomes = dict(of_values(session, ids, lambda part: sa.select(*of_requests).where(attempts.c.id.in_(part))))
    of_rows: tuple[Any, ...] = recipients.c.id, recipients.c.number, recipients.c.segments
    rows = {
        row.id: row
        for row in of_values(
            session,
            sorted({charge.recipient_id for charge in page}),
            lambda part: sa.select(*of_rows).where(recipients.c.id.in_(part)),
        )
    }
    for charge in page:
        if charge.is_refunded:
            continue
        row = rows.get(charge.recipient_id)
        about = {"run": run.id, "row": charge.recipient_id, "who": mask(row.number) if row else ""}
        if outcomes.get(charge.attempt_id, NOT_SENT) == NOT_SENT:
            reckoning.wrong(Breach.CHARGED_UNSENT, **about, request=charge.attempt_id)
        elif row is not None and row.segments != charge.segments:
            reckoning.wrong(
                Breach.CHARGED_OTHERWISE,
                **about, charged=charge.segments, request=charge.attempt_id, segments=row.segments,
            )  # fmt: skip


def charged_from(session: Session, run: RunFacts) -> int | None:
    """Return the first request of a run that must be charged; None: there were no prices.

    What was planned with prices is charged whole. Otherwise they were set later, while it was sent.
    """
    first = session.scalars(sa.select(sa.func.min(charges.c.attempt_id)).where(charges.c.run_id == run.id)).one()
    return 0 if first is not None and run.summary.get(COST) else first


def judge_charged(
    session: Session,
    run: RunFacts,
    first: int | None,
    requests: Sequence[Any],
    rows: Sequence[Any],
    reckoning: Reckoning,
) -> None:
    """Compare the requests of some batches with the people in them who have a message: each text is charged once.

    A text that failed and was sent again has two charges. `first`: see `charged_from`.
    """
    if first is None:
        return
    of_batch: dict[int, list[int]] = defaultdict(list)
    for request in requests:
        of_batch[request.batch_id].append(request.id)
    sent = [row for row in rows if row.gateway_id is not None and row.attempts > 0 and of_batch[row.batch_id]]
    made, again = _made(session, run, [row.id for row in sent]), _again(session, sent)
    for row in sent:
        mine = of_batch[row.batch_id]
        about = {"run": run.id, "row": row.id, "who": mask(row.number)}
        if not made[row.id].intersection(mine):
            if mine[-1] >= first and not run.has_list:  # people of a contact list are known only afterwards
                reckoning.wrong(Breach.NOT_CHARGED, **about, request=mine[-1])
        elif len(made[row.id]) > 1 + again[row.id]:
            reckoning.wrong(
                Breach.CHARGED_TWICE,
                **about, texts=amount(1 + again[row.id], "message"), charges=amount(len(made[row.id]), "charge"),
            )  # fmt: skip


def _made(session: Session, run: RunFacts, ids: Sequence[int]) -> dict[int, set[int]]:
    """Return the requests that each row is charged for."""
    found: dict[int, set[int]] = defaultdict(set)
    columns: tuple[Any, ...] = charges.c.recipient_id, charges.c.attempt_id
    its = charges.c.run_id == run.id, charges.c.is_refunded.is_(False)
    for recipient_id, attempt_id in of_values(
        session, ids, lambda part: sa.select(*columns).where(*its, charges.c.recipient_id.in_(part))
    ):
        found[recipient_id].add(attempt_id)
    return found


def _again(session: Session, rows: Sequence[Any]) -> Counter[int]:
    """Return how many messages of each row failed before the one that it has."""
    now = {row.id: row.gateway_id for row in rows}
    columns: tuple[Any, ...] = retries.c.recipient_id, retries.c.gateway_id
    return Counter(
        recipient_id
        for recipient_id, gateway_id in of_values(
            session, sorted(now), lambda part: sa.select(*columns).where(retries.c.recipient_id.in_(part))
        )
        if gateway_id != now[recipient_id]
    )


def judge_budgets(session: Session, mine: Sequence[RunFacts], rules: Rules, reckoning: Reckoning) -> None:
    """Add up the charges of every budget of these runs of one campaign, and of its account while they sent."""
    run = mine[0]
    ends = sa.select(sa.func.min(attempts.c.started_at), sa.func.max(attempts.c.started_at)).where(
        attempts.c.run_id.in_([each.id for each in mine])
    )
    first, last = session.execute(ends).one()
    if first is None:
        return
    columns: tuple[Any, ...] = (
        spent_money.c.scope, spent_money.c.starts_at, spent_money.c.ends_at, spent_money.c.millionths,
    )  # fmt: skip
    whose = {f"campaign:{run.campaign_id}": runs.c.campaign_id == run.campaign_id}
    whose[f"account:{run.account_id}"] = runs.c.account_id == run.account_id
    query = sa.select(*columns).where(
        spent_money.c.scope.in_(whose), spent_money.c.starts_at <= last, spent_money.c.ends_at > first
    )
    for scope, starts_at, ends_at, kept in session.execute(query).all():
        spent = _spent(session, whose[scope], starts_at, ends_at)
        about: dict[str, Any] = {"run": run.id, "at": "the beginning" if starts_at == ALWAYS else starts_at}
        if spent != kept:
            reckoning.wrong(Breach.SPENT_DIFFERS, **about, kept=_amount(kept), spent=_amount(spent))
        of_campaign = whose[scope] is whose[f"campaign:{run.campaign_id}"]
        name, limit, where = _limit(session, run, rules, starts_at, ends_at, of_campaign=of_campaign)
        if limit is not None and spent > limit:
            reckoning.wrong(
                Breach.OVER_BUDGET, **about, spent=_amount(spent), period=name, limit=_amount(limit), where=where
            )


def _spent(session: Session, whose: "sa.ColumnElement[bool]", starts_at: datetime, ends_at: datetime) -> int:
    query = (
        sa.select(sa.func.coalesce(sa.func.sum(charges.c.segments * charges.c.price), 0))
        .select_from(charges)
        .join(attempts, attempts.c.id == charges.c.attempt_id)
        .where(charges.c.run_id.in_(sa.select(runs.c.id).where(whose)))
        .where(attempts.c.started_at >= starts_at, attempts.c.started_at < ends_at)
        .where(charges.c.is_refunded.is_(False))
    )
    return int(session.execute(query).scalar_one())


def _limit(
    session: Session, run: RunFacts, rules: Rules, starts_at: datetime, ends_at: datetime, *, of_campaign: bool
) -> tuple[str, int | None, str]:
    """Return the name of a period, what may be spent in it, and where that is set.

    Of a campaign's versions the one that allowed most counts: nobody knows which was in force.
    """
    if not of_campaign:
        by_day = _is(day_in, starts_at, ends_at, rules.zone)
        if by_day:
            return "day", rules.money_daily, "CAMPAIGNS_BUDGET_DAILY"
        return "month", rules.money_monthly, "CAMPAIGNS_BUDGET_MONTHLY"
    name, key = ("time", "total") if starts_at == ALWAYS else ("day", "daily")
    bodies = session.scalars(sa.select(definitions.c.body).where(definitions.c.campaign_id == run.campaign_id))
    written = [(json_of(body).get("throughput") or {}).get("budget") or {} for body in bodies]
    amounts = [None if each.get(key) is None else _millionths(str(each[key])) for each in written]
    most = None if None in amounts or not amounts else max(filter(None, amounts))
    return name, most, f"throughput.budget.{key}"


def _is(period: Period, starts_at: datetime, ends_at: datetime, zone: str) -> bool:
    """Return whether a period is a single day."""
    last = ends_at - (ends_at - starts_at) / 1_000
    return period(starts_at, zone) == period(last, zone) and month_in(starts_at, zone) == month_in(last, zone)


def _millionths(written: str) -> int:
    return int(Decimal(written.split()[0]) * MILLIONTHS)


def _amount(millionths: int) -> str:
    return f"{Decimal(millionths) / MILLIONTHS:f}"
