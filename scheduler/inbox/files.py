"""The campaign files of the inbox: which exist, what each depends on, and in which form it is."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from campaigns.definition.loader import MAX_BYTES, load_document
from campaigns.definition.reading import DEFAULTS_NAME
from campaigns.definition.sources import MAX_SOURCES, as_list
from campaigns.opening import ANYWHERE, named_in, open_inside
from campaigns.problems import CampaignFileError
from scheduler.inbox.names import is_campaign_name, is_folder_name

MAX_DEPTH: Final = 16
"""Folders below the inbox. Nobody nests campaigns deeper, and a path may have 4,096 bytes."""

Stat = tuple[int, int, int]  # size in bytes; times of the last write and of the last change of owner or mode, in ns
UNREADABLE: Final[Stat] = (-1, -1, -1)


@dataclass(frozen=True, slots=True)
class Listing:
    """Campaign files by path. If it is not `whole`, this may not be the inbox, so no file may count as removed.

    It includes pipes, sockets, devices and links that cannot be followed: people cannot see that these are not ordinary
    files, and their status says so. `elsewhere` are links that lead out of the inbox, to nothing or to a folder: their
    target may have been removed, so they count as gone. `unnameable` are files whose names are not UTF-8, which neither
    a database nor a status text can hold. `unlisted` are folders that cannot be read: the files in them may still be
    there.
    """

    files: tuple[Path, ...]
    whole: bool = True
    unnameable: tuple[Path, ...] = ()
    unlisted: tuple[Path, ...] = ()
    elsewhere: tuple[Path, ...] = ()

    def is_below_unlisted(self, path: Path) -> bool:
        """Return whether it is unknown if the file is there."""
        return bool(self.unlisted) and not set(self.unlisted).isdisjoint(path.parents)


@dataclass(frozen=True, slots=True)
class Look:
    """Size and times of a campaign file and of every file that it depends on (None: not there)."""

    own: Stat | None
    defaults: Stat | None
    named: tuple[tuple[str, Stat | None], ...]

    @property
    def written_at(self) -> int:
        """When any of them was last written, in ns."""
        stats = (self.own, self.defaults, *(stat for _, stat in self.named))
        return max((each[1] for each in stats if each), default=0)

    @property
    def missing(self) -> tuple[str, ...]:
        """The files that it names but that are not there."""
        return tuple(name for name, seen in self.named if seen is None)


@lru_cache(maxsize=32_768)
def path_in(folder: Path, name: str) -> Path:
    """Return the same object each time: of thousands of files, making, hashing and comparing paths took half a look."""
    return folder / name


def list_campaign_files(inbox: Path) -> Listing:
    """List every campaign file in and below the inbox, but no hidden file or link that leads out. Raises `OSError`."""
    if not inbox.is_dir():
        raise NotADirectoryError(f"{inbox} is not a folder")
    found: list[Path] = []
    elsewhere: list[Path] = []
    unlisted: list[Path] = []
    folders = [(inbox, 0)]
    while folders:  # not `os.walk`, which recurses for each level: 1,000 levels end in RecursionError
        folder, depth = folders.pop()
        if depth > MAX_DEPTH:
            unlisted.append(folder)
            continue
        try:
            below, names = _entries(folder)
        except OSError:
            if folder == inbox:
                raise
            unlisted.append(folder)
            continue
        folders += [(folder / name, depth + 1) for name in below]
        below_it = ((path_in(folder, name), is_plain) for name, is_plain in names)
        for path, is_plain in below_it:
            (found if is_plain or _is_here(inbox, path) else elsewhere).append(path)
    found.sort(key=attrgetter("parts"))
    named = [path for path in found if _is_nameable(path)]
    known = frozenset(named)
    unnameable = tuple(path for path in found if path not in known)
    return Listing(tuple(named), unnameable=unnameable, unlisted=tuple(unlisted), elsewhere=tuple(elsewhere))


def named_below(inbox: Path, ending: str) -> Iterator[Path]:
    """What is called so in the folders where campaigns may lie, as far as they can be looked into."""
    folders = [(inbox, 0)]
    while folders:
        folder, depth = folders.pop()
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    if entry.name.endswith(ending):
                        yield path_in(folder, entry.name)
                elif depth < MAX_DEPTH and is_folder_name(entry.name):
                    folders.append((folder / entry.name, depth + 1))


def _entries(folder: Path) -> tuple[list[str], list[tuple[str, bool]]]:
    """Return the folders in a folder, without links, and the possible campaign files by name. Raises `OSError`.

    Each of these comes with whether it is an ordinary file, which the folder says without a look at the file.
    """
    below: list[str] = []
    names: list[tuple[str, bool]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                below += [entry.name] if is_folder_name(entry.name) else []
            elif is_campaign_name(entry.name):
                names.append((entry.name, entry.is_file(follow_symlinks=False)))
    return below, names


def look_at(path: Path, names: tuple[str, ...]) -> Look:
    """Look at the file, its defaults and the files called `names`."""
    return Look(
        stat_of(path),
        stat_of(path.with_name(DEFAULTS_NAME)),
        tuple((name, stat_of(named_in(path.parent, name))) for name in names),
    )


def fingerprint(path: Path, look: Look) -> str:
    """Return a fingerprint of 64 digits: half for what the file and its defaults say, half for the files it names.

    The named files may be large, so their names, sizes and times of writing stand for them.
    """
    said = sha256(_head(path) + b"\0" + _head(path.with_name(DEFAULTS_NAME)))
    named = [(name, seen[:2] if seen else None) for name, seen in look.named]
    return said.hexdigest()[:32] + sha256(repr(named).encode()).hexdigest()[:32]


def has_other_files(fingerprint: str, before: str) -> bool:
    """Return whether a file that the campaign names was written, added or removed between the two fingerprints."""
    return fingerprint[32:] != before[32:]


def with_files_of(fingerprint: str, before: str) -> str:
    """Return the first fingerprint for the campaign file itself, with the named files of the other."""
    return fingerprint[:32] + before[32:]


def named_files(path: Path) -> tuple[str, ...]:
    """Return the names of the tables that a campaign file asks for, if readable; none outside its folder."""
    said, by_default = _data(path), _data(path.with_name(DEFAULTS_NAME))
    entries = [said.get("audience"), said["exclude"] if "exclude" in said else by_default.get("exclude")]
    names = dict.fromkeys(name for entry in entries for name in _names_in(entry))
    return tuple(name for name in names if _is_inside(path.parent, path.parent / name))


def campaign_in(path: Path) -> str:
    """Return what a file says after `campaign:`, if readable."""
    return str(_data(path).get("campaign") or "")


def stat_of(path: Path) -> Stat | None:
    """Return size and times of a file; None if it is not there."""
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return UNREADABLE
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def _head(path: Path) -> bytes:
    """Return as much of a file as is ever read of it; nothing if it cannot be read."""
    try:
        with open_inside(path, ANYWHERE) as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError:
        return b""


def _data(path: Path) -> dict[str, Any]:
    try:
        return load_document(path, ANYWHERE).data
    except CampaignFileError:
        return {}


def _names_in(entry: Any) -> Iterator[str]:
    for source in (as_list(entry) or ())[:MAX_SOURCES]:
        if isinstance(source, dict) and isinstance(source.get("file"), str):
            yield source["file"]


def _is_here(inbox: Path, path: Path) -> bool:
    """Return whether to judge what is not an ordinary file: anything but a link that leads out. Opens nothing."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return error.errno not in {errno.ENOENT, errno.ENOTDIR}  # such as a loop, or a name that is too long
    if stat.S_ISREG(mode):
        return not path.is_symlink() or _is_inside(inbox, path)
    return not stat.S_ISDIR(mode)


def _is_nameable(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_inside(folder: Path, path: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a name that is too long, or a loop of links
        return False
