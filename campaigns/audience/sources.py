"""Opens a table by its file extension."""

from collections import deque
from collections.abc import Collection
from pathlib import Path

from campaigns.audience.delimited import DelimitedReader, open_delimited
from campaigns.audience.jsonl import open_jsonl
from campaigns.audience.opening import TableFile
from campaigns.audience.rows import AudienceProblem, RowReader
from campaigns.audience.workbook import open_workbook
from campaigns.opening import ANYWHERE


def open_source(
    path: Path, *, number_column: str, fields: Collection[str] | None = None, folder: Path = ANYWHERE
) -> RowReader:
    """Return a reader of the rows of a .csv, .tsv, .jsonl or .xlsx file, which is only ever opened inside `folder`.

    `number_column` names the column of phone numbers, in upper or lower case; `fields` are the fields that rows carry,
    None for all. Raises `AudienceProblem` if the table cannot be used at all, here or while it is read.
    """
    table = TableFile(path, folder)
    table.binary().close()
    match path.suffix.lower():
        case ".csv":
            return open_delimited(table, number_column=number_column, fields=fields)
        case ".tsv":
            return open_delimited(table, number_column=number_column, fields=fields, delimiters="\t")
        case ".jsonl":
            return open_jsonl(table, number_column=number_column, fields=fields)
        case ".xlsx":
            return open_workbook(table, number_column=number_column, fields=fields)
    hint = (
        "save it as .xlsx or as CSV UTF-8"
        if path.suffix.lower() in (".xls", ".ods")
        else "use .csv, .tsv, .jsonl or .xlsx"
    )
    raise AudienceProblem("is not a kind of table that can be read", hint)


def read_to_end(reader: RowReader) -> bool:
    """Return whether a table has rows. Raises `AudienceProblem` even if only its last line makes it unusable."""
    if not isinstance(reader, DelimitedReader):
        return bool(deque(reader, maxlen=1))
    has_rows = next(iter(reader), None) is not None
    deque(reader.doubtful(), maxlen=0)
    return has_rows
