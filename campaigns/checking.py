"""Everything that can be known about a campaign file before planning: its keys, its texts and the files it names."""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from campaigns.answering import HELP_ANSWERS
from campaigns.audience import AudienceProblem
from campaigns.definition.document import Document, KeyPath, dotted
from campaigns.definition.models import Definition
from campaigns.definition.reading import read_definition
from campaigns.definition.sources import (
    CampaignSource,
    ContactListSource,
    ExcludedFile,
    FileSource,
    InlineSource,
    TaggedSource,
)
from campaigns.definition.steps import MAX_STEPS
from campaigns.definition.variants import MAX_VARIANTS
from campaigns.message.filters import RenderError
from campaigns.message.placeholders import foreign_placeholders, unknown_fields
from campaigns.message.refusals import TemplateProblem
from campaigns.message.segments import is_blank
from campaigns.message.templates import MessageTemplate, compile_message, field_name
from campaigns.message.text_places import line_that_fails, place_in_text, place_of, place_of_field
from campaigns.message.texts import MAX_SEGMENTS
from campaigns.message.transliteration import encoded
from campaigns.messages import MESSAGES
from campaigns.phone_numbers.numbers import Normaliser
from campaigns.planning.tables import (
    EARLIER,
    NO_TABLE,
    NUMBER,
    EarlierProblem,
    Table,
    asked_in_condition,
    campaign_problem,
    columns_of_schedule,
    encoding_in,
    nothing_known,
    read_table,
    unknown_in_condition,
    unseen_values,
    unusable_numbers,
    valid_sources,
)
from campaigns.policy import NO_POLICY, Policy
from campaigns.problems import MOST_PROBLEMS, CampaignFileError, Problem
from campaigns.steps.following import unfollowed_steps
from campaigns.timing.contradictions import contradictions
from campaigns.values.scalars import nearest, shown

MESSAGE: Final = "message"

RESERVED: Final = {
    HELP_ANSWERS: "the answers to people who write HELP",
    MESSAGES: "single texts that programs ask for",
}
"""Names of campaigns that no file may have: what is sent under them."""

MOST_COUNTED: Final = 10_000
"""How many problems are counted after those shown. Finding one takes about 30 microseconds; there may be a million."""


def check_file(
    path: Path,
    *,
    timezone: str,
    region: str | None,
    now: datetime | None = None,
    policy: Policy = NO_POLICY,
    warnings: list[Problem] | None = None,
    inbox: Path | None = None,
    earlier: EarlierProblem = nothing_known,
) -> Definition:
    """Return the definition in the file at `path`, after compiling its message and opening its audience files.

    `timezone` and `region` come from the settings. `now` (aware) is the moment at which the schedule has to make sense;
    None skips that check. `policy` is what the operator insists on. Possible mistakes are added to `warnings`. `inbox`
    is as in `read_definition`. `earlier` says what is wrong with a campaign whose people are in the audience. Raises
    CampaignFileError with all problems: those of the file itself, and those of its message and files as far as they can
    be seen without a valid file.
    """
    reading = read_definition(path, timezone=timezone, region=region, inbox=inbox)
    definition = reading.definition and policy.applied(reading.definition)
    forbidden = tuple(policy.problems(reading.definition, reading.document)) if reading.definition else ()
    check = _Check(reading.document, reading.folder, definition.default_region if definition else region, earlier)
    contradicting = tuple(contradictions(definition, reading.document, now)) if definition and now else ()
    if forbidden and reading.definition:  # it names the setting: the file has no key that could be removed
        added = policy.added(reading.definition)
        contradicting = tuple(problem for problem in contradicting if problem.path not in added)
    found = check.problems()
    first = list(islice(found, MOST_PROBLEMS))
    problems = tuple(dict.fromkeys((*reading.problems, *first, *forbidden, *contradicting)))
    more = reading.more + sum(1 for _ in islice(found, MOST_COUNTED))
    if warnings is not None:
        warnings += dict.fromkeys(check.warnings)
        for place, says in unfollowed_steps(definition) if definition else ():
            warnings.append(reading.document.value_place(("steps", place)).problem(("steps", place), says))
    if problems or definition is None:
        raise CampaignFileError(problems, more)
    return definition


