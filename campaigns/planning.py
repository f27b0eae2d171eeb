"""What a campaign would do, row by row: who gets which text, and who gets none and why. Sends and stores nothing."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from campaigns.audience import AudienceProblem, AudienceRow, inline_rows, open_source
from campaigns.definition import ContactListSource, Definition, FileSource, InlineSource
from campaigns.lifecycle import RecipientState
from campaigns.numbers import InvalidNumber, Normaliser, mask
from campaigns.segments import Segmentation, segmentation
from campaigns.templates import MessageTemplate, RenderError, compile_message
from campaigns.timing.placing import Departure, Placement, Placer
from campaigns.timing.zones import InvalidZone

MAX_SEGMENTS: Final = 10
"""Over this a text is taken for a mistake: phones and carriers join ten parts reliably, and each is paid for."""

MAX_RAW_NUMBER_CHARACTERS: Final = 32
"""As much of an unusable number is kept as a person needs to find it."""

_CHUNK_ROWS: Final = 1000  # one question about suppression for so many rows
_SAMPLES: Final = 3
_FORCED_BY: Final = 10

Suppressed = Callable[[Sequence[str]], Set[str]]
"""Which of these numbers (E.164, at most 1000 at a time) have opted out."""


class PlannedRecipient(NamedTuple):
    """One row of the audience. (number, occurrence) is unique in a plan.

    `occurrence` is 0 for the row that counts for its number, and the row's place in the whole audience (from 1) for a
    duplicate or invalid one, whose `number` may be raw text. `text` and `segments` are empty unless the row is pending,
    or held because its moment was missed: only such rows have a `departure`, and none where nobody was placed in time.
    """

    number: str
    occurrence: int
    source: str
    line: int
    state: RecipientState
    reason: str = ""
    text: str = ""
    segments: int = 0
    departure: Departure | None = None


@dataclass(frozen=True, slots=True)
class SampleText:
    """A text as it would be sent; the number is masked."""

    number: str
    text: str


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """A plan in figures. The counts over all states add up to `audience`; `forced_by` has the most frequent first."""

    audience: int
    counts: Mapping[RecipientState, int]
    segments: int
    encodings: Mapping[str, int]
    forced_by: tuple[tuple[str, int], ...]
    samples: tuple[SampleText, ...]
    longest_text: str
    warnings: tuple[str, ...]


class Plan:
    """Rows in the order of the audience, made while they are iterated; `summary` grows with them.

    Iterating again plans again, from the files as they then are. Raises `AudienceProblem` for an unusable table.
    """

    def __init__(self, definition: Definition, placer: Placer | None, suppressed: Suppressed | None) -> None:
        self._definition = definition
        self._placer = placer
        self._suppressed = suppressed
        self._template = compile_message(definition.message)
        self._tally = _Tally()
        self._hash = ""

    @property
    def summary(self) -> PlanSummary:
        """The figures of the rows so far."""
        return self._tally.summary()

    @property
    def hash(self) -> str:
        """SHA-256 (hex) over the definition and each row's number, state and text. Raises ValueError before the end."""
        if not self._hash:
            raise ValueError("a plan has no hash before all of its rows were read: iterate it to the end")
        return self._hash

    def __iter__(self) -> Iterator[PlannedRecipient]:
        self._tally, self._hash = _Tally(), ""
        digest = hashlib.sha256(self._definition.content_hash.encode())
        for chunk in self._chunks(self._placed(), self._tally.warnings):
            self._tally.add(chunk)
            # NUL separates, as it can stand in no cell and no text.
            digest.update("".join(f"{row.number}\0{row.state}\0{row.text}\0" for row, _ in chunk).encode())
            for row, _ in chunk:
                yield row
        self._hash = digest.hexdigest()

    def _placed(self) -> Placer | None:
        """The placer of this pass. For a spread all are judged twice, for a turn is a part of all there are."""
        placer = self._placer
        if placer is None or not placer.needs_counting:
            return placer and placer.afresh()
        people: Counter[str] = Counter()
        for chunk in self._chunks(placer.counting(), []):
            people.update(row.departure.zones for row, cost in chunk if cost and row.departure)
        return placer.afresh(people)

    def _chunks(self, placer: Placer | None, warnings: list[str]) -> Iterator[list["_Judged"]]:
        rows = _Judge(self._definition, self._template, placer, warnings).rows()
        while chunk := list(islice(rows, _CHUNK_ROWS)):
            yield list(_without_suppressed(chunk, self._suppressed)) if self._suppressed else chunk


