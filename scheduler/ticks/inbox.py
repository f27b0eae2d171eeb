"""The inbox: campaign files are taken up when they are complete, again when they change, and cancelled when removed."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from campaigns.lifecycle import RunState
from campaigns.problems import CampaignFileError
from scheduler.inbox_files import (
    GONE_AFTER,
    QUIET,
    InboxWatch,
    Look,
    fingerprint,
    has_other_files,
    with_files_of,
)
from scheduler.inbox_folder import Entries, InboxFolder, Presence, inbox_folder
from scheduler.inbox_status import StatusBoard
from scheduler.intake import EditRefused, Taken, read_file
from scheduler.repeating import repeat, stop, take_up
from scheduler.status_words import (
    broken_notice,
    internal_error_notice,
    moved_notice,
    over_notice,
    removed_notice,
    tables_notice,
    taken_notice,
)
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store import inbox as store
from worker.store import runs
from worker.store.inbox import InboxEntry
from worker.store.repetitions import all_repeating, campaigns_of, first_unfinished, point_files
from worker.store.runs import RunView

UNJUDGED: Final = "?" * 64
"""The fingerprint of a file that was never taken up: like no other."""

UNSENT: Final = frozenset({RunState.SCHEDULED, RunState.AWAITING_APPROVAL, RunState.PAUSED, RunState.RUNNING})
"""Where a run of which nothing was sent may be; `running` when its sending hours have not come."""

RETRY_AFTER: Final = timedelta(seconds=60)
"""When a file is tried again that failed through no fault of its own, for example because the database was away."""

LOOK_SHARE: Final = 100
"""A look at 100 files takes 10 ms: it is followed by a pause 100 times as long, for a percent of a core."""

LONGEST_PAUSE_SECONDS: Final = 2.0
"""So long after a look that found nothing a dropped file is seen, however many files there are."""

REMOVED: Final = "its file was removed from the inbox"
REPLACED: Final = "its file was changed into another campaign"


def make_inbox_tick() -> Callable[[Runtime, datetime], dict[str, int]]:
    """A tick that watches the folder of the settings; what it saw so far is kept in memory, one tick a process."""
    keeper = _Keeper()

    def inbox(runtime: Runtime, now: datetime) -> dict[str, int]:
        return keeper.tick(runtime, now)

    return inbox


class _Keeper:
    def __init__(self) -> None:
        self._next_seconds = -math.inf
        self._watch = InboxWatch()
        self._board = StatusBoard()
        self._presence = Presence()

    def tick(self, runtime: Runtime, now: datetime) -> dict[str, int]:
        began = runtime.clock.elapsed_seconds()
        if began < self._next_seconds:
            return {"taken": 0, "removed": 0, "written": 0}
        done = self._look(runtime, now)
        if not any(done.values()):  # a look that found work is followed by the next one at once
            ended = runtime.clock.elapsed_seconds()
            self._next_seconds = ended + min(LONGEST_PAUSE_SECONDS, LOOK_SHARE * (ended - began))
        return done

    def _look(self, runtime: Runtime, now: datetime) -> dict[str, int]:
        inbox = inbox_folder(runtime)
        entries = inbox.entries(runtime)
        listing = self._presence.list_files(inbox, entries)
        if listing is None or not listing.whole:
            self._watch.forget_missing()
        files = frozenset(listing.files if listing else ())
        taken = sum(self._take(runtime, inbox, path, files, now) for path in listing.files) if listing else 0
        if taken:
            entries = inbox.entries(runtime)
        removed = 0
        if listing is not None and listing.whole:
            gone = self._gone(entries, files, now)
            removed = sum(
                self._remove(runtime, inbox, key, entries, gone, now) for key in entries if entries[key][0] in gone
            )
            if removed:
                entries = inbox.entries(runtime)
            if self._repeat(runtime, entries, now):
                entries = inbox.entries(runtime)
        else:
            # Where the folder is not the inbox, the status of files that are not there belongs nowhere.
            entries = {key: known for key, known in entries.items() if known[0] in files}
        written = self._board.refresh(runtime, entries, now)
        return {"taken": taken, "removed": removed, "written": written}

    def _repeat(self, runtime: Runtime, entries: Entries, now: datetime) -> bool:
        """Make and plan runs of the campaigns that repeat. A file whose report is written stands for the next run.

        Whether any does from now on.
        """
        pointed = {entry.run_id: path for path, entry in entries.values() if entry.run_id is not None}
        with runtime.store.read() as session:
            repeating = all_repeating(session, rehearsal=runtime.rehearsal)
            campaigns = campaigns_of(session, pointed) if repeating else {}
        folders = {campaigns[run_id]: path.parent for run_id, path in pointed.items() if run_id in campaigns}
        if not folders:
            return False
        repeat(runtime, lambda campaign: folders.get(campaign.campaign_id), now)
        moved = False
        for key, (_, entry) in entries.items():
            if entry.reported and entry.run_id in campaigns:
                moved |= self._point_on(runtime, key, entry.run_id, campaigns[entry.run_id])
        return moved

    def _point_on(self, runtime: Runtime, key: str, run_id: int, campaign_id: int) -> bool:
        with runtime.store.read() as session:
            to = first_unfinished(session, campaign_id)
        if to is None or to == run_id:
            return False
        with runtime.store.write("inbox_next_run") as session:
            point_files(session, [run_id], to=to)
        self._board.touch(key)
        return True

    def _take(self, runtime: Runtime, inbox: InboxFolder, path: Path, files: frozenset[Path], now: datetime) -> int:
        """Take the file up if it is complete and new or changed: 1 if so. Whatever goes wrong stays with this file."""
        try:
            look = self._watch.completed(path, now)
            return 0 if look is None else self._judge(runtime, inbox, path, look, files, now)
        except Exception:
            get_logger().exception("inbox.file_failed", file=inbox.name(path))
        self._watch.look_again(path, now + RETRY_AFTER)
        _, entry = inbox.entries(runtime).get(inbox.key(path), (path, None))
        form, run_id = (with_files_of(UNJUDGED, entry.fingerprint), entry.run_id) if entry else (UNJUDGED, None)
        self._remember(runtime, inbox.key(path), form, run_id, internal_error_notice(path.name), now)
        return 1

    def _judge(
        self, runtime: Runtime, inbox: InboxFolder, path: Path, look: Look, files: frozenset[Path], now: datetime
    ) -> int:
        entries = inbox.entries(runtime)
        _, entry = entries.get(inbox.key(path), (path, None))
        form = fingerprint(path, look)
        if entry is not None and entry.fingerprint == form and _is_planned(runtime, entry):
            return 0
        present = {
            known.run_id: inbox.name(other)
            for other, known in entries.values()
            # One that is missing for a moment is being saved; one that is missing for longer was renamed.
            if other != path and (other in files or self._watch.missing_for(other, now) < QUIET)
        }
        verdict = _take_up(runtime, inbox.name(path), path, look, entry, form, present)
        if entry is not None and not verdict.is_planned:
            form = with_files_of(form, entry.fingerprint)  # what the plan was made of stays what it is compared with
        self._remember(runtime, inbox.key(path), form, verdict.run_id, verdict.notice, now)
        if entry is not None and entry.run_id is not None and entry.run_id not in {verdict.run_id, *present}:
            _cancel_unsent(runtime, entry.run_id, REPLACED, now)
        get_logger().info("inbox.file_taken", file=inbox.name(path), run=verdict.run_id, usable=not verdict.notice)
        return 1

    def _remember(self, runtime: Runtime, key: str, form: str, run_id: int | None, notice: str, now: datetime) -> None:
        with runtime.store.write("inbox_remember") as session:
            store.remember_file(session, key, fingerprint=form, run_id=run_id, problem=notice, now=now)
        self._board.touch(key)

    def _gone(self, entries: Entries, files: frozenset[Path], now: datetime) -> set[Path]:
        """The known files that were removed, and are not just being saved."""
        missing = {path: self._watch.missing_for(path, now) for path, _ in entries.values() if path not in files}
        if timedelta() in missing.values():
            # A file that was refused because a removed one is the same campaign takes it over before that is cancelled.
            for path, entry in entries.values():
                if entry.run_id is None:
                    self._watch.look_again(path, now + QUIET)
        return {path for path, duration in missing.items() if duration >= GONE_AFTER}

    def _remove(
        self, runtime: Runtime, inbox: InboxFolder, key: str, entries: Entries, gone: set[Path], now: datetime
    ) -> int:
        """Cancel what the removed file alone stands for, unless some of it was sent: 1 if anything was done."""
        path, entry = entries[key]
        heirs = [other for other, known in entries.values() if known.run_id == entry.run_id and other not in gone]
        run = _run(runtime, entry.run_id)
        if run is not None and not heirs and stop(runtime, run.id, now):
            self._board.touch(key)
            return 1
        if run is not None and not heirs and run.state is not RunState.FAILED:
            if _cancel_unsent(runtime, run.id, REMOVED, now):
                self._board.touch(key)
                return 1
            if not entry.reported and (run.finished_at is None or path.parent.is_dir()):
                return 0  # it is under way: it goes on, and its report will still appear
        elif run is not None and heirs:
            self._board.write_last(runtime, path, moved_notice(path.name, inbox.name(heirs[0])), now)
        else:
            self._board.write_last(runtime, path, removed_notice(path.name), now)
        with runtime.store.write("inbox_forget") as session:
            store.forget_file(session, key)
        return 1


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What became of a file: its run, what people have to be told, and whether the plan is made of this form of it."""

    run_id: int | None
    notice: str
    is_planned: bool = False


