"""What can be known about the tables of a campaign file before it is planned."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from campaigns.audience import AudienceProblem, inline_rows, open_source, read_to_end
from campaigns.audience.earlier import FIELDS, VOCABULARY
from campaigns.definition.document import Data, Document, KeyPath
from campaigns.definition.models import TextEncoding
from campaigns.definition.schedule import LocalTime
from campaigns.definition.sources import (
    MAX_SOURCES,
    CampaignSource,
    ContactListSource,
    ExcludedFile,
    FileSource,
    InlineSource,
    Source,
)
from campaigns.message.conditions import compile_condition
from campaigns.message.placeholders import unknown_fields
from campaigns.message.refusals import TemplateProblem
from campaigns.message.sought_values import SoughtValues
from campaigns.message.templates import field_name
from campaigns.message.text_places import line_that_fails, place_in_text, place_of_name
from campaigns.message.vocabulary import ANYTHING, Vocabulary
from campaigns.opening import named_in
from campaigns.phone_numbers.numbers import InvalidNumber, Normaliser
from campaigns.planning.opened import excluded_numbers
from campaigns.problems import MOST_PROBLEMS, Problem
from campaigns.timing.appointments import CANCELLED_COLUMN
from campaigns.timing.zones import ZONE_COLUMN
from campaigns.values.scalars import MOST_COMPARED, nearest, shown


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns by their names in templates, whether it has rows, and its warnings.

    `unseen`: what its condition compares with and no row has, in words.
    """

    columns: tuple[str, ...]
    has_rows: bool
    warnings: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


NOT_THERE: Final = "put it beside the campaign file, or correct the name"
"""The hint for a table that does not exist, where files lie in a folder."""

NUMBER: Final = "number"
"""What a recipient in the file itself calls the phone number."""

NO_TABLE: Final = Table((), has_rows=False)

EARLIER: Final = Table(FIELDS, has_rows=True)
"""The people of an earlier campaign."""

EarlierProblem = Callable[[str], tuple[str, str] | None]
"""Returns what is wrong with a campaign of this name as an audience, and what to do; None: nothing that is known."""


def nothing_known(_campaign: str) -> None:
    """Say nothing of campaigns where nobody looks into the database: the plan will."""


def read_table(
    folder: Path, source: ExcludedFile, fields: Set[str], *, excluding: Callable[[str], str] | None = None
) -> Table:
    """Read a table to its end, because its last row may make it unusable. Raises `AudienceProblem`.

    `fields` are the columns used besides the number. `excluding` makes numbers comparable, for a table of people who
    get nothing.
    """
    reader = open_source(_inside(folder, source.file), number_column=source.number, fields=fields, folder=folder)
    warnings: list[str] = []
    values = _values_of(source)
    if excluding:
        has_rows = sum(1 for _ in excluded_numbers(source.file, reader, excluding, Counter(), warnings)) > 0
    elif values.are_sought:
        has_rows = False
        for row in reader:
            has_rows = True
            values.look(row.fields)
    else:
        has_rows = read_to_end(reader)
    return Table(reader.columns, has_rows, (*reader.warnings, *warnings), tuple(values.unseen(source.file)))


def _values_of(source: ExcludedFile | InlineSource) -> SoughtValues:
    """Return the values that the condition of a source looks for; none if it is wrong, which is said elsewhere."""
    where = source.where if isinstance(source, FileSource | InlineSource) else None
    try:
        return SoughtValues(compile_condition(where).sought if where else ())
    except TemplateProblem:
        return SoughtValues(())


def unseen_values(document: Document, path: KeyPath, found: Iterable[str]) -> Iterator[Problem]:
    """Yield what the condition of the source at `path` looks for and was `found` in no row."""
    where = (*path, "where")
    for problem in islice(found, MOST_PROBLEMS):
        yield document.value_place(where).problem(where, problem, "write it as the rows do, if they mean the same")


_Kind = TypeVar("_Kind")


def valid_sources(document: Document, key: str, adapter: TypeAdapter[_Kind]) -> Iterator[tuple[KeyPath, _Kind]]:
    """Yield the sources under `key` that are valid by themselves, with their paths."""
    value = document.value((key,))
    entries: list[tuple[KeyPath, Data]] = [((key,), value)]
    if isinstance(value, list):
        entries = [((key, index), entry) for index, entry in enumerate(value[:MAX_SOURCES])]
    for path, entry in entries:
        try:
            yield path, adapter.validate_python(entry)
        except ValidationError:
            continue  # the definition's own problems say why


