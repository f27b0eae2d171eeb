"""Which files and folders may be campaigns by their names, and which are what programs leave behind."""

import re
from pathlib import Path
from typing import Final

from campaigns.definition.reading import DEFAULTS_NAME

ENDINGS: Final = (".yaml", ".yml")

LEFT_BEHIND: Final = (".", "~$")
"""What editors, offices and sync programs put beside a file that is open or on its way begins so: hidden, or a lock."""

NOT_FOLDERS: Final = frozenset(
    {
        "#recycle",  # what was deleted, on storage of Synology and QNAP and on Windows: it was not moved there
        "@recycle",
        "$recycle.bin",
        "recycler",
        "#snapshot",  # what was there before
        "@recently-snapshot",
        "~snapshot",
        "@eadir",  # what a system keeps for itself
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
    """Whether a file of this name may be a campaign."""
    return name.lower().endswith(ENDINGS) and name != DEFAULTS_NAME and not name.startswith(LEFT_BEHIND)


def is_folder_name(name: str) -> bool:
    """Whether campaigns may lie in a folder of this name."""
    return not name.startswith(".") and name.lower() not in NOT_FOLDERS


def is_conflict_copy(path: Path) -> bool:
    """Whether a sync program made this copy, for the file was changed in two places: nobody knows which one counts."""
    return _CONFLICT.search(path.stem) is not None


def original_of(path: Path) -> Path | None:
    """The file that this one is a copy of if its name tells the truth; people use such names, too."""
    found = _COPY.fullmatch(path.stem)
    if found is None or not (found["copy"] or found["mark"]):
        return None
    return path.with_name(found["name"] + path.suffix)
