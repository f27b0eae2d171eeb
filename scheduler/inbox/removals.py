"""Files that are gone from the inbox: whatever only they stood for is cancelled, unless some of it was sent."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from campaigns.access import INBOX
from campaigns.lifecycle import RunState
from scheduler.inbox.files import Listing
from scheduler.inbox.folder import Entries, InboxFolder
from scheduler.inbox.notices import moved_notice, removed_notice, unseen_notice
from scheduler.inbox.sidecars import status_path
from scheduler.inbox.status import StatusBoard
from scheduler.inbox.verdicts import find_run
from scheduler.inbox.watch import GONE_AFTER, QUIET, InboxWatch
from scheduler.intake.repeating import stop
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.servers.conditions import trouble_of
from worker.store import audit
from worker.store.leases import LostLease
from worker.store.runs import inbox_files as store
from worker.store.runs import runs

UNSENT: Final = frozenset({RunState.SCHEDULED, RunState.AWAITING_APPROVAL, RunState.PAUSED, RunState.RUNNING})
"""States of a run from which nothing was sent; `running` if its sending hours have not come."""

RETRY_AFTER: Final = timedelta(seconds=60)
"""When to retry a removal that failed."""

MOST_NAMED: Final = 3

REMOVED: Final = "its file was removed from the inbox"


@dataclass(slots=True)
class Removals:
    """Distinguishes removed files from those that are being saved, or that only this process cannot see."""

    watch: InboxWatch
    board: StatusBoard
    unseen: frozenset[str] = frozenset()
    _again_at: dict[str, datetime] = field(default_factory=dict)

    def cancel(self, runtime: Runtime, inbox: InboxFolder, entries: Entries, listing: Listing, now: datetime) -> int:
        """Cancel the runs of files that are gone; return for how many files anything was done."""
        gone = self._gone(inbox, entries, listing, now)
        return sum(
            self._try_remove(runtime, inbox, key, entries, gone, now) for key in entries if entries[key][0] in gone
        )

    def _gone(self, inbox: InboxFolder, entries: Entries, listing: Listing, now: datetime) -> set[Path]:
        """Return the known files that were removed, and are not just being saved."""
        files = frozenset(listing.files)
        away = {
            key: self.watch.missing_for(path, now)
            for key, (path, _) in entries.items()
            if path not in files and not listing.is_below_unlisted(path)
        }
        if timedelta() in away.values():
            # A file that was refused because a removed one has the same campaign takes the campaign over before it is
            # cancelled.
            for path, entry in entries.values():
                if entry.run_id is None:
                    self.watch.look_again(path, now + QUIET)
        long_away = {key for key, duration in away.items() if duration >= GONE_AFTER}
        unseen = frozenset(key for key in long_away if self._is_unseen(key, entries))
        if unseen - self.unseen:
            names = [inbox.name(entries[key][0]) for key in sorted(unseen)[:MOST_NAMED]]
            get_logger().warning(
                "inbox.files_unseen", folder=str(inbox.folder), problem=unseen_notice(names, len(unseen))
            )
        self.unseen = unseen
        return {entries[key][0] for key in long_away - unseen}

    def _is_unseen(self, key: str, entries: Entries) -> bool:
        """Return whether another process saw the file and its status, but not this one: it may see another folder."""
        path, entry = entries[key]
        was_shown = entry.status_text != "" and not entry.reported
        return was_shown and not self.watch.saw(path) and not status_path(path).exists()

    def _try_remove(
        self, runtime: Runtime, inbox: InboxFolder, key: str, entries: Entries, gone: set[Path], now: datetime
    ) -> int:
        """Like `_remove`; a failure concerns this file only, and is retried."""
        path = entries[key][0]
        if self._again_at.get(key, now) > now:
            return 0
        try:
            return self._remove(runtime, inbox, key, entries, gone, now)
        except Exception as error:
            if isinstance(error, LostLease) or trouble_of(error):
                raise
            get_logger().exception("inbox.file_failed", file=inbox.name(path))
            self._again_at[key] = now + RETRY_AFTER
            return 0

    def _remove(
        self, runtime: Runtime, inbox: InboxFolder, key: str, entries: Entries, gone: set[Path], now: datetime
    ) -> int:
        """Cancel what only the removed file stands for, unless some of it was sent; return 1 if anything was done."""
        path, entry = entries[key]
        run = find_run(runtime, entry.run_id)
        heirs = (
            [] if run is None else [other for other in inbox.files_of(runtime, run.campaign_id) if other not in gone]
        )
        if run is not None and not heirs and stop(runtime, run.id, now):
            self.board.touch(key)
            return 1
        if run is not None and not heirs and run.state is not RunState.FAILED:
            if cancel_unsent(runtime, run.id, REMOVED, now):
                self.board.touch(key)
                return 1
            if not entry.reported and (run.finished_at is None or path.parent.is_dir()):
                return 0  # it is under way: it continues, and its report will still appear
        elif run is not None and heirs:
            self.board.write_last(runtime, path, moved_notice(path.name, inbox.name(heirs[0])), now)
        else:
            self.board.write_last(runtime, path, removed_notice(path.name), now)
        with runtime.store.write("inbox_forget") as session:
            store.forget_file(session, key)
        self.watch.forget(path)
        return 1


def cancel_unsent(runtime: Runtime, run_id: int, reason: str, now: datetime) -> bool:
    """Cancel a run from which nothing was sent; False if something was, or if it has ended."""
    with runtime.store.read() as session:
        if runs.run_view(session, run_id).state not in UNSENT or runs.has_sent(session, run_id):
            return False
    with runtime.store.write("inbox_cancel") as session:
        cancelled = not runs.has_sent(session, run_id) and runs.cancel_run(session, run_id, reason, now) is not None
        if cancelled:
            run = runs.run_view(session, run_id)
            audit.append(
                session, INBOX, "cancel", now=now, campaign=run.campaign, run_id=run_id, plan_hash=run.plan_hash
            )
    if cancelled:
        get_logger().info("run.cancelled", run=run_id, reason=reason)
    return cancelled
