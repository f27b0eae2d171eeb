"""What a plan knows of its steps: the most that may go, the least, and when."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from campaigns.definition import Definition
from campaigns.definition.steps import Step
from campaigns.display import utc
from campaigns.forecast import Forecast
from campaigns.money.amounts import MoneyAmount, decimal_of
from campaigns.money.budgets import MoneyBudget, Within
from campaigns.money.costs import CostTally, PlanCost, Pricing, cost_warnings
from campaigns.phone_numbers.masking import mask
from campaigns.planning.planned import SampleText, StepText
from campaigns.timing.departures import Departure
from campaigns.timing.sending_hours import hours_of
from campaigns.values.durations import format_duration

_FORCED_BY: Final = 10


@dataclass(frozen=True, slots=True)
class StepSummary:
    """What a step of a plan may send: to `most` people if its conditions leave out nobody, and to `least` if they leave
    out everybody whom they can. `segments`, `encodings` and `cost` are those of `most`; `cost` is None without prices.
    `forced_by` and `longest_text` as in `PlanSummary`; `sample` is None if nobody gets it.

    It goes from `first_send_at` until `last_send_at` if the step before goes as forecast; None: nobody knows.
    """

    name: str
    after: str
    unless: tuple[str, ...]
    only_if: tuple[str, ...]
    most: int
    least: int
    segments: int
    encodings: Mapping[str, int]
    forced_by: tuple[tuple[str, int], ...]
    sample: SampleText | None
    longest_text: str
    cost: PlanCost | None = None
    first_send_at: datetime | None = None
    last_send_at: datetime | None = None

    @property
    def is_certain(self) -> bool:
        """Whether everybody gets it who gets the text before it."""
        return self.least == self.most

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, as it is stored with a plan: without any text."""
        found: dict[str, Any] = {
            "name": self.name,
            "after": self.after,
            "unless": list(self.unless),
            "only_if": list(self.only_if),
            "recipients": {"most": self.most, "least": self.least},
            "segments": self.segments,
            "encodings": dict(self.encodings),
            "first_send_at": utc(self.first_send_at),
            "last_send_at": utc(self.last_send_at),
        }
        if self.cost is not None:
            found["cost"] = self.cost.to_json()
        return found


class WithSteps(Protocol):
    """The part of a planned row that counts for steps."""

    @property
    def number(self) -> str: ...
    @property
    def departure(self) -> Departure | None: ...
    @property
    def steps(self) -> tuple[StepText, ...]: ...


