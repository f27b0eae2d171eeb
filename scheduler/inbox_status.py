"""Keeping the files beside the campaign files up to date, without looking more often than it is worth."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from campaigns.lifecycle import RecipientState, RunState
from scheduler.intake import list_of
from scheduler.sidecars import write_report, write_status
from scheduler.status_words import RunStatus, stamped, status_text
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store import accounts, counts, inbox, runs
from worker.store.inbox import InboxEntry
from worker.store.runs import RunView

REFRESH_EVERY: Final = timedelta(seconds=2)
COUNTING_SHARE: Final = 50
"""A status is looked at again after 50 times as long as its counting took: at most 2 % of the time is spent on it."""

WRITE_AGAIN_AFTER: Final = timedelta(seconds=30)
"""When a status or report that could not be written is tried again."""

OVER: Final = frozenset({RunState.COMPLETED, RunState.CANCELLED})
AT_WORK: Final = frozenset(RunState) - OVER - {RunState.FAILED}


class StatusBoard:
    """Writes NAME.status.txt when its words changed, and NAME.report.csv at the end."""

    def __init__(self) -> None:
        self._due_at: dict[str, datetime] = {}
        self._unwritable: set[Path] = set()

    def touch(self, key: str) -> None:
        """Look at this file at the next refresh, however short ago it was looked at."""
        self._due_at.pop(key, None)

    def refresh(
        self,
        runtime: Runtime,
        entries: Mapping[str, tuple[Path, InboxEntry]],
        now: datetime,
        is_gone: Callable[[Path], bool],
    ) -> int:
        """Look at every entry that is due; how many files were written. A gone file whose run is over is forgotten."""
        due = [key for key in entries if self._due_at.get(key, now) <= now]
        if not due:
            return 0
        with runtime.store.read() as session:
            at_work = {run.id: run for run in runs.list_runs(session, AT_WORK)}
        written = 0
        for key in due:
            path, entry = entries[key]
            self._due_at[key] = now + REFRESH_EVERY
            if entry.reported and entry.run_id not in at_work:
                continue
            try:
                written += self._refresh(runtime, path, entry, at_work, now)
            except OSError as error:
                self._due_at[key] = now + WRITE_AGAIN_AFTER
                self._warn(path.parent, error)
            if is_gone(path):
                self._forget_if_over(runtime, key)
        return written

    def write_last(self, runtime: Runtime, path: Path, text: str, now: datetime) -> None:
        """The last words on a file that is forgotten."""
        if not path.parent.is_dir():
            return
        try:
            write_status(path, stamped(text + "\n", runtime.settings.zone, now))
        except OSError as error:
            self._warn(path.parent, error)

    def _refresh(
        self, runtime: Runtime, path: Path, entry: InboxEntry, at_work: Mapping[int, RunView], now: datetime
    ) -> int:
        status = None
        zone = runtime.settings.zone
        if entry.run_id is not None:
            status = self._status(runtime, entry.path, at_work.get(entry.run_id), entry.run_id, now)
            zone = status.schedule.zone
        is_final = status is not None and status.run.state not in AT_WORK and status.run.finished_at is not None
        if status is not None and status.run.state is RunState.FAILED and entry.problem:
            status = None  # the notice has the same problem, with its place
        text = status_text(entry.problem, status, now)
        if text == entry.status_text and is_final == entry.reported:
            return 0
        if is_final and status is not None and status.run.state in OVER:
            write_report(path, runtime.store, status.run.id)
        write_status(path, stamped(text, zone, now))
        with runtime.store.write() as session:
            inbox.note_status(session, entry.path, status_text=text, reported=is_final)
        self._unwritable.discard(path.parent)
        return 1

    def _status(self, runtime: Runtime, key: str, run: RunView | None, run_id: int, now: datetime) -> RunStatus:
        started = runtime.clock.elapsed_seconds()
        with runtime.store.read() as session:
            run = run or runs.run_view(session, run_id)
            if run.planned_at is None:
                by_state = {}
            elif run.state is RunState.SCHEDULED:
                planned = run.plan_summary.get("counts", {})
                by_state = {state: planned[state.value] for state in RecipientState if planned.get(state.value)}
            else:
                by_state = counts.books(session, run_id).by_state
            account_paused = accounts.account_view(session, run.account_id).paused_reason
        took = timedelta(seconds=runtime.clock.elapsed_seconds() - started)
        self._due_at[key] = now + max(REFRESH_EVERY, took * COUNTING_SHARE)
        definition = runtime.definitions.get(run.definition_id)
        return RunStatus(run, by_state, account_paused, definition.schedule, list_of(definition))

    def _forget_if_over(self, runtime: Runtime, key: str) -> None:
        with runtime.store.write() as session:
            entry = inbox.inbox_entries(session, prefix=key).get(key)
            if entry is not None and entry.reported:
                inbox.forget_file(session, key)

    def _warn(self, folder: Path, error: OSError) -> None:
        if folder not in self._unwritable:
            self._unwritable.add(folder)
            get_logger().warning(
                "inbox.status_not_written",
                folder=str(folder),
                problem=f"{error.strerror}; campaigns go on, but show no status there: allow writing to it",
            )
