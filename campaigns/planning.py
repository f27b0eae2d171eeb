"""What a campaign would do, row by row: who gets which text, and who gets none and why. Sends and stores nothing."""

import hashlib
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Final, NamedTuple

from campaigns.audience import AudienceProblem, AudienceRow, inline_rows, open_source
from campaigns.definition import ContactListSource, Definition, FileSource, InlineSource
from campaigns.figures import PlanSummary, Tally
from campaigns.lifecycle import RecipientState
from campaigns.numbers import InvalidNumber, Normaliser
from campaigns.segments import Segmentation
from campaigns.splitting import CONTROL, PersonHash, Split, split_of
from campaigns.templates import RenderError
from campaigns.texts import Texts
from campaigns.timing.placing import Departure, Placement, Placer
from campaigns.timing.zones import InvalidZone

MAX_RAW_NUMBER_CHARACTERS: Final = 32
"""As much of an unusable number is kept as a person needs to find it."""

_CHUNK_ROWS: Final = 1000  # one question about suppression for so many rows

Suppressed = Callable[[Sequence[str]], Set[str]]
"""Which of these numbers (E.164, at most 1000 at a time) have opted out."""


class PlannedRecipient(NamedTuple):
    """One row of the audience. (number, occurrence) is unique in a plan.

    `occurrence` is 0 for the row that counts for its number, and the row's place in the whole audience (from 1) for a
    duplicate or invalid one, whose `number` may be raw text. `text` and `segments` are empty unless the row is pending,
    or held because its moment was missed: only such rows have a `variant`, if the campaign has any, and a `departure`,
    but none where nobody was placed in time. `slot` names one reminder of several.
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
    variant: str = ""
    slot: str = ""


class Plan:
    """Rows in the order of the audience, made while they are iterated; `summary` grows with them.

    Iterating again plans again, from the files as they then are. Raises `AudienceProblem` for an unusable table.
    """

    def __init__(
        self,
        definition: Definition,
        placer: Placer | None = None,
        suppressed: Suppressed | None = None,
        split: Split | None = None,
        judge: "MakeJudge | None" = None,
    ) -> None:
        self._make_judge = judge or Judge
        self._definition = definition
        self._placer = placer
        self._suppressed = suppressed
        self._given_split = split
        self._texts = Texts(definition)
        self._hash_of = PersonHash(definition.campaign).of
        self._tally = Tally(definition)
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
        self._tally, self._hash = Tally(self._definition), ""
        digest = hashlib.sha256(self._definition.content_hash.encode())
        placer, split = self._surveyed()
        self._tally.cuts = split.cuts if split else ()
        for judged in self._judged(placer, split, self._tally.warnings):
            chunk = list(self._without_control(self._without_suppressed(judged), split))
            self._tally.add(chunk)
            # NUL separates, as it can stand in no cell and no text.
            digest.update("".join(f"{row.number}\0{row.state}\0{row.text}\0" for row, _ in chunk).encode())
            for row, _ in chunk:
                yield row
        self._hash = digest.hexdigest()

    def _surveyed(self) -> tuple[Placer | None, Split | None]:
        """The placer and the split of this pass. For a spread, or shares, all are judged twice: each is a part of all.

        A turn of a spread may stay empty: whoever has opted out or is in the control group had it.
        """
        placer, split = self._placer, self._given_split
        is_split = self._definition.is_split and split is None
        if not is_split and not (placer and placer.needs_counting):
            return placer and placer.afresh(), split
        clocks: Counter[str] = Counter()
        people = array("Q")
        for judged in self._judged(placer and placer.counting(), None, []):
            clocks.update(row.departure.zones for row, cost in judged if cost and row.departure)
            if is_split:
                hash_of = self._hash_of
                people.extend(hash_of(row.number) for row, _ in self._without_suppressed(judged) if row.text)
        if is_split:
            shares = [variant.share for variant in self._definition.variants] or [100]
            split = split_of(people, holdout=self._definition.holdout, shares=shares)
        return placer and placer.afresh(clocks), split

    def _judged(self, placer: Placer | None, split: Split | None, warnings: list[str]) -> Iterator[list["Judged"]]:
        """Every row of the audience, decided on by itself and the rows before it."""
        part = None if split is None else lambda number: split.part(self._hash_of(number))
        rows = self._make_judge(self._definition, self._texts, part, placer, warnings).rows()
        while chunk := list(islice(rows, _CHUNK_ROWS)):
            yield chunk

    def _without_suppressed(self, chunk: Sequence["Judged"]) -> Iterable["Judged"]:
        if self._suppressed is None:
            return chunk
        opted_out = self._suppressed([row.number for row, _ in chunk if row.state is RecipientState.PENDING])
        return (
            _nothing_for(row, RecipientState.SUPPRESSED, "opted out")
            if row.state is RecipientState.PENDING and row.number in opted_out
            else (row, cost)
            for row, cost in chunk
        )

    def _without_control(self, chunk: Iterable["Judged"], split: Split | None) -> Iterable["Judged"]:
        if split is None or not self._definition.holdout:
            return chunk
        reason = f"in the control group of {self._definition.holdout} %"
        return (
            _nothing_for(row, RecipientState.HOLDOUT, reason)
            if row.text and split.part(self._hash_of(row.number)) == CONTROL
            else (row, cost)
            for row, cost in chunk
        )


def plan_recipients(
    definition: Definition,
    *,
    placer: Placer | None = None,
    suppressed: Suppressed | None = None,
    split: Split | None = None,
) -> Plan:
    """The plan of a campaign's audience; nothing is read before it is iterated.

    Without a `placer` nobody is placed in time. With a `split` (the `cuts` of an earlier plan) control group and
    variants are those of that plan, also for whoever is new; without one they are cut from this audience.
    Memory grows with the numbers already seen, by some 130 bytes each. Raises `TemplateProblem` for a bad message.
    """
    return Plan(definition, placer, suppressed, split)


Judged = tuple[PlannedRecipient, Segmentation | None]

MakeJudge = Callable[[Definition, Texts, Callable[[str], int] | None, Placer | None, list[str]], "Judge"]
"""Makes what decides the rows of one pass: see `Judge`."""


def read_through(definition: Definition) -> None:
    """Read every table of the audience to its end. Raises `AudienceProblem` for one that cannot be read."""
    for source in definition.audience:
        if isinstance(source, FileSource):
            deque(open_table(definition, source, frozenset()), maxlen=0)


def open_table(
    definition: Definition, source: FileSource, fields: Set[str], warnings: list[str] | None = None
) -> Iterator[AudienceRow]:
    """The rows of a table of the campaign. Raises `AudienceProblem` that names it."""
    try:
        reader = open_source(definition.folder / source.file, number_column=source.number, fields=fields)
        if warnings is not None:
            warnings.extend(reader.warnings)
        yield from reader
    except AudienceProblem as problem:
        raise AudienceProblem(f"{source.file}: {problem.problem}", problem.hint) from problem


def _nothing_for(row: PlannedRecipient, state: RecipientState, reason: str) -> Judged:
    return row._replace(state=state, reason=reason, text="", segments=0, departure=None, variant=""), None


class Judge:
    """Decides each row by itself and by the rows before it. Another way to do so overrides `judged`."""

    def __init__(
        self,
        definition: Definition,
        texts: Texts,
        part: Callable[[str], int] | None,
        placer: Placer | None,
        warnings: list[str],
    ) -> None:
        self._definition = definition
        self._texts = texts
        self._part = part
        self._place = placer.place if placer else _nowhere
        self._columns = texts.fields | (placer.columns if placer else frozenset())
        self._warnings = warnings
        self._normalise = Normaliser(definition.default_region).normalise
        # 100 bytes a number: the number, and the row that it stands in packed as line * sources + source.
        self._seen: dict[int, int] = {}
        self._names: list[str] = []
        self._ordinal = 0

    def rows(self) -> Iterator[Judged]:
        excluded = [(source.file, self._listed(source)) for source in self._definition.exclude]
        for index, source in enumerate(self._definition.audience):
            match source:
                case FileSource():
                    self._names.append(source.file)
                    yield from self.judged(self._table(source, self._columns), index, excluded)
                case InlineSource():
                    self._names.append("recipients")
                    rows = inline_rows(source.recipients, fields=self._columns)
                    yield from self.judged(rows, index, excluded)
                case ContactListSource():
                    self._names.append(f"contact list {source.contact_list}")
                    self._warnings.append(
                        f"who is in {self._names[-1]} is known only to the gateway, until it has sent"
                    )

    def _table(self, source: FileSource, fields: Set[str]) -> Iterator[AudienceRow]:
        return open_table(self._definition, source, fields, self._warnings)

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

    def judged(
        self, rows: Iterable[AudienceRow], index: int, excluded: Sequence[tuple[str, Set[int]]]
    ) -> Iterator[Judged]:
        """The rows of the source with this index; `excluded` are the files under `exclude` and their numbers."""
        source, sources = self._names[index], len(self._definition.audience)
        normalise, text_of, place, seen = self._normalise, self._texts.of, self._place, self._seen
        part, names = self._part, self._texts.names
        ordinal, variant = self._ordinal, 0
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
                if part:
                    variant = max(0, part(number) - 1)
                text, cost = text_of(fields, variant)
                placed = place(number, fields)
            except (InvalidNumber, RenderError, InvalidZone) as error:
                yield _invalid(number, ordinal, source, line, str(error)), None
                continue
            seen[key] = line * sources + index
            state = placed.state
            if state is RecipientState.SKIPPED:
                yield PlannedRecipient(number, 0, source, line, state, placed.reason), None
                continue
            row = PlannedRecipient(
                number, 0, source, line, state, placed.reason, text, cost.segments, placed.departure, names[variant]
            )
            yield row, cost if state is RecipientState.PENDING else None
        self._ordinal = ordinal


_ANY_TIME: Final = Placement(RecipientState.PENDING, None)


def _nowhere(_number: str, _fields: Mapping[str, str]) -> Placement:
    return _ANY_TIME


def _invalid(number: str, ordinal: int, source: str, line: int, why: str) -> PlannedRecipient:
    reason = f"row {line} of {source}: {why}"
    return PlannedRecipient(number, ordinal, source, line, RecipientState.INVALID, reason)