def asked_in_condition(document: Document, path: KeyPath, source: Source) -> tuple[frozenset[str], Problem | None]:
    """Return the fields that the condition of the source at `path` uses, if any, and what is wrong with it."""
    where = (*path, "where")
    entry, place = document.value(path), document.value_place(where)
    if isinstance(entry, dict) and "where" in entry and isinstance(source, ContactListSource):
        problem = "cannot be used with a contact list: the gateway does not reveal who is in it"
        return frozenset(), place.problem(where, problem, "use a file as audience")
    if isinstance(entry, dict) and entry.get("where", "") is None:
        return frozenset(), place.problem(where, "is empty", "write a text, or remove the key")
    compiled = partial(compile_condition, vocabulary=vocabulary_of(source))
    try:
        return compiled(source.where).fields if source.where else frozenset(), None
    except TemplateProblem as error:
        place = place_in_text(document, where, line_that_fails(error.problem, compiled))
        return frozenset(), place.problem(where, error.problem, error.hint)


def vocabulary_of(source: Source) -> Vocabulary:
    """Return what the fields of a source can say."""
    return VOCABULARY if isinstance(source, CampaignSource) else ANYTHING


def unusable_numbers(
    document: Document, path: KeyPath, source: InlineSource, normaliser: Normaliser
) -> Iterator[Problem]:
    """Yield the recipients in the file at `path` who get nothing, and what their condition looks for in vain.

    Of tables the plan says it; who writes a number here looks at it once more, and mostly at nothing else.
    """
    for index, row in enumerate(source.recipients):
        try:
            normaliser.textable(next((value for key, value in row.items() if field_name(key) == NUMBER), ""))
        except InvalidNumber as error:
            where = (*path, "recipients", index, NUMBER)
            problem, hint = f"this recipient gets nothing: {error}", "write the number with + and the country code"
            yield document.value_place(where).problem(where, problem, hint)
    values = _values_of(source)
    for each in inline_rows(source.recipients):
        values.look(each.fields)
    yield from unseen_values(document, path, values.unseen("recipients"))


def unknown_in_condition(
    document: Document, path: KeyPath, asked: Set[str], who: str, columns: Sequence[str], number: str
) -> Iterator[Problem]:
    """Yield the names `asked` for in the condition of the source at `path` that none of its `columns` has."""
    where = (*path, "where")
    for name, hint in unknown_fields(asked, columns, number):
        place = place_in_text(document, where, place_of_name(name))
        yield place.problem(where, f"uses {name}, which {who}", hint)


def campaign_problem(
    document: Document, path: KeyPath, source: CampaignSource, earlier: EarlierProblem
) -> Problem | None:
    """Return what is wrong with the campaign that the source at `path` names."""
    where = (*path, "campaign")
    found: tuple[str, str] | None = ("is this campaign itself", "name one that was sent before")
    if document.value(("campaign",)) != source.campaign:
        found = earlier(source.campaign)
    return document.value_place(where).problem(where, *found) if found else None


def encoding_in(document: Document) -> TextEncoding:
    """Return what the file says of characters outside the GSM alphabet; a wrong word is reported elsewhere."""
    written = str(document.value(("encoding",))).strip().casefold()
    return next((each for each in TextEncoding if each == written), TextEncoding.AS_IS)


def columns_of_schedule(document: Document) -> frozenset[str]:
    """Return the columns that the schedule in a campaign file uses."""
    remind = document.value(("schedule", "remind"))
    if isinstance(remind, dict):
        named = (remind.get("column"), remind.get("key"), remind.get("cancelled") or CANCELLED_COLUMN)
        return frozenset(field_name(name) for name in named if isinstance(name, str)) | {ZONE_COLUMN}
    is_local = document.value(("schedule", "local_time")) == LocalTime.RECIPIENT
    return frozenset({ZONE_COLUMN} if is_local else ())


def _inside(folder: Path, name: str) -> Path:
    """Return the file `name` in the campaign's folder. Raises AudienceProblem if it is elsewhere or missing."""
    try:
        file = named_in(folder, name).resolve()
        if not file.is_relative_to(folder):
            hint = "put the file beside the campaign file"
            raise AudienceProblem(f"{shown(name)} is outside the folder of the campaign file", hint)
        if file.exists():
            return file
        entries = sorted(islice(folder.iterdir(), MOST_COMPARED), key=lambda entry: entry.suffix == file.suffix)
        names = {entry.stem: entry.name for entry in entries if entry.is_file()}  # of equal stems the closest stays
        near = names.get(nearest(file.stem, list(names)))
    except (OSError, ValueError, RuntimeError) as error:  # the name is too long, or links form a loop
        raise AudienceProblem(f"{shown(name)} cannot be opened", "check the name and the links in it") from error
    hint = f"did you mean {near}?" if near else NOT_THERE
    raise AudienceProblem(f"{shown(name)} does not exist", hint)