class _Check:
    """One check of one document. It works on the raw file, so that a wrong key elsewhere hides nothing."""

    def __init__(self, document: Document, folder: Path, region: str | None, earlier: EarlierProblem) -> None:
        self.earlier = earlier
        self.document = document
        self.folder = folder
        self.warnings: list[Problem] = []
        self.numbers = Normaliser(region)
        self.sources = tuple(valid_sources(document, "audience", TypeAdapter(TaggedSource)))
        self.excluded = tuple(valid_sources(document, "exclude", TypeAdapter(ExcludedFile)))

    def problems(self) -> Iterator[Problem]:
        yield from self._reserved()
        texts: list[_Text] = []
        objected = {problem.path for problem in self.document.problems}  # by YAML itself
        for path, message in self._messages():
            try:
                text = _Text(path, message, compile_message(message))
            except TemplateProblem as error:
                if dotted(path) in objected:
                    continue  # such as an escape for a character that cannot be sent: one report is enough
                place = place_in_text(self.document, path, line_that_fails(error.problem))
                yield place.problem(path, error.problem, error.hint)
                continue
            texts.append(text)
            yield from self._too_long(text)
        has_recipients = not self.sources
        fields = columns_of_schedule(self.document).union(*(text.template.fields for text in texts))
        for path, source in self.sources:
            asked, objection = asked_in_condition(self.document, path, source)
            if objection:
                yield objection
            if isinstance(source, FileSource | CampaignSource):
                if isinstance(source, FileSource):
                    table, problem = self._open(path, source, fields | asked)
                    where, who = f"in {shown(source.file)}", f"{shown(source.file)} does not have"
                else:
                    table, problem = EARLIER, campaign_problem(self.document, path, source, self.earlier)
                    where, who = "for people of an earlier campaign", f"the people of {source.campaign} do not have"
                has_recipients |= table.has_rows or problem is not None
                columns, number = table.columns, field_name(source.number) if isinstance(source, FileSource) else NUMBER
                if problem:
                    yield problem
                else:
                    for text in texts:
                        yield from self._unknown_fields(text, who, columns, number)
                        self._warn_of_fields(text, where, columns, number)
                        yield from self._foreign_placeholders(text, columns, number)
                    yield from self._unknown_columns(who, columns, number)
                    yield from unknown_in_condition(self.document, path, asked, who, columns, number)
            else:
                has_recipients = True
                if isinstance(source, InlineSource):
                    unusable = unusable_numbers(self.document, path, source, self.numbers)
                    self.warnings += islice(unusable, max(0, MOST_PROBLEMS - len(self.warnings)))
                    known = tuple(sorted({field_name(key) for row in source.recipients for key in row}))
                    yield from self._unknown_columns("no recipient has", known, NUMBER)
                    yield from unknown_in_condition(self.document, path, asked, "no recipient has", known, NUMBER)
                    for text in texts:
                        yield from self._foreign_placeholders(text, known, NUMBER)
                for text in texts:
                    yield from self._missing_fields(text, path, source)
        if not has_recipients:
            hint = "add recipients to its file"
            yield self.document.value_place(("audience",)).problem(("audience",), "has no recipients", hint)
        for path, excluded in self.excluded:
            if problem := self._open(path, excluded)[1]:
                yield problem

    def _reserved(self) -> Iterator[Problem]:
        path = ("campaign",)
        name = self.document.value(path)
        if isinstance(name, str) and (kept_for := RESERVED.get(name.strip())):
            problem = f"is {name.strip()}: this name is reserved for {kept_for}"
            yield self.document.value_place(path).problem(path, problem, "choose another name")

    def _messages(self) -> Iterator[tuple[KeyPath, str]]:
        """Yield every message in the file that is a non-empty text."""
        found: list[KeyPath] = [(MESSAGE,)]
        for key, most in (("variants", MAX_VARIANTS), ("steps", MAX_STEPS)):
            entries = self.document.value((key,))
            if isinstance(entries, list):
                found += [(key, index, MESSAGE) for index in range(min(len(entries), most))]
        for path in found:
            message = self.document.value(path)
            if isinstance(message, str) and message.strip():
                yield path, message

    def _open(
        self, path: KeyPath, source: ExcludedFile, fields: Set[str] = frozenset()
    ) -> tuple[Table, Problem | None]:
        """Return the content of a table, and its problem if it has one."""
        where = (*path, "file")
        place = self.document.value_place(where)
        if Path(source.file) == Path(f"{Path(self.document.file).stem}.report.csv"):
            problem, hint = "is the file that the report of this campaign is written to", "give the table another name"
            return NO_TABLE, place.problem(where, problem, hint)
        excluding = self.numbers.normalise if path[0] == "exclude" else None
        try:
            table = read_table(self.folder, source, fields, excluding=excluding)
        except AudienceProblem as error:
            number = (*path, NUMBER)
            if error.columns and self.document.value(number) is not None:  # the table is fine, and its column is not
                where, place = number, self.document.value_place(number)
            return NO_TABLE, place.problem(where, error.problem, error.hint)
        self.warnings += [place.problem(where, warning) for warning in table.warnings]
        self.warnings += unseen_values(self.document, path, table.unseen)
        return table, None

    def _unknown_fields(self, text: "_Text", who: str, known: tuple[str, ...], number: str) -> Iterator[Problem]:
        for name, hint in unknown_fields(text.template.required, known, number):
            place = place_in_text(self.document, text.path, place_of_field(name))
            yield place.problem(text.path, f"uses {{{{ {name} }}}}, which {who}", hint)

    def _warn_of_fields(self, text: "_Text", where: str, known: tuple[str, ...], number: str) -> None:
        """Behind a default a slip of the pen costs everybody's name, and nobody would be told."""
        if len(self.warnings) >= MOST_PROBLEMS:
            return
        for name, hint in unknown_fields(text.template.fields - text.template.required, known, number):
            place = place_in_text(self.document, text.path, place_of_field(name))
            problem = f"no column {name} {where}: everybody there gets the default"
            self.warnings.append(place.problem(text.path, problem, hint))

    def _foreign_placeholders(self, text: "_Text", columns: tuple[str, ...], number: str) -> Iterator[Problem]:
        for written, name in foreign_placeholders(text.template.literal, columns):
            place = place_in_text(self.document, text.path, place_of(written))
            problem = f"contains {written}, which everybody would receive exactly as written"
            # {nome} is like `number` and means another column: it is told which there are.
            is_meant = name != number or number in field_name(written)
            field = name if is_meant else next((column for column in columns if column != number), "field")
            how = f"write {{{{ {field} }}}}" if is_meant else f"write a column such as {{{{ {field} }}}}"
            yield place.problem(text.path, problem, f"{how}, with two curly brackets on each side")

    def _too_long(self, text: "_Text") -> Iterator[Problem]:
        """Yield a problem for a text without fields that is too long: it is the same for everybody."""
        if text.template.fields:
            return
        try:
            segments = encoded(text.template.render({}), encoding_in(self.document))[1].segments
            problem = f"takes {segments} segments, but at most {MAX_SEGMENTS} are allowed" * (segments > MAX_SEGMENTS)
        except RenderError as error:
            problem = f"cannot be sent: {error.reason}"
        if problem:
            yield self.document.value_place(text.path).problem(text.path, problem, "shorten it")

    def _unknown_columns(self, who: str, known: tuple[str, ...], number: str) -> Iterator[Problem]:
        """The columns that reminders ask for by name."""
        for key in ("column", "key", "cancelled"):
            path = ("schedule", "remind", key)
            name = self.document.value(path)
            if not isinstance(name, str) or not name.strip():
                continue
            for _, hint in unknown_fields({field_name(name)}, known, number):
                yield self.document.value_place(path).problem(path, f"is {shown(name)}, which {who}", hint)

    def _missing_fields(
        self, text: "_Text", path: KeyPath, source: InlineSource | ContactListSource
    ) -> Iterator[Problem]:
        template = text.template
        if isinstance(source, ContactListSource):
            for name in sorted(template.fields):
                place = place_in_text(self.document, text.path, place_of_field(name))
                problem = f"uses {{{{ {name} }}}}, but a contact list has no fields: the gateway sends one text to all"
                yield place.problem(text.path, problem, "write a text without {{ }}, or use a file as audience")
            return
        given = [
            frozenset(field_name(key) for key, value in row.items() if not is_blank(value)) for row in source.recipients
        ]
        anywhere = frozenset[str]().union(*given)
        # A field that nobody has is one mistake in the message, not one in each recipient.
        yield from self._unknown_fields(text, "no recipient has", tuple(sorted(anywhere)), NUMBER)
        self._warn_of_fields(text, "in recipients", tuple(sorted(anywhere)), NUMBER)
        for index, fields in enumerate(given):
            for name in sorted((template.required & anywhere) - fields):
                where = (*path, "recipients", index)
                near = nearest(name, sorted(fields - {NUMBER}))
                hint = f"did you mean {name} instead of {near}?" if near else "add it, or give the field a default"
                problem = f"has no {name}, which the message uses"
                yield self.document.value_place(where).problem(where, problem, hint)


@dataclass(frozen=True, slots=True)
class _Text:
    """A message in the file, and the key that holds it."""

    path: KeyPath
    message: str
    template: MessageTemplate
