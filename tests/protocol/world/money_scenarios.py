"""Random campaigns with prices and budgets of money, played on the bench and judged with `Decimal` and plain loops."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from campaigns.lifecycle import RecipientState, RunState
from campaigns.money.amounts import MILLIONTHS, parse_amount
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import LOST, STORED, Answers, Send, Stores
from worker.store.money.spending import unlike_charges
from worker.store.reports import counts
from worker.store.tables import spent_money

P = RecipientState
ROME: Final = ZoneInfo("Europe/Rome")
BEGIN: Final = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
LASTS: Final = timedelta(days=6)
LONG: Final = "x" * 170
"""A text of two segments."""

PREFIXES: Final = ("39", "39347", "49", "1", "44")
NUMBERS: Final = ("+39333{:07}", "+39347{:07}", "+4917{:08}", "+1202555{:04}", "+4477{:08}")
NO_CONNECTION: Final = Send(Answers.NO_CONNECTION, Stores.NONE)
GIVEN_BACK: Final = frozenset({P.PENDING, P.INVALID, P.DUPLICATE, P.CANCELLED})


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file of prices."""

    prefix: str
    device: str
    price: Decimal
    since: date | None

    def __str__(self) -> str:
        return f"+{self.prefix},{self.device},{self.price},EUR,{self.since or ''}"


@dataclass(frozen=True, slots=True)
class PricedCampaign:
    """A campaign of these people: number and whether their text is long."""

    name: str
    people: tuple[tuple[str, bool], ...]
    batch_size: int
    phones: int
    total: Decimal | None
    daily: Decimal | None

    @property
    def file(self) -> str:
        amounts = [f"{key}: {value} EUR" for key, value in (("total", self.total), ("daily", self.daily)) if value]
        budget = f", budget: {{{', '.join(amounts)}}}" if amounts else ""
        return (
            f"campaign: {self.name}\nmessage: '{{{{ text }}}}'\naudience: {{file: {self.name}.csv}}\n"
            f"schedule: {{timezone: Europe/Rome}}\nthroughput: {{batch_size: {self.batch_size}{budget}}}\n"
            f"devices: {{use: {list(range(1, self.phones + 1))}}}\nfollow: {{until: 1h}}\n"
        )

    @property
    def table(self) -> str:
        return "\n".join(["number,text", *(f"{number},{LONG if long else 'x'}" for number, long in self.people)]) + "\n"


@dataclass(frozen=True, slots=True)
class PricedWorld:
    """Prices, campaigns that share an account, its budgets, and how often requests fail."""

    lines: tuple[Line, ...]
    campaigns: tuple[PricedCampaign, ...]
    daily: Decimal | None
    monthly: Decimal | None
    faults: float
    seed: int

    @property
    def settings(self) -> dict[str, Any]:
        amounts = {"budget_daily": self.daily, "budget_monthly": self.monthly}
        return {name: parse_amount(f"{value} EUR") for name, value in amounts.items() if value is not None}

    @property
    def file(self) -> str:
        return "\n".join(["prefix,device,price,currency,from", *map(str, self.lines)]) + "\n"


def random_world(seed: int) -> PricedWorld:
    """A world; every third has prices that depend on the phone, every other one requests that fail."""
    random = Random(seed)
    days = [None, date(2026, 12, 1), date(2026, 12, 3)]
    prefixes = random.sample(PREFIXES, random.randint(2, len(PREFIXES)))
    lines = [Line(prefix, "", _price(random), None) for prefix in prefixes]
    lines += [Line(prefix, "", _price(random), random.choice(days[1:])) for prefix in prefixes if random.random() < 0.2]
    if seed % 3 == 0:
        lines += [
            Line(prefix, device, _price(random), None) for prefix in prefixes for device in random.sample("12", 1)
        ]
    campaigns = []
    for place in range(random.randint(1, 3)):
        people = tuple(
            (random.choice(NUMBERS).format(100 * place + index), random.random() < 0.3)
            for index in range(random.randint(1, 25))
        )
        campaigns.append(
            PricedCampaign(
                f"sale-{place}",
                people,
                random.choice([1, 3, 10]),
                random.choice([0, 0, 1, 2]),
                _budget(random, 1.5),
                _budget(random, 0.6),
            )
        )
    one = campaigns[0]
    if one.total is not None and one.daily is not None and one.daily > one.total:
        campaigns[0] = PricedCampaign(one.name, one.people, one.batch_size, one.phones, one.daily, one.total)
    campaigns = [_in_order(each) for each in campaigns]
    return PricedWorld(
        tuple(lines), tuple(campaigns), _budget(random, 1.2), _budget(random, 3), random.choice([0.0, 0.3]), seed
    )


def _in_order(each: PricedCampaign) -> PricedCampaign:
    if each.total is None or each.daily is None or each.daily <= each.total:
        return each
    return PricedCampaign(each.name, each.people, each.batch_size, each.phones, each.daily, each.total)


def _price(random: Random) -> Decimal:
    return Decimal(random.randint(1, 1500)) / 10_000


def _budget(random: Random, about: float) -> Decimal | None:
    """An amount that holds the dearest text, or none."""
    return None if random.random() < 0.5 else Decimal(random.randint(3_000, int(10_000 * about) + 3_000)) / 10_000


@dataclass(slots=True)
class Verdicts:
    """What a world showed. `exact`: campaigns whose cost was right to the cent; `days_exact`: each day of which was.

    `repriced`: campaigns that a budget carried past a day on which prices change, which a plan does not foresee.
    """

    problems: list[str]
    campaigns: int = 0
    forecast: int = 0
    exact: int = 0
    days: int = 0
    days_exact: int = 0
    put_off: int = 0
    repriced: int = 0
    paused: int = 0
    texts: int = 0


