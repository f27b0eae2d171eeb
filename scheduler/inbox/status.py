"""Keeps the files beside the campaign files up to date, without looking more often than it is worth."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from campaigns.codes import RunType
from campaigns.lifecycle import RecipientState, RunState
from campaigns.opening import OutsideError, open_inside
from campaigns.sending.backoff import pause_after
from scheduler.inbox.sidecars import kept, status_path, write_report, write_status
from scheduler.inbox.wording import IN_TROUBLE, RunStatus, before, stamped, status_text
from scheduler.intake.approving import awaited
from scheduler.report.devices import stuck_lines
from scheduler.rush import Rush
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.servers.conditions import trouble_of
from worker.store.following.devices import Stuck, stuck_devices, waiting_of_runs
from worker.store.reports import counts
from worker.store.reports.variants import GroupOutcome, group_outcomes
from worker.store.reports.waiting import PutOff, put_off
from worker.store.runs import inbox_files, runs
from worker.store.runs.inbox_files import InboxEntry
from worker.store.runs.resends import resends_of, unfinished_resends
from worker.store.runs.runs import RunView
from worker.store.sending import accounts
from worker.store.steps.planned import steps_of, unfinished_steps

REFRESH_EVERY: Final = timedelta(seconds=2)
COUNTING_SHARE: Final = 50
"""A status is refreshed again after 50 times as long as its counting took: counting takes 2 % of the time."""

LONGEST_PAUSE_SECONDS: Final = 30.0
"""Without it, a count that took 4 s would leave a status and a report for 200 s."""

LOOK_SECONDS: Final = 0.05
"""The longest look when there was little else to do: when 100 campaigns start at once, their texts are more urgent than
their status. When 2,000 files are accepted, half of each look goes into writing their status."""

NEVER: Final = datetime.min.replace(tzinfo=UTC)

WRITE_AGAIN_AFTER: Final = timedelta(seconds=30)
"""When to retry a status or report that could not be written."""

OTHER_RUNS: Final = 5
"""How many of the other runs of a campaign that repeats its status lists."""

OVER: Final = frozenset({RunState.COMPLETED, RunState.CANCELLED})
AT_WORK: Final = frozenset(RunState) - OVER - {RunState.FAILED}


@dataclass(frozen=True, slots=True)
class _Account:
    """What concerns every campaign: why nothing is sent (empty if sending works), and which phones are stuck."""

    paused: str
    stuck: tuple[Stuck, ...]


class StatusBoard:
    """Writes NAME.status.txt when its words have changed, and NAME.report.csv at the end."""

    def __init__(self, rush: Rush) -> None:
        self._rush = rush
        self._due_at: dict[str, datetime] = {}
        self._unwritable: set[Path] = set()
        self._open: dict[Path, str] = {}  # unfinished campaigns, and what their status said at what time
        self._troubled: dict[Path, str] = {}  # files whose status names a trouble instead

    def touch(self, key: str) -> None:
        """Refresh this file the next time, however recently it was refreshed."""
        self._due_at.pop(key, None)

    def refresh(
        self,
        runtime: Runtime,
        entries: Mapping[str, tuple[Path, InboxEntry]],
        now: datetime,
        *,
        since: float = math.inf,
    ) -> int:
        """Refresh every entry that is due; return how many statuses were written.

        `since`: when the look at the inbox began, by `elapsed_seconds`. Writing statuses may take as long again.
        """
        due = [key for key in entries if self._due_at.get(key, now) <= now]
        if not due or self._rush.is_on(runtime.clock.elapsed_seconds()):
            return 0
        with runtime.store.read() as session:
            at_work = {run.id: run for run in runs.list_runs(session, AT_WORK)}
            account = _Account(
                accounts.account_view(session, runtime.account_id).paused_reason,
                tuple(stuck_devices(session, runtime.account_id)),
            )
        written, began = 0, runtime.clock.elapsed_seconds()
        for key in sorted(due, key=lambda key: self._due_at.get(key, NEVER)):
            if written and runtime.clock.elapsed_seconds() - began > max(LOOK_SECONDS, began - since):
                break  # the others come first in the next look
            path, entry = entries[key]
            self._due_at[key] = now + REFRESH_EVERY
            if entry.reported and entry.run_id not in at_work:
                continue  # nothing changes any more
            try:
                run = _run(runtime, entry.run_id, at_work)
                written += self._refresh(runtime, path, entry, run, account, now)
            except OSError as error:
                self._due_at[key] = now + WRITE_AGAIN_AFTER
                self._warn(path.parent, error)
            except Exception as error:  # whatever is wrong with one campaign, the others keep their status
                if trouble_of(error):
                    raise
                self._due_at[key] = now + WRITE_AGAIN_AFTER
                get_logger().exception("inbox.status_failed", file=path.name)
        return written

    def tell_trouble(self, runtime: Runtime, trouble: str, now: datetime) -> None:
        """Say once beside every unfinished campaign why it does not progress."""
        for path, text in self._open.items():
            if self._troubled.get(path) == trouble or not path.parent.is_dir():
                continue
            self._troubled[path] = trouble
            self._write_alone(path, f"{IN_TROUBLE} {trouble}\n\n{text}", runtime, now)

    def _write_alone(self, path: Path, text: str, runtime: Runtime, now: datetime) -> None:
        try:
            whole = kept(path, text, runtime.installation)
            write_status(path, stamped(whole, runtime.settings.zone, now, runtime.installation))
        except OSError as error:
            self._warn(path.parent, error)

    def write_last(self, runtime: Runtime, path: Path, text: str, now: datetime) -> None:
        """Write the last status of a file that is forgotten."""
        self._open.pop(path, None)
        if path.parent.is_dir():
            self._write_alone(path, text + "\n", runtime, now)

    def _refresh(
        self, runtime: Runtime, path: Path, entry: InboxEntry, run: RunView | None, account: _Account, now: datetime
    ) -> int:
        is_final = run is not None and run.state not in AT_WORK and run.finished_at is not None
        if is_final and run is not None:
            with runtime.store.read() as session:
                is_final = not unfinished_resends(session, run.id) and not unfinished_steps(session, run.id)
        status = None
        zone = runtime.settings.zone
        if run is not None:
            zone = runtime.definitions.get(run.definition_id).schedule.zone
            # For a run that could not be planned, the notice has the same problem, with its place.
            if run.state is not RunState.FAILED or not entry.problem:
                status = self._status(runtime, entry.path, run, account, now)
        text = status_text(entry.problem, status, now)
        if path not in self._open and _is_in_trouble(path):
            self._troubled[path] = ""  # another process left it so
        if is_final:
            self._open.pop(path, None)
        else:
            self._open[path] = before(text, zone, now)
        if text == entry.status_text and is_final == entry.reported and path not in self._troubled:
            return 0
        if is_final and run is not None and run.state in OVER:
            write_report(path, runtime.store, run.id)
        # What another installation left counts until this one has the campaign itself; a rehearsal never has.
        whole = text if run is not None and not runtime.rehearsal else kept(path, text, runtime.installation)
        write_status(path, stamped(whole, zone, now, runtime.installation))
        with runtime.store.write("inbox_status") as session:
            inbox_files.note_status(session, entry.path, status_text=text, reported=is_final)
        self._unwritable.discard(path.parent)
        self._troubled.pop(path, None)
        return 1

    def _status(self, runtime: Runtime, key: str, run: RunView, account: _Account, now: datetime) -> RunStatus:
        definition = runtime.definitions.get(run.definition_id)
        phones: tuple[str, ...] = ()
        by_state: Mapping[RecipientState, int] = {}
        happened = None
        groups: tuple[GroupOutcome, ...] = ()
        waiting: tuple[PutOff, ...] = ()
        again: tuple[tuple[RunView, Mapping[RecipientState, int]], ...] = ()
        steps: tuple[tuple[RunView, Mapping[RecipientState, int]], ...] = ()
        waits = run.state in {RunState.SCHEDULED, RunState.AWAITING_APPROVAL}
        if run.planned_at is not None and waits and run.day is None:
            planned = run.plan_summary.get("counts", {})
            by_state = {state: planned[state.value] for state in RecipientState if planned.get(state.value)}
        elif run.planned_at is not None:
            started = runtime.clock.elapsed_seconds()
            with runtime.store.read() as session:
                books = counts.books(session, run.id)
                resent = resends_of(session, run.id)
                again = tuple((runs.run_view(session, id_), counts.books(session, id_).by_state) for id_ in resent)
                later = steps_of(session, run.id)
                steps = tuple((runs.run_view(session, id_), counts.books(session, id_).by_state) for id_ in later)
                groups = group_outcomes(session, run, resent)
                if run.state is RunState.RUNNING:
                    waiting = tuple(put_off(session, run.id, now=now))
                if account.stuck and run.account_id == runtime.account_id and run.finished_at is None:
                    holds = waiting_of_runs(session, [run.id, *resent], [device.device for device in account.stuck])
                    unsent = books.by_state.get(RecipientState.PENDING, 0)
                    phones = tuple(stuck_lines(definition, account.stuck, holds, unsent))
            by_state = books.by_state
            if run.sent_at is not None and books.first_send_at is not None and books.last_send_at is not None:
                happened = books.first_send_at, books.last_send_at
            took = runtime.clock.elapsed_seconds() - started
            pause = pause_after(
                took,
                share=COUNTING_SHARE,
                longest=LONGEST_PAUSE_SECONDS,
                shortest=REFRESH_EVERY.total_seconds(),
            )
            self._due_at[key] = now + timedelta(seconds=pause)
        account_paused = account.paused if run.account_id == runtime.account_id else ""
        others: tuple[RunView, ...] = ()
        if run.type is not RunType.ONCE:
            with runtime.store.read() as session:
                others = tuple(runs.latest_runs(session, run.campaign_id, but=run.id, most=OTHER_RUNS))
        return RunStatus(
            run,
            by_state,
            account_paused,
            definition.schedule,
            definition.contact_list,
            happened,
            others,
            groups,
            awaited(run, definition),
            again,
            phones,
            runtime.troubles.current(),
            runtime.settings.policy.hours_in_force(definition),
            waiting,
            steps,
        )

    def _warn(self, folder: Path, error: OSError) -> None:
        if folder not in self._unwritable:
            self._unwritable.add(folder)
            is_link = isinstance(error, OutsideError)
            mend = "remove the link and put the folder back" if is_link else "allow writing to it"
            get_logger().warning(
                "inbox.status_not_written",
                folder=str(folder),
                problem=f"{error.strerror}; campaigns continue, but their status and report cannot be written there: "
                f"{mend}. Meanwhile: campaigns status, campaigns export NAME, and, for a file that is not "
                "used, campaigns check FILE",
            )


def _is_in_trouble(path: Path) -> bool:
    status = status_path(path)
    try:
        with open_inside(status, status.parent.resolve()) as stream:  # a pipe in its place would block
            return stream.read(len(IN_TROUBLE)) == IN_TROUBLE.encode()
    except OSError:
        return False


def _run(runtime: Runtime, run_id: int | None, at_work: Mapping[int, RunView]) -> RunView | None:
    if run_id is None:
        return None
    if run_id in at_work:
        return at_work[run_id]
    with runtime.store.read() as session:
        return runs.run_view(session, run_id)
