"""The tables of a campaign while it is planned: their rows, whom they exclude, and what is wrong with them."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path

from campaigns.audience import AudienceProblem, AudienceRow, open_source
from campaigns.audience.earlier import EarlierCampaigns
from campaigns.definition import CampaignSource, Definition, FileSource
from campaigns.definition.sources import ExcludedFile
from campaigns.message.conditions import compile_condition
from campaigns.message.placeholders import unknown_fields
from campaigns.opening import named_in
from campaigns.phone_numbers.numbers import InvalidNumber, Normaliser
from campaigns.phone_numbers.spellings import phone_key
from campaigns.problems import MOST_PROBLEMS


def read_through(definition: Definition, earlier: EarlierCampaigns) -> int:
    """Read every table of the campaign, and its people of `earlier` campaigns. Return how many rows under `exclude`
    hold no number.

    Raises `AudienceProblem` for an unusable table, and for a campaign that has no people yet.
    """
    unread = Counter[str]()
    normalise = Normaliser(definition.default_region).normalise
    for excluded in definition.exclude:
        rows = open_table(definition.folder, excluded, frozenset())
        deque(excluded_numbers(excluded.file, rows, normalise, unread, []), maxlen=0)
    for source in definition.audience:
        if isinstance(source, FileSource):
            deque(open_table(definition.folder, source, frozenset()), maxlen=0)
        elif isinstance(source, CampaignSource):
            deque(earlier(source.campaign), maxlen=0)
    return unread.total()


def open_table(
    folder: Path,
    source: ExcludedFile,
    fields: Set[str],
    warnings: list[str] | None = None,
    expected: Set[str] = frozenset(),
) -> Iterator[AudienceRow]:
    """Yield the rows of a table in the campaign's `folder`, and warn about `expected` fields without a column.

    Raises `AudienceProblem` with the table's name, also if a column is missing that its condition uses.
    """
    try:
        path = named_in(folder, source.file)
        where = source.where if isinstance(source, FileSource) else None
        asked = compile_condition(where).fields if where else frozenset[str]()
        reader = open_source(path, number_column=source.number, fields=fields | asked, folder=folder)
        _refuse_unknown(asked, reader.columns)
        if warnings is not None:
            warn_of_columns(warnings, source.file, expected, reader.columns)
        yield from reader
        if warnings is not None:
            warnings.extend(reader.warnings)  # some are only known after all rows were read
    except AudienceProblem as problem:
        raise AudienceProblem(f"{source.file}: {problem.problem}", problem.hint) from problem


def _refuse_unknown(asked: Set[str], columns: Sequence[str]) -> None:
    for name, hint in unknown_fields(asked, columns):
        raise AudienceProblem(f"there is no column {name}, which `where` uses", hint)


def warn_of_columns(warnings: list[str], where: str, fields: Set[str], columns: Sequence[str]) -> None:
    if len(warnings) >= MOST_PROBLEMS:  # a file may name thousands of sources
        return
    for name, hint in unknown_fields(fields, columns):
        warnings.append(f"no column {name} in {where} ({hint}): everybody there gets the default, if there is one")


def excluded_numbers(
    file: str, rows: Iterable[AudienceRow], normalise: Callable[[str], str], unread: Counter[str], warnings: list[str]
) -> Iterator[int]:
    """Yield the phones (`phone_key`) in a table of people who get nothing. `unread` counts the rows without one.

    A row that can be read as two numbers excludes both.

    Raises `AudienceProblem` for a table with rows but no number at all: everybody in it would get texts.
    """
    readable = unreadable = first = 0
    for row in rows:
        try:
            numbers: tuple[str, ...] = (normalise(row.number),)
        except InvalidNumber as error:
            numbers = error.readings
        if numbers:
            readable += 1
        else:
            unreadable, first = unreadable + 1, first or row.line
        yield from (int(phone_key(number)) for number in numbers)
    if unreadable and not readable:
        hint = "correct its numbers, or name the column that contains them with number:"
        raise AudienceProblem(f"{file}: none of its rows contains a phone number, so it would exclude nobody", hint)
    if not readable and not unreadable:
        warnings.append(f"{file} has no rows and so excludes nobody")
    if unreadable:
        unread[file] += unreadable
        one, many = (
            f"1 row of {file} contains no phone number and so excludes",
            f"{unreadable:,} rows of {file} contain",
        )
        who = one if unreadable == 1 else f"{many} no phone number and so exclude"
        warnings.append(f"{who} nobody (first: row {first})")
