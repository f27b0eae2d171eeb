"""The figures of a plan, which grow while its rows are made."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from campaigns.definition.models import TextEncoding
from campaigns.display import utc
from campaigns.forecast import Forecast
from campaigns.lifecycle import RecipientState
from campaigns.message.segments import Segmentation
from campaigns.money.costs import CostTally, PlanCost
from campaigns.phone_numbers.masking import mask
from campaigns.planning.planned import SampleText, StepText
from campaigns.planning.repeats import Repeats
from campaigns.planning.replacements import ReplacedTexts, Replacements
from campaigns.steps.figures import StepSummary, StepTally, with_steps
from campaigns.timing.departures import Departure

MOST_PHONES: Final = 100
"""Of a forecast that is stored with the plan."""

_SAMPLES: Final = 3
_FORCED_BY: Final = 10


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many rows of a source its condition left out."""

    source: str
    where: str
    rows: int


@dataclass(frozen=True, slots=True)
class VariantSummary:
    """The figures of a variant: people who get it or are held with it. `longest_text`: by segments, then length."""

    name: str
    share: int
    recipients: int
    segments: int
    encodings: Mapping[str, int]
    sample: SampleText | None
    longest_text: str


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """The figures of a plan. The counts over all states add up to `audience`; `forced_by` has the most frequent first.

    `landlines` are among the people who get a text. `cuts` come from the `Split` that was used, and are empty if nobody
    was divided. `unread_exclusions` are rows under `exclude` without a number, `repeats` are people who got the same
    text from another campaign within a day. `to_look_at`: how many of both require approval, whatever the file says.
    `left_out` has an entry for each source with a condition; its rows are among the excluded.
    `steps`: later texts; they are in no other figure.
    `replaced`: what `encoding` replaced; None if texts are sent as written. `cost`: None if there are no prices.
    """

    audience: int
    counts: Mapping[RecipientState, int]
    segments: int
    encodings: Mapping[str, int]
    forced_by: tuple[tuple[str, int], ...]
    samples: tuple[SampleText, ...]
    longest_text: str
    warnings: tuple[str, ...]
    variants: tuple[VariantSummary, ...] = ()
    cuts: tuple[int, ...] = ()
    landlines: int = 0
    unread_exclusions: int = 0
    repeats: int = 0
    to_look_at: int = 0
    left_out: tuple[LeftOut, ...] = ()
    replaced: ReplacedTexts | None = None
    cost: PlanCost | None = None
    steps: tuple[StepSummary, ...] = ()


def summary_json(summary: PlanSummary, expected: Forecast | None) -> dict[str, Any]:
    """Return the figures of a plan as JSON, without any text, because the database has those already."""
    values = asdict(summary)
    for texts in (values, *values["variants"]):
        del texts["longest_text"]
        texts.pop("samples", None)
        texts.pop("sample", None)
    del values["replaced"], values["cost"], values["steps"]
    if summary.steps:
        values["steps"] = [step.to_json() for step in summary.steps]
        values["with_steps"] = with_steps(summary.segments, summary.cost, summary.steps).to_json()
    if summary.cost is not None:
        values["cost"] = summary.cost.to_json()
    if summary.replaced is not None:
        values["replaced"] = summary.replaced.to_json()
    values["counts"] = {state.value: count for state, count in summary.counts.items()}
    if expected is not None:
        ends = {"first_send_at": utc(expected.first_send_at), "last_send_at": utc(expected.last_send_at)}
        days = [day.to_json() for day in expected.days]
        limit = expected.limited_by or None
        values["forecast"] = {**ends, "limited_by": limit, "too_late": expected.late, "days": days}
        if expected.phones:
            values["forecast"]["phones"] = [phone.to_json() for phone in expected.phones[:MOST_PHONES]]
        values["course"] = expected.course.to_json()
    return values


class Countable(Protocol):
    """The part of a planned row that is counted."""

    @property
    def number(self) -> str: ...
    @property
    def state(self) -> RecipientState: ...
    @property
    def text(self) -> str: ...
    @property
    def segments(self) -> int: ...
    @property
    def variant(self) -> str: ...
    @property
    def is_landline(self) -> bool: ...
    @property
    def departure(self) -> Departure | None: ...
    @property
    def steps(self) -> tuple[StepText, ...]: ...