def plan_recipients(
    definition: Definition, *, placer: Placer | None = None, suppressed: Suppressed | None = None
) -> Plan:
    """The plan of a campaign's audience; nothing is read before it is iterated.

    Without a `placer` nobody is placed in time. Memory grows with the numbers already seen, by some 130 bytes each.
    Raises `TemplateProblem` for a bad message.
    """
    return Plan(definition, placer, suppressed)


_Judged = tuple[PlannedRecipient, Segmentation | None]


def _without_suppressed(chunk: Sequence[_Judged], suppressed: Suppressed) -> Iterator[_Judged]:
    opted_out = suppressed([row.number for row, _ in chunk if row.state is RecipientState.PENDING])
    for row, cost in chunk:
        if row.state is RecipientState.PENDING and row.number in opted_out:
            state = RecipientState.SUPPRESSED
            yield row._replace(state=state, reason="opted out", text="", segments=0, departure=None), None
        else:
            yield row, cost


class _Judge:
    """Decides each row by itself and by the rows before it."""

    def __init__(
        self, definition: Definition, template: MessageTemplate, placer: Placer | None, warnings: list[str]
    ) -> None:
        self._definition = definition
        self._template = template
        self._place = placer.place if placer else _nowhere
        self._columns = template.fields | (placer.columns if placer else frozenset())
        self._warnings = warnings
        self._normalise = Normaliser(definition.default_region).normalise
        # 100 bytes a number: the number, and the row that it stands in packed as line * sources + source.
        self._seen: dict[int, int] = {}
        self._names: list[str] = []
        self._ordinal = 0

    def rows(self) -> Iterator[_Judged]:
        excluded = [(source.file, self._listed(source)) for source in self._definition.exclude]
        for index, source in enumerate(self._definition.audience):
            match source:
                case FileSource():
                    self._names.append(source.file)
                    yield from self._judged(self._table(source, self._columns), index, excluded)
                case InlineSource():
                    self._names.append("recipients")
                    rows = inline_rows(source.recipients, fields=self._columns)
                    yield from self._judged(rows, index, excluded)
                case ContactListSource():
                    self._names.append(f"contact list {source.contact_list}")
                    self._warnings.append(
                        f"who is in {self._names[-1]} is known only to the gateway, until it has sent"
                    )

    def _table(self, source: FileSource, fields: Set[str]) -> Iterator[AudienceRow]:
        try:
            reader = open_source(self._definition.folder / source.file, number_column=source.number, fields=fields)
            self._warnings.extend(reader.warnings)
            yield from reader
        except AudienceProblem as problem:
            raise AudienceProblem(f"{source.file}: {problem.problem}", problem.hint) from problem

    def _listed(self, source: FileSource) -> set[int]:
        numbers: set[int] = set()
        unusable: list[int] = []
        for row in self._table(source, frozenset()):
            try:
                numbers.add(int(self._normalise(row.number)))
            except InvalidNumber:
                unusable.append(row.line)
        if unusable:
            rows = f"{len(unusable):,} rows of {source.file} hold" if unusable[1:] else f"1 row of {source.file} holds"
            self._warnings.append(f"{rows} no phone number and so exclude nobody, first row {unusable[0]}")
        return numbers

    def _judged(
        self, rows: Iterable[AudienceRow], index: int, excluded: Sequence[tuple[str, Set[int]]]
    ) -> Iterator[_Judged]:
        source, sources = self._names[index], len(self._definition.audience)
        normalise, render, place, seen = self._normalise, self._template.render, self._place, self._seen
        ordinal = self._ordinal
        for line, raw, fields, problem in rows:
            ordinal += 1
            number = raw[:MAX_RAW_NUMBER_CHARACTERS]
            if problem:
                yield _invalid(number, ordinal, source, line, problem), None
                continue
            try:
                number = normalise(raw)
                key = int(number)
                if (first := seen.get(key)) is not None:
                    reason = f"same number as row {first // sources} of {self._names[first % sources]}"
                    duplicate = RecipientState.DUPLICATE
                    yield PlannedRecipient(number, ordinal, source, line, duplicate, reason), None
                    continue
                if excluded and (file := next((file for file, numbers in excluded if key in numbers), None)):
                    seen[key] = line * sources + index
                    yield PlannedRecipient(number, 0, source, line, RecipientState.EXCLUDED, f"listed in {file}"), None
                    continue
                text = render(fields)
                cost = _checked(text)
                placed = place(number, fields)
            except (InvalidNumber, RenderError, InvalidZone) as error:
                yield _invalid(number, ordinal, source, line, str(error)), None
                continue
            seen[key] = line * sources + index
            state = placed.state
            if state is RecipientState.SKIPPED:
                yield PlannedRecipient(number, 0, source, line, state, placed.reason), None
                continue
            row = PlannedRecipient(number, 0, source, line, state, placed.reason, text, cost.segments, placed.departure)
            yield row, cost if state is RecipientState.PENDING else None
        self._ordinal = ordinal


