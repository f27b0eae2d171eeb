"""What one process sees of the inbox over time: whether each file is complete, and which one is gone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from campaigns.definition.reading import DEFAULTS_NAME
from campaigns.opening import named_in
from scheduler.inbox.files import Listing, Look, Stat, named_files, stat_of

QUIET: Final = timedelta(seconds=0.7)
"""How long nothing may have been written. With a look every 0.5 s a file is accepted 1.5 s after its last byte."""

LONGEST_QUIET: Final = timedelta(seconds=10)
WRITING_SHARE: Final = 5
"""An upload that grew for 50 s may pause for 10 s before it counts as complete: its last row may be cut."""

GONE_AFTER: Final = timedelta(seconds=2)
"""How long a file must be missing: some editors delete the old version just before they save the new one."""


@dataclass(slots=True)
class _Seen:
    look: Look
    since: datetime
    began: datetime  # when the current writing was first seen
    is_judged: bool = False

    @property
    def quiet(self) -> timedelta:
        """How long it must not change: after a minute of writing, longer than after a quick save."""
        return max(QUIET, min((self.since - self.began) / WRITING_SHARE, LONGEST_QUIET))


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read of a file in this form, and where its dependencies are."""

    own: Stat | None
    defaults: Stat | None
    defaults_at: Path
    named: tuple[tuple[str, Path], ...]


class InboxWatch:
    """What this process has seen in the inbox: none of it has to outlive the process."""

    def __init__(self) -> None:
        self._seen: dict[Path, _Seen] = {}
        self._known: dict[Path, _Known] = {}
        self._stats: dict[Path, Stat | None] = {}
        self._missing_since: dict[Path, datetime] = {}
        self._ever: set[Path] = set()
        self.is_writing = False  # whether this look found a file being written, so that the next look should come soon

    def begin(self) -> None:
        """Begin a look at all files: a table or defaults that many of them name are looked at once in it."""
        self._stats.clear()
        self.is_writing = False

    def completed(self, path: Path, now: datetime) -> Look | None:
        """Return the look at a file that has just become complete; None while it is written, and later on."""
        look = self._look_at(path)
        self._ever.add(path)
        self._missing_since.pop(path, None)
        seen = self._seen.get(path)
        if seen is None or seen.look != look:
            # Saved again after it was complete: that is a new upload, however soon it comes.
            goes_on = seen is not None and not seen.is_judged and now - seen.since < LONGEST_QUIET
            began = seen.began if seen is not None and goes_on else now
            self._seen[path] = _Seen(look, now, began)
            self.is_writing = True
            return None
        if seen.is_judged or now - seen.since < seen.quiet:
            self.is_writing |= not seen.is_judged and seen.since <= now
            return None
        seen.is_judged = True
        return look

    def look_again(self, path: Path, at: datetime) -> None:
        """Return the file again at this time, even if it does not change."""
        if path in self._seen:
            self._seen[path] = _Seen(self._seen[path].look, at - QUIET, at - QUIET)

    def saw(self, path: Path) -> bool:
        """Return whether this process ever saw the file."""
        return path in self._ever

    def forget(self, path: Path) -> None:
        """Forget a file that is gone for good."""
        self._ever.discard(path)
        self._missing_since.pop(path, None)

    def missing_for(self, path: Path, now: datetime) -> timedelta:
        """Return how long a file that is not in the listing has been missing in every look."""
        self._seen.pop(path, None)
        self._known.pop(path, None)
        return now - self._missing_since.setdefault(path, now)

    def forget_missing(self, listing: Listing | None = None) -> None:
        """Forget what is missing because the inbox, or folders of this listing, are away: the files may still exist."""
        for path in list(self._missing_since):
            if listing is None or listing.is_below_unlisted(path):
                del self._missing_since[path]

    def _look_at(self, path: Path) -> Look:
        """Like `look_at`, with the files it names. Parses only if it or its defaults changed: this is called often."""
        known = self._known.get(path)
        own, defaults_at = stat_of(path), known.defaults_at if known else path.with_name(DEFAULTS_NAME)
        defaults = self._stat_of(defaults_at)
        if known is None or (known.own, known.defaults) != (own, defaults):
            named = tuple((name, path.parent / name) for name in named_files(path))
            known = self._known[path] = _Known(own, defaults, defaults_at, named)
        return Look(
            own,
            defaults,
            tuple(
                (name, self._stat_of(at if name.isascii() else named_in(path.parent, name))) for name, at in known.named
            ),
        )

    def _stat_of(self, path: Path) -> Stat | None:
        if path not in self._stats:
            self._stats[path] = stat_of(path)
        return self._stats[path]
