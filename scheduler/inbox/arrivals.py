"""Files that were dropped or changed: each is accepted once it is complete, and no file holds up another."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from campaigns.lifecycle import RunState
from scheduler.inbox.files import (
    Listing,
    Look,
    campaign_in,
    fingerprint,
    look_at,
    named_files,
    with_files_of,
)
from scheduler.inbox.folder import Entries, InboxFolder
from scheduler.inbox.names import original_of
from scheduler.inbox.notices import internal_error_notice, replaced_notice, waiting_notice
from scheduler.inbox.removals import cancel_unsent
from scheduler.inbox.status import StatusBoard
from scheduler.inbox.verdicts import find_run, judge
from scheduler.inbox.watch import QUIET, InboxWatch
from scheduler.intake.repeating import stop
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.servers.conditions import trouble_of
from worker.store.runs import inbox_files as store
from worker.store.runs import runs
from worker.store.runs.inbox_files import InboxEntry
from worker.store.runs.runs import RunView

UNJUDGED: Final = "?" * 64
"""The fingerprint of a file that was never accepted: it equals no other."""

RETRY_AFTER: Final = timedelta(seconds=60)
"""When to try a file again that failed through no fault of its own, for example because the database was away."""

TAKE_SECONDS: Final = 5.0
"""How long one look accepts files; the rest has to wait for the next look. A thousand dropped files must not stop the
other work of the inbox: repeating, removing, writing status texts."""

UNDER_WAY: Final = frozenset({RunState.RUNNING, RunState.PAUSED, RunState.SETTLING})

REPLACED: Final = "its file was changed into another campaign"


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Accepts the files of the inbox, and remembers what this process has seen of them."""

    watch: InboxWatch
    board: StatusBoard
    is_stopping: Callable[[], bool]

    def take_up(
        self, runtime: Runtime, inbox: InboxFolder, entries: Entries, listing: Listing | None, now: datetime
    ) -> int:
        """Accept what has become complete, for some seconds at most; return how many files were new or changed."""
        files = frozenset(listing.files if listing else ())

        def is_there(path: Path) -> bool:
            # A file that is missing for a moment is being saved; one that is missing for longer was renamed.
            return path in files or self.watch.missing_for(path, now) < QUIET

        completed = self._completed(runtime, inbox, entries, listing, now)
        taken, ends = 0, runtime.clock.elapsed_seconds() + TAKE_SECONDS
        try:
            for path, look in completed:
                if runtime.clock.elapsed_seconds() < ends and not self.is_stopping():
                    taken += self._take(runtime, inbox, path, look, is_there, now)
                else:
                    self.watch.look_again(path, now)
        except Exception:
            for path, _ in completed:
                self.watch.look_again(path, now)
            raise
        return taken

    def _completed(
        self, runtime: Runtime, inbox: InboxFolder, entries: Entries, listing: Listing | None, now: datetime
    ) -> list[tuple[Path, Look]]:
        """Return the files that have just become complete, the newest last, as it wins over others of its campaign.

        Copies that programs made come after their originals.
        """
        files = frozenset(listing.files if listing else ())
        found: list[tuple[bool, int, Path, Look]] = []
        self.watch.begin()
        for path in listing.files if listing else ():
            try:
                look = self.watch.completed(path, now)
                # After a start, thousands of old files are complete: they are not checked here, or new files would have
                # to wait.
                if look and not _is_over(entries.get(inbox.key(path)), path, look):
                    found.append((original_of(path) in files, look.written_at, path, look))
            except Exception:
                self._note_failed(runtime, inbox, path, now)
        return [(path, look) for *_, path, look in sorted(found, key=lambda each: each[:3])]

    def _take(
        self,
        runtime: Runtime,
        inbox: InboxFolder,
        path: Path,
        look: Look,
        is_there: Callable[[Path], bool],
        now: datetime,
    ) -> int:
        """Accept the complete file if it is new or changed; return 1 then. A failure concerns this file only."""
        try:
            return self._judge(runtime, inbox, path, look, is_there, now)
        except Exception as error:
            if trouble_of(error):  # not the file's fault: every other file would fail the same way
                raise
            self._note_failed(runtime, inbox, path, now, waiting_notice(path.name, error))
            return 1

    def _note_failed(self, runtime: Runtime, inbox: InboxFolder, path: Path, now: datetime, notice: str = "") -> None:
        """Call in an `except`: the file is not at fault, and is tried again. `notice`: why, if no bug is at fault."""
        if notice:
            get_logger().warning("inbox.file_waits", file=inbox.name(path), problem=notice)
        else:
            get_logger().exception("inbox.file_failed", file=inbox.name(path))
        self.watch.look_again(path, now + RETRY_AFTER)
        entry = inbox.entry(runtime, path)
        form, run_id = (with_files_of(UNJUDGED, entry.fingerprint), entry.run_id) if entry else (UNJUDGED, None)
        self._remember(runtime, inbox, path, form, run_id, notice or internal_error_notice(path.name), now)

    def _judge(
        self,
        runtime: Runtime,
        inbox: InboxFolder,
        path: Path,
        look: Look,
        is_there: Callable[[Path], bool],
        now: datetime,
    ) -> int:
        entry = inbox.entry(runtime, path)
        form = fingerprint(path, look)
        # The file's own entry comes first: after a start, this check is made for every file that was ever dropped.
        if entry is not None and entry.fingerprint == form and (entry.reported or _is_planned(runtime, entry)):
            return 0
        verdict = judge(runtime, inbox, path, look, entry, form, is_there)
        if entry is not None and not verdict.is_planned:
            form = with_files_of(form, entry.fingerprint)  # compare later with the files that the plan was made from
        if verdict.is_open:
            form = with_files_of(UNJUDGED, form)
            self.watch.look_again(path, now + RETRY_AFTER)
        self._remember(runtime, inbox, path, form, verdict.run_id, verdict.notice, now)
        for copy in verdict.copies:
            self._remember(runtime, inbox, copy, UNJUDGED, None, "", now)
            self.watch.look_again(copy, now)
        if entry is not None and entry.run_id is not None and entry.run_id != verdict.run_id:
            goes_on = self._replace(runtime, inbox, entry.run_id, is_there, now)
            if goes_on is not None:
                notice = "\n\n".join(filter(None, [replaced_notice(path.name, goes_on.campaign), verdict.notice]))
                self._remember(runtime, inbox, path, form, verdict.run_id, notice, now)
        get_logger().info("inbox.file_taken", file=inbox.name(path), run=verdict.run_id, usable=not verdict.notice)
        return 1

    def _replace(
        self,
        runtime: Runtime,
        inbox: InboxFolder,
        run_id: int,
        is_there: Callable[[Path], bool],
        now: datetime,
    ) -> RunView | None:
        """The file has another campaign now: end the previous one unless other files have it, or return it if under
        way.

        The previous campaign's file may have been renamed, and its name given to this one: the renamed file was refused
        while this one still had its campaign.
        """
        with runtime.store.read() as session:
            before = runs.run_views(session, [run_id]).get(run_id)
        if before is None:
            return None
        refused = [path for path, entry in inbox.entries(runtime).values() if entry.run_id is None and is_there(path)]
        for path in refused:
            if campaign_in(path) == before.campaign:
                self._take(runtime, inbox, path, look_at(path, named_files(path)), is_there, now)
        if any(is_there(other) for other in inbox.files_of(runtime, before.campaign_id)):
            return None
        if stop(runtime, run_id, now) or cancel_unsent(runtime, run_id, REPLACED, now):
            return None
        return before if before.state in UNDER_WAY else None

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
        self.board.touch(key)


def _is_over(known: tuple[Path, InboxEntry] | None, path: Path, look: Look) -> bool:
    """Return whether a file has its report and has not changed since."""
    return known is not None and known[1].reported and known[1].fingerprint == fingerprint(path, look)


def _is_planned(runtime: Runtime, entry: InboxEntry) -> bool:
    """Return whether the file has a run with a whole plan: not if the process was killed while planning."""
    run = find_run(runtime, entry.run_id)
    return run is not None and not (run.state is RunState.SCHEDULED and run.planned_at is None)