_ANY_TIME: Final = Placement(RecipientState.PENDING, None)


def _nowhere(_number: str, _fields: Mapping[str, str]) -> Placement:
    return _ANY_TIME


def _invalid(number: str, ordinal: int, source: str, line: int, why: str) -> PlannedRecipient:
    reason = f"row {line} of {source}: {why}"
    return PlannedRecipient(number, ordinal, source, line, RecipientState.INVALID, reason)


def _checked(text: str) -> Segmentation:
    """The cost of a text that may be sent, else raises `RenderError`."""
    if not text or text.isspace():
        raise RenderError("the text is empty")
    cost = segmentation(text)
    if cost.segments > MAX_SEGMENTS:
        raise RenderError(f"the text takes {cost.segments} segments, and at most {MAX_SEGMENTS} are sent")
    return cost


@dataclass(slots=True)
class _Tally:
    """The figures while they grow."""

    warnings: list[str] = field(default_factory=list)
    _counts: Counter[RecipientState] = field(default_factory=Counter)
    _segments: int = 0
    _encodings: Counter[str] = field(default_factory=Counter)
    _forced_by: Counter[str] = field(default_factory=Counter)
    _samples: list[SampleText] = field(default_factory=list)
    _longest: tuple[int, int, str] = (0, 0, "")

    def add(self, chunk: Sequence[_Judged]) -> None:
        self._counts.update([row.state for row, _ in chunk])
        costs = [cost for _, cost in chunk if cost]
        self._encodings.update([cost.encoding for cost in costs])
        self._forced_by.update([cost.forced_by for cost in costs if cost.forced_by])
        self._segments += sum(cost.segments for cost in costs)
        pending = [row for row, cost in chunk if cost]
        if pending:
            self._longest = max(self._longest, max((row.segments, len(row.text), row.text) for row in pending))
        missing = _SAMPLES - len(self._samples)
        self._samples.extend(SampleText(mask(row.number), row.text) for row in pending[:missing])

    def summary(self) -> PlanSummary:
        return PlanSummary(
            audience=self._counts.total(),
            counts=dict(self._counts),
            segments=self._segments,
            encodings=dict(self._encodings),
            forced_by=tuple(self._forced_by.most_common(_FORCED_BY)),
            samples=tuple(self._samples),
            longest_text=self._longest[2],
            warnings=tuple(self.warnings),
        )
