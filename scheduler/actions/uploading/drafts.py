"""A campaign that somebody writes in the browser: looked at, planned, and submitted once they have seen its plan."""

import json
import re
from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final
from zoneinfo import ZoneInfo

from campaigns.definition.document import Document
from campaigns.definition.loader import MAX_BYTES, load_document, parse_document
from campaigns.message.segments import Segmentation, segmentation
from campaigns.opening import open_inside
from campaigns.planning.approval import Approvable, is_needed
from campaigns.problems import CampaignFileError, Problem
from scheduler.actions.acting import Actor
from scheduler.actions.checking import Checked, check
from scheduler.actions.plans.capacity import Capacity
from scheduler.actions.plans.preview import Preview
from scheduler.actions.reading.names import MOST_OFFERED
from scheduler.actions.reading.plans import StoredPlan, read_plan
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.submitting import Submitted
from scheduler.actions.uploading.columns import (
    NO_COUNTRY,
    NUMBER,
    Missing,
    TableRows,
    named_tables,
    number_column,
    numbers_in,
    region_in,
    source_paths,
    tables_of,
)
from scheduler.actions.uploading.files import plan_upload, prospect_of, study_upload, submit_upload, told
from scheduler.actions.uploading.tables import SUFFIXES, StoredTable, keep_table, table_name
from scheduler.inbox.uploads import Upload, as_header, open_uploads, sole
from scheduler.intake.earlier import problem_in
from scheduler.intake.taking import Prospect
from worker.runtime import Runtime
from worker.store.people.earlier_people import known_campaigns

NAMELESS: Final = "campaign"
"""What a file is called whose campaign has no usable name yet."""

NOT_STORED: Final = "was brought, but not stored: what is wrong with it is said above"
BRING_AGAIN: Final = "correct the table, and bring it again"

PART_BYTES: Final = 1024 * 1024

_SLUG: Final = re.compile("[a-z0-9][a-z0-9-]{0,63}")
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")


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


def look(runtime: Runtime, text: str, *, refused: Set[str] = frozenset(), now: datetime) -> Looked:
    """Check a draft and its tables. `refused`: the tables that were brought with it and not kept. Raises `UploadsAway`.

    Of a table that was just refused, another one is no correction: what is wrong with the table is told already.
    """
    settings = runtime.settings
    with _file_of(runtime, text) as upload:
        document = _document(upload)
        name = _name_in(document)
        earlier = problem_in(runtime.store, rehearsal=runtime.rehearsal)
        checked = check(upload.path, settings, now=now, inbox=upload.path.parent, earlier=earlier)
        region = (region_in(document) if document else "") or settings.region
        tables, missing = tables_of(document, upload.path.parent, region) if document else ((), ())
        of_refused = _places_of(document, refused) if document else frozenset()
        checked = replace(
            checked,
            problems=tuple(
                replace(each, problem=NOT_STORED, hint=BRING_AGAIN) if (each.line, each.column) in of_refused else each
                for each in told(checked.problems, name or NAMELESS, upload)
            ),
            warnings=tuple(told(checked.warnings, name or NAMELESS, upload)),
        )
    return Looked(name, checked, tables, missing)


def begun_names(runtime: Runtime) -> list[str]:
    """Return the campaigns whose people can be the audience of a draft, the newest first."""
    with runtime.store.read() as session:
        return known_campaigns(session, rehearsal=runtime.rehearsal)[:MOST_OFFERED]


def foresee(runtime: Runtime, text: str, *, now: datetime) -> Prospect:
    """Return what would become of a draft, given what exists of its campaign. Raises as `prospect_of`."""
    with _file_of(runtime, text) as upload:
        return prospect_of(runtime, _name_of(upload), upload, now=now)


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


