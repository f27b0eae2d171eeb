"""Decides what becomes of each row of an audience: its text, or why it gets none."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Final, NamedTuple

from campaigns.audience import AudienceRow, inline_rows
from campaigns.audience.earlier import FIELDS, EarlierCampaigns
from campaigns.definition import CampaignSource, ContactListSource, Definition, FileSource, InlineSource, Source
from campaigns.definition.sources import ExcludedFile
from campaigns.lifecycle import RecipientState
from campaigns.message.conditions import RowCondition, compile_condition
from campaigns.message.filters import RenderError
from campaigns.message.segments import Segmentation
from campaigns.message.sought_values import SoughtValues
from campaigns.message.templates import field_name
from campaigns.message.texts import Texts
from campaigns.phone_numbers.numbers import InvalidNumber, Normaliser
from campaigns.phone_numbers.seen import FirstRows
from campaigns.phone_numbers.spellings import phone_key
from campaigns.planning.figures import LeftOut
from campaigns.planning.opened import excluded_numbers, open_table, warn_of_columns
from campaigns.planning.planned import PlannedRecipient, StepText
from campaigns.planning.tables import vocabulary_of
from campaigns.problems import MOST_PROBLEMS
from campaigns.timing.departures import Placement
from campaigns.timing.placing import Placer
from campaigns.timing.zones import InvalidZone

MAX_RAW_NUMBER_CHARACTERS: Final = 32
"""How much of an unusable number is kept: enough for a person to find it."""


_new: Final = tuple.__new__
"""Makes a row from all of its values in a third of the time."""

Judged = tuple[PlannedRecipient, Segmentation | None]


def nothing_for(row: PlannedRecipient, state: RecipientState, reason: str) -> Judged:
    """Return the row with a new decision: no text, no cost, no turn."""
    return row._replace(state=state, reason=reason, text="", segments=0, departure=None, variant="", steps=()), None


class NotChosen(NamedTuple):
    """What becomes of a row that its source's condition leaves out. `is_phone`: `number` is E.164, not as written."""

    number: str
    is_phone: bool
    state: RecipientState
    reason: str


