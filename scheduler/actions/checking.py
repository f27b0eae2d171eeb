"""Whether a campaign file can be used: asked without a database."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from campaigns.checking import check_file
from campaigns.problems import CampaignFileError, Problem
from worker.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong with a campaign file: its first problems, the number of `more`, and possible mistakes."""

    problems: tuple[Problem, ...]
    more: int
    warnings: tuple[Problem, ...]


def check(path: Path, settings: Settings, *, now: datetime, inbox: Path | None = None) -> Checked:
    """Check a campaign file and the tables that it names, with `inbox` as in `check_file`."""
    warnings: list[Problem] = []
    try:
        check_file(
            path,
            timezone=settings.timezone,
            region=settings.region,
            now=now,
            policy=settings.policy,
            warnings=warnings,
            inbox=inbox,
        )
    except CampaignFileError as error:
        return Checked(error.problems, error.more, tuple(warnings))
    return Checked((), 0, tuple(warnings))
