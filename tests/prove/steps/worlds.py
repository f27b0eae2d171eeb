"""Random campaigns with steps, and what their people, phones and operators do: everything follows from a seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from campaigns.money.amounts import parse_amount

BEGIN: Final = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
ROME: Final = ZoneInfo("Europe/Rome")
ZONES: Final = tuple(ZoneInfo(name) for name in ("Europe/Rome", "Asia/Tokyo", "America/New_York", "Asia/Kathmandu"))
CONDITIONS: Final = ("replied", "delivered", "failed", "opted_out")
AFTER: Final = {
    name: timedelta(minutes=minutes)
    for name, minutes in (("10m", 10), ("45m", 45), ("3h", 180), ("11h", 660), ("1d", 1440), ("30h", 1800))
}
PERIODS: Final = {"1h": timedelta(hours=1), "12h": timedelta(hours=12), "2d": timedelta(days=2)}
WORDS: Final = ("yes please", "who is this?", "ok", "STOP", "HELP", "START", "please stop writing to me")
CHEAP: Final = 10
DEAR: Final = 25
NAME: Final = "sale"
ROOT: Final = ""
"""The name of the campaign's own text, among those of its steps."""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """A step as its key says it: any of `unless` keeps people out, and all of `only_if` must be true."""

    name: str
    after: str
    unless: tuple[str, ...]
    only_if: tuple[str, ...]

    @property
    def pause(self) -> timedelta:
        return AFTER[self.after]

    def holds(self, facts: frozenset[str]) -> bool:
        """Return whether somebody of whom just these conditions are true gets it."""
        return not facts.intersection(self.unless) and facts.issuperset(self.only_if)


@dataclass(frozen=True, slots=True)
class CapPlan:
    """A frequency cap: at most this many texts to a person in any period of `per`; the others wait (`defer`) or not."""

    messages: int
    per: str
    otherwise: str

    @property
    def period(self) -> timedelta:
        return PERIODS[self.per]

    def __str__(self) -> str:
        return f"{{messages: {self.messages}, per: {self.per}, otherwise: {self.otherwise}}}"


@dataclass(frozen=True, slots=True)
class MoneyPlan:
    """Budgets, in cents: of the campaign in all, and a day in Rome; of the installation a day (UTC).

    `ends`: when an operator raises what the campaign may cost in all so that it holds for everybody, or cancels it.
    """

    total: int | None
    daily: int | None
    common: int | None
    ends: timedelta
    is_cancelled: bool

    def __str__(self) -> str:
        kept = (("total", self.total), ("daily", self.daily))
        return ", ".join(f"{key}: {cents / 100:.2f} EUR" for key, cents in kept if cents is not None)