def study_draft(runtime: Runtime, text: str, *, by: str, zone: ZoneInfo, now: datetime) -> Capacity:
    """Return what a draft takes, and what would make it end by then, by the clocks of the `zone`.

    Raises as `study_upload`.
    """
    try:
        until = datetime.fromisoformat(by).replace(tzinfo=zone)
    except ValueError:
        raise Refused(Refusal.INVALID, "fill in both day and time of Done by, or neither") from None
    with _file_of(runtime, text) as upload:
        return study_upload(runtime, _name_of(upload), upload, by=until.isoformat(" "), now=now)


def submit_draft(runtime: Runtime, actor: Actor, text: str, seen: str, *, now: datetime) -> Submitted:
    """Submit a draft, if its plan is still the one in `seen`, which `plan_draft` gave. Raises as `submit_upload`."""
    looked_at = _seen(seen)
    with _file_of(runtime, text) as upload, ExitStack() as alone:
        name, folder = _name_of(upload), upload.path.parent
        document = _document(upload)
        # Nobody replaces a table between the look at the plan and the rows that are made from it.
        for called in sorted({each for each, _ in named_tables(document)} if document else ()):
            alone.enter_context(sole(folder, called, waits=True))
        if not alone.enter_context(sole(folder, name)):
            raise Refused(Refusal.UNDER_WAY, f"{name} is being submitted by somebody else; look again in a moment")
        prospect_of(runtime, name, upload, now=now)
        plan = _approvable(plan_upload(runtime, name, upload, now=now))
        if plan.approval != looked_at.approval:
            changes = plan.changes(looked_at)
            sentence = f"nothing was submitted: the plan that you saw is not what would be sent now: {changes}"
            raise Refused(Refusal.OTHER_PLAN, f"{sentence}. This is the plan now; look at it again")
        return submit_upload(runtime, actor, name, upload, now=now)


def keep_file(
    runtime: Runtime,
    actor: Actor,
    filename: str,
    content: BinaryIO,
    *,
    text: str,
    number: str,
    region: str,
    now: datetime,
) -> tuple[StoredTable, TableRows]:
    """Keep a table that was dropped, and return it with its columns. Raises as `keep_table`.

    `number`: the column of the numbers; where the table does not have it, the one that looks most like it is taken.
    `region`: the country of numbers without one. What the campaign file `text` says of both goes before these.
    """
    called = table_name(name_of_file(filename))
    try:
        document = parse_document(text, f"{NAMELESS}.yaml")
    except CampaignFileError:  # it is told of once the tables are there
        pass
    else:
        named = numbers_in(document).get(called, NUMBER)
        number, region = number if named == NUMBER else named, region_in(document) or region
    folder = open_uploads(runtime.settings)
    with Upload(folder, suffix=Path(called).suffix.lower()) as upload:
        while part := content.read(PART_BYTES):
            upload.write(part)
        column, columns = number_column(upload.path, number or NUMBER, region or runtime.settings.region)
        kept = keep_table(
            runtime, actor, called, upload, number=column, region=region or None, no_country=NO_COUNTRY,
            claimed=as_header(upload.digest), now=now,
        )  # fmt: skip
    return kept, TableRows(called, column, columns, kept.rows, kept.bad_rows, kept.bad, kept.countryless)


def name_of_file(filename: str) -> str:
    """Return the name of a file that was dropped, as a table would be called."""
    return _NOT_IN_NAMES.sub("-", re.split(r"[/\\]", filename)[-1]).lstrip("-._")


def is_table(filename: str) -> bool:
    """Return whether a file is a table by its name."""
    return filename.lower().endswith(SUFFIXES)


@contextmanager
def _file_of(runtime: Runtime, text: str) -> Iterator[Upload]:
    with Upload(open_uploads(runtime.settings), suffix=".yaml") as upload:
        upload.write(text.encode(errors="replace"))
        yield upload


def _places_of(document: Document, tables: Set[str]) -> Set[tuple[int, int]]:
    """Return the lines and columns where a draft names one of these tables."""
    paths = [(*path, "file") for path in source_paths(document)]
    named = [path for path in paths if isinstance(name := document.value(path), str) and name in tables]
    return {(place.line, place.column) for place in map(document.value_place, named)}


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
