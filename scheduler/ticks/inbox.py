"""The inbox: campaign files are accepted when complete, accepted again when changed, and cancelled when removed."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from scheduler.inbox.arrivals import Arrivals
from scheduler.inbox.folder import Entries, InboxFolder, Presence, inbox_folder
from scheduler.inbox.removals import Removals
from scheduler.inbox.status import StatusBoard
from scheduler.inbox.uploads import SOURCE, uploads_in
from scheduler.inbox.verdicts import reminds
from scheduler.inbox.watch import QUIET, InboxWatch
from scheduler.intake.repeating import repeat
from scheduler.rush import Rush
from scheduler.ticks.every import Every, Quiet
from worker.runtime import Runtime
from worker.servers.conditions import detail_of, sentence, trouble_of
from worker.store.runs import inbox_files as store
from worker.store.runs.repetitions import all_repeating, campaigns_of, first_unfinished

LOOK_SHARE: Final = 100
"""A look at 100 files takes 10 ms: a pause 100 times as long follows, for one percent of a core."""

LONGEST_PAUSE_SECONDS: Final = 2.0
"""How soon a dropped file is seen after a look that found nothing, with up to some thousand files."""

PAUSE_SHARE: Final = 4
"""A look at 5,000 files takes 0.4 s: from there on, looking takes a fifth of a core and not half of it."""


class InboxTick:
    """Watches the folder of the settings; what it has seen is kept in memory, with one tick per process.

    Once `is_stopping`, no further file is accepted.
    """

    def __init__(self, rush: Rush, is_stopping: Callable[[], bool] = lambda: False) -> None:
        self._every = Every()
        self._folder: Path | None = None
        self._watch = InboxWatch()
        self._board = StatusBoard(rush)
        self._presence = Presence()
        self._arrivals = Arrivals(self._watch, self._board, is_stopping)
        self._removals = Removals(self._watch, self._board)
        self._known: Entries = {}
        self._known_at: tuple[object, str] = (None, "")  # the version of the database, and the folder
        self._nothing_repeats = Quiet()
        self._repeat_after: dict[int, datetime] = {}  # when to look again at a campaign that repeats and failed

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        began = runtime.clock.elapsed_seconds()
        if not self._every.is_due(began):
            return {"taken": 0, "removed": 0, "written": 0}
        try:
            done = self._look(runtime, now, began)
        except Exception as error:
            if trouble := trouble_of(error):
                # The files beside the campaigns are the only place to report this, as the database is away; people look
                # there first.
                self._board.tell_trouble(runtime, sentence(trouble, detail_of(error)), now)
            raise
        if not any(done.values()):  # a look that found work is followed by another at once
            ended = runtime.clock.elapsed_seconds()
            took = ended - began
            pause = max(PAUSE_SHARE * took, min(LONGEST_PAUSE_SECONDS, LOOK_SHARE * took))
            # A file that was just dropped will be complete in a moment: if a look takes seconds, the pause would add
            # ten more.
            self._every.rest(ended, min(pause, max(QUIET.total_seconds(), took)) if self._watch.is_writing else pause)
        return done

    def _look(self, runtime: Runtime, now: datetime, began: float) -> dict[str, int]:
        if self._folder is None:  # once: it cannot be found out any more after the working folder was removed
            self._folder = runtime.settings.inbox.absolute()
        inbox = inbox_folder(runtime, self._folder)
        entries = self._entries(runtime, inbox)
        listing = self._presence.list_files(inbox, entries)
        self._watch.forget_missing(listing if listing and listing.whole else None)
        taken = self._arrivals.take_up(runtime, inbox, entries, listing, now)
        if taken:
            entries = inbox.entries(runtime)
        removed = 0
        if listing is not None and listing.whole:
            removed = self._removals.cancel(runtime, inbox, entries, listing, now)
            if removed:
                entries = inbox.entries(runtime)
            if self._repeat(runtime, entries, uploads_in(inbox.folder), now):
                entries = inbox.entries(runtime)
            shown = {key: known for key, known in entries.items() if key not in self._removals.unseen}
        else:
            # If the folder is not the inbox, the status of missing files must not be written anywhere.
            files = frozenset(listing.files if listing else ())
            shown = {key: known for key, known in entries.items() if known[0] in files}
        written = self._board.refresh(runtime, shown, now, since=began)
        return {"taken": taken, "removed": removed, "written": written}

    def _entries(self, runtime: Runtime, inbox: InboxFolder) -> Entries:
        """Return what is known about the files; read once until something is committed."""
        at = (runtime.store.version(), inbox.prefix)
        if at[0] is None or at != self._known_at:
            self._known, self._known_at = inbox.entries(runtime), at
        return self._known

    def _repeat(self, runtime: Runtime, entries: Entries, uploads: Path, now: datetime) -> bool:
        """Make and plan the runs of campaigns that repeat. A file whose report is written stands for the next run.

        `uploads`: the folder of files that came over HTTP.

        Return whether any does so from now on.
        """
        version = runtime.store.version()
        if self._nothing_repeats.lasts(version, now):
            return False
        pointed = {entry.run_id: path for path, entry in entries.values() if entry.run_id is not None}
        with runtime.store.read() as session:
            repeating = all_repeating(session, rehearsal=runtime.rehearsal)
            if not repeating:
                self._nothing_repeats.found_nothing(version, lambda: None)
            campaigns = campaigns_of(session, pointed) if repeating else {}
        folders = {campaigns[run_id]: path.parent for run_id, path in pointed.items() if run_id in campaigns}
        uploaded = {each.campaign_id: uploads for each in repeating if each.source.startswith(SOURCE)}
        folders = uploaded | folders
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
            # Of the many files of a campaign that reminds, only the last one has news: the others have their report.
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


def _last_of(entries: Entries, campaigns: Mapping[int, int]) -> dict[int, str]:
    """Return campaign -> its last accepted file."""
    in_order = sorted(entries.items(), key=lambda item: (item[1][1].seen_at, item[0]))
    return {
        campaigns[id_]: key for key, (_, entry) in in_order if (id_ := entry.run_id) is not None and id_ in campaigns
    }