@dataclass(frozen=True, slots=True)
class Chance:
    """How likely each disturbance is. `meanwhile`: something is stored between any two transactions.

    `only_at` these points, if there are any; phones then report nothing at any other time.
    """

    faults: float
    meanwhile: float
    kills: int
    takeovers: int
    only_at: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepsWorld:
    """A campaign, its people, and what happens to it. `acts` are what operators do, and when."""

    seed: int
    numbers: tuple[str, ...]
    steps: tuple[StepPlan, ...]
    kind: str
    window: tuple[time, time] | None
    rate: str
    batch_size: int
    follow: str
    variants: bool
    holdout: int
    retries: bool
    later: int
    approval: bool
    wrote: tuple[tuple[timedelta, str, str], ...]
    acts: tuple[tuple[timedelta, str], ...]
    chance: Chance
    cap: CapPlan | None = None
    money: MoneyPlan | None = None
    zones: tuple[ZoneInfo, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        first = (60, 1_500, 3_000)[self.seed % 3]
        common = self.money.common if self.money else None
        budget = {} if common is None else {"budget_daily": parse_amount(f"{common / 100:.2f} EUR")}
        return {"first_poll_seconds": first, "max_poll_seconds": 14_400, "reply_poll_seconds": 300, **budget}

    @property
    def lasts(self) -> timedelta:
        """How long it takes at most, with a closed window, the cap and budgets before each text, and following."""
        more = timedelta(days=1) + (self.cap.period if self.cap else timedelta())
        days = len(self.numbers) * (1 + len(self.steps)) if self.money else 0  # one text a day
        return sum((step.pause + more for step in self.steps), timedelta(days=4 + days))

    @property
    def file(self) -> str:
        window = ", window: {{from: '{:%H:%M}', to: '{:%H:%M}'}}".format(*self.window) if self.window else ""
        budget = f", budget: {{{self.money}}}" if self.money and str(self.money) else ""
        lines = [
            f"campaign: {NAME}",
            f"kind: {self.kind}",
            *self._messages(),
            f"audience: {{file: {NAME}.csv}}",
            f"schedule: {{timezone: Europe/Rome{window}{', local_time: recipient' if self.zones else ''}}}",
            f"throughput: {{batch_size: {self.batch_size}{self.rate and f', rate: {self.rate}'}{budget}}}",
            f"follow: {{until: {self.follow}{', retry_failed: {times: 2, after: 20m}' if self.retries else ''}}}",
            *([f"holdout: {self.holdout}"] if self.holdout else []),
            *(["approval: true"] if self.approval else []),
            *([f"frequency_cap: {self.cap}"] if self.cap else []),
            "steps:",
        ]
        for step in self.steps:
            lines += [f"  - name: {step.name}", f"    after: {step.after}"]
            for key, conditions in (("unless", step.unless), ("only_if", step.only_if)):
                if conditions:
                    one = len(conditions) == 1 and self.seed % 2
                    lines.append(f"    {key}: {conditions[0] if one else list(conditions)}".replace("'", ""))
            lines.append(f"    message: '{text_of(step.name)}'")
        return "\n".join(lines) + "\n"

    def price(self, number: str) -> int:
        """Return what a text to this number costs, in cents: the first one is dearer."""
        return DEAR if number == self.numbers[0] else CHEAP

    def zone(self, number: str) -> ZoneInfo:
        """Return by whose clocks the window is open for this person."""
        return self.zones[self.numbers.index(number)] if self.zones else ROME

    @property
    def prices(self) -> str:
        """The file of prices."""
        prices = (("+39", CHEAP), (self.numbers[0], DEAR))
        return "\n".join(["prefix,price,currency", *(f"{prefix},{cents / 100:.2f},EUR" for prefix, cents in prices)])

    def _messages(self) -> Sequence[str]:
        if not self.variants:
            return [f"message: '{text_of(ROOT)}'"]
        return ["variants:"] + [
            f"  - {{name: {variant}, share: 50, message: '{text_of(ROOT)} {variant}'}}" for variant in ("a", "b")
        ]

    def table(self, numbers: Sequence[str]) -> str:
        """The table of these people, with a row that is no number and a row that is there twice."""
        people = [(number, number[-3:]) for number in numbers] + [("call me", "x"), (numbers[0], "2")]
        if not self.zones:
            return "\n".join(["number,n", *(f"{number},{n}" for number, n in people)])
        zones = {number: str(zone) for number, zone in zip(self.numbers, self.zones, strict=True)}
        return "\n".join(["number,n,timezone", *(f"{number},{n},{zones.get(number, '')}" for number, n in people)])


def text_of(step: str) -> str:
    """The beginning of a step's text, by which the judge knows it at the gateway."""
    return f"Step {step or 'root'} for {{{{ n }}}}"


def random_world(seed: int) -> StepsWorld:
    """The world of a seed."""
    random = Random(seed)
    numbers = tuple(f"+39333{seed % 1000:04}{place:03}" for place in range(random.randint(1, 7)))
    steps = tuple(_step(random, place) for place in range(random.randint(1, 4)))
    window = random.choice([None, None, (time(8), time(20)), (time(9, 30), time(13)), (time(15), time(18))])
    later = min(random.choice([0, 0, 0, 1, 2]), len(numbers) - 1)
    return StepsWorld(
        seed=seed,
        numbers=numbers,
        steps=steps,
        kind=random.choice(["marketing", "marketing", "transactional"]),
        window=window,
        rate=random.choice(["", "", "2/minute", "30/minute"]),
        batch_size=random.choice([1, 2, 10]),
        follow=random.choice(["2h", "1d", "2d"]),
        variants=random.random() < 0.2,
        holdout=0 if later else random.choice([0, 0, 0, 30]),
        retries=random.random() < 0.15,
        later=later,
        approval=random.random() < 0.1,
        wrote=tuple(sorted(_replies(random, numbers, steps))),
        acts=tuple(sorted(_acts(random, steps))),
        chance=Chance(
            faults=random.choice([0, 0, 0.1, 0.3]),
            meanwhile=random.choice([0, 0.02, 0.1]),
            kills=random.choice([0, 0, 1, 3]),
            takeovers=random.choice([0, 0, 1]),
        ),
        cap=_cap(Random(f"caps {seed}")),
        money=_money(Random(f"cents {seed}"), len(numbers) * CHEAP, steps),
        zones=_zones(Random(f"zones {seed}"), len(numbers)) if window else (),
    )


def _cap(random: Random) -> CapPlan | None:
    if random.random() < 0.65:
        return None
    return CapPlan(random.choice([1, 1, 2, 3]), random.choice(list(PERIODS)), random.choice(["skip", "defer"]))


def _step(random: Random, place: int) -> StepPlan:
    chosen = random.sample(CONDITIONS, random.choice([0, 0, 1, 1, 2]))
    split = random.choice([0, len(chosen), random.randint(0, len(chosen))])
    only_if = [each for each in chosen[split:] if each != "failed" or "delivered" not in chosen[split:]]
    return StepPlan(f"step-{place}", random.choice(list(AFTER)), tuple(chosen[:split]), tuple(only_if))


def _replies(random: Random, numbers: Sequence[str], steps: Sequence[StepPlan]) -> list[tuple[timedelta, str, str]]:
    return [
        (_moment(random, steps), number, random.choice(WORDS))
        for number in numbers
        for _ in range(random.choice([0, 0, 1, 1, 2]))
    ]


def _acts(random: Random, steps: Sequence[StepPlan]) -> list[tuple[timedelta, str]]:
    acts = []
    if random.random() < 0.2:
        at = _moment(random, steps)
        acts += [(at, "pause"), (at + random.choice([timedelta(minutes=20), timedelta(hours=13)]), "resume")]
    if random.random() < 0.08:
        acts.append((_moment(random, steps), "cancel"))
    if random.random() < 0.15:
        acts.append((_moment(random, steps), "resend"))
    return acts


def _moment(random: Random, steps: Sequence[StepPlan]) -> timedelta:
    """Any moment, or more often one near that at which a step is due."""
    due = sum((step.pause for step in steps[: random.randint(0, len(steps))]), timedelta())
    if random.random() < 0.4:
        return due * random.random() + timedelta(minutes=random.uniform(0, 60))
    return max(timedelta(seconds=30), due + timedelta(minutes=random.uniform(-5, 30)))


def _zones(random: Random, people: int) -> tuple[ZoneInfo, ...]:
    return tuple(random.choices(ZONES, k=people)) if random.random() < 0.4 else ()


def _money(random: Random, once: int, steps: Sequence[StepPlan]) -> MoneyPlan | None:
    """Budgets in a third of the worlds; `once`: what a text to everybody costs."""
    if random.random() < 0.65:
        return None
    has_total, has_daily, has_common = random.choice([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 1, 1)])
    total = random.randint(DEAR, DEAR + once * len(steps)) if has_total else None
    daily = random.randint(DEAR, min(DEAR + once, total or DEAR + once)) if has_daily else None
    common = random.randint(DEAR, DEAR + once) if has_common else None
    ends = timedelta(days=1) + _moment(random, steps)
    return MoneyPlan(total, daily, common, ends, is_cancelled=random.random() < 0.3)