class StepTally:
    """The figures of the steps of a plan, while its rows are made."""

    def __init__(self, steps: Sequence[Step] = (), pricing: Pricing | None = None) -> None:
        self._steps = steps
        self._people = 0
        self._texts = [_TextTally() for _ in steps]
        self._costs = [CostTally(pricing) for _ in steps] if pricing else []

    def add(self, rows: Iterable[WithSteps]) -> None:
        """Count the texts of the steps of rows that get a text."""
        if not self._steps:
            return
        for row in rows:
            self._people += bool(row.steps)
            at = row.departure and row.departure.at
            for place, text in enumerate(row.steps):
                self._texts[place].add(row.number, text)
                at = at and at + self._steps[place].after
                if self._costs:
                    self._costs[place].add(row.number, text.segments, at)

    def found(self) -> tuple[StepSummary, ...]:
        """Return the figures of the rows so far."""
        found, is_for_all = [], True
        for place, step in enumerate(self._steps):
            is_for_all = is_for_all and not (step.unless or step.only_if)
            cost = self._costs[place].found() if self._costs else None
            least, texts = self._people if is_for_all else 0, self._texts[place]
            found.append(
                StepSummary(
                    step.name,
                    format_duration(step.after),
                    step.unless,
                    step.only_if,
                    self._people,
                    least,
                    texts.segments,
                    dict(texts.encodings),
                    tuple(texts.forced_by.most_common(_FORCED_BY)),
                    texts.sample,
                    texts.longest[2],
                    cost,
                )
            )
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Whole:
    """A campaign with its steps: segments, and what they cost in millionths, if there are prices. At least those that
    no condition can leave out.

    `certain`: those at the dearest prices of their phones.
    """

    segments: tuple[int, int]
    cost: tuple[int, int] | None
    certain: int
    currency: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; amounts are decimals, as texts."""
        found: dict[str, Any] = {"segments": {"least": self.segments[0], "most": self.segments[1]}}
        if self.cost is not None:
            least, most = map(decimal_of, self.cost)
            found["cost"] = {"currency": self.currency, "least": least, "most": most}
        return found

    @property
    def segment_words(self) -> str:
        """The segments in words: `8 to 24 with its steps`."""
        return _range(*(f"{count:,}" for count in self.segments))

    @property
    def cost_words(self) -> str:
        """The cost in words: `0.395 to 1.58 EUR with its steps`."""
        return _range(decimal_of(self.cost[0]), str(MoneyAmount(self.cost[1], self.currency))) if self.cost else ""


def _range(least: str, most: str) -> str:
    return f"{most if most.split()[0] == least else f'{least} to {most}'} with its steps"


def with_steps(segments: int, cost: PlanCost | None, steps: Sequence[StepSummary]) -> Whole:
    """Return what a campaign with its steps takes; `segments` and `cost` are those of its own text."""
    certain = [step for step in steps if step.is_certain]
    reach = segments + sum(step.segments for step in certain), segments + sum(step.segments for step in steps)
    if cost is None:
        return Whole(reach, None, 0, "")
    costs = [step.cost for step in steps if step.cost]
    sure = [cost, *(step.cost for step in certain if step.cost)]
    money = sum(each.least for each in sure), cost.most + sum(each.most for each in costs)
    return Whole(reach, money, sum(each.most for each in sure), cost.currency)


def money_warnings(
    cost: PlanCost | None, steps: Sequence[StepSummary], budgets: Sequence[MoneyBudget]
) -> Iterator[str]:
    """Yield what somebody should know about the cost of a plan and its steps before it is sent."""
    yield from cost_warnings(cost, budgets)
    if cost is None or not steps:
        return
    whole = with_steps(0, cost, steps)
    for budget in budgets:
        most = whole.cost[1] if whole.cost else 0
        if budget.within is not Within.ALL or not cost.most <= budget.amount.millionths < most:
            continue
        is_certain = budget.amount.millionths < whole.certain
        costs = MoneyAmount(whole.certain if is_certain else most, cost.currency)
        who = "the steps that everybody gets it costs" if is_certain else "all of its steps it costs up to"
        yield (
            f"with {who} {costs}, but {budget.whose} is {budget.amount}: when that is spent, the campaign is paused "
            "before everybody has them"
        )


@dataclass(slots=True)
class _TextTally:
    """The figures of the texts of one step. `longest`: its segments, characters and the text."""

    segments: int = 0
    encodings: Counter[str] = field(default_factory=Counter)
    forced_by: Counter[str] = field(default_factory=Counter)
    sample: SampleText | None = None
    longest: tuple[int, int, str] = (0, 0, "")

    def add(self, number: str, step: StepText) -> None:
        self.segments += step.segments
        self.encodings[step.encoding] += 1
        if step.forced_by:
            self.forced_by[step.forced_by] += 1
        if self.sample is None:
            self.sample = SampleText(mask(number), step.text)
        self.longest = max(self.longest, (step.segments, len(step.text), step.text))


def placed(found: Sequence[StepSummary], definition: Definition, expected: Forecast | None) -> tuple[StepSummary, ...]:
    """Return the steps of a plan with the times at which they go, if the campaign's own text goes as `expected`."""
    if expected is None:
        return tuple(found)
    hours, waits = hours_of(definition.schedule), timedelta()
    start = definition.schedule.at_gateway

    def due(sent_at: datetime | None) -> datetime | None:
        if sent_at is None:
            return None
        at = max(sent_at, start or sent_at) + waits
        return at if hours is None else hours.next_open(at)

    times = []
    for each, step in zip(found, definition.steps, strict=True):
        waits += step.after
        times.append(replace(each, first_send_at=due(expected.first_send_at), last_send_at=due(expected.last_send_at)))
    return tuple(times)
