"""What a plan knows of its steps: the most that may go, the least, and when."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from campaigns.definition import Definition
from campaigns.definition.steps import Step
from campaigns.display import utc
from campaigns.forecast import Forecast
from campaigns.money.costs import CostTally, PlanCost, Pricing
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
