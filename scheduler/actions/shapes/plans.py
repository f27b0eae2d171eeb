"""Plans: stored ones, and what a campaign file would do."""

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from campaigns.take_up import Taken
from scheduler.report.shown.shapes import (
    Counts,
    Encodings,
    Moment,
    MoneyText,
    RunStateWord,
    Saving,
    ToApprove,
    words,
)


class PrefixCostShape(TypedDict):
    """What the texts to numbers with one prefix of the prices cost at most."""

    prefix: str
    recipients: int
    segments: int
    cost: MoneyText


class PlanCostShape(TypedDict):
    """What a plan costs. `most` differs from `least` if prices depend on the phone; `unpriced` people are in neither.

    `prefixes`: the 20 dearest.
    """

    currency: str
    least: MoneyText
    most: MoneyText
    unpriced: int
    prefixes: list[PrefixCostShape]


class DayShape(TypedDict):
    """What leaves on one day, and what it costs at most, if there are prices."""

    date: str
    texts: int
    segments: int
    cost: NotRequired[MoneyText]


class PlannedPhone(TypedDict):
    """What a phone would do: its texts, and how many of its people are new to it in the month of the first one.

    `people_before` of its `people_monthly` were so before; it may text nobody new from `exhausted_at` on. The device
    is `any` or `primary` where the gateway chooses it.
    """

    device: str
    texts: int
    people: int
    people_before: int
    people_monthly: int | None
    exhausted_at: Moment | None


class ForecastShape(TypedDict):
    """When the texts of a plan leave, and what decides it."""

    first_send_at: Moment | None
    last_send_at: Moment | None
    limited_by: str | None
    too_late: int
    days: list[DayShape]
    phones: NotRequired[
        Annotated[list[PlannedPhone], Field(description="Where people are limited for each phone, or have their own.")]
    ]


class StoredVariant(TypedDict):
    """The figures of a variant, without its texts."""

    name: str
    share: int
    recipients: int
    segments: int
    encodings: Encodings


class RowsLeftOut(TypedDict):
    """How many rows of a source its condition (`where`) left out. They are among the excluded."""

    source: str
    where: str
    rows: int


class StoredReplacements(Saving):
    """What is sent in GSM characters instead of those in the file, what that saves, and the most frequent of them."""

    characters: Annotated[
        list[list[str | int]], Field(description="Each a character, what is written for it, and in how many texts.")
    ]


class MostAndLeast(TypedDict):
    """The most that may go, and the least."""

    most: int
    least: int


class PlannedStep(TypedDict):
    """What a step may send, and when if the text before goes as forecast; the other figures are of the most."""

    name: str
    after: str
    unless: list[str]
    only_if: list[str]
    recipients: MostAndLeast
    segments: int
    encodings: NotRequired[Encodings]
    cost: NotRequired[PlanCostShape]
    first_send_at: Moment | None
    last_send_at: Moment | None


class CostRange(TypedDict):
    """The least that texts cost, and the most."""

    currency: str
    least: MoneyText
    most: MoneyText


class PlannedWhole(TypedDict):
    """What a campaign takes with its steps: at least those that no condition can leave out."""

    segments: MostAndLeast
    cost: NotRequired[CostRange]


class PlanFigures(TypedDict):
    """The figures of a plan, as they are stored once it has been made."""

    segments: NotRequired[int]
    encodings: NotRequired[Encodings]
    forced_by: NotRequired[Annotated[list[list[str | int]], Field(description="Each a character, and in how many.")]]
    cost: NotRequired[PlanCostShape]
    landlines: NotRequired[int]
    left_out: NotRequired[list[RowsLeftOut]]
    replaced: NotRequired[StoredReplacements]
    steps: NotRequired[list[PlannedStep]]
    with_steps: NotRequired[PlannedWhole]
    variants: NotRequired[list[StoredVariant]]
    warnings: NotRequired[list[str]]


class PlanShape(PlanFigures):
    """The stored plan of a run. `plan` is null until it has been made; then the figures are there, too."""

    campaign: str
    run: int
    state: RunStateWord
    plan: str | None
    planned_at: Moment | None
    starts_at: Moment
    recipients: Counts
    forecast: ForecastShape | None
    approved: str | None
    approval: ToApprove | None


class SubmittedPlan(PlanShape):
    """A campaign that was submitted: how it was found, and how many rows are new in its tables."""

    taken: Annotated[str, words(Taken)]
    added: int


class ForcingCharacter(TypedDict):
    """A character that forces texts into UCS-2, and how many."""

    character: str
    code: str
    name: str
    texts: int


class ReplacedShape(TypedDict):
    """A character that is replaced by `written` (empty: it is left out), and in how many texts."""

    character: str
    code: str
    name: str
    written: str
    texts: int


class ReplacedExample(TypedDict):
    """The text of one person as it was written, and as it would be sent."""

    as_written: str
    text: str


class PlannedReplacements(Saving):
    """What would be sent in GSM characters instead of those in the file. `example` is null without `read:numbers`.

    `characters`: letters first, then the most frequent; `more_characters` counts those after the first 100.
    """

    characters: list[ReplacedShape]
    more_characters: int
    example: ReplacedExample | None


class SampleShape(TypedDict):
    """A text as it would be sent, with the number masked."""

    number: str
    text: str


class PlannedVariant(StoredVariant):
    """The figures of a variant. Its texts are null without `read:numbers`."""

    sample: SampleShape | None
    longest_text: str | None


class PreviewedStep(PlannedStep):
    """The figures of a step. Its texts are null without `read:numbers`."""

    forced_by: list[ForcingCharacter]
    sample: SampleShape | None
    longest_text: str | None


class PlannedOffset(TypedDict):
    """The figures of one reminder."""

    offset: str
    recipients: int
    missed: int
    first_send_at: Moment | None
    last_send_at: Moment | None


class PlannedZones(TypedDict):
    """The people whose window opens by the clocks of these zones."""

    zones: list[str]
    recipients: int
    first_send_at: Moment | None
    last_send_at: Moment | None


class PlanPreview(TypedDict):
    """What a campaign file would do. Texts (`samples`, `longest_text`) are there only with `read:numbers`."""

    campaign: str
    plan: str
    recipients: Counts
    segments: int
    cost: NotRequired[PlanCostShape]
    encodings: Encodings
    forced_by: list[ForcingCharacter]
    samples: list[SampleShape]
    longest_text: str | None
    landlines: int
    left_out: list[RowsLeftOut]
    replaced: NotRequired[PlannedReplacements]
    variants: NotRequired[list[PlannedVariant]]
    steps: NotRequired[list[PreviewedStep]]
    with_steps: NotRequired[PlannedWhole]
    not_sent: list[str]
    warnings: list[str]
    over_cap_now: int | None
    approval: NotRequired[ToApprove]
    devices: str
    phones: Annotated[
        list[PlannedPhone], Field(description="Where people are limited for each phone, or have their own.")
    ]
    rates: list[str]
    budgets: list[str]
    money: NotRequired[Annotated[list[str], Field(description="Budgets of money that hold for it.")]]
    batch_size: int
    batch_segments: int | None
    requests: int
    first_send_at: Moment | None
    last_send_at: Moment | None
    followed_until: Moment | None
    limited_by: str | None
    too_late: int
    runs: list[Moment]
    reminders: list[PlannedOffset]
    days: list[DayShape]
    zones: list[PlannedZones]
