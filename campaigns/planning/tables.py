"""What can be known about the tables of a campaign file before it is planned."""

from collections import Counter
from collections.abc import Callable, Set
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from campaigns.audience import AudienceProblem, open_source, read_to_end
from campaigns.definition.document import Document
from campaigns.definition.schedule import LocalTime
from campaigns.definition.sources import FileSource
from campaigns.message.templates import field_name
from campaigns.opening import named_in
from campaigns.planning.row_planner import excluded_numbers
from campaigns.timing.appointments import CANCELLED_COLUMN
from campaigns.timing.zones import ZONE_COLUMN
from campaigns.values.scalars import MOST_COMPARED, nearest, shown


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns by their names in templates, whether it has rows, and its warnings."""

    columns: tuple[str, ...]
    has_rows: bool
    warnings: tuple[str, ...] = ()


NOT_THERE: Final = "put it beside the campaign file, or correct the name"
"""The hint for a table that does not exist, where files lie in a folder."""

NO_TABLE: Final = Table((), has_rows=False)


def read_table(
    folder: Path, source: FileSource, fields: Set[str], *, excluding: Callable[[str], str] | None = None
) -> Table:
    """Read a table to its end, because its last row may make it unusable. Raises `AudienceProblem`.

    `fields` are the columns used besides the number. `excluding` makes numbers comparable, for a table of people who
    get nothing.
    """
    reader = open_source(_inside(folder, source.file), number_column=source.number, fields=fields, folder=folder)
    warnings: list[str] = []
    if excluding:
        has_rows = sum(1 for _ in excluded_numbers(source.file, reader, excluding, Counter(), warnings)) > 0
    else:
        has_rows = read_to_end(reader)
    return Table(reader.columns, has_rows, (*reader.warnings, *warnings))


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