class Tally:
    """The figures while they grow; `shares` by variant name, if there are variants."""

    def __init__(
        self,
        zone: ZoneInfo,
        shares: Mapping[str, int],
        encoding: TextEncoding,
        costs: CostTally | None = None,
        steps: StepTally | None = None,
    ) -> None:
        self._steps = steps or StepTally()
        self.warnings: list[str] = []
        self.cuts: tuple[int, ...] = ()
        self._counts: Counter[RecipientState] = Counter()
        self.unread_exclusions = 0
        self.repeats = Repeats()
        self.left_out: tuple[LeftOut, ...] = ()
        self._zone = zone
        self._landlines = 0
        self.costs = costs
        self._forced_by: Counter[str] = Counter()
        self._replacements = Replacements(encoding)
        self._samples: list[SampleText] = []
        self._texts = {name: _TextTally() for name in shares or [""]}
        self._shares = shares

    def add(self, chunk: Sequence[tuple[Countable, Segmentation | None]]) -> None:
        self._counts.update([row.state for row, _ in chunk])
        sent = [(row, cost) for row, cost in chunk if cost]
        self._steps.add(row for row, _ in sent)
        self._forced_by.update([cost.forced_by for _, cost in sent if cost.forced_by])
        self._replacements.add([(row.text, cost) for row, cost in sent])
        self._landlines += sum(row.is_landline for row, _ in sent)
        self._samples.extend(SampleText(mask(row.number), row.text) for row, _ in sent[: _SAMPLES - len(self._samples)])
        if self.costs is not None:
            for row, _ in sent:
                self.costs.add(row.number, row.segments, row.departure and row.departure.at)
        for name, tally in self._texts.items():
            tally.add(sent if not self._shares else [(row, cost) for row, cost in sent if row.variant == name])

    def summary(self) -> PlanSummary:
        texts = self._texts.values()
        return PlanSummary(
            audience=self._counts.total(),
            counts=dict(self._counts),
            segments=sum(tally.segments for tally in texts),
            encodings=dict(sum((tally.encodings for tally in texts), Counter())),
            forced_by=tuple(self._forced_by.most_common(_FORCED_BY)),
            samples=tuple(self._samples),
            longest_text=max((tally.longest for tally in texts), default=_NO_TEXT)[2],
            warnings=(*self.warnings, *self.repeats.warning(self._zone)),
            variants=tuple(
                VariantSummary(
                    name,
                    share,
                    tally.recipients,
                    tally.segments,
                    dict(tally.encodings),
                    tally.sample,
                    tally.longest[2],
                )
                for name, share in self._shares.items()
                for tally in [self._texts[name]]
            ),
            cuts=self.cuts,
            landlines=self._landlines,
            unread_exclusions=self.unread_exclusions,
            repeats=self.repeats.people,
            replaced=self._replacements.found(),
            to_look_at=self.unread_exclusions + self.repeats.to_look_at(self._counts[RecipientState.PENDING]),
            left_out=self.left_out,
            cost=self.costs.found() if self.costs is not None else None,
            steps=self._steps.found(),
        )


_NO_TEXT: Final = (0, 0, "")


@dataclass(slots=True)
class _TextTally:
    """The figures of the people who get one of the texts."""

    recipients: int = 0
    segments: int = 0
    encodings: Counter[str] = field(default_factory=Counter)
    sample: SampleText | None = None
    longest: tuple[int, int, str] = _NO_TEXT

    def add(self, sent: Sequence[tuple[Countable, Segmentation]]) -> None:
        if not sent:
            return
        self.recipients += len(sent)
        self.segments += sum(cost.segments for _, cost in sent)
        self.encodings.update([cost.encoding for _, cost in sent])
        self.longest = max(self.longest, max((row.segments, len(row.text), row.text) for row, _ in sent))
        if self.sample is None:
            self.sample = SampleText(mask(sent[0][0].number), sent[0][0].text)
