"""Budgets of money while a batch is sent: how many of it fit now, and what becomes of those who do not.

This comes before a slot is taken, because a rate gives none back. The intent asks again, and decides.
"""

from bisect import bisect_right
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final, NamedTuple

from campaigns.clock import Clock
from campaigns.codes import OF_SINGLE_TEXTS, PausedBy, WaitsFor
from campaigns.definition import Definition
from campaigns.money.budgets import MoneyBudget, Within
from campaigns.money.prices import Prices
from worker.limits.bills import bill_of, limit_of, targets_of
from worker.limits.limits_in_force import CeilingsInForce, PricesInForce
from worker.limits.money import money_budgets, no_budget_can_be_kept
from worker.logs import get_logger
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.money import charges, spending
from worker.store.money.spending import Bill, SpendingLimit
from worker.store.runs import runs
from worker.store.sending import batch_splits, grants, queue
from worker.store.sending.claim import Work, load_work

PRICE_PAUSE: Final = timedelta(minutes=1)
"""How long a run waits for prices before it looks again. A changed limit or setting wakes it earlier."""


DOUBT_PAUSE: Final = timedelta(seconds=15)
"""How long a run waits for the requests in doubt that hold the rest of its budget, before it looks again."""


class _Held(NamedTuple):
    """A budget, and its present period in the database."""

    budget: MoneyBudget
    limit: SpendingLimit
    room: int


