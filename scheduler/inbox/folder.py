"""The folder that campaign files are dropped into: its name in the store, and whether it is there at all."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Final, TypeAlias

from scheduler.inbox.files import MAX_DEPTH, Listing, list_campaign_files, path_in
from scheduler.inbox.foreign import Named, named_in
from scheduler.inbox.sidecars import status_path
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.runs.inbox_files import InboxEntry, files_of, inbox_entries, inbox_entry

Entries: TypeAlias = Mapping[str, tuple[Path, InboxEntry]]
"""What is known about the files of one inbox: key in the store -> the file, and how it was accepted."""


@dataclass(frozen=True, slots=True)
class InboxFolder:
    """The folder; `prefix` begins the keys of its files in the store. `named` by its statuses, read once a look."""

    folder: Path
    prefix: str
    named: Callable[[], Named] = field(compare=False)

    def key(self, path: Path) -> str:
        """Return the key of a file in the store."""
        return self.prefix + self.name(path)

    def name(self, path: Path) -> str:
        """Return the name of a file for people: its path below the inbox."""
        return path.relative_to(self.folder).as_posix()

    def entries(self, runtime: Runtime) -> dict[str, tuple[Path, InboxEntry]]:
        """Return everything known about its files."""
        with runtime.store.read() as session:
            known = inbox_entries(session, prefix=self.prefix)
        return {key: (path_in(self.folder, key.removeprefix(self.prefix)), entry) for key, entry in known.items()}

    def entry(self, runtime: Runtime, path: Path) -> InboxEntry | None:
        """Return what is known about one file."""
        with runtime.store.read() as session:
            return inbox_entry(session, self.key(path))

    def files_of(self, runtime: Runtime, campaign_id: int) -> list[Path]:
        """Return its files that stand for runs of this campaign, as far as they are known."""
        with runtime.store.read() as session:
            keys = files_of(session, campaign_id, prefix=self.prefix)
        return [self.folder / key.removeprefix(self.prefix) for key in keys]


def inbox_folder(runtime: Runtime, named: Path) -> InboxFolder:
    """Return the inbox with the absolute path `named`, wherever links lead now.

    Keys contain the whole path, so that two inboxes on one database do not take each other's files for removed. Those
    of a rehearsal are kept apart, so that they do not count as real.
    """
    folder = named.resolve()
    prefix = f"{'rehearsal:' if runtime.rehearsal else ''}{folder.as_posix()}/"
    return InboxFolder(folder, prefix, cache(partial(named_in, folder)))


MOST_TOLD: Final = 20
"""How many names a look writes into the log: there may be a million that cannot be used."""


class Presence:
    """Distinguishes an inbox with removed files from one that is not there, such as a share that is not mounted."""

    def __init__(self) -> None:
        self._witnesses: dict[tuple[int, int], frozenset[Path]] = {}
        self._trusted: set[tuple[int, int]] = set()
        self._away = ""  # why it cannot be used; empty if it can
        self._skipped: frozenset[Path] = frozenset()

    def list_files(self, inbox: InboxFolder, entries: Entries) -> Listing | None:
        """Return the files of the inbox, or None if it cannot be listed. Makes the inbox if nothing is known about it.

        The listing is not `whole` until something shows that this is the folder that the known files were dropped into.
        """
        try:
            if not entries:
                with suppress(FileExistsError):  # it is not a folder, which the listing reports
                    inbox.folder.mkdir(parents=True, exist_ok=True)
            listing = list_campaign_files(inbox.folder)
            stat = inbox.folder.stat()
        except OSError as error:
            is_gone = not os.path.lexists(inbox.folder)
            self._note_away(inbox, "it is gone" if is_gone else f"it cannot be read ({error.strerror or error})")
            return None
        self._note_skipped(listing)
        identity = stat.st_dev, stat.st_ino
        # An unmounted share is an empty folder: at least one of the files known when this very folder was first seen
        # must show up in it.
        witnesses = self._witnesses.setdefault(identity, frozenset(path for path, _ in entries.values()))
        if identity not in self._trusted:
            files = frozenset(listing.files)
            if witnesses and not any(path in files or status_path(path).exists() for path in witnesses):
                self._note_away(inbox, "it has none of the known files")
                return Listing(listing.files, whole=False)
            self._trusted.add(identity)
        if self._away:
            self._away = ""
            get_logger().info("inbox.back", folder=str(inbox.folder))
        return listing

    def _note_skipped(self, listing: Listing) -> None:
        unlisted = f"it cannot be read, or is more than {MAX_DEPTH} folders deep; its files are left as they are"
        problems = dict.fromkeys(listing.unlisted, unlisted)
        problems |= dict.fromkeys(listing.unnameable, "its name is not UTF-8; rename it")
        problems |= dict.fromkeys(
            listing.elsewhere, "it is a link to something that is not a file in the inbox; put the file there"
        )
        for path in sorted(problems.keys() - self._skipped)[:MOST_TOLD]:
            name = str(path).encode(errors="backslashreplace").decode()
            get_logger().warning("inbox.file_skipped", file=name, problem=problems[path])
        self._skipped = frozenset(problems)

    def _note_away(self, inbox: InboxFolder, problem: str) -> None:
        if problem != self._away:
            self._away = problem
            get_logger().warning(
                "inbox.away",
                folder=str(inbox.folder),
                problem=f"{problem}; no file is accepted, nothing that repeats is planned, and nothing is cancelled "
                "for that: mount it, or make it again and put its files back",
            )
