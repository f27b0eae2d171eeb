"""Which version of the product is proved: its last commit, and what was changed since."""

import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]

PRODUCT: Final = ("campaigns", "worker", "scheduler", "requirements.lock", ":(exclude)*.md")
"""What is sold. A commit that changes only documents or tests, like the page of results, is the same version."""

UNKNOWN: Final = "no-git"


def version(root: Path = ROOT) -> tuple[str, bool]:
    """Return the version of the product in this checkout, and whether it has changes that are not committed.

    The version is the last commit that touched the product; with changes, their digest follows, so that what was proved
    of one state counts for no other. Without Git it is `no-git`.
    """
    try:
        commit = _git(root, "log", "-1", "--format=%h", "--abbrev=10", "--", *PRODUCT).decode().strip()
        changes = _git(root, "diff", "HEAD", "--", *PRODUCT)
        new = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *PRODUCT)
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN, False
    added = [name.decode() for name in new.split(b"\0") if name]
    if not changes and not added:
        return commit or UNKNOWN, False
    digest = sha256(changes)
    for name in added:
        digest.update(name.encode() + b"\0" + (root / name).read_bytes())
    return f"{commit}-changed-{digest.hexdigest()[:8]}", True


def _git(root: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=True).stdout
