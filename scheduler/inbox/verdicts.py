"""The verdict on a campaign file of the inbox: it is planned, or refused with words for people."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from campaigns.definition.reading import at_keys
from campaigns.lifecycle import RunState
from campaigns.problems import CampaignFileError
from campaigns.take_up import Taken, may_extend
from scheduler.inbox.files import Look, has_other_files
from scheduler.inbox.folder import InboxFolder
from scheduler.inbox.foreign import foreign_status, status_name
from scheduler.inbox.names import is_conflict_copy, original_of
from scheduler.inbox.notices import (
    broken_notice,
    conflict_notice,
    extended_notice,
    foreign_notice,
    over_notice,
    tables_notice,
    taken_notice,
)
from scheduler.inbox.sidecars import Left
from scheduler.inbox.uploads import SOURCE
from scheduler.intake.outcome import EditRefused
from scheduler.intake.taking import read_known_file, take_up
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.runs import inbox_files as store
from worker.store.runs import runs
from worker.store.runs.inbox_files import InboxEntry
from worker.store.runs.runs import RunView


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """What became of a file: its run, what to tell people, and whether the plan was made from this form of it.

    `is_open`: something that it makes void is in doubt, and has to be looked at again. `copies` are copies of the file
    that had its campaign while it was away.
    """

    run_id: int | None
    notice: str
    is_planned: bool = False
    is_open: bool = False
    copies: tuple[Path, ...] = ()


def judge(
    runtime: Runtime,
    inbox: InboxFolder,
    path: Path,
    look: Look,
    entry: InboxEntry | None,
    form: str,
    is_there: Callable[[Path], bool],
) -> FileVerdict:
    """Read and plan. `is_there` says whether another known file is in the inbox."""
    run_id = entry.run_id if entry else None
    slug = ""
    if is_conflict_copy(path):
        return FileVerdict(run_id, conflict_notice(path.name))
    copies: tuple[Path, ...] = ()
    try:
        definition = read_known_file(runtime, path, now=runtime.clock.now(), inbox=inbox.folder)
        slug = definition.campaign
        known = _find_run(runtime, slug)
        others = [] if known is None else others_of(runtime, inbox, known.campaign_id, path, is_there)
        if others and not (definition.schedule.remind and known and reminds(runtime, known.definition_id)):
            if rivals := [other for other in others if original_of(other) != path]:
                return FileVerdict(run_id, taken_notice(path.name, slug, inbox.name(rivals[0])))
            copies = tuple(others)
        if known and (uploaded := upload_of(runtime, known.campaign_id)):
            return FileVerdict(run_id, taken_notice(path.name, slug, uploaded))
        if (left := _foreign(runtime, inbox, path, slug)) is not None:
            notice = foreign_notice(path.name, slug, status_name(path, left), left.installation)
            if entry is None or entry.problem != notice:
                get_logger().warning(
                    "inbox.of_another_installation", file=inbox.name(path), installation=left.installation
                )
            return FileVerdict(None, notice, is_open=True)
        written_at = datetime.fromtimestamp(look.own[1] / 1e9, UTC) if look.own else None
        with at_keys(path, inbox.folder):
            intake = take_up(runtime, definition, source=inbox.name(path), dropped_at=written_at)
    except EditRefused as refused:
        found = _find_run(runtime, slug)
        return FileVerdict(found.id if found else run_id, f"{refused}.", copies=copies)
    except CampaignFileError as error:
        found = (_find_run(runtime, slug) if slug else None) or find_run(runtime, run_id)
        has_run = found is not None and found.state is not RunState.FAILED
        notice = broken_notice(path.name, error, look.missing, has_run=has_run)
        return FileVerdict(found.id if found else None, notice, copies=copies)
    notice = ""
    is_known = entry is not None and entry.run_id == intake.run_id and has_other_files(form, entry.fingerprint)
    if intake.taken is Taken.EXTENDED:
        notice = extended_notice(path.name, intake.added)
    elif intake.taken is Taken.OVER:
        notice = over_notice(path.name, slug)
    elif intake.taken is Taken.CONTINUED and is_known and not may_extend(definition):
        notice = tables_notice(path.name, slug)
    is_planned = intake.taken in {Taken.PLANNED, Taken.EXTENDED} or not notice
    return FileVerdict(intake.run_id, notice, is_planned, intake.in_doubt > 0, copies)


def _foreign(runtime: Runtime, inbox: InboxFolder, path: Path, slug: str) -> Left | None:
    """The status by which another installation may have sent the campaign."""
    if runtime.rehearsal:
        return None
    with runtime.store.read() as session:
        return foreign_status(session, path, slug, runtime.account_id, inbox.named)


def reminds(runtime: Runtime, definition_id: int) -> bool:
    """Return whether this version of a campaign reminds."""
    return runtime.definitions.get(definition_id).schedule.remind is not None


def upload_of(runtime: Runtime, campaign_id: int) -> str:
    """Return the name of the file over HTTP that stands for the campaign; empty if none does."""
    with runtime.store.read() as session:
        keys = store.files_of(session, campaign_id)
    return next((key for key in keys if key.removeprefix("rehearsal:").startswith(SOURCE)), "")


def others_of(
    runtime: Runtime, inbox: InboxFolder, campaign_id: int, path: Path, is_there: Callable[[Path], bool]
) -> list[Path]:
    """Return the other existing files that stand for the campaign."""
    return [other for other in inbox.files_of(runtime, campaign_id) if other != path and is_there(other)]


def _find_run(runtime: Runtime, slug: str) -> RunView | None:
    with runtime.store.read() as session:
        return runs.find_campaign_run(session, slug, rehearsal=runtime.rehearsal)


def find_run(runtime: Runtime, run_id: int | None) -> RunView | None:
    """Return the run with this id, if there is an id."""
    if run_id is None:
        return None
    with runtime.store.read() as session:
        return runs.run_view(session, run_id)