def _take_up(
    runtime: Runtime,
    name: str,
    path: Path,
    look: Look,
    entry: InboxEntry | None,
    form: str,
    present: Mapping[int | None, str],
) -> _Verdict:
    """Read and plan. `present`: the runs that other files of the inbox stand for, and the names of those."""
    run_id = entry.run_id if entry else None
    slug = ""
    try:
        definition = read_file(path, runtime.settings, now=runtime.clock.now())
        slug = definition.campaign
        other = next((present[id_] for id_ in _run_ids(runtime, slug) if id_ in present), None)
        if other is not None:
            return _Verdict(run_id, taken_notice(path.name, slug, other))
        intake = take_up(runtime, definition, source=name)
    except EditRefused as refused:
        found = _find_run(runtime, slug)
        return _Verdict(found.id if found else run_id, f"{refused}.")
    except CampaignFileError as error:
        found = (_find_run(runtime, slug) if slug else None) or _run(runtime, run_id)
        has_run = found is not None and found.state is not RunState.FAILED
        return _Verdict(found.id if found else None, broken_notice(path.name, error, look.missing, has_run=has_run))
    notice = ""
    if intake.taken is Taken.OVER:
        notice = over_notice(path.name, slug)
    elif intake.taken is Taken.CONTINUED and entry is not None and entry.run_id == intake.run_id:
        notice = tables_notice(path.name, slug) if has_other_files(form, entry.fingerprint) else ""
    return _Verdict(intake.run_id, notice, intake.taken is Taken.PLANNED)


