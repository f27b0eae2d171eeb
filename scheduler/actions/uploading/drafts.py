"""A campaign that somebody writes in the browser: looked at, planned, and submitted once they have seen its plan."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from campaigns.audience import AudienceProblem, open_source
from campaigns.definition.document import Document, KeyPath
from campaigns.definition.loader import MAX_BYTES, load_document
from campaigns.message.placeholders import unknown_fields
from campaigns.message.refusals import TemplateProblem
from campaigns.message.segments import Segmentation, segmentation
from campaigns.message.templates import compile_message, field_name
from campaigns.opening import open_inside
from campaigns.phone_numbers.numbers import InvalidNumber, Normaliser
from campaigns.planning.approval import Approvable, is_needed
from campaigns.problems import CampaignFileError, Problem
from scheduler.actions.acting import Actor
from scheduler.actions.plans.preview import Preview
from scheduler.actions.reading.plans import StoredPlan, read_plan
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.submitting import Checked, Submitted, check
from scheduler.actions.suppressing.tables import BadRow
from scheduler.actions.uploading.files import plan_upload, submit_upload, told
from scheduler.actions.uploading.tables import SUFFIXES, StoredTable, keep_table, read_rows, table_name
from scheduler.inbox.uploads import Upload, as_header, open_uploads, sole
from worker.runtime import Runtime

NUMBER: Final = "number"
NAMELESS: Final = "campaign"
"""What a file is called whose campaign has no usable name yet."""

MOST_TABLES: Final = 20
MOST_TEXTS: Final = 27
"""The message, and a variant for each letter."""
MOST_COLUMNS: Final = 50
ROWS_TRIED: Final = 50
"""How many rows are looked at to find the column of the numbers."""
PART_BYTES: Final = 1024 * 1024

_SLUG: Final = re.compile("[a-z0-9][a-z0-9-]{0,63}")
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Missing:
    """A column that no table has: `name` as it is written, and the `columns` that `table` has."""

    table: str
    name: str
    columns: tuple[str, ...]
    is_number: bool


@dataclass(frozen=True, slots=True)
class TableRows:
    """A table that a draft names: its columns, its rows, how many have no usable number, and the first of those.

    `rows` None: they were not read, because the column of the numbers is not there.
    """

    name: str
    number: str
    columns: tuple[str, ...]
    rows: int | None = None
    bad_rows: int = 0
    bad: tuple[BadRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Looked:
    """What is wrong with a draft, in its text and in its tables."""

    campaign: str
    checked: Checked
    tables: tuple[TableRows, ...]
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a draft would do, what its longest text takes, and the plan and the file that are there now, if any."""

    preview: Preview
    longest: Segmentation | None
    needs_approval: bool
    seen: str
    before: StoredPlan | None
    text_before: str


def look(runtime: Runtime, text: str, *, now: datetime) -> Looked:
    """Check a draft and its tables. Raises `UploadsAway`."""
    settings = runtime.settings
    with _file_of(runtime, text) as upload:
        document = _document(upload)
        name = _name_in(document)
        checked = check(upload.path, settings, now=now, inbox=upload.path.parent)
        region = document.value(("default_region",)) if document else None
        region = region if isinstance(region, str) else settings.region
        tables, missing = _tables(document, upload.path.parent, region) if document else ((), ())
        checked = replace(
            checked,
            problems=tuple(told(checked.problems, name or NAMELESS, upload)),
            warnings=tuple(told(checked.warnings, name or NAMELESS, upload)),
        )
    return Looked(name, checked, tables, missing)


def plan_draft(runtime: Runtime, text: str, *, now: datetime) -> Planned:
    """Return what a draft would do, and keep and send nothing. Raises as `plan_upload`."""
    with _file_of(runtime, text) as upload:
        name = _name_of(upload)
        seen = plan_upload(runtime, name, upload, now=now)
        text_before = _kept_text(upload.path.with_name(f"{name}.yaml"))
    summary = seen.summary
    try:
        before = read_plan(runtime.store, name)
    except Refused:
        before = None
    return Planned(
        seen,
        segmentation(summary.longest_text) if summary.longest_text else None,
        is_needed(seen.definition, summary.to_look_at),
        json.dumps(_approvable(seen).to_json()),
        before,
        text_before,
    )


def submit_draft(runtime: Runtime, actor: Actor, text: str, seen: str, *, now: datetime) -> Submitted:
    """Submit a draft, if its plan is still the one in `seen`, which `plan_draft` gave. Raises as `submit_upload`."""
    looked_at = _seen(seen)
    with _file_of(runtime, text) as upload, ExitStack() as alone:
        name, folder = _name_of(upload), upload.path.parent
        document = _document(upload)
        # Nobody replaces a table between the look at the plan and the rows that are made from it.
        for called in sorted({each for each, _ in _named(document)} if document else ()):
            alone.enter_context(sole(folder, called, waits=True))
        if not alone.enter_context(sole(folder, name)):
            raise Refused(Refusal.UNDER_WAY, f"{name} is being submitted by somebody else; look again in a moment")
        plan = _approvable(plan_upload(runtime, name, upload, now=now))
        if plan.approval != looked_at.approval:
            changes = plan.changes(looked_at)
            sentence = f"nothing was submitted: the plan that you saw is not what would be sent now: {changes}"
            raise Refused(Refusal.OTHER_PLAN, f"{sentence}. This is the plan now; look at it again")
        return submit_upload(runtime, actor, name, upload, now=now)


