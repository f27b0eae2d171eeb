"""What the doctor says."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from scheduler.exits import Exit
from worker.servers.conditions import WORDS, detail_of, trouble_of


class Standing(StrEnum):
    """Whether something holds."""

    OK = "ok"
    WARNING = "warning"  # it works, and should be mended all the same
    PROBLEM = "problem"
    UNKNOWN = "unknown"  # it could not be looked at, or nothing is there to look at


class Area(StrEnum):
    """What a finding is about; `exit_code` switches on it."""

    SETTINGS = "settings"
    DATABASE = "database"
    SERVICE = "service"
    REDIS = "redis"
    CLOCK = "clock"
    GATEWAY = "gateway"
    MACHINE = "machine"  # what it runs on
    PROTOCOL = "protocol"  # what the send protocol assumes of the gateway


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: one sentence, and what to do unless it holds. Holds no secret and no number."""

    area: Area
    standing: Standing
    says: str
    advice: str = ""


def ok(area: Area, says: str) -> Finding:
    """It holds."""
    return Finding(area, Standing.OK, says)


def warning(area: Area, says: str, advice: str) -> Finding:
    """It holds today."""
    return Finding(area, Standing.WARNING, says, advice)


def problem(area: Area, says: str, advice: str) -> Finding:
    """It does not hold."""
    return Finding(area, Standing.PROBLEM, says, advice)


def in_trouble(area: Area, error: BaseException) -> Finding | None:
    """A server in trouble, in the words of the log of whoever works with it; None for an error of another kind."""
    trouble = trouble_of(error)
    if trouble is None:
        return None
    words, detail = WORDS[trouble], detail_of(error)
    return problem(area, f"{words.matter}{f' ({detail})' if detail else ''}: {words.waits}", words.advice)


def unknown(area: Area, says: str, advice: str = "") -> Finding:
    """Nobody can tell."""
    return Finding(area, Standing.UNKNOWN, says, advice)


def exit_code(findings: Iterable[Finding]) -> Exit:
    """Done without a problem; bad input for one of the settings, else stopped for one of the gateway, else unhappy."""
    areas = {finding.area for finding in findings if finding.standing is Standing.PROBLEM}
    if Area.SETTINGS in areas:
        return Exit.BAD_INPUT
    if areas & {Area.GATEWAY, Area.PROTOCOL}:
        return Exit.STOPPED
    return Exit.UNHAPPY if areas else Exit.DONE
