"""The plan of a campaign with reminders: one text per row and offset from its date, and what became of the row.

Nothing here knows earlier plans; `campaigns.planning.replanning` compares.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from typing import NoReturn

from campaigns.audience import AudienceRow
from campaigns.audience.earlier import EarlierCampaigns, unknown_campaigns
from campaigns.definition import Definition
from campaigns.lifecycle import RecipientState
from campaigns.message.filters import RenderError
from campaigns.message.texts import Texts
from campaigns.money.costs import Pricing
from campaigns.phone_numbers.numbers import InvalidNumber
from campaigns.phone_numbers.spellings import phone_key
from campaigns.planning.planned import PlannedRecipient
from campaigns.planning.planner import Plan, Suppressed
from campaigns.planning.row_planner import MAX_RAW_NUMBER_CHARACTERS, Judged, NotChosen, RowPlanner
from campaigns.timing.appointments import Appointments, UnclearRow
from campaigns.timing.placing import Placer
from campaigns.timing.slots import LEFT_OUT, Slot
from campaigns.timing.zones import InvalidZone

INVALID, DUPLICATE, EXCLUDED, CANCELLED = "invalid", "duplicate", "excluded", "cancelled"
"""Slot labels of rows that get no text at all."""


def plan_reminders(
    definition: Definition,
    now: datetime,
    *,
    suppressed: Suppressed | None = None,
    earlier: EarlierCampaigns = unknown_campaigns,
    pricing: Pricing | None = None,
) -> Plan:
    """Return the reminders of a campaign's audience, as of `now` (aware). Nothing is read before it is iterated.

    (number, slot) is unique in it. A row that is cancelled or excluded gets that state: nothing more is to be sent for
    its appointment. Raises `TemplateProblem` for a bad message.
    """

    def judge(
        definition: Definition,
        texts: Texts,
        part: Callable[[str], int] | None,
        placer: Placer | None,
        warnings: list[str],
        earlier: EarlierCampaigns,
    ) -> "_ReminderJudge":
        appointments = Appointments(definition.schedule, now)
        return _ReminderJudge(definition, texts, part, placer, warnings, earlier, appointments)

    return Plan(definition, suppressed=suppressed, judge=judge, earlier=earlier, pricing=pricing)


class _ReminderJudge(RowPlanner):
    """Decides rows that may each have several texts."""

    def __init__(
        self,
        definition: Definition,
        texts: Texts,
        part: Callable[[str], int] | None,
        placer: Placer | None,
        warnings: list[str],
        earlier: EarlierCampaigns,
        appointments: Appointments,
    ) -> None:
        super().__init__(definition, texts, part, placer, warnings, earlier)
        self._columns = texts.columns | appointments.columns
        self._appointments = appointments
        self._first: dict[int | tuple[int, str], str] = {}
        self._again: Counter[tuple[str, str, str]] = Counter()
        self._waiting: dict[int | tuple[int, str], PlannedRecipient] = {}

    def rows(self) -> Iterator[Judged]:
        """Yield the rows. An appointment is excluded only at the end: a later row of it may be in the audience."""
        yield from super().rows()
        for row in self._waiting.values():
            yield row, None

    def judged(
        self, rows: Iterable[AudienceRow], index: int, excluded: Sequence[tuple[str, Set[int]]]
    ) -> Iterator[Judged]:
        source, appointments = self._names[index], self._appointments
        for each in rows:
            line, raw, fields, problem = each
            number, key = raw[:MAX_RAW_NUMBER_CHARACTERS], appointments.key(fields)
            if not problem and (left_out := self.not_chosen(each, index)):
                yield from self._not_planned(left_out, key, source, line)
                continue
            try:
                number, is_landline = self._numbers.textable(raw) if not problem else _refuse(problem)
                digits = int(phone_key(number))
                appointment = (digits, key) if key else digits
                if (first := self._first.get(appointment)) is not None:
                    reason = f"same {'appointment' if key else 'number'} as {first}"
                    slot = self._numbered(number, key, DUPLICATE)
                    yield PlannedRecipient(number, 0, source, line, RecipientState.DUPLICATE, reason, slot=slot), None
                    continue
                found = tuple(self._row(number, key, source, line, fields, excluded))
            except (InvalidNumber, RenderError, InvalidZone, UnclearRow) as error:
                reason, slot = f"row {line} of {source}: {error}", self._numbered(number, key, INVALID)
                yield PlannedRecipient(number, 0, source, line, RecipientState.INVALID, reason, slot=slot), None
                continue
            self._first[appointment] = f"row {line} of {source}"
            if (waiting := self._waiting.pop(appointment, None)) is not None:
                yield self._beside(waiting, key), None
            yield from ((row._replace(is_landline=is_landline), cost) for row, cost in found)

    def _not_planned(self, found: NotChosen, key: str, source: str, line: int) -> Iterator[Judged]:
        """Yield a row that its source's condition leaves out, unless it may be the one that decides."""
        row = PlannedRecipient(found.number, 0, source, line, found.state, found.reason)
        if found.state is RecipientState.INVALID:
            yield row._replace(slot=self._numbered(row.number, key, INVALID)), None
            return
        digits = int(phone_key(row.number)) if found.is_phone else 0
        appointment = (digits, key) if key else digits
        if found.is_phone and appointment not in self._first and appointment not in self._waiting:
            self._waiting[appointment] = row._replace(slot=str(Slot(key, EXCLUDED, "")))
        else:
            yield self._beside(row, key), None

    def _beside(self, row: PlannedRecipient, key: str) -> PlannedRecipient:
        return row._replace(slot=self._numbered(row.number, key, LEFT_OUT))

    def _numbered(self, number: str, key: str, label: str) -> str:
        """Return the slot of a row without a date to identify it: it is numbered among rows of the same kind."""
        self._again[number, key, label] += 1
        return str(Slot(key, label, str(self._again[number, key, label])))

    def _row(
        self,
        number: str,
        key: str,
        source: str,
        line: int,
        fields: Mapping[str, str],
        excluded: Sequence[tuple[str, Set[int]]],
    ) -> Iterator[Judged]:
        if file := next((file for file, numbers in excluded if int(phone_key(number)) in numbers), None):
            slot = str(Slot(key, EXCLUDED, ""))
            reason = f"listed in {file}"
            yield PlannedRecipient(number, 0, source, line, RecipientState.EXCLUDED, reason, slot=slot), None
            return
        if self._appointments.is_cancelled(fields):
            slot = str(Slot(key, CANCELLED, self._appointments.date(number, fields)))
            reason = "the appointment was cancelled"
            yield PlannedRecipient(number, 0, source, line, RecipientState.CANCELLED, reason, slot=slot), None
            return
        found = self._appointments.reminders(number, fields)
        text, cost = "", None
        if any(placed.departure for _, placed in found):
            text, cost = self._texts.of(number, fields, 0)
        for place, placed in found:
            slot = str(place._replace(key=key)) if key else str(place)
            row = PlannedRecipient(number, 0, source, line, placed.state, placed.reason, slot=slot)
            if placed.departure is None or cost is None:
                yield row, None
            else:
                row = row._replace(text=text, segments=cost.segments, departure=placed.departure)
                yield row, cost if placed.state is RecipientState.PENDING else None


def _refuse(problem: str) -> NoReturn:
    raise UnclearRow(problem)