def _find_run(runtime: Runtime, slug: str) -> RunView | None:
    with runtime.store.read() as session:
        return runs.find_campaign_run(session, slug, rehearsal=runtime.rehearsal)


def _run_ids(runtime: Runtime, slug: str) -> list[int]:
    with runtime.store.read() as session:
        return [run.id for run in runs.campaign_runs(session, slug) if run.rehearsal == runtime.rehearsal]


def _run(runtime: Runtime, run_id: int | None) -> RunView | None:
    if run_id is None:
        return None
    with runtime.store.read() as session:
        return runs.run_view(session, run_id)


def _is_planned(runtime: Runtime, entry: InboxEntry) -> bool:
    """Whether the file has a run with a whole plan: not when the process was killed while it planned."""
    run = _run(runtime, entry.run_id)
    return run is not None and not (run.state is RunState.SCHEDULED and run.planned_at is None)


def _cancel_unsent(runtime: Runtime, run_id: int, reason: str, now: datetime) -> bool:
    """Cancel a run of which nothing was sent; False: something was, or it is at its end."""
    with runtime.store.read() as session:
        if runs.run_view(session, run_id).state not in UNSENT or runs.has_sent(session, run_id):
            return False
    with runtime.store.write("inbox_cancel") as session:
        cancelled = not runs.has_sent(session, run_id) and runs.cancel_run(session, run_id, reason, now) is not None
    if cancelled:
        get_logger().info("run.cancelled", run=run_id, reason=reason)
    return cancelled
