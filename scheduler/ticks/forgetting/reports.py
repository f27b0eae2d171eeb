"""Reports that lie in the inbox and are old: whom they name is forgotten by age, as in the database.

The service writes a report again once its run is forgotten, but only where the campaign file is still there and is
about that run. The others are known by their age: a report is no older than the end of its run.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from campaigns.phone_numbers.pseudonyms import is_pseudonym, pseudonym
from scheduler.actions.forgetting.reports import NameOf, Rewritten, reports_in, rewrite
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.people import erased

LOOK_SECONDS: Final = 0.5
"""The longest look, but for the report that it ends with: others of this process wait for it."""


@dataclass(slots=True)
class OldReports:
    """Looks once in this process at each report that is old, as it then was."""

    seen: dict[Path, tuple[int, int, bool]] = field(default_factory=dict)

    def forget(self, runtime: Runtime, texts: datetime | None, people: datetime | None, now: datetime) -> bool:
        """Forget the texts of reports from before `texts`, and the people of those from before `people`.

        Return whether every report was looked at.
        """
        began, result, key = runtime.clock.elapsed_seconds(), Rewritten(), b""
        inbox, visited = runtime.settings.inbox, dict(self.seen)
        self.seen = {}
        is_done = True
        for path in reports_in(inbox) if texts or people else ():
            at, mark = _mark(path, people)
            if at is None or not (mark[2] or (texts is not None and at < texts)):
                continue
            if visited.get(path) != mark:
                is_done = runtime.clock.elapsed_seconds() - began < LOOK_SECONDS
                if not is_done:
                    self.seen = visited | self.seen
                    break
                if mark[2] and not key:
                    with runtime.store.write("key_for_erasing") as session:
                        key = erased.key_for_erasing(session, now=now)
                rewrite(path, inbox, _hashed(key) if mark[2] else str, result)
                mark = _mark(path, people)[1]
            self.seen[path] = mark
        if result.done:
            get_logger().info("reports.forgotten", reports=len(result.done))
        warn(result)
        return is_done


def warn(result: Rewritten) -> None:
    """Say which reports may still name people who were erased."""
    for name, why in sorted(result.failed.items()):
        get_logger().warning(
            "report.not_forgotten", file=name, problem=f"{why}; it still names people: allow writing, or delete it"
        )


def _mark(path: Path, people: datetime | None) -> tuple[datetime | None, tuple[int, int, bool]]:
    """Return from when a report is (None: it is gone), and what tells whether it was looked at as it is."""
    try:
        seen = path.lstat()
    except OSError:
        return None, (0, 0, False)
    at = datetime.fromtimestamp(seen.st_mtime, UTC)
    return at, (seen.st_ino, seen.st_mtime_ns, people is not None and at < people)


def _hashed(key: bytes) -> NameOf:
    return lambda number: number if is_pseudonym(number) else pseudonym(key, number)
