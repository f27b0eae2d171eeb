"""What becomes of a campaign file of the inbox: it is planned, or refused with words for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from campaigns.lifecycle import RunState
from campaigns.problems import CampaignFileError
from scheduler.inbox.files import Look, has_other_files
from scheduler.inbox.folder import InboxFolder
from scheduler.inbox.notices import (
    broken_notice,
    extended_notice,
    foreign_notice,
    over_notice,
    tables_notice,
    taken_notice,
)
from scheduler.inbox.sidecars import installation_of, status_path
from scheduler.intake.extending import may_extend
from scheduler.intake.outcome import EditRefused, Taken
from scheduler.intake.taking import read_file, take_up
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store import recovery, runs
from worker.store.inbox import InboxEntry
from worker.store.runs import RunView


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a file: its run, what people have to be told, and whether the plan is made of this form of it.

    `is_open`: something that it makes void is in doubt, and has to be looked at again.
    """

    run_id: int | None
    notice: str
    is_planned: bool = False
    is_open: bool = False


def judge(
    runtime: Runtime,
    inbox: InboxFolder,
    path: Path,
    look: Look,
    entry: InboxEntry | None,
    form: str,
    present: Mapping[int | None, str],
) -> Verdict:
    """Read and plan. `present`: the runs that other files of the inbox stand for, and the names of those."""
    run_id = entry.run_id if entry else None
    slug = ""
    try:
        definition = read_file(path, runtime.settings, now=runtime.clock.now(), inbox=inbox.folder)
        slug = definition.campaign
        other = next((present[id_] for id_ in _run_ids(runtime, slug) if id_ in present), None)
        if other is not None and not (definition.schedule.remind and _is_reminding(runtime, slug)):
            return Verdict(run_id, taken_notice(path.name, slug, other))
        if (of := _foreign(runtime, path, slug)) is not None:
            notice = foreign_notice(path.name, slug, status_path(path).name, of)
            if entry is None or entry.problem != notice:
                get_logger().warning("inbox.of_another_installation", file=inbox.name(path), installation=of)
            return Verdict(None, notice, is_open=True)
        written_at = datetime.fromtimestamp(look.own[1] / 1e9, UTC) if look.own else None
        intake = take_up(runtime, definition, source=inbox.name(path), dropped_at=written_at)
    except EditRefused as refused:
        found = _find_run(runtime, slug)
        return Verdict(found.id if found else run_id, f"{refused}.")
    except CampaignFileError as error:
        found = (_find_run(runtime, slug) if slug else None) or find_run(runtime, run_id)
        has_run = found is not None and found.state is not RunState.FAILED
        return Verdict(found.id if found else None, broken_notice(path.name, error, look.missing, has_run=has_run))
    notice = ""
    is_known = entry is not None and entry.run_id == intake.run_id and has_other_files(form, entry.fingerprint)
    if intake.taken is Taken.EXTENDED:
        notice = extended_notice(path.name, intake.added)
    elif intake.taken is Taken.OVER:
        notice = over_notice(path.name, slug)
    elif intake.taken is Taken.CONTINUED and is_known and not may_extend(definition):
        notice = tables_notice(path.name, slug)
    is_planned = intake.taken in {Taken.PLANNED, Taken.EXTENDED} or not notice
    return Verdict(intake.run_id, notice, is_planned, intake.in_doubt > 0)


def _foreign(runtime: Runtime, path: Path, slug: str) -> str | None:
    """Which other installation has written the status beside a campaign that this database does not know.

    None: none has, or `recover` has asked the gateway since.
    """
    of = installation_of(path) if runtime.installation else None
    if of is None or of[0] == runtime.installation or _find_run(runtime, slug) is not None:
        return None
    with runtime.store.read() as session:
        recovered_at = recovery.recovered_at(session, runtime.account_id)
    return of[0] if recovered_at is None or recovered_at < of[1] else None


def reminds(runtime: Runtime, definition_id: int) -> bool:
    """Whether this version of a campaign reminds."""
    return runtime.definitions.get(definition_id).schedule.remind is not None


def _is_reminding(runtime: Runtime, slug: str) -> bool:
    """Whether the campaign that other files stand for reminds: any number of files may add to it."""
    found = _find_run(runtime, slug)
    return found is not None and reminds(runtime, found.definition_id)


def _find_run(runtime: Runtime, slug: str) -> RunView | None:
    with runtime.store.read() as session:
        return runs.find_campaign_run(session, slug, rehearsal=runtime.rehearsal)


def _run_ids(runtime: Runtime, slug: str) -> list[int]:
    with runtime.store.read() as session:
        return [run.id for run in runs.campaign_runs(session, slug) if run.rehearsal == runtime.rehearsal]


def find_run(runtime: Runtime, run_id: int | None) -> RunView | None:
    """The run with this id, if there is an id."""
    if run_id is None:
        return None
    with runtime.store.read() as session:
        return runs.run_view(session, run_id)