class BudgetKeeper:
    """What a process knows about prices and budgets of money; all of its threads share it."""

    def __init__(
        self, store: Store, prices: PricesInForce, ceilings: CeilingsInForce, clock: Clock, settings: Settings
    ) -> None:
        self._store = store
        self._prices = prices
        self._ceilings = ceilings
        self._clock = clock
        self._zone = settings.zone
        self._counted_in: dict[int, str] = {}  # by account: its currency

    def bill(self, work: Work, definition: Definition, target: str, now: datetime) -> Bill | None:
        """Return by what the texts of a request are charged; None: without prices, nothing is."""
        budgets = self._budgets(definition)
        return bill_of(
            self._usable(work.account_id),
            budgets,
            self._zone,
            account_id=work.account_id,
            campaign_id=work.campaign_id,
            target=target,
            now=now,
        )

    def is_limited(self, definition: Definition) -> bool:
        """Return whether a budget of money holds for a campaign."""
        return bool(self._budgets(definition))

    def within_budget(self, work: Work, definition: Definition) -> Work | None:
        """Return the batch with those who fit into every budget; None: nobody does, and it was put off.

        Call it before `bill`, which may stand in a transaction: the first one settles the currency of the account.
        """
        prices, budgets = self._usable(work.account_id), self._budgets(definition)
        if not budgets:
            return work
        if problem := no_budget_can_be_kept(self._prices, budgets, definition):
            self._wait_for_prices(work, problem)
            return None
        if prices is None:
            self._wait_for_prices(work, self._other_currency(work.account_id))
            return None
        now = self._clock.now()
        held = self._held(budgets, work, now)
        with self._store.read() as session:
            people = batch_splits.pending_people(session, work.batch_id)
        on = now.astimezone(self._zone).date()
        tariffs = [prices.tariff(target, on) for target in ([work.target] if work.target else targets_of(definition))]
        costs = []
        for _, number, segments in people:
            found = [price.millionths for tariff in tariffs if (price := tariff.price_of(number)) is not None]
            if len(found) < len(tariffs):
                self._snooze(work, now + PRICE_PAUSE, WaitsFor.PRICE, no_price_words(number))
                return None
            costs.append(max(found) * segments)
        fit = bisect_right(list(accumulate(costs)), min(each.room for each in held))
        if fit == len(people):
            return work
        if fit:
            with self._store.write("budget_split") as session:
                batch_splits.split_off(session, work.batch_id, [id_ for id_, _, _ in people[fit:]], until=now)
                return load_work(session, work.batch_id)
        self._put_off(work, [each for each in held if each.room < costs[0]], costs[0])
        return None

    def _budgets(self, definition: Definition) -> list[MoneyBudget]:
        return money_budgets(self._ceilings.current(), self._zone, definition)

    def _usable(self, account_id: int) -> Prices | None:
        """Return the prices, unless they are in another currency than what this account has counted so far."""
        prices = self._prices.current()
        if prices is None:
            return None
        if account_id not in self._counted_in:
            with self._store.write("currency") as session:
                self._counted_in[account_id] = charges.settle_currency(session, account_id, prices.currency)
            if self._counted_in[account_id] != prices.currency:
                get_logger().warning("prices.not_usable", problem=self._other_currency(account_id))
        return prices if prices.currency == self._counted_in[account_id] else None

    def _other_currency(self, account_id: int) -> str:
        return (
            f"the prices are not in {self._counted_in[account_id]}, in which the costs so far were counted; use one "
            "currency, or a new database"
        )

    def _held(self, budgets: list[MoneyBudget], work: Work, now: datetime) -> list[_Held]:
        limits = [limit_of(budget, work.account_id, work.campaign_id, now) for budget in budgets]
        with self._store.read() as session:
            spent = spending.spent_of(session, limits)
        if any(limit.key not in spent for limit in limits):
            with self._store.write("budget_opened") as session:
                spending.open_limits(session, limits)
                spent = spending.spent_of(session, limits)
        return [
            _Held(budget, limit, limit.millionths - spent[limit.key])
            for budget, limit in zip(budgets, limits, strict=True)
        ]

    def _put_off(self, work: Work, spent: list[_Held], cost: int) -> None:
        """Let the run wait for the end of the periods that have no room, or stop it: there is none ever."""
        never = next((each for each in spent if each.budget.within is Within.ALL), None) or next(
            (each for each in spent if cost > each.limit.millionths), None
        )
        now = self._clock.now()
        if never is not None and never.budget.within is Within.ALL and cost <= never.limit.millionths:
            with self._store.read() as session:
                is_held = spending.may_be_given_back(session, work.campaign_id)
            if is_held:
                self._wait_for_doubts(work, never)
                return
        if never is None or work.run_type in OF_SINGLE_TEXTS:
            until = max(each.limit.ends_at for each in spent)
            reason = " and ".join(f"{each.budget.whose} ({each.budget}) is spent" for each in spent)
            if work.run_type in OF_SINGLE_TEXTS:  # each by itself: another one may have no price, and must say so
                self._snooze(work, until, WaitsFor.BUDGET, reason)
                return
            with self._store.write("money_spent") as session:
                waiting = grants.postpone_run(session, work.run_id, until=until, reason=reason)
            get_logger().info("budget.spent", run=work.run_id, until=until.isoformat(), batches=waiting)
            return
        reason = f"{never.budget.whose} ({never.budget}) " + (
            "is spent" if never.budget.within is Within.ALL else "is less than a single text costs"
        )
        with self._store.write("money_gone") as session:
            runs.pause_run(session, work.run_id, PausedBy.BUDGET, f"{reason}: {RAISE_IT}", now=now)

    def _wait_for_prices(self, work: Work, problem: str) -> None:
        until = self._clock.now() + PRICE_PAUSE
        with self._store.write("no_prices") as session:
            grants.postpone_run(session, work.run_id, until=until, waits_for=WaitsFor.PRICE, reason=problem)

    def _wait_for_doubts(self, work: Work, spent: _Held) -> None:
        reason = f"the rest of {spent.budget.whose} ({spent.budget}) is kept for texts that are under way or in doubt"
        until = self._clock.now() + DOUBT_PAUSE
        with self._store.write("money_in_doubt") as session:
            grants.postpone_run(session, work.run_id, until=until, reason=reason)

    def _snooze(self, work: Work, until: datetime, waits_for: WaitsFor, reason: str = "") -> None:
        with self._store.write("unaffordable", is_short=True) as session:
            queue.snooze_batch(session, work.batch_id, until=until, waits_for=waits_for, reason=reason)


def no_price_words(number: str) -> str:
    """Return what to do about a text to a number (E.164) without a price. Shows its first digits only."""
    return (
        f"there is no price for {number[:SHOWN]}…: add its prefix to the file in CAMPAIGNS_PRICES; it waits until then"
    )


SHOWN: Final = len("+1202")
"""How much of a number tells which prefix is missing."""


RAISE_IT: Final = "raise it in the campaign's file and resume the campaign, or cancel it"
"""What a person can do about a campaign that is paused by a budget."""
