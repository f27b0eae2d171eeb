"""The findings of the doctor."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from scheduler.actions.shapes.seen import ExaminedShape, FindingShape
from scheduler.exits import Exit
from worker.servers.conditions import WORDS, detail_of, trouble_of


class Standing(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"  # it works, but should be fixed
    PROBLEM = "problem"
    UNKNOWN = "unknown"  # it could not be checked, or there is nothing to check


class Area(StrEnum):
    """What a finding is about; `exit_code` depends on it."""

    SETTINGS = "settings"
    DATABASE = "database"
    SERVICE = "service"
    REDIS = "redis"
    CLOCK = "clock"
    GATEWAY = "gateway"
    MACHINE = "machine"  # what it runs on
    PROTOCOL = "protocol"  # what the send protocol assumes about the gateway


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: one sentence, and what to do unless it is in order. Contains no secret and no number."""

    area: Area
    standing: Standing
    says: str
    advice: str = ""

    def as_json(self) -> FindingShape:
        """Return it for programs."""
        return {
            "area": self.area.value,
            "standing": self.standing.value,
            "says": self.says,
            "advice": self.advice or None,
        }


def examined(findings: Sequence[Finding]) -> ExaminedShape:
    """Return all findings for programs."""
    problems = sum(finding.standing is Standing.PROBLEM for finding in findings)
    return {"problems": problems, "findings": [finding.as_json() for finding in findings]}


def ok(area: Area, says: str) -> Finding:
    """It is in order."""
    return Finding(area, Standing.OK, says)


def warning(area: Area, says: str, advice: str) -> Finding:
    """It is in order today."""
    return Finding(area, Standing.WARNING, says, advice)


def problem(area: Area, says: str, advice: str) -> Finding:
    """It is not in order."""
    return Finding(area, Standing.PROBLEM, says, advice)


def in_trouble(area: Area, error: BaseException) -> Finding | None:
    """A server in trouble, in the words of the log of its users; None for another kind of error."""
    trouble = trouble_of(error)
    if trouble is None:
        return None
    words, detail = WORDS[trouble], detail_of(error)
    return problem(area, f"{words.matter}{f' ({detail})' if detail else ''}: {words.waits}", words.advice)


def unknown(area: Area, says: str, advice: str = "") -> Finding:
    """It cannot be known."""
    return Finding(area, Standing.UNKNOWN, says, advice)


def exit_code(findings: Iterable[Finding]) -> Exit:
    """Done without a problem; bad input for one in the settings, else stopped for one at the gateway, else unhappy."""
    areas = {finding.area for finding in findings if finding.standing is Standing.PROBLEM}
    if Area.SETTINGS in areas:
        return Exit.BAD_INPUT
    if areas & {Area.GATEWAY, Area.PROTOCOL}:
        return Exit.STOPPED
    return Exit.UNHAPPY if areas else Exit.DONE
