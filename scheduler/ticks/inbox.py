"""The inbox: campaign files are taken up when they are complete, again when they change, and cancelled when removed."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from campaigns.lifecycle import RunState
from scheduler.inbox.files import (
    GONE_AFTER,
    QUIET,
    InboxWatch,
    Listing,
    Look,
    fingerprint,
    with_files_of,
)
from scheduler.inbox.folder import Entries, InboxFolder, Presence, inbox_folder
from scheduler.inbox.notices import internal_error_notice, moved_notice, removed_notice
from scheduler.inbox.status import StatusBoard
from scheduler.inbox.verdicts import find_run, judge, reminds
from scheduler.intake.repeating import repeat, stop
from worker.conditions import detail_of, sentence, trouble_of
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store import inbox as store
from worker.store import runs
from worker.store.inbox import InboxEntry
from worker.store.leases import LostLead
from worker.store.repetitions import all_repeating, campaigns_of, first_unfinished

UNJUDGED: Final = "?" * 64
"""The fingerprint of a file that was never taken up: like no other."""

UNSENT: Final = frozenset({RunState.SCHEDULED, RunState.AWAITING_APPROVAL, RunState.PAUSED, RunState.RUNNING})
"""Where a run of which nothing was sent may be; `running` when its sending hours have not come."""

RETRY_AFTER: Final = timedelta(seconds=60)
"""When a file is tried again that failed through no fault of its own, for example because the database was away."""

LOOK_SHARE: Final = 100
"""A look at 100 files takes 10 ms: it is followed by a pause 100 times as long, for a percent of a core."""

TAKE_SECONDS: Final = 5.0
"""So long a look takes up files; the rest comes with the next one. Anyone who drops a thousand must not stop what else
the inbox does: repeating, removing, telling how campaigns go."""

LONGEST_PAUSE_SECONDS: Final = 2.0
"""So long after a look that found nothing a dropped file is seen, up to some thousand files."""

PAUSE_SHARE: Final = 4
"""A look at 5,000 files takes 0.4 s: with more of them a fifth of a core goes into looking, and not half of it."""

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
        self._entries: dict[str, tuple[Path, InboxEntry]] | None = None  # while files are taken up
        self._remove_after: dict[str, datetime] = {}  # when a file whose removal failed is looked at again
        self._repeat_after: dict[int, datetime] = {}  # and a campaign that repeats

    def tick(self, runtime: Runtime, now: datetime) -> dict[str, int]:
        began = runtime.clock.elapsed_seconds()
        if began < self._next_seconds:
            return {"taken": 0, "removed": 0, "written": 0}
        try:
            done = self._look(runtime, now)
        except Exception as error:
            if trouble := trouble_of(error):
                # The database has no word on what stands beside the files now, and people look there first.
                self._board.tell_trouble(runtime, sentence(trouble, detail_of(error)), now)
            raise
        if not any(done.values()):  # a look that found work is followed by the next one at once
            ended = runtime.clock.elapsed_seconds()
            took = ended - began
            self._next_seconds = ended + max(PAUSE_SHARE * took, min(LONGEST_PAUSE_SECONDS, LOOK_SHARE * took))
        return done

    def _look(self, runtime: Runtime, now: datetime) -> dict[str, int]:
        inbox = inbox_folder(runtime)
        entries = inbox.entries(runtime)
        listing = self._presence.list_files(inbox, entries)
        self._watch.forget_missing(listing if listing and listing.whole else None)
        files = frozenset(listing.files if listing else ())
        completed = self._completed(runtime, inbox, listing, now)
        taken, self._entries = 0, dict(entries)
        ends = runtime.clock.elapsed_seconds() + TAKE_SECONDS
        try:
            for path, look in completed:
                if runtime.clock.elapsed_seconds() < ends:
                    taken += self._take(runtime, inbox, path, look, files, now)
                else:
                    self._watch.look_again(path, now)
        except Exception:
            for path, _ in completed:
                self._watch.look_again(path, now)
            raise
        finally:
            self._entries = None
        if taken:
            entries = inbox.entries(runtime)
        removed = 0
        if listing is not None and listing.whole:
            gone = self._gone(entries, listing, files, now)
            removed = sum(
                self._try_remove(runtime, inbox, key, entries, gone, now) for key in entries if entries[key][0] in gone
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
        repeat(runtime, lambda campaign: folders.get(campaign.campaign_id), now, self._repeat_after)
        moved = False
        reminding = {each.campaign_id for each in repeating if reminds(runtime, each.definition_id)}
        last = _last_of(entries, campaigns)
        for key, (_, entry) in entries.items():
            if not entry.reported or entry.run_id not in campaigns:
                continue
            campaign_id = campaigns[entry.run_id]
            # Of the many files of a campaign that reminds only the last one has news: the others have their report.
            if campaign_id not in reminding or last[campaign_id] == key:
                moved |= self._point_on(runtime, key, entry.run_id, campaign_id)
        return moved

    def _point_on(self, runtime: Runtime, key: str, run_id: int, campaign_id: int) -> bool:
        with runtime.store.read() as session:
            to = first_unfinished(session, campaign_id)
        if to is None or to == run_id:
            return False
        with runtime.store.write("inbox_next_run") as session:
            store.point_file(session, key, to=to)
        self._board.touch(key)
        return True

    def _completed(
        self, runtime: Runtime, inbox: InboxFolder, listing: Listing | None, now: datetime
    ) -> list[tuple[Path, Look]]:
        """The files that have just become complete, the newest last: of several of a campaign it is the last word."""
        found: list[tuple[Path, Look]] = []
        self._watch.begin()
        for path in listing.files if listing else ():
            try:
                if look := self._watch.completed(path, now):
                    found.append((path, look))
            except Exception:
                self._note_failed(runtime, inbox, path, now)
        return sorted(found, key=lambda each: each[1].written_at)

    def _take(
        self, runtime: Runtime, inbox: InboxFolder, path: Path, look: Look, files: frozenset[Path], now: datetime
    ) -> int:
        """Take the complete file up if it is new or changed: 1 if so. Whatever goes wrong stays with this file."""
        try:
            return self._judge(runtime, inbox, path, look, files, now)
        except Exception as error:
            if trouble_of(error):  # nothing of the file's: it is the same for every other one
                raise
            self._note_failed(runtime, inbox, path, now)
            return 1

    def _note_failed(self, runtime: Runtime, inbox: InboxFolder, path: Path, now: datetime) -> None:
        """In an `except`: not the file is at fault, and it is tried again."""
        get_logger().exception("inbox.file_failed", file=inbox.name(path))
        self._watch.look_again(path, now + RETRY_AFTER)
        entry = inbox.entry(runtime, path)
        form, run_id = (with_files_of(UNJUDGED, entry.fingerprint), entry.run_id) if entry else (UNJUDGED, None)
        self._remember(runtime, inbox, path, form, run_id, internal_error_notice(path.name), now)

    def _judge(
        self, runtime: Runtime, inbox: InboxFolder, path: Path, look: Look, files: frozenset[Path], now: datetime
    ) -> int:
        entry = inbox.entry(runtime, path)
        form = fingerprint(path, look)
        # Of itself first: after a start this is asked for every file that was ever dropped.
        if entry is not None and entry.fingerprint == form and (entry.reported or _is_planned(runtime, entry)):
            return 0
        present = {
            known.run_id: inbox.name(other)
            for other, known in self._known(runtime, inbox).values()
            # One that is missing for a moment is being saved; one that is missing for longer was renamed.
            if other != path and (other in files or self._watch.missing_for(other, now) < QUIET)
        }
        verdict = judge(runtime, inbox, path, look, entry, form, present)
        if entry is not None and not verdict.is_planned:
            form = with_files_of(form, entry.fingerprint)  # what the plan was made of stays what it is compared with
        if verdict.is_open:
            form = with_files_of(UNJUDGED, form)
            self._watch.look_again(path, now + RETRY_AFTER)
        self._remember(runtime, inbox, path, form, verdict.run_id, verdict.notice, now)
        if entry is not None and entry.run_id is not None and entry.run_id not in {verdict.run_id, *present}:
            self._replace(runtime, entry.run_id, verdict.run_id, present, now)
        get_logger().info("inbox.file_taken", file=inbox.name(path), run=verdict.run_id, usable=not verdict.notice)
        return 1

    def _replace(
        self, runtime: Runtime, run_id: int, by: int | None, present: Mapping[int | None, str], now: datetime
    ) -> None:
        """The file is another campaign now: end the one before, unless some of it was sent, or other files have it."""
        others = [id_ for id_ in (by, *present) if id_ is not None]
        with runtime.store.read() as session:
            campaigns = campaigns_of(session, [run_id, *others])
        if run_id not in campaigns or campaigns[run_id] in {campaigns.get(id_) for id_ in others}:
            return
        if not stop(runtime, run_id, now):
            _cancel_unsent(runtime, run_id, REPLACED, now)

    def _known(self, runtime: Runtime, inbox: InboxFolder) -> Entries:
        """The entries as they are now, read once for all files of a look that have no run: there may be thousands."""
        if self._entries is None:
            self._entries = inbox.entries(runtime)
        return self._entries

    def _remember(
        self,
        runtime: Runtime,
        inbox: InboxFolder,
        path: Path,
        form: str,
        run_id: int | None,
        notice: str,
        now: datetime,
    ) -> None:
        key = inbox.key(path)
        with runtime.store.write("inbox_remember") as session:
            store.remember_file(session, key, fingerprint=form, run_id=run_id, problem=notice, now=now)
        known = self._entries or {}
        had_run = key in known and known[key][1].run_id is not None
        if self._entries is not None and run_id is None and not had_run:
            self._entries[key] = path, InboxEntry(key, form, None, notice, "", reported=False, seen_at=now)
        else:
            self._entries = None  # with a run the entries of other files may have changed
        self._board.touch(key)

    def _gone(self, entries: Entries, listing: Listing, files: frozenset[Path], now: datetime) -> set[Path]:
        """The known files that were removed, and are not just being saved."""
        away = (path for path, _ in entries.values() if path not in files and not listing.is_below_unlisted(path))
        missing = {path: self._watch.missing_for(path, now) for path in away}
        if timedelta() in missing.values():
            # A file that was refused because a removed one is the same campaign takes it over before that is cancelled.
            for path, entry in entries.values():
                if entry.run_id is None:
                    self._watch.look_again(path, now + QUIET)
        return {path for path, duration in missing.items() if duration >= GONE_AFTER}

    def _try_remove(
        self, runtime: Runtime, inbox: InboxFolder, key: str, entries: Entries, gone: set[Path], now: datetime
    ) -> int:
        """As `_remove`; whatever goes wrong stays with this file, and is tried again."""
        path = entries[key][0]
        if self._remove_after.get(key, now) > now:
            return 0
        try:
            return self._remove(runtime, inbox, key, entries, gone, now)
        except Exception as error:
            if isinstance(error, LostLead) or trouble_of(error):
                raise
            get_logger().exception("inbox.file_failed", file=inbox.name(path))
            self._remove_after[key] = now + RETRY_AFTER
            return 0

    def _remove(
        self, runtime: Runtime, inbox: InboxFolder, key: str, entries: Entries, gone: set[Path], now: datetime
    ) -> int:
        """Cancel what the removed file alone stands for, unless some of it was sent: 1 if anything was done."""
        path, entry = entries[key]
        with runtime.store.read() as session:
            campaigns = campaigns_of(
                session, {known.run_id for _, known in entries.values() if known.run_id is not None}
            )
        heirs = [
            other
            for other, known in entries.values()
            if known.run_id is not None and other not in gone and _is_same(campaigns, known.run_id, entry.run_id)
        ]
        run = find_run(runtime, entry.run_id)
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


def _is_same(campaigns: Mapping[int, int], run_id: int, other_id: int | None) -> bool:
    """Whether two runs are of one campaign."""
    return other_id is not None and campaigns.get(run_id) == campaigns.get(other_id)


def _last_of(entries: Entries, campaigns: Mapping[int, int]) -> dict[int, str]:
    """Campaign -> the file of it that was taken up last."""
    in_order = sorted(entries.items(), key=lambda item: (item[1][1].seen_at, item[0]))
    return {
        campaigns[id_]: key for key, (_, entry) in in_order if (id_ := entry.run_id) is not None and id_ in campaigns
    }


def _is_planned(runtime: Runtime, entry: InboxEntry) -> bool:
    """Whether the file has a run with a whole plan: not when the process was killed while it planned."""
    run = find_run(runtime, entry.run_id)
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