def play_world(bench: Installation, world: PricedWorld) -> Verdicts:
    """Play it, and return what was found. Nothing here is computed as the product computes it."""
    random = Random(world.seed)
    ids = {}
    for campaign in world.campaigns:
        (bench.folder / f"{campaign.name}.csv").write_text(campaign.table)
        ids[campaign.name] = bench.drop(campaign.file, campaign.name).run_id
    if world.faults:
        kinds = [LOST, STORED, NO_CONNECTION]
        faults = (random.choice(kinds) for _ in range(4))
        bench.gateway.script.extend(fault for fault in faults if random.random() < world.faults)
    bench.live_until(BEGIN + LASTS)
    return _Judged(bench, world, ids).verdicts()


class _Judged:
    def __init__(self, bench: Installation, world: PricedWorld, ids: dict[str, int]) -> None:
        self.bench, self.world, self.ids = bench, world, ids
        self.found = Verdicts([])
        self.targets = {id_: {each.id: each for each in bench.attempts(id_)} for id_ in ids.values()}

    def verdicts(self) -> Verdicts:
        of_account: dict[date, Decimal] = defaultdict(Decimal)
        for campaign in self.world.campaigns:
            sent = list(self._sent(campaign))
            self.found.texts += len(sent)
            self._books(campaign, sum((cost for _, cost in sent), Decimal(0)))
            by_day: dict[date, Decimal] = defaultdict(Decimal)
            for at, cost in sent:
                by_day[at.astimezone(ROME).date()] += cost
                of_account[at.date()] += cost  # the installation's days are those of UTC
            self._within("daily of " + campaign.name, by_day, campaign.daily)
            self._within("total of " + campaign.name, {BEGIN.date(): sum(by_day.values(), Decimal(0))}, campaign.total)
            self._forecast(campaign, by_day)
        self._within("the account's day", of_account, self.world.daily)
        months: dict[date, Decimal] = defaultdict(Decimal)
        for day, cost in of_account.items():
            months[day.replace(day=1)] += cost
        self._within("the account's month", months, self.world.monthly)
        self._kept()
        return self.found

    def _sent(self, campaign: PricedCampaign) -> Iterator[tuple[datetime, Decimal]]:
        """When each text of a campaign was promised that the gateway has or may have, and what it costs."""
        long = dict(campaign.people)
        with self.bench.store.read() as session:
            found = session.execute(
                sa.text(
                    "SELECT r.number, r.state, a.started_at, a.target FROM recipient r JOIN attempt a ON a.batch_id ="
                    " r.batch_id WHERE r.run_id = :run AND a.outcome NOT IN ('not_sent', 'missed') ORDER BY a.id"
                ).columns(started_at=spent_money.c.starts_at.type),
                {"run": self.ids[campaign.name]},
            ).all()
        last = {number: (state, at, target) for number, state, at, target in found}
        for number, (state, at, target) in last.items():
            if state in GIVEN_BACK:
                continue
            price = self._price(number, target, at.date())
            if price is not None:
                yield at, price * (2 if long[number] else 1)

    def _price(self, number: str, target: str, on: date) -> Decimal | None:
        """The price by the documents: of every line that fits, the longest prefix, then the phone, then the day."""
        fitting = [
            line
            for line in self.world.lines
            if number[1:].startswith(line.prefix)
            and line.device in {"", target}
            and (line.since is None or line.since <= on)
        ]
        best = max(
            fitting, key=lambda line: (len(line.prefix), bool(line.device), line.since or date.min), default=None
        )
        return None if best is None else best.price

    def _books(self, campaign: PricedCampaign, expected: Decimal) -> None:
        self.found.campaigns += 1
        with self.bench.store.read() as session:
            kept = Decimal(counts.books(session, self.ids[campaign.name]).cost) / MILLIONTHS
        if kept != expected:
            self.found.problems.append(f"{campaign.name}: the books say {kept}, and its texts cost {expected}")

    def _within(self, whose: str, spent: Any, budget: Decimal | None) -> None:
        for day, amount in spent.items():
            if budget is not None and amount > budget:
                self.found.problems.append(f"{whose}: {amount} on {day}, and {budget} are allowed")

    def _kept(self) -> None:
        with self.bench.store.read() as session:
            if unlike := unlike_charges(session):
                self.found.problems.append(f"what is kept of budgets is not what was charged: {unlike}")

    def _forecast(self, campaign: PricedCampaign, by_day: dict[date, Decimal]) -> None:
        """Compare with the plan, of what nothing but its own daily budget held back."""
        run = self.bench.run(self.ids[campaign.name])
        self.found.paused += run.state is RunState.PAUSED
        plan, states = run.plan_summary, self.bench.states(run.id)
        limited = self.world.daily or self.world.monthly
        if limited or states.get(P.PENDING) or states.get(P.HELD) or run.state is RunState.PAUSED:
            self.found.put_off += 1
            return
        last = max(by_day, default=BEGIN.date())
        if any(line.since is not None and BEGIN.date() < line.since <= last for line in self.world.lines):
            self.found.repriced += 1
            return
        cost, spent = plan["cost"], sum(by_day.values(), Decimal(0))
        self.found.forecast += 1
        if Decimal(cost["least"]) <= spent <= Decimal(cost["most"]):
            self.found.exact += 1
        days = {day["date"]: Decimal(day.get("cost", 0)) for day in (plan.get("forecast") or {"days": ()})["days"]}
        if cost["least"] == cost["most"]:
            self.found.days += 1
            self.found.days_exact += days == {day.isoformat(): amount for day, amount in by_day.items()}