def keep_file(
    runtime: Runtime, actor: Actor, filename: str, content: BinaryIO, *, number: str, region: str, now: datetime
) -> tuple[StoredTable, TableRows]:
    """Keep a table that was dropped, and return it with its columns. Raises as `keep_table`.

    `number`: the column of the numbers; where the table does not have it, the one that looks most like it is taken.
    """
    called = table_name(_NOT_IN_NAMES.sub("-", re.split(r"[/\\]", filename)[-1]).lstrip("-._"))
    folder = open_uploads(runtime.settings)
    with Upload(folder, suffix=Path(called).suffix.lower()) as upload:
        while part := content.read(PART_BYTES):
            upload.write(part)
        column, columns = _number_column(upload.path, number or NUMBER, region or runtime.settings.region)
        kept = keep_table(
            runtime, actor, called, upload, number=column, region=region or None, claimed=as_header(upload.digest),
            now=now,
        )  # fmt: skip
    return kept, TableRows(called, column, columns, kept.rows, kept.bad_rows, kept.bad)


def is_table(filename: str) -> bool:
    """Return whether a file is a table by its name."""
    return filename.lower().endswith(SUFFIXES)


def _number_column(path: Path, wanted: str, region: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the column of the numbers, and all columns."""
    folder = path.parent
    try:
        return wanted, open_source(path, number_column=wanted, fields=(), folder=folder).columns
    except AudienceProblem as error:
        columns = error.columns
    if not columns:
        return wanted, ()  # the table cannot be read: whoever keeps it says why
    normaliser, found = Normaliser(region), dict.fromkeys(columns, 0)
    try:
        for row in islice(open_source(path, number_column=columns[0], folder=folder), ROWS_TRIED):
            for column, value in row.fields.items():
                try:
                    normaliser.normalise(value)
                except InvalidNumber:
                    continue
                found[column] = found.get(column, 0) + 1
    except AudienceProblem:
        return wanted, columns
    best = max(found, key=lambda column: found[column])
    return (best if found[best] else wanted), columns


def _tables(document: Document, folder: Path, region: str | None) -> tuple[tuple[TableRows, ...], tuple[Missing, ...]]:
    tables: list[TableRows] = []
    missing: list[Missing] = []
    fields = _fields(document)
    for name, number in _named(document):
        path = folder / name
        try:
            columns = open_source(path, number_column=number, fields=(), folder=folder).columns
            unknown = [field for field, _ in unknown_fields(fields, columns, field_name(number))]
            missing += [Missing(name, field, columns[:MOST_COLUMNS], is_number=False) for field in unknown]
            tables.append(TableRows(name, number, columns, *read_rows(path, number, region)))
        except AudienceProblem as error:  # where it is no missing column, the check has told it
            if error.columns:
                missing.append(Missing(name, number, error.columns[:MOST_COLUMNS], is_number=True))
                tables.append(TableRows(name, number, error.columns))
        except OSError:
            continue
    return tuple(tables), tuple(dict.fromkeys(missing))


def _fields(document: Document) -> frozenset[str]:
    """Return the fields that everybody in the audience must have."""
    paths: list[KeyPath] = [("message",), *(("variants", place, "message") for place in range(MOST_TEXTS))]
    fields = frozenset[str]()
    for path in paths:
        message = document.value(path)
        if isinstance(message, str):
            try:
                fields |= compile_message(message).required
            except TemplateProblem:
                continue
    return fields


def _named(document: Document) -> list[tuple[str, str]]:
    """Return the tables that the audience names, among those that were uploaded, with their columns of numbers."""
    found: dict[str, str] = {}
    for path in audience_paths(document):
        name, number = document.value((*path, "file")), document.value((*path, "number"))
        try:
            called = table_name(name) if isinstance(name, str) else ""
        except Refused:
            continue
        if called:
            found.setdefault(called, number if isinstance(number, str) and number.strip() else NUMBER)
    return list(found.items())[:MOST_TABLES]


def audience_paths(document: Document) -> list[KeyPath]:
    """Return where the sources of an audience stand."""
    audience = document.value(("audience",))
    return [("audience", place) for place in range(len(audience))] if isinstance(audience, list) else [("audience",)]


@contextmanager
def _file_of(runtime: Runtime, text: str) -> Iterator[Upload]:
    with Upload(open_uploads(runtime.settings), suffix=".yaml") as upload:
        upload.write(text.encode(errors="replace"))
        yield upload


def _kept_text(path: Path) -> str:
    """Return the file that was submitted before; empty: there is none."""
    try:
        with open_inside(path, path.parent) as stream:
            return stream.read(MAX_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _document(upload: Upload) -> Document | None:
    try:
        return load_document(upload.path, upload.path.parent)
    except CampaignFileError:
        return None


def _name_in(document: Document | None) -> str:
    name = document.value(("campaign",)) if document else None
    return name.strip() if isinstance(name, str) and _SLUG.fullmatch(name.strip()) else ""


def _name_of(upload: Upload) -> str:
    """Return the name of the campaign in a file. Raises `CampaignFileError` if it has none."""
    try:
        name = _name_in(load_document(upload.path, upload.path.parent))
    except CampaignFileError as error:
        raise CampaignFileError(told(error.problems, NAMELESS, upload), error.more) from None
    if not name:
        problem = Problem(f"{NAMELESS}.yaml", 1, 1, "campaign", "has no usable name", "for example spring-sale")
        raise CampaignFileError([problem])
    return name


def _approvable(seen: Preview) -> Approvable:
    counts = {state.value: count for state, count in seen.summary.counts.items()}
    return Approvable(seen.plan_hash, seen.definition.content_hash, counts)


def _seen(written: str) -> Approvable:
    try:
        values = json.loads(written)
        counts = {str(state): int(count) for state, count in values["counts"].items()}
        return Approvable(str(values["plan"]), str(values["file"]), counts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise Refused(Refusal.INVALID, "the form does not say which plan you saw; plan it again") from None