class RowPlanner:
    """Decides each row by itself and by the rows before it. Subclasses override `judged`."""

    def __init__(
        self,
        definition: Definition,
        texts: Texts,
        part: Callable[[str], int] | None,
        placer: Placer | None,
        warnings: list[str],
        earlier: EarlierCampaigns,
    ) -> None:
        self._definition = definition
        self._earlier = earlier
        self._texts = texts
        self._part = part
        self._place = placer.place if placer else _nowhere
        self._columns = texts.columns | (placer.columns if placer else frozenset())
        self._warnings = warnings
        self.unread = Counter[str]()  # rows under `exclude` that hold no number, by their table
        self._numbers = Normaliser(definition.default_region, mobile_only=definition.mobile_only)
        # The row of a number, packed as line * sources + source.
        self._seen = FirstRows()
        self._conditions = [self._condition(source) for source in definition.audience]
        self._sought = [SoughtValues(condition.sought if condition else ()) for condition in self._conditions]
        self._left_out = Counter[int]()  # rows by the index of their source
        self._names: list[str] = []
        self._ordinal = 0

    def rows(self) -> Iterator[Judged]:
        excluded = [(source.file, self._listed(source)) for source in self._definition.exclude]
        for index, source in enumerate(self._definition.audience):
            match source:
                case FileSource():
                    self._names.append(source.file)
                    rows = open_table(
                        self._definition.folder, source, self._columns, self._warnings, self._texts.fields
                    )
                    yield from self.judged(rows, index, excluded)
                case InlineSource():
                    self._names.append("recipients")
                    columns = sorted({field_name(key) for recipient in source.recipients for key in recipient})
                    warn_of_columns(self._warnings, "recipients", self._texts.fields, columns)
                    condition = self._conditions[index]
                    wanted = self._columns | (condition.fields if condition else frozenset())
                    rows = inline_rows(source.recipients, fields=wanted)
                    yield from self.judged(rows, index, excluded)
                case CampaignSource():
                    self._names.append(f"campaign {source.campaign}")
                    warn_of_columns(self._warnings, self._names[-1], self._texts.fields, FIELDS)
                    people = self._earlier(source.campaign)
                    self._warnings.extend(people.warnings)
                    yield from self.judged(people, index, excluded)
                case ContactListSource():
                    self._names.append(f"contact list {source.contact_list}")
                    self._warnings.append(f"only the gateway knows who is in {self._names[-1]}, until it has sent")
            unseen = islice(self._sought[index].unseen(self._names[index]), MOST_PROBLEMS)
            self._warnings.extend(f"`where` {says}" for says in unseen)

    def left_out(self) -> tuple[LeftOut, ...]:
        """Return what the conditions of the sources so far left out."""
        return tuple(
            LeftOut(name, condition.rule, self._left_out[index])
            for index, (name, condition) in enumerate(zip(self._names, self._conditions, strict=False))
            if condition
        )

    def _condition(self, source: Source) -> RowCondition | None:
        remind = self._definition.schedule.remind
        order = remind and remind.format
        return compile_condition(source.where, order, vocabulary_of(source)) if source.where else None

    def not_chosen(self, row: AudienceRow, index: int) -> NotChosen | None:
        """Return what becomes of a row that its source's condition leaves out, or that the condition fails for.

        Such a row counts for nothing: another row of the same number may be in the audience.
        """
        condition = self._conditions[index]
        if condition is None:
            return None
        self._sought[index].look(row.fields)
        try:
            if condition.holds(row.fields):
                return None
            self._left_out[index] += 1
            state, reason = RecipientState.EXCLUDED, f"left out by `where`: {condition.rule}"
        except RenderError as error:
            state, reason = RecipientState.INVALID, f"row {row.line} of {self._names[index]}: {error}"
        try:
            return NotChosen(self._numbers.textable(row.number)[0], True, state, reason)
        except InvalidNumber:
            return NotChosen(row.number[:MAX_RAW_NUMBER_CHARACTERS], False, state, reason)

    def _listed(self, source: ExcludedFile) -> set[int]:
        rows = open_table(self._definition.folder, source, frozenset(), self._warnings)
        return set(excluded_numbers(source.file, rows, self._numbers.normalise, self.unread, self._warnings))

    def judged(
        self, rows: Iterable[AudienceRow], index: int, excluded: Sequence[tuple[str, Set[int]]]
    ) -> Iterator[Judged]:
        """Yield the rows of the source with this index. `excluded` are the files under `exclude` and their numbers."""
        source, sources = self._names[index], len(self._definition.audience)
        textable, text_of, place, seen = self._numbers.textable, self._texts.of, self._place, self._seen
        part, names = self._part, self._texts.names
        steps_of = self._steps_of if self._definition.steps else _no_steps
        ordinal, variant = self._ordinal, 0
        is_chosen = self._conditions[index] is None
        for row in rows:
            line, raw, fields, problem = row
            ordinal += 1
            number = raw[:MAX_RAW_NUMBER_CHARACTERS]
            if problem:
                yield _invalid(number, ordinal, source, line, problem), None
                continue
            if not is_chosen and (found := self.not_chosen(row, index)):
                yield PlannedRecipient(found.number, ordinal, source, line, found.state, found.reason), None
                continue
            try:
                number, is_landline = textable(raw)
                key = int(phone_key(number))
                if (first := seen.get(key)) is not None:
                    reason = f"same number as row {first // sources} of {self._names[first % sources]}"
                    duplicate = RecipientState.DUPLICATE
                    yield PlannedRecipient(number, ordinal, source, line, duplicate, reason), None
                    continue
                if excluded and (file := next((file for file, numbers in excluded if key in numbers), None)):
                    seen.add(key, line * sources + index)
                    yield PlannedRecipient(number, 0, source, line, RecipientState.EXCLUDED, f"listed in {file}"), None
                    continue
                if part:
                    variant = max(0, part(number) - 1)
                text, cost = text_of(number, fields, variant)
                steps = steps_of(number, fields)
                placed = place(number, fields)
            except (InvalidNumber, RenderError, InvalidZone) as error:
                yield _invalid(number, ordinal, source, line, str(error)), None
                continue
            seen.add(key, line * sources + index)
            state = placed.state
            if state is RecipientState.SKIPPED:
                yield PlannedRecipient(number, 0, source, line, state, placed.reason), None
                continue
            planned = _new(
                PlannedRecipient,
                (
                    number, 0, source, line, state, placed.reason, text, cost.segments, placed.departure,
                    names[variant], "", is_landline, steps,
                ),
            )  # fmt: skip
            yield planned, cost if state is RecipientState.PENDING else None
        self._ordinal = ordinal

    def _steps_of(self, number: str, fields: Mapping[str, str]) -> tuple[StepText, ...]:
        return tuple(
            StepText(text, cost.segments, cost.encoding, cost.forced_by)
            for text, cost in self._texts.of_steps(number, fields)
        )


_ANY_TIME: Final = Placement(RecipientState.PENDING, None)


def _no_steps(_number: str, _fields: Mapping[str, str]) -> tuple[StepText, ...]:
    return ()


def _nowhere(_number: str, _fields: Mapping[str, str]) -> Placement:
    return _ANY_TIME


def _invalid(number: str, ordinal: int, source: str, line: int, why: str) -> PlannedRecipient:
    reason = f"row {line} of {source}: {why}"
    return PlannedRecipient(number, ordinal, source, line, RecipientState.INVALID, reason)


MakeJudge = Callable[
    [Definition, Texts, Callable[[str], int] | None, Placer | None, list[str], EarlierCampaigns], "RowPlanner"
]
"""Makes the object that decides the rows of one pass: see `RowPlanner`."""
