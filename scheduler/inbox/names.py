"""Which names of files and folders may be campaigns, and which ones programs leave behind."""

import re
from pathlib import Path
from typing import Final

from campaigns.definition.reading import DEFAULTS_NAME

ENDINGS: Final = (".yaml", ".yml")

LEFT_BEHIND: Final = (".", "~$")
"""The first characters of files that editors, office and sync programs put beside one that is open or in transfer."""

NOT_FOLDERS: Final = frozenset(
    {
        "#recycle",  # deleted files, on Synology, QNAP and Windows storage: they were not moved there by hand
        "@recycle",
        "$recycle.bin",
        "recycler",
        "#snapshot",  # earlier versions
        "@recently-snapshot",
        "~snapshot",
        "@eadir",  # files of the system
        "__macosx",
        "lost+found",
        "system volume information",
    }
)

_CONFLICT: Final = re.compile(
    r"""\([^()]*(?:conflict|konflikt|conflit|\u7af6\u5408|\u51b2\u7a81|\u885d\u7a81)[^()]*\)  # Dropbox, Nextcloud
    | [._-]sync-conflict-\d{8}-\d{6}  # Syncthing
    | [._-]conflict(?:ed)?(?:-\d[\d-]*)?$  # Resilio, ownCloud""",
    re.IGNORECASE | re.VERBOSE,
)

_COPY: Final = re.compile(
    r"(?P<copy>Copy of )?(?P<name>.+?)"
    r"(?P<mark> ?\(\d+\)| - Copy(?: \(\d+\))?| copy(?: \d+)?| \d+|-[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*)?"
)
"""Browsers, Google Drive; Windows; macOS; iCloud; OneDrive, which appends the name of the computer."""


def is_campaign_name(name: str) -> bool:
    """Return whether a file of this name may be a campaign."""
    return name.lower().endswith(ENDINGS) and name != DEFAULTS_NAME and not name.startswith(LEFT_BEHIND)


def is_folder_name(name: str) -> bool:
    """Return whether a folder of this name may contain campaigns."""
    return not name.startswith(".") and name.lower() not in NOT_FOLDERS


def is_conflict_copy(path: Path) -> bool:
    """Return whether a sync program made this copy of a file that was changed in two places: either one may count."""
    return _CONFLICT.search(path.stem) is not None


def original_of(path: Path) -> Path | None:
    """Return the file that this one is a copy of, by its name; people also use such names themselves."""
    found = _COPY.fullmatch(path.stem)
    if found is None or not (found["copy"] or found["mark"]):
        return None
    return path.with_name(found["name"] + path.suffix)
